//! What an event costs before anything is decided: its signature, its reading, the first filter.
//!
//! `cargo bench --bench hot_path`. The body is Slack's own example of a `user_change`, about 2 KB.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use divan::Bencher;
use statusinator::{
    directory::Directory,
    http::{callback, signature},
};

const EVENT: &str = include_str!("../tests/fixtures/events-docs/user_change.docs.json");
const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const NOW: u64 = 1_700_000_000;

fn body() -> Vec<u8> {
    format!(r#"{{"type":"event_callback","team_id":"T1","event_id":"Ev1","event":{EVENT}}}"#).into_bytes()
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
    let (timestamp, directory) = (NOW.to_string(), Directory::default());

    bencher.bench(|| {
        signature::verify(SECRET, Some(&timestamp), Some(&signature), black_box(&body), NOW).unwrap();
        let callback = callback::parse(&body).unwrap();
        let user = callback.event.0.as_ref().and_then(|event| event.user.0.as_ref());
        directory.has(user.and_then(|user| user.id.text()).unwrap())
    });
}
