//! The store in a bucket: the suite of all stores, its faults, its errors.

use std::time::Duration;

use bytes::Bytes;

use super::{
    bytes, key,
    s3_server::{BUCKET, Fault, KEY, S3Server},
    stores,
};
use crate::{
    config::Role,
    storage::{Fetched, Key, Precondition, StorageError, Version, conformance},
};

const LIMIT: u64 = 1024;

fn denied(result: Result<impl std::fmt::Debug, StorageError>) -> String {
    match result {
        Err(StorageError::Denied(why)) => why,
        other => panic!("not denied: {other:?}"),
    }
}

fn unavailable(result: Result<impl std::fmt::Debug, StorageError>) -> String {
    match result {
        Err(StorageError::Unavailable(why)) => why,
        other => panic!("not unavailable: {other:?}"),
    }
}

#[actix::test]
async fn it_behaves_as_every_store_does() {
    let server = S3Server::start();
    let (one, another) = (stores(&server.config()), stores(&server.config()));

    conformance::behaves(&*one.write, &*another.write).await;
}

#[actix::test]
async fn a_busy_store_is_asked_three_times() {
    let server = S3Server::start();
    let store = stores(&server.config()).write;
    server.fail("PUT", &[Fault::Busy, Fault::Busy]);
    store.put(&Key::users(), bytes("1"), None).await.unwrap();
    server.fail("GET", &[Fault::Busy, Fault::Busy]);
    assert_eq!(store.get(&Key::users(), LIMIT).await.unwrap().unwrap().bytes, "1");
    server.fail("DELETE", &[Fault::Busy, Fault::Busy]);
    store.delete(&Key::users()).await.unwrap();
    server.fail("GET", &[Fault::Busy, Fault::Busy]);
    assert_eq!(store.list("").await.unwrap(), []);

    server.fail("GET", &[Fault::Busy, Fault::Busy, Fault::Busy]);
    let why = unavailable(store.get(&Key::users(), LIMIT).await);

    assert!(why.contains("GetObject") && why.contains("503 SlowDown"), "{why}");
}

#[actix::test]
async fn a_write_whose_answer_was_lost_is_found_out_by_reading_again() {
    let server = S3Server::start();
    let store = stores(&server.config()).write;

    server.fail("PUT", &[Fault::Lost]);
    let first = store.put(&Key::users(), bytes("1"), Some(Precondition::Absent)).await.unwrap();
    server.fail("PUT", &[Fault::Lost, Fault::Lost, Fault::Lost]);
    let second = store.put(&Key::users(), bytes("2"), Some(Precondition::Matches(first))).await.unwrap();

    let read = store.get(&Key::users(), LIMIT).await.unwrap().unwrap();
    assert_eq!((&read.bytes[..], read.version), (&b"2"[..], second));
}

#[actix::test]
async fn a_write_that_lost_is_not_taken_for_one_whose_answer_was_lost() {
    let server = S3Server::start();
    let store = stores(&server.config()).write;
    let first = store.put(&Key::users(), bytes("1"), None).await.unwrap();
    store.put(&Key::users(), bytes("theirs"), None).await.unwrap();

    server.fail("PUT", &[Fault::Lost]);
    let late = store.put(&Key::users(), bytes("ours"), Some(Precondition::Matches(first))).await;

    assert_eq!(late, Err(StorageError::PreconditionFailed));
    assert_eq!(server.lock().objects["users.json"], "theirs");
}

#[actix::test]
async fn a_body_that_was_cut_is_never_taken_for_the_whole() {
    let server = S3Server::start();
    let store = stores(&server.config()).read;
    server.lock().objects.insert("users.json".into(), Bytes::from(vec![7; 1000]));
    server.fail("GET", &[Fault::Cut, Fault::Cut]);
    assert_eq!(store.get(&Key::users(), LIMIT).await.unwrap().unwrap().bytes.len(), 1000);

    server.fail("GET", &[Fault::Cut, Fault::Cut, Fault::Cut]);

    assert!(unavailable(store.get(&Key::users(), LIMIT).await).contains("broke off"));
}

#[actix::test]
async fn silence_and_a_body_that_stands_still_are_waited_for_only_so_long() {
    let server = S3Server::start();
    let store = stores(&server.config()).read;
    server.lock().objects.insert("users.json".into(), bytes("1234"));

    server.fail("GET", &[Fault::Silence, Fault::Stall]);
    let read = tokio::time::timeout(Duration::from_secs(60), store.get(&Key::users(), LIMIT)).await;

    assert_eq!(read.unwrap().unwrap().unwrap().bytes, "1234");
}

