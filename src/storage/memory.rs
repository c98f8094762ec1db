//! stub
pub struct MemoryStorage;
