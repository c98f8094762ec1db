//! What Slack sends to the webhook, read leniently: only the fields we need, borrowed from the body.
//!
//! Any field may be missing or of another kind than documented, and then counts as absent; what kind of event it is
//! may stand after its contents (<https://docs.slack.dev/apis/events-api#callback-field>).

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// A verified body.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Callback<'a> {
    /// `event_callback`, `url_verification`, `app_rate_limited`…
    #[serde(rename = "type", borrow)]
    pub kind: Lenient<Text<'a>>,
    /// Of `url_verification`.
    #[serde(borrow)]
    pub challenge: Lenient<Text<'a>>,
    /// The workspace that the event is for.
    #[serde(borrow)]
    pub team_id: Lenient<Text<'a>>,
    /// Names the event; every delivery of it has the same.
    #[serde(borrow)]
    pub event_id: Lenient<Text<'a>>,
    /// When Slack sent it first, unix seconds.
    pub event_time: Lenient<u64>,
    /// Of `app_rate_limited`: the beginning of the minute, unix seconds.
    pub minute_rate_limited: Lenient<u64>,
    /// Of `event_callback`.
    #[serde(borrow)]
    pub event: Lenient<Event<'a>>,
}

/// The event within an `event_callback`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Event<'a> {
    /// `user_change`, `tokens_revoked`…
    #[serde(rename = "type", borrow)]
    pub kind: Lenient<Text<'a>>,
    /// Of `user_change` and its relatives.
    #[serde(borrow)]
    pub user: Lenient<User<'a>>,
    /// Of `tokens_revoked`.
    #[serde(borrow)]
    pub tokens: Lenient<Tokens<'a>>,
}

/// A member as he is now.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct User<'a> {
    /// His id.
    #[serde(borrow)]
    pub id: Lenient<Text<'a>>,
    /// His workspace.
    #[serde(borrow)]
    pub team_id: Lenient<Text<'a>>,
    /// Whether his account was closed.
    pub deleted: Lenient<bool>,
    /// Whether he is a bot.
    pub is_bot: Lenient<bool>,
    /// Whether he is of a workspace that only shares channels with this one.
    pub is_stranger: Lenient<bool>,
    /// His profile as it was sent: it is read for the few who are onboarded, with [`User::profile`].
    #[serde(borrow)]
    profile: Option<&'a RawValue>,
}

impl<'a> User<'a> {
    /// The status in his profile, as far as there is one.
    pub fn profile(&self) -> Profile<'a> {
        let read = |raw: &'a RawValue| serde_json::from_str::<Lenient<Profile<'a>>>(raw.get()).ok()?.0;
        self.profile.and_then(read).unwrap_or_default()
    }
}

/// The status in a profile.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Profile<'a> {
    /// `:emoji:`; empty when cleared; absent when the event does not tell.
    #[serde(borrow)]
    pub status_emoji: Lenient<Text<'a>>,
    /// Unix seconds; 0 for never.
    pub status_expiration: Lenient<u64>,
}

/// Whose tokens were revoked: ids of users, not tokens.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Tokens<'a> {
    /// Members whose user tokens were revoked.
    #[serde(borrow)]
    pub oauth: Lenient<Vec<Lenient<Text<'a>>>>,
}

/// Tells that a body is not a JSON object.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not a JSON object")]
pub struct NotAnObject;

/// Reads a body.
///
/// # Errors
/// When it is not a JSON object.
pub fn parse(body: &[u8]) -> Result<Callback<'_>, NotAnObject> {
    // serde would take a list for an object whose fields come without their names.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(NotAnObject);
    }
    serde_json::from_slice(body).map_err(|_| NotAnObject)
}

/// A text, borrowed unless it has escapes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Text<'a>(pub Cow<'a, str>);

/// A value of the expected kind, or nothing: a wrong kind does not stop the rest from being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lenient<T>(pub Option<T>);

impl<T> Default for Lenient<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl Lenient<Text<'_>> {
    /// The text, if there is one.
    pub fn text(&self) -> Option<&str> {
        self.0.as_ref().map(|text| &*text.0)
    }
}

impl Lenient<bool> {
    /// Whether it is there and true.
    pub fn is_true(&self) -> bool {
        self.0 == Some(true)
    }
}

/// Builds a value from whichever kind of JSON value turns up; what it does not know is nothing.
trait FromAny<'de>: Sized {
    fn text(_: Cow<'de, str>) -> Option<Self> {
        None
    }
    fn number(_: u64) -> Option<Self> {
        None
    }
    fn flag(_: bool) -> Option<Self> {
        None
    }
    fn map<A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

impl<'de: 'a, 'a> FromAny<'de> for Text<'a> {
    fn text(text: Cow<'de, str>) -> Option<Self> {
        Some(Self(text))
    }
}

impl FromAny<'_> for u64 {
    fn number(number: u64) -> Option<Self> {
        Some(number)
    }

    /// Slack documents some numbers as texts and sends them either way.
    fn text(text: Cow<'_, str>) -> Option<Self> {
        text.parse().ok()
    }
}

impl FromAny<'_> for bool {
    fn flag(flag: bool) -> Option<Self> {
        Some(flag)
    }
}

