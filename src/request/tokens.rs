//! Which tokens may set a member's name and picture.

use actix::Addr;

use crate::{
    actors::{
        slack_client::{AskStanding, SlackClient},
        storage_helper::{GetToken, StorageHelper, VaultError},
    },
    applied::Tokens,
    domain::{Part, UserId},
    slack::Token,
    storage::StorageError,
};

/// The tokens that may act for one member.
#[derive(Debug)]
pub struct Keyring {
    /// His own.
    own: Option<Token>,
    /// An administrator's, for the name only.
    admin: Option<Token>,
}

impl Keyring {
    /// Gathers the tokens that may act for a member. Who withdrew his consent is not acted for by an administrator.
    ///
    /// # Errors
    /// [`StorageError`] when the vault cannot be read.
    pub async fn gather(
        user: &UserId,
        withdrew: bool,
        storage: &Addr<StorageHelper>,
        slack: &Addr<SlackClient>,
    ) -> Result<Self, StorageError> {
        let vaulted = match storage.send(GetToken { user: user.clone() }).await {
            Ok(Ok(token)) => token,
            // The token stays where it is, and `StorageHelper` says so among its problems.
            Ok(Err(VaultError::NoKeyOpens | VaultError::NoKey)) => None,
            Ok(Err(VaultError::Store(error))) => return Err(error),
            Err(_) => return Err(StorageError::Unavailable("the read was interrupted by a restart".into())),
        };
        let standing = slack.send(AskStanding).await.ok();
        let admin = standing.and_then(|standing| standing.admin).filter(|_| !withdrew);
        Ok(match admin {
            Some(admin) if admin.owner == *user => Self { own: vaulted.or(Some(admin.token)), admin: None },
            admin => Self { own: vaulted, admin: admin.map(|admin| admin.token) },
        })
    }

    /// The token for a part: his own goes before the administrator's.
    pub fn token(&self, part: Part) -> Option<&Token> {
        match part {
            Part::Name => self.own.as_ref().or(self.admin.as_ref()),
            Part::Picture => self.own.as_ref(),
        }
    }

    /// Whether it is the administrator's token, used for another's name.
    pub fn is_admins(&self, token: &Token) -> bool {
        self.admin.as_ref() == Some(token)
    }

    /// All that may do a part.
    pub fn all(&self, part: Part) -> Tokens {
        let admin = self.admin.as_ref().filter(|_| part == Part::Name);
        self.own.iter().chain(admin).map(Token::fingerprint).collect()
    }
}
