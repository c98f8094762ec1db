//! stub
pub struct LocalStorage;
