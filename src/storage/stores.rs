//! The store as the process sees it: one handle for reading, one for writing, one for exports.
//!
//! In a bucket each may act in a role of its own, so that reading cannot write; a folder has no roles.

use std::rc::Rc;

use crate::domain::RequestId;

use super::Storage;

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
    /// One handle does everything.
    pub fn one(store: Rc<dyn Storage>) -> Self {
        Self { read: store.clone(), write: store.clone(), export: store }
    }

    /// What a write that belongs to one request goes through: the store's own records name the request.
    pub fn write_for(&self, request: RequestId) -> Rc<dyn Storage> {
        self.write.in_name_of(request).unwrap_or_else(|| self.write.clone())
    }
}
