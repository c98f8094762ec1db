//! What every store does, as one suite that each backend passes.
//!
//! It panics where a store does not conform: it is for tests only.
#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;

use crate::chance;

use super::{Fetched, Key, Precondition, Storage, StorageError};

const LIMIT: u64 = 1024;

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

/// Runs the whole suite over two handles of one empty store.
pub async fn behaves(one: &dyn Storage, another: &dyn Storage) {
    what_was_put_is_read_until_it_is_deleted(one, another).await;
    a_conditional_read_tells_whether_it_changed(one).await;
    a_conditional_write_happens_only_if_the_condition_holds(one, another).await;
    of_many_writers_with_the_same_version_one_wins(one, another).await;
    writers_that_read_again_lose_nothing(one, another).await;
    too_large_an_object_is_not_read(one).await;
    a_prefix_lists_its_objects_in_order(one).await;
}

async fn what_was_put_is_read_until_it_is_deleted(one: &dyn Storage, another: &dyn Storage) {
    let object = key("U1/8c6976e5-b541-5d3c-9e3c-0d1b2f3a4b5c.png");
    assert!(one.get(&object, LIMIT).await.unwrap().is_none());
    assert!(!one.has(&object).await.unwrap());

    let version = one.put(&object, Bytes::from_static(b"\x00\xffbytes"), None).await.unwrap();

    assert!(another.has(&object).await.unwrap());
    let read = another.get(&object, LIMIT).await.unwrap().unwrap();
    assert_eq!((&read.bytes[..], &read.version), (&b"\x00\xffbytes"[..], &version));
    assert!(one.link(&object).ends_with("/U1/8c6976e5-b541-5d3c-9e3c-0d1b2f3a4b5c.png"));
    another.delete(&object).await.unwrap();
    another.delete(&object).await.unwrap();
    assert!(one.get(&object, LIMIT).await.unwrap().is_none());
}

async fn a_conditional_read_tells_whether_it_changed(one: &dyn Storage) {
    let object = key("changing");
    let first = one.put(&object, Bytes::from_static(b"aaa"), None).await.unwrap();
    assert!(matches!(one.get_if_changed(&object, &first, LIMIT).await.unwrap(), Fetched::Unchanged));

    one.put(&object, Bytes::from_static(b"bbb"), None).await.unwrap();

    assert!(matches!(one.get_if_changed(&object, &first, LIMIT).await.unwrap(), Fetched::Changed(_)));
    one.delete(&object).await.unwrap();
    assert!(matches!(one.get_if_changed(&object, &first, LIMIT).await.unwrap(), Fetched::Missing));
}

async fn a_conditional_write_happens_only_if_the_condition_holds(one: &dyn Storage, another: &dyn Storage) {
    let object = key("conditional");
    let put =
        |text: &'static str, only_if| one.put(&object, Bytes::from_static(text.as_bytes()), Some(only_if));
    let first = put("1", Precondition::Absent).await.unwrap();
    assert_eq!(put("2", Precondition::Absent).await, Err(StorageError::PreconditionFailed));

    let second = put("2", Precondition::Matches(first.clone())).await.unwrap();

    assert_eq!(put("3", Precondition::Matches(first)).await, Err(StorageError::PreconditionFailed));
    assert_eq!(another.get(&object, LIMIT).await.unwrap().unwrap().bytes, "2");
    one.delete(&object).await.unwrap();
    assert!(put("4", Precondition::Matches(second)).await.is_err());
    assert!(one.get(&object, LIMIT).await.unwrap().is_none());
}

async fn of_many_writers_with_the_same_version_one_wins(one: &dyn Storage, another: &dyn Storage) {
    let object = key("contended");
    let mut version = one.put(&object, Bytes::from_static(b"start"), None).await.unwrap();
    for round in 0..10 {
        let writers = (0..24).map(|n| {
            let store = if n % 2 == 0 { one } else { another };
            store.put(
                &object,
                Bytes::from(format!("{round}-{n}")),
                Some(Precondition::Matches(version.clone())),
            )
        });
        let won: Vec<_> = join_all(writers).await.into_iter().filter_map(Result::ok).collect();
        assert_eq!(won.len(), 1, "round {round}");
        version = won[0].clone();
    }
    one.delete(&object).await.unwrap();
}

/// Two hundred writers of either handle, all at once, each add a line to what they read.
async fn writers_that_read_again_lose_nothing(one: &dyn Storage, another: &dyn Storage) {
    let object = key("shared");
    one.put(&object, Bytes::new(), None).await.unwrap();
    let add = async |store: &dyn Storage, line: String| {
        let mut pause = Duration::from_millis(4);
        loop {
            let read = store.get(&object, 64 * LIMIT).await.unwrap().unwrap();
            let more = Bytes::from([&read.bytes[..], line.as_bytes()].concat());
            match store.put(&object, more, Some(Precondition::Matches(read.version))).await {
                Ok(_) => return,
                Err(StorageError::PreconditionFailed) => {}
                Err(error) => panic!("{line}: {error}"),
            }
            // Who loses makes way, the longer the more often he lost.
            tokio::time::sleep(pause.mul_f64(2.0 * chance::jitter() - 1.0)).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    };
    let writers = (0..400).map(|n| add(if n % 2 == 0 { one } else { another }, format!("{n}\n")));

    join_all(writers).await;

    let read = another.get(&object, 64 * LIMIT).await.unwrap().unwrap();
    let mut lines: Vec<u32> =
        std::str::from_utf8(&read.bytes).unwrap().lines().map(|line| line.parse().unwrap()).collect();
    lines.sort();
    assert_eq!(lines, (0..400).collect::<Vec<_>>());
    one.delete(&object).await.unwrap();
}

async fn too_large_an_object_is_not_read(one: &dyn Storage) {
    let object = key("large");
    one.put(&object, Bytes::from(vec![0; 11]), None).await.unwrap();

    assert_eq!(one.get(&object, 10).await.unwrap_err(), StorageError::TooLarge { limit: 10 });
    assert!(one.get(&object, 11).await.unwrap().is_some());
    one.delete(&object).await.unwrap();
}

async fn a_prefix_lists_its_objects_in_order(one: &dyn Storage) {
    for name in ["tokens/U2", "tokens/U1", "tokens-not", "U1/x.png"] {
        one.put(&key(name), Bytes::from_static(b"x"), None).await.unwrap();
    }

    assert_eq!(one.list("tokens/").await.unwrap(), [key("tokens/U1"), key("tokens/U2")]);
    assert_eq!(one.list("nothing/").await.unwrap(), []);
    for name in ["tokens/U2", "tokens/U1", "tokens-not", "U1/x.png"] {
        one.delete(&key(name)).await.unwrap();
    }
}