#[actix::test]
async fn an_answer_that_makes_rusoto_panic_is_survived() {
    let server = S3Server::start();
    let store = stores(&server.config()).write;
    server.fail("PUT", &[Fault::OddHeader]);
    let version = store.put(&Key::users(), bytes("1"), Some(Precondition::Absent)).await.unwrap();
    server.fail("GET", &[Fault::OddHeader, Fault::OddHeader, Fault::OddHeader]);

    let why = unavailable(store.get(&Key::users(), LIMIT).await);

    assert!(why.contains("a header is malformed"), "{why}");
    assert_eq!(store.get(&Key::users(), LIMIT).await.unwrap().unwrap().version, version);
}

#[actix::test]
async fn a_forbidden_object_is_told_from_a_missing_one() {
    let server = S3Server::start();
    let store = stores(&server.config()).read;
    assert!(store.get(&Key::users(), LIMIT).await.unwrap().is_none());

    server.lock().denied.insert((KEY, "GetObject"));
    let read = denied(store.get(&Key::users(), LIMIT).await);
    let asked = denied(store.get_if_changed(&Key::users(), &Version("\"1\"".into()), LIMIT).await);

    assert_eq!(read, asked);
    let parts = ["AccessDenied for GetObject users.json as the plain credentials", "s3:ListBucket"];
    assert!(parts.iter().all(|part| read.contains(part)), "{read}");
}

#[actix::test]
async fn an_operator_reads_what_to_correct() {
    let server = S3Server::start();
    let mut config = server.config();
    config.bucket = "another-bucket".into();
    let why = denied(stores(&config).read.get(&Key::users(), LIMIT).await);
    assert!(why.contains("no such bucket") && why.contains("STATUSINATOR_STORE"), "{why}");
    let why = denied(stores(&config).read.list("tokens/").await);
    assert!(why.contains("no such bucket"), "{why}");

    let set = |name: &str, text: &str| {
        let mut config = server.config();
        config.variables.0.insert(name.into(), text.into());
        stores(&config).write
    };
    for store in [set("AWS_SECRET_ACCESS_KEY", "wrong"), set("AWS_ACCESS_KEY_ID", "AKIAWRONG")] {
        let why = denied(store.put(&Key::users(), bytes("1"), None).await);
        assert!(why.contains("AWS_SECRET_ACCESS_KEY"), "{why}");
    }
    for operation in ["PutObject", "DeleteObject", "ListObjectsV2"] {
        server.lock().denied.insert((KEY, operation));
    }
    let store = stores(&server.config()).write;
    assert!(denied(store.put(&Key::users(), bytes("1"), None).await).contains("grant it s3:PutObject"));
    assert!(denied(store.delete(&Key::users()).await).contains("grant it s3:DeleteObject"));
    assert!(denied(store.list("").await).contains("grant it s3:ListBucket"));
}

#[actix::test]
async fn a_store_that_is_away_is_unavailable_and_works_once_it_is_back() {
    let server = S3Server::start();
    let config = server.config();
    drop(server);

    let gone = stores(&config).read.get(&Key::users(), LIMIT).await;

    assert!(unavailable(gone).contains("no answer"));
}

#[actix::test]
async fn names_that_are_no_objects_of_ours_are_passed_over() {
    let server = S3Server::start();
    for name in ["tokens/U1", "tokens/.hidden", "tokens/a b", "tokens/\u{1}", "tokens/U2"] {
        server.lock().objects.insert(name.into(), bytes("x"));
    }

    let listed = stores(&server.config()).read.list("tokens/").await.unwrap();

    assert_eq!(listed, [key("tokens/U1"), key("tokens/U2")]);
}

#[actix::test]
async fn links_name_the_bucket_and_only_roles_are_named_for_a_request() {
    let server = S3Server::start();
    let mut config = server.config();

    let link = stores(&config).write.link(&key("U1/x.png"));

    assert_eq!(link, format!("s3://{BUCKET}/U1/x.png"));
    let request = crate::domain::RequestId::random();
    assert!(stores(&config).write.in_name_of(request).is_none());
    let arn = "arn:aws:iam::123456789012:role/writer".to_owned();
    config.roles.write = Some(Role { arn, setting: "STATUSINATOR_WRITE_ROLE_ARN" });
    assert!(stores(&config).write.in_name_of(request).is_some());
}

#[actix::test]
async fn nothing_is_asked_twice_where_once_is_enough() {
    let server = S3Server::start();
    let store = stores(&server.config()).write;
    let version = store.put(&Key::users(), bytes("1"), None).await.unwrap();

    let read = store.get_if_changed(&Key::users(), &version, LIMIT).await.unwrap();

    assert!(matches!(read, Fetched::Unchanged));
    assert_eq!((server.count("PutObject"), server.count("GetObject")), (1, 1));
}
