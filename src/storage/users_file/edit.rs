//! Changes `users.json`: who is named is replaced or removed, everything else stays as it stands, byte for byte.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::{RawValue, to_raw_value};

use crate::domain::{Preset, UserId, Users};

use super::describe;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// These members' presets are replaced.
    Replace(Users),
    /// This member is removed.
    Remove(UserId),
}

/// Keys and their values as they stand.
type Raw<'a> = BTreeMap<String, &'a RawValue>;

/// Makes the changes one after the other; `None` when nothing changes. Without a file they begin an empty one.
///
/// # Errors
/// Where and why the file is damaged: then nothing may be written over it.
pub fn edit(file: Option<&[u8]>, edits: &[Edit], unix_now: u64) -> Result<Option<Vec<u8>>, String> {
    edit_raw(file, edits, unix_now).map_err(|error| describe(&error))
}

fn edit_raw(
    file: Option<&[u8]>,
    edits: &[Edit],
    unix_now: u64,
) -> Result<Option<Vec<u8>>, serde_json::Error> {
    let file = file.unwrap_or(EMPTY);
    check(file)?;
    let mut whole: Raw<'_> = serde_json::from_slice(file)?;
    let mut users: Raw<'_> =
        whole.get("users").map_or(Ok(Raw::new()), |users| serde_json::from_str(users.get()))?;
    let written = edits.iter().map(write).collect::<Result<Vec<_>, _>>()?;
    let mut is_changed = false;
    for (edit, written) in edits.iter().zip(&written) {
        match edit {
            Edit::Replace(_) => {
                is_changed = true;
                users.extend(written.iter().map(|(user, presets)| (user.to_string(), &**presets)));
            }
            Edit::Remove(user) => is_changed |= users.remove(user.as_str()).is_some(),
        }
    }
    if !is_changed {
        return Ok(None);
    }
    let (at, users) = (to_raw_value(&unix_now.to_string())?, to_raw_value(&users)?);
    whole.insert("lastUpdatedAt".into(), &at);
    whole.insert("users".into(), &users);
    serde_json::to_vec(&whole).map(Some)
}

const EMPTY: &[u8] = br#"{"users":{}}"#;

/// What a change brings, as it is written.
fn write(edit: &Edit) -> Result<Vec<(&UserId, Box<RawValue>)>, serde_json::Error> {
    match edit {
        Edit::Replace(users) => {
            users.iter().map(|(user, presets)| Ok((user, to_raw_value(presets)?))).collect()
        }
        Edit::Remove(_) => Ok(Vec::new()),
    }
}

/// The value of `users` as the file has it; an empty object without a file.
///
/// # Errors
/// Where and why the file is damaged.
pub fn users(file: Option<&[u8]>) -> Result<Box<RawValue>, String> {
    #[derive(Deserialize)]
    struct Whole {
        users: Box<RawValue>,
    }
    let file = file.unwrap_or(EMPTY);
    let read = check(file).and_then(|()| serde_json::from_slice(file));
    read.map(|whole: Whole| whole.users).map_err(|error| describe(&error))
}

/// Whether the file is whole, without keeping anything of it.
fn check(file: &[u8]) -> Result<(), serde_json::Error> {
    #[derive(Deserialize)]
    struct Whole {
        #[serde(rename = "users")]
        _users: Each<Each<Preset>>,
    }
    serde_json::from_slice::<Whole>(file).map(drop)
}

/// An object whose values are all of one kind. None of them is kept.
struct Each<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Each<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Each<T> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, T>()?.is_some() {}
        Ok(self)
    }
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