macro_rules! from_map {
    ($($kind:ident),*) => {$(
        impl<'de: 'a, 'a> FromAny<'de> for $kind<'a> {
            fn map<A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
                Self::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Some)
            }
        }
    )*};
}

from_map!(Event, User, Profile, Tokens);

impl<'de, T: FromAny<'de>> FromAny<'de> for Vec<Lenient<T>> {
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        let mut all = Self::new();
        while let Some(one) = list.next_element()? {
            all.push(one);
        }
        Ok(Some(all))
    }
}

struct AnyVisitor<T>(PhantomData<T>);

impl<'de, T: FromAny<'de>> Visitor<'de> for AnyVisitor<T> {
    type Value = Lenient<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Lenient(T::text(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Lenient(T::text(Cow::Owned(text.to_owned()))))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Lenient(T::number(number)))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Lenient(None))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        let whole = number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number);
        Ok(Lenient(whole.then(|| T::number(number as u64)).flatten()))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Lenient(T::flag(flag)))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Lenient(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::map(map).map(Lenient)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        T::list(list).map(Lenient)
    }
}

impl<'de, T: FromAny<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor(PhantomData))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fixtures(folder: &str) -> Vec<(String, String)> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap())).collect()
    }

    #[test]
    fn every_recorded_and_documented_payload_is_read() {
        let mut members = 0;
        for (path, text) in fixtures("events-recorded").into_iter().chain(fixtures("events-docs")) {
            let is_whole = text.contains("event_callback") || !text.contains("\"event_ts\"");
            let body = if is_whole { text } else { format!(r#"{{"event":{text},"type":"event_callback"}}"#) };
            let callback = parse(body.as_bytes()).unwrap();
            assert!(callback.kind.text().is_some(), "{path}");
            if let Some(user) = callback.event.0.and_then(|event| event.user.0) {
                assert!(user.id.text().is_some(), "{path}");
                assert!(user.profile().status_emoji.text().is_some(), "{path}");
                members += 1;
            }
        }
        assert_eq!(members, 6);
    }

    #[test]
    fn fields_of_a_wrong_kind_count_as_absent() {
        let body = br#"{"event":{"user":{"id":"U1","deleted":"no","is_bot":7,"profile":{"status_emoji":{"a":[1]},"fields":[],
            "status_expiration":"1700000000"},"updated":[]},"tokens":7,"type":"user_change"},"event_time":1.0,"team_id":null}"#;

        let callback = parse(body).unwrap();

        let event = callback.event.0.unwrap();
        let user = event.user.0.unwrap();
        assert_eq!((event.kind.text(), user.id.text()), (Some("user_change"), Some("U1")));
        assert!(!user.deleted.is_true() && !user.is_bot.is_true());
        let profile = user.profile();
        assert_eq!((profile.status_emoji.text(), profile.status_expiration.0), (None, Some(1_700_000_000)));
        assert_eq!((callback.event_time.0, callback.team_id.text()), (Some(1), None));
    }

    #[test]
    fn a_profile_of_a_wrong_kind_tells_no_status() {
        for profile in ["7", "null", "[]", "\"x\"", r#"{"status_emoji":":a:","status_emoji":":b:"}"#] {
            let body = format!(r#"{{"event":{{"user":{{"id":"U1","profile":{profile}}}}}}}"#);

            let user = parse(body.as_bytes()).unwrap().event.0.unwrap().user.0.unwrap();

            assert_eq!((user.id.text(), user.profile().status_emoji.text()), (Some("U1"), None), "{profile}");
        }
    }

    #[test]
    fn an_escaped_text_is_read_as_what_it_means() {
        let body = br#"{"event":{"user":{"profile":{"status_emoji":"\u003apalm\u005ftree:"}}}}"#;

        let callback = parse(body).unwrap();

        let user = callback.event.0.unwrap().user.0.unwrap();
        assert_eq!(user.profile().status_emoji.text(), Some(":palm_tree:"));
    }

    #[test]
    fn what_is_no_json_object_is_an_error() {
        for body in ["", "[", "[]", "7", "\"x\"", "null", "{\"a\":}", "{} trailing"] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
        // Nested beyond any recursion: whatever it is taken for, the stack bears it.
        let deep = |inner: &str| format!("{{\"event\":{}1{}}}", inner.repeat(100_000), "]".repeat(100_000));
        let _ = parse(deep("[").as_bytes());
        let _ = parse("{\"event\":{\"user\":".repeat(50_000).as_bytes());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_value_in_a_known_place_makes_it_panic(
            value in r#"(\{\}|\[\]|null|-?(0|[1-9][0-9]{0,29})(\.[0-9]{1,9})?|"[ !#-\[\]-~]{0,9}"|true)"#
        ) {
            for place in ["type", "event", "team_id", "event_time"] {
                parse(format!("{{\"{place}\":{value}}}").as_bytes()).unwrap();
            }
            parse(format!("{{\"event\":{{\"user\":{value},\"tokens\":{{\"oauth\":{value}}}}}}}").as_bytes()).unwrap();
        }
    }
}
