//! Statusinator sets a Slack member's display name and profile picture to the pair that he keeps for
//! his status emoji.
//!
//! A map for newcomers, in the order in which an event passes through:
//!
//! - [`http`]: verifies what Slack sends and answers it; consent, health.
//! - [`actors`]: decide and remember. One actor a file, with its messages; `actors.md` has a card of each.
//! - [`request`]: a request's life, from the newest status to the changed profile.
//! - [`applied`]: what was seen of a member and applied to him, part by part.
//! - [`slack`], [`storage`], [`metrics`]: plain async libraries that know nothing of actors.
//! - [`vault`], [`pictures`], [`presets`]: sealed tokens; pictures checked before they are sent; rules that presets must keep.
//! - [`service`]: the actors, wired. [`config`], [`logging`], [`app`]: settings, logs, start and ordered stop.
//! - [`spool`]: files of logs and metrics until their export.
//! - [`plot`]: the axis that the page's plots and a report's have in common.
//! - [`clock`], [`chance`]: time and randomness, which a simulation holds in its hand.
//! - [`commands`]: small commands that ask or print something and end.
//! - [`demo`]: a simulated Slack workspace; the tests use the same.

// Unit tests share stand-ins with the integration tests, which know this crate by its name.
#[cfg(test)]
extern crate self as statusinator;

pub mod actors;
pub mod app;
pub mod applied;
pub mod chance;
pub mod clock;
pub mod commands;
pub mod config;
pub mod demo;
pub mod directory;
pub mod domain;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod pictures;
pub mod plot;
pub mod presets;
pub mod request;
pub mod service;
pub mod slack;
pub mod spool;
pub mod storage;
pub mod vault;
