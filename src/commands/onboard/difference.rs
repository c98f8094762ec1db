//! What a presets file wants that is not so yet.

use std::collections::BTreeMap;

use crate::{
    domain::{Preset, Presets, UserId},
    pictures,
    storage::Key,
};

use super::presets_file::{PresetsFile, Wish, Wishes};

/// Everybody who is onboarded, as the service says. An id may be anything: the store can be edited by hand.
pub type Onboarded = BTreeMap<String, Presets>;

/// All that differs, member by member.
#[derive(Debug, PartialEq)]
pub struct Difference<'a> {
    /// Those whose presets differ.
    pub members: Vec<Member<'a>>,
    /// How many are as the file says.
    pub same: usize,
    /// How many are onboarded, and the file does not name them.
    pub unnamed: usize,
}

/// A member whose presets differ.
#[derive(Debug, PartialEq)]
pub struct Member<'a> {
    /// Who.
    pub user: &'a UserId,
    /// Whether he was not onboarded before.
    pub is_new: bool,
    /// All that he shall have.
    pub wishes: &'a Wishes,
    /// What becomes of each preset that does not stay as it is.
    pub changes: BTreeMap<&'a str, Change<'a>>,
    /// Links of pictures that he has already, by their place in the store.
    pub known: BTreeMap<Key, &'a str>,
}

/// What becomes of a preset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change<'a> {
    /// As it is; `None` if there is none.
    pub from: Option<&'a Preset>,
    /// As it shall be; `None` if it goes.
    pub to: Option<&'a Wish>,
}

impl<'a> Difference<'a> {
    /// Compares. If `all` is wanted, those who do not differ count as if they did, and no picture
    /// as known.
    pub fn between(onboarded: &'a Onboarded, file: &'a PresetsFile, all: bool) -> Self {
        let members = file.members.iter().filter_map(|(user, wishes)| {
            let mut member = member(user, wishes, onboarded.get(user.as_str()));
            if all {
                member.known.clear();
            }
            (all || member.is_new || !member.changes.is_empty()).then_some(member)
        });
        let members: Vec<_> = members.collect();
        let same = file.members.len() - members.len();
        let is_named = |user: &&String| file.members.contains_key(user.as_str());
        let unnamed = onboarded.len() - onboarded.keys().filter(is_named).count();
        Self { members, same, unnamed }
    }
}

fn member<'a>(user: &'a UserId, wishes: &'a Wishes, presets: Option<&'a Presets>) -> Member<'a> {
    let has = |key: &str| presets.and_then(|presets| presets.0.get(key));
    let wanted = wishes.iter().map(|(key, wish)| (key.as_str(), Change { from: has(key), to: Some(wish) }));
    let stored = presets.into_iter().flat_map(|presets| &presets.0);
    let gone = stored
        .clone()
        .filter(|(key, _)| !wishes.contains_key(*key))
        .map(|(key, preset)| (key.as_str(), Change { from: Some(preset), to: None }));
    let changes = wanted.chain(gone).filter(|(_, change)| !change.is_none(user)).collect();
    let links = stored.filter_map(|(_, preset)| preset.picture.as_deref());
    let known = links.filter_map(|link| Some((pictures::key_of(user, link).ok()?, link))).collect();
    Member { user, is_new: presets.is_none(), wishes, changes, known }
}

impl Change<'_> {
    /// Whether the name becomes another.
    pub fn has_other_name(&self) -> bool {
        let name = self.to.and_then(|wish| wish.name.as_deref());
        self.from.and_then(|preset| preset.name.as_deref()) != name
    }

    /// Whether the picture becomes another. Of links only the place in the store counts: the store may have been moved.
    pub fn has_other_picture(&self, user: &UserId) -> bool {
        let link = self.from.and_then(|preset| preset.picture.as_deref());
        match (link, self.to.and_then(|wish| wish.picture.as_ref())) {
            (None, None) => false,
            (Some(link), Some(wanted)) => {
                pictures::key_of(user, link).map_or(true, |key| wanted.key(user) != Some(key))
            }
            _ => true,
        }
    }

    fn is_none(&self, user: &UserId) -> bool {
        let stays = self.from.is_some() == self.to.is_some();
        stays && !self.has_other_name() && !self.has_other_picture(user)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, missing_docs)]
