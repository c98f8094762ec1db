//! The end of a life at any await: between any two things that the service does to the outside.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use async_trait::async_trait;
use bytes::Bytes;
use slog::{Logger, debug};
use statusinator::{
    demo::SimulatedSlack,
    slack::{Call, NoAnswer, Reply, Transport},
    storage::{Fetched, Key, MemoryStorage, Object, Precondition, Storage, StorageError, Version},
};
use tokio::sync::Notify;

/// What one life of the service must pass to get at Slack or the store. Once it is shut, nothing it does gets out, and
/// it hears of nothing any more: for everybody outside it is dead.
#[derive(Default)]
pub struct Gate {
    left: Cell<Option<u32>>,
    is_shut: Cell<bool>,
    on_shut: Notify,
}

impl Gate {
    /// Shuts once it was passed so often; each call passes it on its way out and on its way back.
    pub fn shut_after(&self, times: u32) {
        self.left.set(Some(times));
    }

    /// Waits until it is shut.
    pub async fn shut(&self) {
        while !self.is_shut.get() {
            self.on_shut.notified().await;
        }
    }

    async fn pass(&self) {
        match self.left.get() {
            Some(0) => {
                self.is_shut.set(true);
                self.on_shut.notify_one();
            }
            left => self.left.set(left.map(|left| left - 1)),
        }
        if self.is_shut.get() {
            std::future::pending::<()>().await;
        }
    }

    async fn through<T>(&self, work: impl Future<Output = T>) -> T {
        self.pass().await;
        let done = work.await;
        self.pass().await;
        done
    }
}

/// Slack or a store, as one life of the service reaches it.
pub struct Mortal<T> {
    pub inner: T,
    pub gate: Rc<Gate>,
    pub log: Logger,
}

#[async_trait(?Send)]
impl Transport for Mortal<SimulatedSlack> {
    async fn call(&self, call: Call) -> Result<Reply, NoAnswer> {
        let method = call.method.name();
        debug!(self.log, "slack is called"; "method" => method);
        let reply = self.gate.through(self.inner.call(call)).await;
        let status = reply.as_ref().map_or(0, |reply| reply.status);
        debug!(self.log, "slack answers"; "method" => method, "status" => status);
        reply
    }
}

#[async_trait(?Send)]
impl Storage for Mortal<MemoryStorage> {
    async fn get(&self, key: &Key, limit: u64) -> Result<Option<Object>, StorageError> {
        self.gate.through(self.inner.get(key, limit)).await
    }

    async fn get_if_changed(&self, key: &Key, known: &Version, limit: u64) -> Result<Fetched, StorageError> {
        self.gate.through(self.inner.get_if_changed(key, known, limit)).await
    }

    async fn put(
        &self,
        key: &Key,
        bytes: Bytes,
        only_if: Option<Precondition>,
    ) -> Result<Version, StorageError> {
        self.gate.through(self.inner.put(key, bytes, only_if)).await
    }

    async fn delete(&self, key: &Key) -> Result<(), StorageError> {
        self.gate.through(self.inner.delete(key)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Key>, StorageError> {
        self.gate.through(self.inner.list(prefix)).await
    }

    fn link(&self, key: &Key) -> String {
        self.inner.link(key)
    }
}

/// The service that lives at present, if one does: what Slack's deliveries reach.
pub type Living = Rc<RefCell<Option<statusinator::service::Service>>>;
