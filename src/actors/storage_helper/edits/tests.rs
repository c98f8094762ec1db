//! The actor on a store in memory, with faults.
#![allow(clippy::unwrap_used)]

use std::{cell::Cell, collections::BTreeMap, rc::Rc};

use actix::{Actor as _, Addr};
use futures_util::future::join_all;

use super::*;
use crate::{
    actors::{
        deaf::Deaf,
        storage_helper::{GetPicture, PictureError},
    },
    clock::Clock,
    demo::pictures::square,
    domain::Presets,
    logging::silent,
    metrics::Recorder,
    storage::{LocalStorage, MemoryStorage, Storage as _, StoreFault, Stores},
};

fn user(n: usize) -> UserId {
    format!("U{n}").parse().unwrap()
}

fn replace(n: usize) -> EditUsers {
    let edit = Edit::Replace(BTreeMap::from([(user(n), Presets::default())]));
    EditUsers { edit, request: RequestId::random() }
}

fn helper(store: &MemoryStorage) -> Addr<StorageHelper> {
    over(Stores::one(Rc::new(store.clone())))
}

/// A helper for these stores, with a state of its own.
fn over(stores: Stores) -> Addr<StorageHelper> {
    let clock = Clock::System;
    let (state, recorder) = (Rc::new(MemoryStorage::default()), Recorder::new(Default::default(), clock));
    StorageHelper::new(stores, state, None, Deaf.start().recipient(), recorder, clock, silent()).start()
}

/// Counts the writings of `users.json`.
fn counted(store: &MemoryStorage) -> Rc<Cell<usize>> {
    let count = Rc::new(Cell::new(0));
    let seen = count.clone();
    store.fail_when(move |operation, key| {
        seen.set(seen.get() + usize::from(operation == "put" && *key == Key::users()));
        None
    });
    count
}

async fn users(helper: &Addr<StorageHelper>) -> serde_json::Map<String, serde_json::Value> {
    serde_json::from_str(helper.send(ShowUsers).await.unwrap().unwrap().get()).unwrap()
}

#[actix::test]
async fn changes_that_come_while_one_is_written_are_written_together() {
    let store = MemoryStorage::default();
    let (helper, count) = (helper(&store), counted(&store));

    let written = join_all((0..200).map(|n| helper.send(replace(n)))).await;

    assert!(written.into_iter().all(|written| written.unwrap().is_ok()));
    assert_eq!(users(&helper).await.len(), 200);
    assert!(count.get() < 20, "{} writings", count.get());
}

#[actix::test]
async fn what_another_process_writes_in_between_is_kept() {
    let store = MemoryStorage::default();
    let helper = helper(&store);
    helper.send(replace(1)).await.unwrap().unwrap();
    let (other, left) = (store.clone(), Cell::new(3));
    store.fail_when(move |operation, key| {
        if operation == "put" && *key == Key::users() && left.get() > 0 {
            left.set(left.get() - 1);
            let file = format!(r#"{{"lastUpdatedAt":"1","users":{{"U1":{{}},"U7{}":{{}}}}}}"#, left.get());
            futures_util::FutureExt::now_or_never(other.put(&Key::users(), file.into(), None))
                .unwrap()
                .unwrap();
        }
        None
    });

    helper.send(replace(2)).await.unwrap().unwrap();

    let named: Vec<String> = users(&helper).await.into_iter().map(|(user, _)| user).collect();
    assert_eq!(named, ["U1", "U2", "U70"]);
}

#[actix::test]
async fn a_write_that_fails_is_told_to_everybody_who_waits_and_nothing_changes() {
    let store = MemoryStorage::default();
    let helper = helper(&store);
    helper.send(replace(1)).await.unwrap().unwrap();
    store.fail_when(|operation, _| (operation == "put").then_some(StoreFault::Before));

    let failed = join_all((2..9).map(|n| helper.send(replace(n)))).await;

    assert!(failed.into_iter().all(|failed| matches!(failed.unwrap(), Err(UsersError::Store(_)))));
    store.fail_when(|_, _| None);
    assert_eq!(users(&helper).await.len(), 1);
}

#[actix::test]
async fn only_pictures_that_are_not_there_are_missing() {
    let store = MemoryStorage::default();
    let helper = helper(&store);
    let keys: BTreeSet<Key> = (0..5).map(|n| Key::picture(&user(1), uuid::Uuid::from_u128(n))).collect();
    let (there, missing) = (keys.iter().next().unwrap().clone(), keys.iter().skip(1).cloned().collect());
    let request = RequestId::random();
    let put = PutPicture { key: there.clone(), bytes: Bytes::from_static(b"x"), request };

    assert_eq!(helper.send(put).await.unwrap().unwrap(), format!("memory:///{there}"));

    assert_eq!(helper.send(MissingPictures(keys)).await.unwrap(), Ok(missing));
    helper.send(RemovePictures { user: user(1), request }).await.unwrap().unwrap();
    assert_eq!(store.list("").await.unwrap(), []);
}

#[actix::test]
async fn a_picture_is_kept_for_as_long_as_the_store_has_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStorage::open(folder.path()).unwrap();
    let helper = over(Stores::one(Rc::new(store.clone())));
    let key = Key::picture(&user(1), uuid::Uuid::nil());
    let get = async || helper.send(GetPicture { user: user(1), link: store.link(&key) }).await.unwrap();

    store.put(&key, square(10), None).await.unwrap();
    let (first, again) = (get().await.unwrap(), get().await.unwrap());
    store.put(&key, square(200), None).await.unwrap();
    let other = get().await.unwrap();
    store.delete(&key).await.unwrap();

    assert_eq!(first.bytes.as_ptr(), again.bytes.as_ptr(), "it was read twice");
    assert_eq!(other.bytes, square(200));
    assert_eq!(get().await.unwrap_err(), PictureError::Missing);
}
