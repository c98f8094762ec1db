//! How long the idle service takes from an event's delivery to the arrival of the first call at Slack.
//!
//! `cargo bench --bench first_call` prints the median and the 99th percentile over 1,000 events. The time begins before
//! the event is sent and ends when the simulated Slack has the call: both ways over loopback are in it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, dead_code)]

#[path = "../tests/it/harness.rs"]
mod harness;

use std::time::Duration;

use harness::{Setup, user};
use serde_json::json;
use statusinator::clock::Instant;

const EVENTS: usize = 1_000;
const APART: Duration = Duration::from_millis(20);

fn main() {
    actix::System::new().block_on(async {
        let app = Setup::new().member("U1", json!({ ":other:": { "name": "unused" } })).start().await;
        app.slack.lock().windows.are_off = true;
        let mut took = Vec::with_capacity(EVENTS);
        let mut limited = 0;
        while took.len() < EVENTS {
            let before = app.slack.count("users.profile.get");
            app.slack.set_status(&user("U1"), &format!(":e{}:", took.len() + limited), "", 0);
            let event = app.slack.take_events().remove(0);
            let sent = Instant::now();
            assert_eq!(app.event(&event).await.status, 200);
            app.until("the status is read", async || app.slack.count("users.profile.get") > before).await;
            let call =
                app.slack.calls().into_iter().rev().find(|call| call.method == "users.profile.get").unwrap();
            let waited = call.at.saturating_duration_since(sent);
            // The service keeps to Slack's hundred calls a minute: an event that met that wall says nothing of it.
            if waited < Duration::from_millis(500) {
                took.push(waited)
            } else {
                limited += 1
            }
            tokio::time::sleep(APART).await;
        }
        took.sort();
        let at = |share: usize| took[(EVENTS * share / 100).min(EVENTS - 1)].as_secs_f64() * 1_000.0;
        println!(
            "event to first call, {EVENTS} events: median {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            at(50),
            at(99),
            at(100)
        );
        app.finish().await;
    });
}
