//! What an event costs before anything is decided: its signature, its reading, the first filter.
//!
//! `cargo bench --bench hot_path`. The body is a recorded change of a status, about 2 KB.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{hint::black_box, sync::Arc};

use divan::Bencher;
use statusinator::{
    directory::{Directory, Snapshot},
    domain::{Presets, TeamId, UserId},
    http::{callback, signature},
};

const EVENT: &str = include_str!("../tests/fixtures/events-recorded/user_status_changed.inner.java-sdk.json");
const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const NOW: u64 = 1_700_000_000;

fn body() -> Vec<u8> {
    format!(r#"{{"type":"event_callback","team_id":"T1","event_id":"Ev1","event":{EVENT}}}"#).into_bytes()
}

fn of_a_thousand() -> Directory {
    let directory = Directory::default();
    let user = |n: usize| -> UserId { format!("U{n}").parse().unwrap() };
    let users = (0..1_000).map(|n| (user(n), Presets::default())).collect();
    directory.publish(Snapshot { team: Some(TeamId("T1".into())), users: Some(Arc::new(users)) });
    directory
}

fn main() {
    divan::main();
}

#[divan::bench]
fn signature_alone(bencher: Bencher<'_, '_>) {
    let body = body();
    let signature = signature::sign(SECRET, NOW, &body);
    let timestamp = NOW.to_string();

    bencher.bench(|| signature::verify(SECRET, Some(&timestamp), Some(&signature), black_box(&body), NOW));
}

#[divan::bench]
fn reading_alone(bencher: Bencher<'_, '_>) {
    let body = body();

    bencher.bench(|| callback::parse(black_box(&body)).unwrap().event.0.is_some());
}

#[divan::bench]
fn signature_reading_and_filter(bencher: Bencher<'_, '_>) {
    let body = body();
    let signature = signature::sign(SECRET, NOW, &body);
    let (timestamp, directory) = (NOW.to_string(), of_a_thousand());

    bencher.bench(|| {
        signature::verify(SECRET, Some(&timestamp), Some(&signature), black_box(&body), NOW).unwrap();
        let callback = callback::parse(&body).unwrap();
        let user = callback.event.0.as_ref().and_then(|event| event.user.0.as_ref());
        directory.has(user.and_then(|user| user.id.text()).unwrap())
    });
}
