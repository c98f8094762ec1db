//! The whole application over HTTP, against a simulated Slack that is as strict as the real one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod api;
mod browser;
mod bulk;
mod consent;
mod demo_page;
mod exports;
mod forget;
mod harness;
mod life;
mod looks;
mod metrics;
mod on_paused_time;
mod onboard;
mod operator;
mod operator_page;
mod panics;
mod processes;
#[allow(dead_code)]
#[path = "../support/s3_server.rs"]
mod s3_server;
mod signin;
mod stop;
mod throttling;
mod webhook;
