//! Seals tokens anew with the first vault key, so that an older key can be left out.

use slog::{Logger, info, warn};

use crate::{
    domain::UserId,
    logging::escape,
    storage::{Key, Precondition},
    vault::SEALED_AT_MOST,
};

use super::{
    VaultError,
    shelf::{DEADLINE, Shelf},
};

/// Seals every token anew that an older key sealed. What no key opens stays where it is.
pub(super) async fn reseal(shelf: Shelf, log: Logger) {
    let users = match shelf.token_owners().await {
        Ok(users) => users,
        Err(error) => return could_not(&log, &error, 1),
    };
    let (mut sealed, mut failed) = (0_u64, None);
    for user in &users {
        match shelf.reseal(user).await {
            Ok(was_older) => sealed += u64::from(was_older),
            Err(error) => failed = Some((error, failed.map_or(1, |(_, times)| times + 1))),
        }
    }
    match failed {
        Some((error, times)) => could_not(&log, &error, times),
        None => info!(log, "every token is sealed with the first vault key"; "sealed_anew" => sealed,
            "todo" => "the older keys in STATUSINATOR_VAULT_KEY can be left out"),
    }
}

fn could_not(log: &Logger, error: &VaultError, times: u64) {
    warn!(log, "tokens could not be sealed anew; the older vault keys are still needed"; "tokens" => times,
        "error" => escape(&error.to_string()), "todo" => "keep them in STATUSINATOR_VAULT_KEY; the next start tries again");
}

impl Shelf {
    /// Seals a token anew unless the first key sealed it. Whether it did.
    async fn reseal(&self, user: &UserId) -> Result<bool, VaultError> {
        let vault = self.vault.as_ref().ok_or(VaultError::NoKey)?;
        let key = Key::token(user);
        let _turn = self.replacing.lock().await;
        let object = self.read(DEADLINE, self.stores.read.get(&key, SEALED_AT_MOST)).await?;
        let Some(object) = object.filter(|object| !vault.is_current(user, &object.bytes)) else {
            return Ok(false);
        };
        let stored = vault.open(user, &object.bytes).map_err(|_| VaultError::NoKeyOpens)?;
        let sealed = vault.seal(user, &stored).map_err(|_| VaultError::NoKey)?;
        let only_if = Some(Precondition::Matches(object.version));
        Self::within(DEADLINE, self.stores.write.put(&key, sealed, only_if)).await?;
        Ok(true)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{collections::BTreeSet, rc::Rc, time::SystemTime};

    use actix::Actor as _;

    use super::*;
    use crate::{
        actors::deaf::Deaf,
        clock::Clock,
        config::VaultKey,
        logging::captured,
        metrics::Recorder,
        slack::Token,
        storage::{MemoryStorage, Storage, Stores},
        vault::{Stored, Vault},
    };

    fn shelf(store: &Rc<dyn Storage>, keys: &[u8]) -> Shelf {
        let keys = keys.iter().map(|key| VaultKey([*key; 32])).collect();
        Shelf {
            stores: Stores::one(store.clone()),
            state: store.clone(),
            vault: Some(Rc::new(Vault::new(keys))),
            recorder: Recorder::new(BTreeSet::new(), Clock::System),
            clock: Clock::System,
            album: Rc::default(),
            on_damage: Deaf.start().recipient(),
            replacing: Rc::default(),
        }
    }

    async fn keep(shelf: &Shelf, user: &UserId, token: &str) {
        let stored = Stored { token: Token::new(token), at: SystemTime::now() };
        shelf.put_token(user, &stored, crate::domain::RequestId::random()).await.unwrap();
    }

    #[actix::test]
    async fn after_sealing_anew_the_older_key_is_not_needed() {
        let store: Rc<dyn Storage> = Rc::new(MemoryStorage::default());
        let (ann, ben): (UserId, UserId) = ("U1".parse().unwrap(), "U2".parse().unwrap());
        keep(&shelf(&store, &[1]), &ann, "xoxp-ann").await;
        keep(&shelf(&store, &[2]), &ben, "xoxp-ben").await;
        let (log, lines) = captured();

        reseal(shelf(&store, &[2, 1]), log).await;

        let of_ann = shelf(&store, &[2]).token(&ann).await.unwrap().unwrap();
        assert_eq!(of_ann.token.expose(), "xoxp-ann");
        assert_eq!(lines.all()[0]["sealed_anew"], 1);
    }

    #[actix::test]
    async fn a_token_that_no_key_opens_stays_and_is_told() {
        let store: Rc<dyn Storage> = Rc::new(MemoryStorage::default());
        let ann: UserId = "U1".parse().unwrap();
        keep(&shelf(&store, &[9]), &ann, "xoxp-ann").await;
        let (log, lines) = captured();

        reseal(shelf(&store, &[2, 1]), log).await;

        assert!(shelf(&store, &[9]).token(&ann).await.unwrap().is_some());
        assert_eq!(lines.all()[0]["level"], "warn");
    }
}
