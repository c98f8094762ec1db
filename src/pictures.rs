//! Pictures as Slack takes them, checked before they are sent.

use bytes::Bytes;

/// A picture whose format and size were checked.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The file's bytes.
    pub bytes: Bytes,
    /// `image/png`, `image/jpeg` or `image/gif`.
    pub content_type: &'static str,
}
