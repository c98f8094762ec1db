//! Remembers what was seen of each member and applied to him, and sees to it that everybody is looked at.

use actix::Message;

use crate::domain::{RequestId, UserId};

/// A member has authorised the app: his token is in the vault, he is looked at.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Authorised {
    /// Who.
    pub user: UserId,
    /// Names the call in the log.
    pub request: RequestId,
}
