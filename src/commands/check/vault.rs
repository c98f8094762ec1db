//! Tries whether the vault's keys open the tokens that are there.

use crate::{
    config::{Config, StoreConfig},
    domain::UserId,
    storage::{Key, Storage},
    vault::{self, SEALED_AT_MOST, Vault},
};

use super::{Finding, store::Failed};

const KEY: &str = "STATUSINATOR_VAULT_KEY";
/// So many tokens are tried; they were all sealed with a few keys.
const TRIED: usize = 100;

/// What was found of the keys; nothing where no token needs them, or the store, of which more is said, does not list them.
pub async fn check(store: &dyn Storage, config: &Config) -> Option<Finding> {
    let keys = store.list("tokens/").await.ok()?;
    let owners = keys.iter().filter_map(|key| key.as_str().strip_prefix("tokens/")?.parse().ok());
    let owners: Vec<UserId> = owners.take(TRIED).collect();
    if owners.is_empty() {
        return None;
    }
    let found = opens(store, config, &owners).await;
    Some(Finding::new(KEY, found.map_err(|failed| failed.told(&config.store))))
}

async fn opens(store: &dyn Storage, config: &Config, owners: &[UserId]) -> Result<String, Failed> {
    let vault = vault_of(config)?;
    let (mut opened, all) = (0, owners.len());
    for user in owners {
        let object = store.get(&Key::token(user), SEALED_AT_MOST).await?;
        // Who was forgotten since the list was made needs no key.
        opened += usize::from(object.is_none_or(|object| vault.open(user, &object.bytes).is_ok()));
    }
    if opened < all {
        return Err(Failed::Else(format!(
            "opens {opened} of {all} tokens: add the key that sealed the others; if it is lost, their owners authorise again"
        )));
    }
    Ok(format!("opens the tokens, of which {all} were tried"))
}

/// The vault as the service would open it, without making a key.
fn vault_of(config: &Config) -> Result<Vault, Failed> {
    if !config.vault_keys.is_empty() {
        return Ok(Vault::new(config.vault_keys.clone()));
    }
    let path = match &config.store {
        StoreConfig::Folder(_) => config.data_dir.join("vault.key"),
        StoreConfig::Bucket(_) => {
            return Err(Failed::Else("not set, but there are tokens: set the key that sealed them".into()));
        }
    };
    match vault::read_key(&path) {
        Ok(Some(key)) => Ok(Vault::new(vec![key])),
        Ok(None) => Err(Failed::Else(format!(
            "not set, and {} is not there: restore the file or set the key that sealed the tokens",
            path.display()
        ))),
        Err(error) => Err(Failed::Else(format!("{}: {error}", path.display()))),
    }
}
