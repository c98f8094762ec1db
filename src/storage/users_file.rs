//! `users.json`: who is onboarded, and his presets.
//!
//! Strict about its structure, since a damaged file must not pass for an empty one; lenient about single entries,
//! since one of them must not stop everybody's.

mod edit;

use serde::Deserialize;
use std::collections::BTreeMap;

use crate::domain::{Presets, UserId, Users};

pub use edit::{Edit, edit, users};

/// How large `users.json` may be, in bytes.
pub const AT_MOST: u64 = 256 * 1024 * 1024;

/// What `users.json` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsersFile {
    /// Everybody whose id is well formed.
    pub users: Users,
    /// How many entries were left out because their id is not.
    pub left_out: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    users: BTreeMap<String, Presets>,
}

/// Reads the file's bytes.
///
/// # Errors
/// Where and why it is damaged, without any of its content.
pub fn parse(bytes: &[u8]) -> Result<UsersFile, String> {
    // What is skipped would not be looked at; then the file could be read but never written.
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let raw: Raw = serde_json::from_str(text).map_err(|error| describe(&error))?;
    let all = raw.users.len();
    let known = raw.users.into_iter().filter_map(|(id, presets)| Some((id.parse::<UserId>().ok()?, presets)));
    let users: Users = known.collect();
    let left_out = all - users.len();
    Ok(UsersFile { users, left_out })
}

/// serde's own words quote the value found; a place and a kind tell enough.
fn describe(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax => "it is not JSON",
        _ => "a value is not of the kind it should be, or `users` is missing",
    };
    format!("{kind} (line {}, column {})", error.line(), error.column())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::Preset;

    #[test]
    fn presets_are_read_as_they_stand() {
        let text = r#"{"lastUpdatedAt":"1","users":{"U1":{":tada:":{"name":"Ann","picture":null},"default":{"picture":"file:///U1/x.png"}},"U2":{}}}"#;

        let file = parse(text.as_bytes()).unwrap();

        let ann = &file.users[&"U1".parse::<UserId>().unwrap()];
        assert_eq!(ann.0[":tada:"], Preset { name: Some("Ann".into()), picture: None });
        assert_eq!(ann.0["default"].picture.as_deref(), Some("file:///U1/x.png"));
        assert_eq!((file.users.len(), file.left_out), (2, 0));
    }

    #[test]
    fn an_id_that_is_none_is_left_out_and_counted() {
        let file = parse(br#"{"lastUpdatedAt":1,"users":{"bob":{},"U1":{}},"more":[]}"#).unwrap();

        assert_eq!((file.users.len(), file.left_out), (1, 1));
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_damage_also_where_nobody_looks() {
        assert_eq!(
            parse(b"{\"users\":{\"U1\":{\"x\":{\"note\":\"\xa1\"}}}}"),
            Err("it is not UTF-8".to_owned())
        );
    }

    #[test]
    fn a_damaged_file_is_told_by_place_and_never_quoted() {
        for text in ["", "{", "[]", "{}", r#"{"users":[]}"#, r#"{"users":{"U1":{":a:":"secret"}}}"#, "\u{0}"]
        {
            let error = parse(text.as_bytes()).unwrap_err();
            assert!(error.contains("line") && !error.contains("secret"), "{text}: {error}");
        }
    }
}
