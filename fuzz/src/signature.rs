//! Any headers: only the signature that belongs to the body, the timestamp and the secret is taken.
#![no_main]

use libfuzzer_sys::fuzz_target;
use statusinator::http::signature::{sign, verify};

const SECRET: &str = "secret";
const NOW: u64 = 1_700_000_000;

fuzz_target!(|input: (&str, &str, &[u8])| {
    let (timestamp, signature, body) = input;
    if verify(SECRET, Some(timestamp), Some(signature), body, NOW).is_ok() {
        let at: u64 = timestamp.parse().unwrap();
        assert!(at.abs_diff(NOW) <= 300);
    }
    assert!(verify(SECRET, None, Some(signature), body, NOW).is_err());
    assert!(verify(SECRET, Some(timestamp), None, body, NOW).is_err());
    let ours = sign(SECRET, NOW, body);
    assert!(verify(SECRET, Some(&NOW.to_string()), Some(&ours), body, NOW).is_ok());
    assert!(verify("another", Some(&NOW.to_string()), Some(&ours), body, NOW).is_err());
});
