//! The actors: each owns its state and talks with the others in typed messages.

pub mod agenda;
pub mod backlog;
pub mod chronicler;
pub mod dead_letter;
#[cfg(test)]
pub mod deaf;
pub mod event_listener;
pub mod exporter;
pub mod gatekeeper;
pub mod metrics_recorder;
mod observe;
pub mod overseer;
pub mod pass;
pub mod recent_events;
pub mod reconciler;
pub mod registrar;
pub mod request_queue;
pub mod revoked;
pub mod slack_client;
pub mod storage_helper;
pub mod supervision;

pub use observe::{Observe, Report};
