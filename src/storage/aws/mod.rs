//! A bucket in S3 as the store, through rusoto: reading, writing and exporting each in its role.
//!
//! - [`bucket`]: the store itself. [`attempts`]: deadlines, tries, what an answer means.
//! - [`credentials`]: kept and renewed. [`sts`]: roles assumed. [`base`], [`metadata`]: where the first ones come from.
//!
//! rusoto's pooled connections live on the thread that opened them, so the handles stay on one thread.

pub mod attempts;
pub mod base;
pub mod bucket;
pub mod credentials;
pub mod metadata;
pub mod sts;

#[cfg(test)]
#[path = "../tests/aws/mod.rs"]
mod tests;

pub use bucket::{Bucket, open};
