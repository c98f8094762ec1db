//! The actors without sockets, on a clock that stands still until somebody waits.

use std::{cell::Cell, rc::Rc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use statusinator::{
    actors::{
        Observe,
        backlog::Verdict,
        event_listener::reading::{Forget, Rehydrate},
        registrar::{ForgetMember, Onboard, Unfinished},
        request_queue::Enqueue,
    },
    clock::Clock,
    demo::{Effect, Fault, SimulatedSlack},
    domain::{Cause, Emoji, Presets, RequestId, Users},
    logging::silent,
    metrics::Recorder,
    request::Request,
    service::{Outside, Service},
    storage::{
        Fetched, Key, MemoryStorage, Object, Precondition, Storage, StorageError, StoreFault, Stores, Version,
    },
};
use tokio::sync::mpsc;

use crate::harness::{TEAM, plain_config, user};

/// A store whose readings arrive late: they have what was there when they began.
#[derive(Clone, Default)]
struct LateStore {
    inner: MemoryStorage,
    delay: Rc<Cell<Duration>>,
}

#[async_trait(?Send)]
impl Storage for LateStore {
    async fn get(&self, key: &Key, limit: u64) -> Result<Option<Object>, StorageError> {
        let read = self.inner.get(key, limit).await;
        tokio::time::sleep(self.delay.get()).await;
        read
    }

    async fn get_if_changed(&self, key: &Key, known: &Version, limit: u64) -> Result<Fetched, StorageError> {
        let read = self.inner.get_if_changed(key, known, limit).await;
        tokio::time::sleep(self.delay.get()).await;
        read
    }

    async fn put(
        &self,
        key: &Key,
        bytes: Bytes,
        only_if: Option<Precondition>,
    ) -> Result<Version, StorageError> {
        self.inner.put(key, bytes, only_if).await
    }

    async fn delete(&self, key: &Key) -> Result<(), StorageError> {
        self.inner.delete(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Key>, StorageError> {
        self.inner.list(prefix).await
    }

    fn link(&self, key: &Key) -> String {
        self.inner.link(key)
    }
}

struct Stage {
    slack: SimulatedSlack,
    store: LateStore,
    state: MemoryStorage,
    service: Service,
}

impl Stage {
    /// Members without presets, one worker.
    async fn new(members: &[&str]) -> Self {
        let slack = SimulatedSlack::new(TEAM, false, Clock::simulated());
        let (store, state) = (LateStore::default(), MemoryStorage::default());
        for id in members {
            slack.lock().add(&user(id), id);
        }
        let mut config = plain_config(&slack.bot_token());
        config.queue.workers = 1;
        let stage_store: Rc<dyn Storage> = Rc::new(store.clone());
        let outside = Outside {
            transport: Rc::new(slack.clone()),
            stores: Stores::one(stage_store),
            state: Rc::new(state.clone()),
            vault: None,
            clock: Clock::simulated(),
            recorder: Recorder::new(Default::default(), Clock::simulated()),
        };
        let (on_fatal, _) = mpsc::unbounded_channel();
        let service = Service::start(&config, outside, None, on_fatal, &silent()).await.unwrap();
        let stage = Self { slack, store, state, service };
        stage.write_users(members).await;
        stage.service.listener.send(Rehydrate::default()).await.unwrap();
        pass(1).await;
        stage
    }

    async fn write_users(&self, members: &[&str]) {
        let users: serde_json::Map<_, _> =
            members.iter().map(|id| ((*id).to_owned(), json!({ "default": { "name": "N" } }))).collect();
        let file = json!({ "lastUpdatedAt": "1", "users": users }).to_string();
        self.store.inner.put(&Key::users(), file.into(), None).await.unwrap();
    }

    fn is_in_the_cache(&self, id: &str) -> bool {
        self.service.directory.has(id)
    }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

impl Stage {
    /// An event of a member, straight to the queue.
    async fn event(&self, id: &str) {
        let request = Request::new(RequestId::random(), user(id), Some(Emoji::new(":a:")), Cause::Event);
        let verdict = self.service.queue.send(Enqueue { request, is_retry: false }).await.unwrap();
        assert_eq!(verdict, Verdict::Queued);
    }

    async fn onboard(&self, id: &str) {
        let users = Users::from([(user(id), Presets::default())]);
        let onboard = Onboard { users, administrator: user("UBOSS"), request: RequestId::random() };
        self.service.registrar.send(onboard).await.unwrap().unwrap();
    }

    async fn forget(&self, id: &str) -> Result<(), Unfinished> {
        let forget =
            ForgetMember { user: user(id), administrator: user("UBOSS"), request: RequestId::random() };
        self.service.registrar.send(forget).await.unwrap()
    }

    async fn is_remembered(&self, id: &str) -> bool {
        self.state.has(&Key::member(&user(id))).await.unwrap()
    }

    async fn standby(&self) -> serde_json::Value {
        self.service.queue.send(Observe).await.unwrap().snapshot["standby"].clone()
    }
}

#[actix::test]
async fn with_nothing_on_standby_the_cache_is_read_at_once() {
    tokio::time::pause();
    let stage = Stage::new(&["U1"]).await;
    stage.slack.inject(Fault::next("users.profile.get", 100, Effect::Hang));
    stage.event("U1").await;

    stage.onboard("U9").await;

    pass(1).await;
    assert!(stage.is_in_the_cache("U9"), "what is being worked on does not count");
}

#[actix::test]
async fn requests_on_standby_keep_the_cache_waiting_for_a_minute_at_the_most() {
    tokio::time::pause();
    let stage = Stage::new(&["U1", "U2", "U3"]).await;
    stage.slack.inject(Fault::next("users.profile.get", 100, Effect::Hang));
    for id in ["U1", "U2", "U3"] {
        stage.event(id).await;
    }
    stage.onboard("U9").await;

    pass(59).await;
    assert!(!stage.is_in_the_cache("U9"));
    assert_ne!(stage.standby().await, 0);
    pass(2).await;

    assert!(stage.is_in_the_cache("U9"));
    assert_ne!(stage.standby().await, 0);
}

#[actix::test]
async fn a_reading_that_arrives_late_does_not_bring_back_who_was_forgotten() {
    tokio::time::pause();
    let stage = Stage::new(&["U1", "U2"]).await;
    stage.write_users(&["U1", "U2", "U3"]).await;
    stage.store.delay.set(Duration::from_secs(2));
    let late = stage.service.listener.send(Rehydrate::default());
    let late = actix::spawn(late);
    pass(1).await;

    stage.write_users(&["U2", "U3"]).await;
    stage.service.listener.send(Forget(user("U1"))).await.unwrap();

    for _ in 0..10 {
        assert!(!stage.is_in_the_cache("U1"));
        pass(1).await;
    }
    late.await.unwrap().unwrap();
    assert!(stage.is_in_the_cache("U2") && stage.is_in_the_cache("U3"), "nothing else is lost");
}

#[actix::test]
async fn who_is_onboarded_anew_while_he_is_forgotten_is_found_again() {
    tokio::time::pause();
    let stage = Stage::new(&["U1", "U2"]).await;
    stage.onboard("U1").await;
    pass(1).await;

    stage.service.listener.send(Forget(user("U1"))).await.unwrap();
    assert!(!stage.is_in_the_cache("U1"));

    pass(1).await;
    assert!(stage.is_in_the_cache("U1"), "the store has him");
}

#[actix::test]
async fn memory_that_cannot_be_removed_is_told_and_removed_as_soon_as_it_can_be() {
    tokio::time::pause();
    let stage = Stage::new(&["U1", "U2"]).await;
    stage.event("U1").await;
    stage.event("U2").await;
    pass(5).await;
    assert!(stage.is_remembered("U1").await && stage.is_remembered("U2").await);
    stage.state.fail_when(|operation, _| (operation == "delete").then_some(StoreFault::Before));

    assert!(matches!(stage.forget("U1").await, Err(Unfinished::Store(_))));

    assert!(!stage.is_in_the_cache("U1"));
    stage.state.fail_when(|_, _| None);
    pass(6).await;
    assert!(!stage.is_remembered("U1").await && stage.is_remembered("U2").await);
    assert_eq!(stage.forget("U1").await, Ok(()));
}
