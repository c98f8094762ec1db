//! How a call of the Web API can fail, told apart by what its caller does next.

use crate::clock::Instant;

/// A call that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SlackError {
    /// Nothing was done: a limit would be broken, or Slack said `ratelimited`. Ask again at `until`.
    #[error("must wait for a rate limit")]
    MustWait {
        /// When to ask again.
        until: Instant,
        /// Whether Slack itself said so (else our own budget did, ahead of time).
        slack_said: bool,
    },
    /// The bot token is dead: nothing is called until it works again.
    #[error("the bot token is dead; nothing is called until it works again")]
    Suspended,
    /// The token of this call is dead (`invalid_auth`, `token_revoked`, `account_inactive`, `token_expired`).
    #[error("the token is dead: {0}")]
    DeadToken(String),
    /// Slack says no for good.
    #[error("slack refuses: {0}")]
    Refused(String),
    /// 5xx, no answer, or an error to retry later. Whether it was done is unknown.
    #[error("slack is unavailable: {0}")]
    Unavailable(String),
}
