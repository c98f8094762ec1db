//! Names of objects in the store, which cannot lead outside of it.

use std::fmt;

use uuid::Uuid;

use crate::domain::UserId;

/// An object's name: parts of plain characters joined by `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// `users.json`.
    pub fn users() -> Self {
        Self("users.json".into())
    }

    /// `<user>/<uuid>.png`.
    pub fn picture(user: &UserId, picture: Uuid) -> Self {
        Self(format!("{user}/{picture}.png"))
    }

    /// `tokens/<user>`.
    pub fn token(user: &UserId) -> Self {
        Self(format!("tokens/{user}"))
    }

    /// `workspace`, in the state folder: which workspace the state belongs to.
    pub fn workspace() -> Self {
        Self("workspace".into())
    }

    /// `users-json-seen`, in the state folder: that `users.json` was there.
    pub fn users_seen() -> Self {
        Self("users-json-seen".into())
    }

    /// `slack-limits`, in the state folder: which calls of the last minute count.
    pub fn limits() -> Self {
        Self("slack-limits".into())
    }

    /// `members/<user>`, in the state folder: what was seen of him and applied to him.
    pub fn member(user: &UserId) -> Self {
        Self(format!("members/{user}"))
    }

    /// Takes any name whose parts are neither empty nor begin with a dot and hold only `A-Z a-z 0-9 . _ -`.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        };
        text.split('/').all(plain).then(|| Self(text.to_owned()))
    }

    /// Whose object it is among those that are named for members below `folder`, such as `tokens/`.
    pub fn user_below(&self, folder: &str) -> Option<UserId> {
        self.0.strip_prefix(folder)?.parse().ok()
    }

    /// The name, with `/` between its parts.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
