//! Plain data that every part of the service speaks of: members, emoji, presets, requests.

use std::{borrow::Borrow, collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A member's id as Slack writes it (`U…` or `W…`). Opaque, but safe as a file name and a folder name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct UserId(Arc<str>);

/// Tells that a text is not a member's id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a user id is U or W, then 1 to 63 of A to Z and 0 to 9")]
pub struct BadUserId;

impl UserId {
    /// The id as Slack writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = BadUserId;

    fn from_str(text: &str) -> Result<Self, BadUserId> {
        let mut bytes = text.bytes();
        let opens = matches!(bytes.next(), Some(b'U' | b'W'));
        let goes_on = bytes.all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if opens && goes_on && (2..=64).contains(&text.len()) {
            Ok(Self(text.into()))
        } else {
            Err(BadUserId)
        }
    }
}

impl TryFrom<String> for UserId {
    type Error = BadUserId;

    fn try_from(text: String) -> Result<Self, BadUserId> {
        text.parse()
    }
}

impl Borrow<str> for UserId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A workspace's id (`T…`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TeamId(pub String);

impl fmt::Display for TeamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A status emoji as Slack sent it, without the colons around it: `palm_tree`, `wave::skin-tone-2`;
/// empty when the status was cleared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Emoji(Arc<str>);

impl Emoji {
    /// Takes the emoji with or without its colons.
    pub fn new(as_sent: &str) -> Self {
        Self(as_sent.trim().trim_matches(':').into())
    }

    /// Whether this stands for a cleared status.
    pub fn is_cleared(&self) -> bool {
        self.0.is_empty()
    }

    /// The name without colons; empty for a cleared status.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key that `users.json` has for this emoji: `:name:`.
    fn key(&self) -> String {
        format!(":{}:", self.0)
    }

    /// The key of the same emoji in the neutral skin tone, if this one has a tone.
    fn key_without_tone(&self) -> Option<String> {
        self.0.split_once("::skin-tone-").map(|(base, _)| format!(":{base}:"))
    }
}

impl fmt::Display for Emoji {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_cleared() { f.write_str("(cleared)") } else { write!(f, ":{}:", self.0) }
    }
}

/// What a member's profile shall show while he has a certain emoji. At least one part is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Preset {
    /// The name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The link of a picture in the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
}

/// A member's presets by their key in `users.json`: `:emoji:` or `default`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Presets(pub BTreeMap<String, Preset>);

impl Presets {
    /// The preset for an emoji: as sent, else without its skin tone, else `default`, else none.
    pub fn for_emoji(&self, emoji: &Emoji) -> Option<&Preset> {
        self.0
            .get(&emoji.key())
            .or_else(|| emoji.key_without_tone().and_then(|key| self.0.get(&key)))
            .or_else(|| self.0.get("default"))
    }
}

/// Everybody who is onboarded, with his presets.
pub type Users = BTreeMap<UserId, Presets>;

/// One of the two things a preset sets; each ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The display name (or the real name, as configured).
    Name,
    /// The profile picture.
    Picture,
}

impl Part {
    /// The part's name in logs and state.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Picture => "picture",
        }
    }
}

impl slog::Value for Part {
    fn serialize(
        &self,
        _: &slog::Record<'_>,
        key: slog::Key,
        serializer: &mut dyn slog::Serializer,
    ) -> slog::Result {
        serializer.emit_str(key, self.as_str())
    }
}

/// Names one event, look or onboarding from its arrival to its last log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub Uuid);

impl RequestId {
    /// A fresh one.
    pub fn random() -> Self {
        Self(crate::chance::uuid())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What made a request; the order is that of their rights when calls must wait for a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// An event from Slack.
    Event,
    /// A look at some members.
    Look,
    /// A pass over all members.
    Pass,
}

impl Cause {
    /// The cause's name in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Look => "look",
            Self::Pass => "pass",
        }
    }
}
