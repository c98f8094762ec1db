//! Changes `users.json`: who is named is replaced or removed, everything else stays as it stands, byte for byte.

use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};

use crate::domain::{UserId, Users};

use super::{describe, parse};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// These members' presets are replaced.
    Replace(Users),
    /// This member is removed.
    Remove(UserId),
}

/// Makes the changes one after the other; `None` when nothing changes. Without a file they begin an empty one.
///
/// # Errors
/// Where and why the file is damaged: then nothing may be written over it.
pub fn edit(file: Option<&[u8]>, edits: &[Edit], unix_now: u64) -> Result<Option<Vec<u8>>, String> {
    type Raw = BTreeMap<String, Box<RawValue>>;
    let failed = |error: serde_json::Error| describe(&error);
    let mut whole = Raw::new();
    let mut users = Raw::new();
    if let Some(bytes) = file {
        parse(bytes)?;
        whole = serde_json::from_slice(bytes).map_err(failed)?;
        users = serde_json::from_str(whole.get("users").map_or("{}", |raw| raw.get())).map_err(failed)?;
    }
    let mut is_changed = false;
    for edit in edits {
        match edit {
            Edit::Replace(named) => {
                is_changed = true;
                for (user, presets) in named {
                    users.insert(user.to_string(), to_raw_value(presets).map_err(failed)?);
                }
            }
            Edit::Remove(user) => is_changed |= users.remove(user.as_str()).is_some(),
        }
    }
    if !is_changed {
        return Ok(None);
    }
    whole.insert("lastUpdatedAt".into(), to_raw_value(&unix_now.to_string()).map_err(failed)?);
    whole.insert("users".into(), to_raw_value(&users).map_err(failed)?);
    serde_json::to_vec(&whole).map(Some).map_err(failed)
}

/// The value of `users` as the file has it; an empty object without a file.
///
/// # Errors
/// Where and why the file is damaged.
pub fn users(file: Option<&[u8]>) -> Result<Box<RawValue>, String> {
    #[derive(serde::Deserialize)]
    struct Raw {
        users: Box<RawValue>,
    }
    let bytes = file.unwrap_or(br#"{"users":{}}"#);
    parse(bytes)?;
    serde_json::from_slice(bytes).map(|raw: Raw| raw.users).map_err(|error| describe(&error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn named(json: &str) -> Edit {
        Edit::Replace(serde_json::from_str(json).unwrap())
    }

    fn remove(user: &str) -> Edit {
        Edit::Remove(user.parse().unwrap())
    }

    fn edited(file: Option<&str>, edits: &[Edit]) -> Option<String> {
        let file = edit(file.map(str::as_bytes), edits, 7).unwrap();
        file.map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn the_first_edit_begins_the_file() {
        let file = edited(None, &[named(r#"{"U1":{"default":{"name":"Ann"}}}"#)]).unwrap();

        assert_eq!(file, r#"{"lastUpdatedAt":"7","users":{"U1":{"default":{"name":"Ann"}}}}"#);
    }

    #[test]
    fn who_is_named_has_all_his_presets_replaced_and_nobody_else_is_touched() {
        let file = r#"{"lastUpdatedAt":1,"more":[1.50],"users":{"U1":{":a:":{"name":"A"},":b:":{"name":"B"}},"U2":{":a:":{"name":"\u0041", "also":null}},"bob":{}}}"#;

        let file = edited(Some(file), &[named(r#"{"U1":{":c:":{"name":"C"}},"U3":{}}"#)]).unwrap();

        assert_eq!(
            file,
            r#"{"lastUpdatedAt":"7","more":[1.50],"users":{"U1":{":c:":{"name":"C"}},"U2":{":a:":{"name":"\u0041", "also":null}},"U3":{},"bob":{}}}"#
        );
    }

    #[test]
    fn several_edits_are_made_in_their_order() {
        let both = [named(r#"{"U1":{},"U2":{}}"#), remove("U1"), named(r#"{"U3":{}}"#), remove("U3")];

        assert_eq!(edited(None, &both).unwrap(), r#"{"lastUpdatedAt":"7","users":{"U2":{}}}"#);
    }

    #[test]
    fn removing_who_is_unknown_changes_nothing() {
        assert_eq!(edited(None, &[remove("U1")]), None);
        assert_eq!(edited(Some(r#"{"users":{"U2":{}}}"#), &[remove("U1")]), None);
    }

    #[test]
    fn a_damaged_file_is_neither_edited_nor_shown() {
        for file in ["", "[]", r#"{"users":[]}"#, r#"{"users":{"U1":{":a:":7}}}"#] {
            assert!(edit(Some(file.as_bytes()), &[remove("U1")], 7).is_err(), "{file}");
            assert!(users(Some(file.as_bytes())).is_err(), "{file}");
        }
        assert_eq!(users(None).unwrap().get(), "{}");
        assert_eq!(users(Some(br#"{"users": {"bob":{}} }"#)).unwrap().get(), r#"{"bob":{}}"#);
    }
}
