//! Tries, below `check/`, what a store must do and what a role must not.
//!
//! Some stores that speak S3 take a conditional write and ignore its condition; on such a one, two writers lose what
//! one of them wrote.

use bytes::Bytes;
use uuid::Uuid;

use super::{Key, Precondition, Storage, StorageError, Version};

/// How a store failed a trial.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A write happened although its condition did not hold.
    #[error(
        "the store ignores {0} on a write, so two writers would lose what one of them wrote; use another store"
    )]
    IgnoresConditions(&'static str),
    /// The trial could not be made.
    #[error(transparent)]
    Untried(#[from] StorageError),
}

/// Writes an object, and then twice more under conditions that do not hold: as if none were there, and as if it were
/// another version. Removes it again.
///
/// # Errors
/// [`Unfit::IgnoresConditions`] when one of the two was written; [`Unfit::Untried`] as the store fails.
pub async fn conditions(store: &dyn Storage) -> Result<(), Unfit> {
    let Some(key) = key() else { return Ok(()) };
    store.put(&key, Bytes::from_static(b"first"), Some(Precondition::Absent)).await?;
    let tried = both(store, &key).await;
    let removed = store.delete(&key).await;
    tried?;
    Ok(removed?)
}

async fn both(store: &dyn Storage, key: &Key) -> Result<(), Unfit> {
    // Other bytes each: equal ones would pass for a write whose answer was lost.
    let second = store.put(key, Bytes::from_static(b"second"), Some(Precondition::Absent)).await;
    if !is_kept(second)? {
        return Err(Unfit::IgnoresConditions("If-None-Match: *"));
    }
    let third = store.put(key, Bytes::from_static(b"third"), Some(Precondition::Matches(none()))).await;
    if !is_kept(third)? {
        return Err(Unfit::IgnoresConditions("If-Match"));
    }
    Ok(())
}

fn is_kept(written: Result<Version, StorageError>) -> Result<bool, StorageError> {
    match written {
        Err(StorageError::PreconditionFailed) => Ok(true),
        Ok(_) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Tries whether a write below this prefix is allowed, by one that changes nothing: it wants a version of an object
/// that is not there.
///
/// # Errors
/// [`StorageError::Denied`] when it is not, and why; else as the store fails.
pub async fn write_below(store: &dyn Storage, prefix: &str) -> Result<(), StorageError> {
    let Some(key) = Key::parse(&format!("{prefix}/{}", Uuid::new_v4())) else { return Ok(()) };
    if !is_kept(store.put(&key, Bytes::new(), Some(Precondition::Matches(none()))).await)? {
        store.delete(&key).await?;
    }
    Ok(())
}

/// Tries whether a write over this object, which is there, is allowed, by one that changes nothing: it wants none there. On
/// AWS it needs no right but that to write, whereas a wanted version needs that to read as well
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>).
///
/// # Errors
/// [`StorageError::Denied`] when it is not, and why; else as the store fails.
pub async fn write_over(store: &dyn Storage, key: &Key) -> Result<(), StorageError> {
    is_kept(store.put(key, Bytes::new(), Some(Precondition::Absent)).await).map(drop)
}

fn key() -> Option<Key> {
    Key::parse(&format!("check/{}", Uuid::new_v4()))
}

/// No object has it.
fn none() -> Version {
    Version("\"00000000000000000000000000000000\"".into())
}
