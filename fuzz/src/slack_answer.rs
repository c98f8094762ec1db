//! Any answer of Slack, `Retry-After` included, and any picture's link.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use statusinator::{
    domain::UserId,
    pictures::key_of,
    slack::{
        Reply,
        answer::{classify, parse_retry_after},
        parse,
    },
};

fuzz_target!(|input: (u16, &str, &[u8])| {
    let (status, header, body) = input;
    if let Some(wait) = parse_retry_after(header) {
        assert!(wait <= Duration::from_secs(3_600), "{wait:?}");
    }
    let reply = Reply {
        status,
        retry_after: Some(header.to_owned()),
        scopes: Some(header.to_owned()),
        date: Some(header.to_owned()),
        body: body.to_vec().into(),
    };
    classify(&reply);
    let _ =
        (parse::profile(&reply), parse::member(&reply), parse::member_page(&reply), parse::identity(&reply));
    let _ = (parse::consent(&reply), parse::id_token(&reply));
    let user: UserId = "U1".parse().unwrap();
    if let Ok(key) = key_of(&user, header) {
        assert!(key.as_str().starts_with("U1/") && key.as_str().ends_with(".png"));
    }
});
