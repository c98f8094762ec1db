//! How an actor tells what it is about, for `/readyz` and the tests.

use actix::{Message, MessageResponse};

/// Asks an actor for a snapshot of itself.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Report")]
pub struct Observe;

/// An actor's snapshot. No member's id is in it.
#[derive(Debug, Clone, MessageResponse)]
pub struct Report {
    /// What it holds, in figures.
    pub snapshot: serde_json::Value,
    /// What is wrong, in plain words, with what to do about it.
    pub problems: Vec<String>,
}

impl Report {
    /// A report of this.
    pub fn of(snapshot: serde_json::Value, problems: Vec<String>) -> Self {
        Self { snapshot, problems }
    }
}
