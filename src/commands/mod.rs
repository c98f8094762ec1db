//! What the command line does beside serving: small commands that need no actors.

pub mod check;
pub mod health;
pub mod manifest;
pub mod onboard;
pub mod report;
