//! Decides what becomes of an event, and keeps the cache of who is onboarded.
//!
//! Receives [`Receive`], [`Missed`], [`Revoke`], [`AppRateLimited`].

use std::time::SystemTime;

use actix::Message;
use serde::Serialize;

use crate::{
    clock::Instant,
    domain::{Emoji, RequestId, UserId},
};

/// A change of an onboarded member's user object.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Answer")]
pub struct Receive {
    /// The event's own UUID, made when it arrived.
    pub request: RequestId,
    /// Slack's `event_id`.
    pub event_id: Option<String>,
    /// Whose.
    pub user: UserId,
    /// The status emoji in the event; `None` when it does not tell.
    pub emoji: Option<Emoji>,
    /// When the status ends (unix seconds); 0 for never, `None` when it does not tell.
    pub expiration: Option<u64>,
    /// Whether Slack delivers it again (`X-Slack-Retry-Num`).
    pub is_retry: bool,
    /// When it arrived.
    pub received: Instant,
}

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// 200: it waits in the request queue, or in place of an older one.
    Queued,
    /// 200: it waits in the dead letter queue.
    Diverted,
    /// 200: there is nothing to do.
    Ignored(Ignored),
    /// 503: the request queue is full, Slack shall deliver it again.
    Busy,
    /// 503 with `X-Slack-No-Retry: 1`: both queues are full.
    Overloaded,
}

/// Why there is nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ignored {
    /// The emoji is the newest known, or the event does not tell one.
    Unchanged,
    /// The same event was accepted before.
    Duplicate,
    /// The member is not onboarded.
    NotOnboarded,
    /// The workspace or `users.json` is not known yet: the first pass looks at everybody.
    Starting,
}

/// Announces an event of a member who is not in the cache: `users.json` may have changed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Missed;

/// Slack revoked tokens: those leave the vault.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Revoke {
    /// The event's UUID.
    pub request: RequestId,
    /// Whose tokens.
    pub whose: Revoked,
    /// The envelope's `event_time`: tokens stored over a second later stay.
    pub event_time: SystemTime,
}

/// Whose tokens were revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoked {
    /// These members'.
    Members(Vec<UserId>),
    /// Everybody's: the app was uninstalled.
    Everybody,
}

/// Slack left out events because there were too many.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct AppRateLimited {
    /// The event's UUID.
    pub request: RequestId,
    /// The minute in which events were left out, unix seconds.
    pub minute: u64,
}
