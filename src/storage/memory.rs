//! Memory as the store, for simulations and tests: no real I/O, faults on demand.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Fetched, Key, Object, Precondition, Storage, StorageError, Version};

/// What a fault does to one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFault {
    /// Nothing is done.
    Before,
    /// It is done, but the caller does not hear of it.
    After,
    /// The backend panics, as one with a bug would.
    Panic,
}

type Fault = Box<dyn FnMut(&'static str, &Key) -> Option<StoreFault>>;

/// The store in memory; clones share it.
#[derive(Clone, Default)]
pub struct MemoryStorage(Rc<RefCell<Inner>>);

#[derive(Default)]
struct Inner {
    objects: BTreeMap<Key, (u64, Bytes)>,
    versions: u64,
    fault: Option<Fault>,
}

impl MemoryStorage {
    /// Asks `decide` before each operation (`get`, `put`, `delete`, `list`) whether it fails.
    pub fn fail_when(&self, decide: impl FnMut(&'static str, &Key) -> Option<StoreFault> + 'static) {
        self.0.borrow_mut().fault = Some(Box::new(decide));
    }

    fn fault(&self, operation: &'static str, key: &Key) -> Option<StoreFault> {
        // Taken out meanwhile, so that what decides may use the store.
        let mut fault = self.0.borrow_mut().fault.take()?;
        let decided = fault(operation, key);
        self.0.borrow_mut().fault.get_or_insert(fault);
        decided
    }

    /// Carries out an operation under the faults that were asked for.
    fn operate<T>(
        &self,
        operation: &'static str,
        key: &Key,
        work: impl FnOnce(&mut Inner) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let unavailable = || StorageError::Unavailable("a fault was injected".into());
        match self.fault(operation, key) {
            Some(StoreFault::Panic) => std::panic::resume_unwind(Box::new("the store panics")),
            Some(StoreFault::Before) => Err(unavailable()),
            Some(StoreFault::After) => work(&mut self.0.borrow_mut()).and(Err(unavailable())),
            None => work(&mut self.0.borrow_mut()),
        }
    }
}

impl Inner {
    fn object(&self, key: &Key, limit: u64) -> Result<Option<Object>, StorageError> {
        let Some((version, bytes)) = self.objects.get(key) else { return Ok(None) };
        if bytes.len() as u64 > limit {
            return Err(StorageError::TooLarge { limit });
        }
        Ok(Some(Object { bytes: bytes.clone(), version: Version(version.to_string()) }))
    }
}

#[async_trait(?Send)]
impl Storage for MemoryStorage {
    async fn get(&self, key: &Key, limit: u64) -> Result<Option<Object>, StorageError> {
        self.operate("get", key, |inner| inner.object(key, limit))
    }

    async fn get_if_changed(&self, key: &Key, known: &Version, limit: u64) -> Result<Fetched, StorageError> {
        self.operate("get", key, |inner| match inner.object(key, u64::MAX)? {
            None => Ok(Fetched::Missing),
            Some(object) if object.version == *known => Ok(Fetched::Unchanged),
            Some(_) => {
                inner.object(key, limit).map(|object| object.map_or(Fetched::Missing, Fetched::Changed))
            }
        })
    }

    async fn put(
        &self,
        key: &Key,
        bytes: Bytes,
        only_if: Option<Precondition>,
    ) -> Result<Version, StorageError> {
        self.operate("put", key, |inner| {
            let old = inner.objects.get(key).map(|(version, _)| Version(version.to_string()));
            let holds = match only_if {
                None => true,
                Some(Precondition::Absent) => old.is_none(),
                Some(Precondition::Matches(version)) => old == Some(version),
            };
            if !holds {
                return Err(StorageError::PreconditionFailed);
            }
            inner.versions += 1;
            inner.objects.insert(key.clone(), (inner.versions, bytes));
            Ok(Version(inner.versions.to_string()))
        })
    }

    async fn delete(&self, key: &Key) -> Result<(), StorageError> {
        self.operate("delete", key, |inner| {
            inner.objects.remove(key);
            Ok(())
        })
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Key>, StorageError> {
        self.operate("list", &Key::users(), |inner| {
            Ok(inner.objects.keys().filter(|key| key.as_str().starts_with(prefix)).cloned().collect())
        })
    }

    fn link(&self, key: &Key) -> String {
        format!("memory:///{key}")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::storage::conformance;

    #[actix::test]
    async fn it_behaves_as_every_store_does() {
        let store = MemoryStorage::default();

        conformance::behaves(&store.clone(), &store).await;
    }

    #[actix::test]
    async fn a_fault_may_come_before_or_after_the_work() {
        let store = MemoryStorage::default();
        let key = Key::users();
        let put = || store.put(&key, Bytes::from_static(b"x"), None);

        store.fail_when(|_, _| Some(StoreFault::Before));
        assert!(put().await.is_err());
        store.fail_when(|_, _| None);
        assert!(store.get(&Key::users(), 9).await.unwrap().is_none());
        store.fail_when(|operation, _| (operation == "put").then_some(StoreFault::After));
        assert!(put().await.is_err());

        assert!(store.get(&Key::users(), 9).await.unwrap().is_some());
    }
}
