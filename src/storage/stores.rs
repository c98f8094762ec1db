//! The store as the process sees it: one handle for reading, one for writing, one for exports.
//!
//! In a bucket each may act in a role of its own, so that reading cannot write; a folder has no roles.

use std::rc::Rc;

use crate::{clock::Clock, config::StoreConfig, domain::RequestId};

use super::{LocalStorage, Storage, StorageError, aws};

/// The handles of one store.
#[derive(Clone)]
pub struct Stores {
    /// Reads `users.json`, pictures and tokens, and lists.
    pub read: Rc<dyn Storage>,
    /// Writes `users.json`, pictures and tokens.
    pub write: Rc<dyn Storage>,
    /// Writes logs and metrics below `exports/`.
    pub export: Rc<dyn Storage>,
}

impl Stores {
    /// Opens the configured store, on the thread that is to use it.
    ///
    /// # Errors
    /// When the folder cannot be used; of a bucket, nothing is asked yet.
    pub fn open(config: &StoreConfig, clock: Clock) -> Result<Self, StorageError> {
        match config {
            StoreConfig::Folder(folder) => Ok(Self::one(Rc::new(LocalStorage::open(folder)?))),
            StoreConfig::Bucket(config) => aws::open(config, &host(), clock),
        }
    }

    /// One handle does everything.
    pub fn one(store: Rc<dyn Storage>) -> Self {
        Self { read: store.clone(), write: store.clone(), export: store }
    }

    /// What a write that belongs to one request goes through: the store's own records name the request.
    pub fn write_for(&self, request: RequestId) -> Rc<dyn Storage> {
        self.write.in_name_of(request).unwrap_or_else(|| self.write.clone())
    }
}

/// This machine's name.
pub fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "unknown".to_owned() } else { name.trim().to_owned() }
}
