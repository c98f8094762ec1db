//! Slack's limits over an ordered stop: what counts is kept in the state folder, and the next start goes on from it.

use std::time::{Duration, UNIX_EPOCH};

use actix::{Context, Handler, Message, MessageResult};
use serde::{Deserialize, Serialize};

use crate::{
    clock::{Clock, Instant},
    slack::limits::{Limits, kept::Kept},
    storage::{Key, Storage, StorageError},
};

use super::SlackClient;

/// How long the object may be, in bytes.
const AT_MOST: u64 = 1024 * 1024;

/// Asks what counts towards the limits; sent when nothing is worked on any more.
#[derive(Debug, Message)]
#[rtype(result = "Kept")]
pub struct KeepLimits;

#[derive(Serialize, Deserialize)]
struct Handover {
    unix_ms: u64,
    limits: Kept,
}

impl Handler<KeepLimits> for SlackClient {
    type Result = MessageResult<KeepLimits>;

    fn handle(&mut self, _: KeepLimits, _ctx: &mut Context<Self>) -> Self::Result {
        MessageResult(self.limits.keep(Instant::now()))
    }
}

fn unix_ms(clock: Clock) -> u64 {
    let since = clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Writes down what counts.
///
/// # Errors
/// As the store fails.
pub async fn write(state: &dyn Storage, limits: Kept, clock: Clock) -> Result<(), StorageError> {
    let handover = Handover { unix_ms: unix_ms(clock), limits };
    let bytes = serde_json::to_vec(&handover).unwrap_or_default();
    state.put(&Key::limits(), bytes.into(), None).await.map(drop)
}

/// The limits as an ordered stop left them; fresh ones after a crash, or if that is damaged.
pub async fn read(state: &dyn Storage, clock: Clock) -> Limits {
    let Ok(Some(object)) = state.get(&Key::limits(), AT_MOST).await else { return Limits::default() };
    let Ok(handover) = serde_json::from_slice::<Handover>(&object.bytes) else { return Limits::default() };
    let ago = Duration::from_millis(unix_ms(clock).saturating_sub(handover.unix_ms));
    Limits::resumed(handover.limits, ago, Instant::now())
}
