//! Tries whether the vault's keys open the tokens that are there.

use crate::{
    config::Config,
    domain::UserId,
    storage::{Key, Storage, StorageError},
    vault::{self, SEALED_AT_MOST, Vault},
};

use super::{
    Finding,
    store::{Failed, Tried},
};

const KEY: &str = "STATUSINATOR_VAULT_KEY";
/// So many tokens are tried; they were all sealed with a few keys.
const TRIED: usize = 100;

/// What was found of the keys; nothing where there is nothing to say, or the store, of which more is said, does not list
/// tokens.
pub async fn check(store: &dyn Storage, config: &Config) -> Option<Finding> {
    let keys = store.list("tokens/").await.ok()?;
    let owners: Vec<UserId> = keys.iter().filter_map(|key| key.user_below("tokens/")).take(TRIED).collect();
    let found = match owners.is_empty() {
        false => opens(store, config, &owners).await,
        // The key is made with the first start; one that is there must be whole.
        true => Err(vault_of(config)
            .err()
            .filter(|_| config.vault_key_file().is_some_and(|path| path.exists()))?),
    };
    Some(Finding::new(KEY, found.map_err(|failed| failed.told(&config.store))))
}

async fn opens(store: &dyn Storage, config: &Config, owners: &[UserId]) -> Tried {
    let vault = vault_of(config)?;
    let (mut opened, all) = (0, owners.len());
    for user in owners {
        opened += usize::from(match store.get(&Key::token(user), SEALED_AT_MOST).await {
            Ok(Some(object)) => vault.open(user, &object.bytes).is_ok(),
            // Who was forgotten since the list was made needs no key.
            Ok(None) => true,
            Err(StorageError::TooLarge { .. }) => false,
            Err(error) => return Err(error.into()),
        });
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
    let Some(path) = config.vault_key_file() else {
        return Err(Failed::Else("not set, but there are tokens: set the key that sealed them".into()));
    };
    match vault::read_key(&path) {
        Ok(Some(key)) => Ok(Vault::new(vec![key])),
        Ok(None) => Err(Failed::Else(format!(
            "not set, and {} is not there: restore the file or set the key that sealed the tokens",
            path.display()
        ))),
        Err(error) => Err(Failed::Else(format!(
            "{}: {error}; put the file back as it was, or remove it if no token was sealed with it",
            path.display()
        ))),
    }
}
