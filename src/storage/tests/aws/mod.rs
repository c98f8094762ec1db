//! The bucket against a strict S3 in memory, and credentials from wherever they come.
#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "../../../../tests/support/s3_server.rs"]
mod s3_server;

mod bucket;

use bytes::Bytes;

use crate::{
    clock::Clock,
    config::BucketConfig,
    storage::{Key, Stores, aws},
};

fn stores(config: &BucketConfig) -> Stores {
    aws::open(config, "host-1", Clock::System).unwrap()
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}
