//! Who is onboarded, as an immutable snapshot that every thread reads without a lock.
//!
//! Only `EventListener` publishes; HTTP workers use it for their first filter, requests for the presets.

use std::sync::Arc;

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
pub struct Directory(Arc<ArcSwap<Snapshot>>);

impl Directory {
    /// Replaces the snapshot.
    pub fn publish(&self, snapshot: Snapshot) {
        self.0.store(Arc::new(snapshot));
    }

    /// The newest snapshot, for a short use on the spot.
    pub fn load(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.0.load()
    }

    /// A member's presets; `None` when he is not onboarded.
    pub fn presets(&self, user: &UserId) -> Option<Presets> {
        self.0.load().users.as_ref()?.get(user).cloned()
    }

    /// Whether a member is onboarded.
    pub fn has(&self, user: &str) -> bool {
        self.0.load().users.as_ref().is_some_and(|users| users.contains_key(user))
    }
}