pub mod tests {
    use serde_json::{Value, json};
    use tempfile::TempDir;

    use super::*;

    const UUID: &str = "8c6976e5-b541-5d3c-9e3c-0d1b2f3a4b5c";

    /// A file with these presets; the folder has a picture `new.png`.
    pub fn file(presets: &Value) -> (TempDir, PresetsFile) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("new.png"), crate::demo::pictures::square(1)).unwrap();
        let path = folder.path().join("presets.json");
        std::fs::write(&path, presets.to_string()).unwrap();
        let file = PresetsFile::read(&path, 80).unwrap();
        (folder, file)
    }

    /// What the service says.
    pub fn onboarded(users: Value) -> Onboarded {
        serde_json::from_value(users).unwrap()
    }

    fn link(store: &str) -> String {
        format!("{store}/U1/{UUID}.png")
    }

    #[test]
    fn who_is_as_the_file_says_does_not_differ_wherever_the_store_has_moved() {
        let (_folder, file) = file(&json!({
            "U1": { ":a:": { "picture": link("s3://new") }, ":b:": { "picture": "new.png" }, ":c:": { "name": "Ann" } },
            "U2": {},
        }));
        let new = format!("file:///x/U1/{}.png", pictures::id(&crate::demo::pictures::square(1)));
        let onboarded = onboarded(json!({
            "U1": { ":a:": { "picture": link("s3://old") }, ":b:": { "picture": new }, ":c:": { "name": "Ann" } },
            "U2": {},
            "U3": { "default": { "name": "Cleo" } },
        }));

        let difference = Difference::between(&onboarded, &file, false);

        assert_eq!((difference.members.len(), difference.same, difference.unnamed), (0, 2, 1));
    }

    #[test]
    fn what_comes_changes_and_goes_is_told_by_preset() {
        let (_folder, file) = file(&json!({
            "U1": { ":a:": { "name": "Ann" }, ":b:": { "name": "b", "picture": "new.png" }, ":c:": { "name": "c" } },
            "U2": {},
        }));
        let onboarded = onboarded(json!({
            "U1": {
                ":b:": { "name": "b", "picture": link("s3://b") },
                ":c:": { "name": "c" },
                ":d:": { "picture": "nonsense" },
            },
        }));

        let difference = Difference::between(&onboarded, &file, false);

        let [ann, ben] = &difference.members[..] else { unreachable!("both differ") };
        let changes: Vec<_> = ann
            .changes
            .iter()
            .map(|(key, change)| (*key, change.from.is_some(), change.to.is_some()))
            .collect();
        assert_eq!(changes, [(":a:", false, true), (":b:", true, true), (":d:", true, false)]);
        assert!(!ann.is_new && ben.is_new && ben.changes.is_empty());
        assert_eq!(ann.known.values().collect::<Vec<_>>(), [&link("s3://b")]);
    }

    #[test]
    fn a_link_in_the_store_that_leads_elsewhere_differs_from_every_picture() {
        let (_folder, file) = file(&json!({ "U1": { ":a:": { "picture": link("s3://b") } } }));
        let onboarded = onboarded(json!({ "U1": { ":a:": { "picture": "nonsense" } } }));

        assert_eq!(Difference::between(&onboarded, &file, false).members.len(), 1);
    }

    #[test]
    fn if_all_is_wanted_everybody_differs_and_no_picture_is_known() {
        let (_folder, file) = file(&json!({ "U1": { ":a:": { "picture": link("s3://b") } } }));
        let onboarded = onboarded(json!({ "U1": { ":a:": { "picture": link("s3://b") } } }));

        let difference = Difference::between(&onboarded, &file, true);

        assert!(difference.members[0].known.is_empty() && difference.members[0].changes.is_empty());
    }
}
