//! Which tokens may set a member's name and picture.

use crate::{
    actors::{
        slack_client::AskStanding,
        storage_helper::{GetToken, VaultError},
    },
    applied::{Record, Tokens},
    domain::Part,
    slack::Token,
    storage::StorageError,
};

use super::Life;

/// The tokens that may act for one member.
pub(super) struct Keyring {
    /// His own.
    own: Option<Token>,
    /// An administrator's, for the name only.
    admin: Option<Token>,
}

impl Keyring {
    /// The token for a part: his own goes before the administrator's.
    pub(super) fn token(&self, part: Part) -> Option<&Token> {
        match part {
            Part::Name => self.own.as_ref().or(self.admin.as_ref()),
            Part::Picture => self.own.as_ref(),
        }
    }

    /// Whether it is the administrator's token, used for another's name.
    pub(super) fn is_admins(&self, token: &Token) -> bool {
        self.admin.as_ref() == Some(token)
    }

    /// All that may do a part.
    pub(super) fn all(&self, part: Part) -> Tokens {
        let admin = self.admin.as_ref().filter(|_| part == Part::Name);
        self.own.iter().chain(admin).map(Token::fingerprint).collect()
    }
}

impl Life {
    /// Gathers the tokens that may act for the member. Who withdrew his consent is not acted for.
    pub(super) async fn keyring(&self, record: &Record) -> Result<Keyring, StorageError> {
        let get = GetToken { user: self.request.user.clone() };
        let vaulted = match self.world.storage.send(get).await {
            Ok(Ok(token)) => token,
            // The token stays where it is, and `StorageHelper` says so among its problems.
            Ok(Err(VaultError::NoKeyOpens | VaultError::NoKey)) => None,
            Ok(Err(VaultError::Store(error))) => return Err(error),
            Err(_) => return Err(StorageError::Unavailable("the read was interrupted by a restart".into())),
        };
        let standing = self.world.slack.send(AskStanding).await.ok();
        let admin = standing.and_then(|standing| standing.admin).filter(|_| !record.withdrew);
        let (own, admin) = match admin {
            Some(admin) if admin.owner == self.request.user => (vaulted.or(Some(admin.token)), None),
            admin => (vaulted, admin.map(|admin| admin.token)),
        };
        Ok(Keyring { own, admin })
    }
}
