//! Where `users.json`, pictures, sealed tokens and the service's own state lie.

pub mod aws;
#[cfg(test)]
#[path = "tests/conformance.rs"]
pub mod conformance;
pub mod key;
pub mod local;
pub mod memory;
pub mod stores;
pub mod trial;
pub mod users_file;

use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::RequestId;

pub use key::Key;
pub use local::LocalStorage;
pub use memory::{MemoryStorage, StoreFault};
pub use stores::Stores;

/// Names one state of one object, like an ETag: another state has another version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version(pub String);

/// An object's bytes and the version they belong to.
#[derive(Debug, Clone)]
pub struct Object {
    /// The whole content.
    pub bytes: Bytes,
    /// The version read.
    pub version: Version,
}

/// What a conditional read found.
#[derive(Debug, Clone)]
pub enum Fetched {
    /// It still is the version that the caller has.
    Unchanged,
    /// There is no such object.
    Missing,
    /// Another version.
    Changed(Object),
}

/// What must be so for a write to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// The object is still this version.
    Matches(Version),
    /// There is no such object.
    Absent,
}

/// How the store can fail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// A conditional write found another version, or an object where none should be.
    #[error("the object was changed by somebody else")]
    PreconditionFailed,
    /// The store says no: permissions, a link that leads outside.
    #[error("the store denies access: {0}")]
    Denied(String),
    /// The object is larger than the caller allows.
    #[error("the object has more than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// No answer, or an answer to try again later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// A store of objects: a folder, a bucket, or memory.
#[async_trait(?Send)]
pub trait Storage {
    /// Reads an object; `None` if there is none.
    ///
    /// # Errors
    /// [`StorageError::TooLarge`] over `limit` bytes; else as the store fails.
    async fn get(&self, key: &Key, limit: u64) -> Result<Option<Object>, StorageError>;

    /// Reads an object unless it still is `known`.
    ///
    /// # Errors
    /// As [`Storage::get`].
    async fn get_if_changed(&self, key: &Key, known: &Version, limit: u64) -> Result<Fetched, StorageError>;

    /// Writes an object; once this returns, it is durable.
    ///
    /// # Errors
    /// [`StorageError::PreconditionFailed`] when `only_if` does not hold (nothing was written); else as the store fails.
    async fn put(
        &self,
        key: &Key,
        bytes: Bytes,
        only_if: Option<Precondition>,
    ) -> Result<Version, StorageError>;

    /// Removes an object; removing a missing one is no error.
    ///
    /// # Errors
    /// As the store fails.
    async fn delete(&self, key: &Key) -> Result<(), StorageError>;

    /// Whether there is such an object.
    ///
    /// # Errors
    /// As the store fails.
    async fn has(&self, key: &Key) -> Result<bool, StorageError> {
        match self.get(key, 0).await {
            Ok(object) => Ok(object.is_some()),
            Err(StorageError::TooLarge { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Lists the keys that begin with `prefix` (a folder's name with its slash), in order.
    ///
    /// # Errors
    /// As the store fails.
    async fn list(&self, prefix: &str) -> Result<Vec<Key>, StorageError>;

    /// How a picture's link is written for this store: `file:///…/U1/<uuid>.png`.
    fn link(&self, key: &Key) -> String;

    /// The same store, in whose records of who did what this request is named; `None` if it keeps none.
    fn in_name_of(&self, _request: RequestId) -> Option<Rc<dyn Storage>> {
        None
    }
}
