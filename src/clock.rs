//! One clock for durations and for the calendar, so that a simulation can move both at once.
//!
//! Durations are always tokio's [`Instant`] (which tests pause and advance). The calendar follows the
//! operating system in production, and tokio's instant in a simulation.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use tokio::time::Instant;

/// Tells the time of day.
#[derive(Debug, Clone, Copy)]
pub enum Clock {
    /// The operating system's calendar.
    System,
    /// A calendar that stood at `wall` when tokio's clock stood at `at`, and moves with it.
    Simulated {
        /// The calendar's reading at the start.
        wall: SystemTime,
        /// Tokio's reading at the start.
        at: Instant,
    },
}

impl Clock {
    /// A calendar that starts at a fixed day and follows tokio's clock.
    pub fn simulated() -> Self {
        Self::Simulated { wall: UNIX_EPOCH + Duration::from_secs(1_700_000_000), at: Instant::now() }
    }

    /// The time of day.
    pub fn wall(&self) -> SystemTime {
        match self {
            Self::System => SystemTime::now(),
            Self::Simulated { wall, at } => *wall + at.elapsed(),
        }
    }

    /// Does work that takes the processor for a while: on another thread, or, in a simulation, here and now, where only
    /// one clock may move. `None` if it broke off.
    pub async fn offload<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        match self {
            Self::System => tokio::task::spawn_blocking(work).await.ok(),
            Self::Simulated { .. } => Some(work()),
        }
    }

    /// Whole seconds since 1970.
    pub fn unix(&self) -> u64 {
        unix(self.wall())
    }
}

/// Whole seconds since 1970; 0 for anything earlier.
pub fn unix(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
