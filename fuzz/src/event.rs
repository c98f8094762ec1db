//! Any body at `/slack/events`: it is refused, or read as a reader that borrows nothing reads it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use statusinator::http::callback;

fuzz_target!(|body: &[u8]| {
    let Ok(callback) = callback::parse(body) else { return };
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return };
    assert!(value.is_object());
    let event = &value["event"];
    let user = callback.event.0.as_ref().and_then(|event| event.user.0.as_ref());
    assert_eq!(callback.kind.text(), value["type"].as_str());
    assert_eq!(callback.event_id.text(), value["event_id"].as_str());
    // Some events have the member's id in place of the member.
    if event["user"].is_object() {
        assert_eq!(user.and_then(|user| user.id.text()), event["user"]["id"].as_str());
    }
    // A profile that has a field twice tells nothing.
    if let Some(emoji) = user.and_then(|user| user.profile().status_emoji.0) {
        assert_eq!(Some(&*emoji.0), event["user"]["profile"]["status_emoji"].as_str());
    }
});
