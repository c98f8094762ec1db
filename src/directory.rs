//! Who is onboarded, as an immutable snapshot that every thread reads without a lock.
//!
//! Only `EventListener` publishes; HTTP workers use it for their first filter, requests for the presets.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwap;

use crate::domain::{Presets, TeamId, UserId, Users};

/// What was known when the snapshot was published.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The workspace served; `None` until `auth.test` told it.
    pub team: Option<TeamId>,
    /// Who is onboarded; `None` until `users.json` was first read.
    pub users: Option<Arc<Users>>,
}

/// The shared place of the newest [`Snapshot`].
#[derive(Debug, Clone, Default)]
pub struct Directory {
    snapshot: Arc<ArcSwap<Snapshot>>,
    is_missing_somebody: Arc<AtomicBool>,
}

impl Directory {
    /// Replaces the snapshot.
    pub fn publish(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
    }

    /// The newest snapshot, for a short use on the spot.
    pub fn load(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// A member's presets; `None` when he is not onboarded.
    pub fn presets(&self, user: &UserId) -> Option<Presets> {
        self.snapshot.load().users.as_ref()?.get(user).cloned()
    }

    /// Notes an event of a member who is not in the snapshot. True if the listener has to be told: once until it
    /// asks the store, since such events come by the thousand.
    pub fn note_miss(&self) -> bool {
        !self.is_missing_somebody.swap(true, Ordering::Relaxed)
    }

    /// The listener asks the store now: what is missed from here on is to be told again.
    pub fn asks_the_store(&self) {
        self.is_missing_somebody.store(false, Ordering::Relaxed);
    }

    /// Whether a member is onboarded.
    pub fn has(&self, user: &str) -> bool {
        self.snapshot.load().users.as_ref().is_some_and(|users| users.contains_key(user))
    }
}
