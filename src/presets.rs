//! The rules that presets must keep, whoever writes them, and every problem with them at once.
//!
//! Whether a picture is in the store is not looked at here.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    config::NameField,
    domain::{Preset, Presets, UserId, Users},
    pictures,
};

/// Something wrong with presets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where: a JSON pointer (RFC 6901).
    pub path: String,
    /// What is wrong, and what is allowed; never the value.
    pub message: String,
}

/// A pointer to what lies below another.
pub fn below(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The keys that a pointer goes through.
pub fn keys(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~")).collect()
}

/// How long a name may be, in characters.
pub fn name_at_most(field: NameField) -> usize {
    match field {
        NameField::DisplayName => 80,
        NameField::RealName => 50,
    }
}

/// Reads members and their presets, as the value of `users` in `users.json` has them.
///
/// # Errors
/// Every problem.
pub fn check(users: &Value, name_at_most: usize) -> Result<Users, Vec<Problem>> {
    let (users, problems) = examine(users, name_at_most);
    if problems.is_empty() { Ok(users) } else { Err(problems) }
}

/// Reads them as far as they can be read, with every problem.
pub fn examine(users: &Value, name_at_most: usize) -> (Users, Vec<Problem>) {
    let mut checker = Checker { name_at_most, problems: Vec::new() };
    let users = checker.users(users);
    (users, checker.problems)
}

struct Checker {
    name_at_most: usize,
    problems: Vec<Problem>,
}

impl Checker {
    fn fail(&mut self, path: &str, message: impl Into<String>) {
        self.problems.push(Problem { path: path.to_owned(), message: message.into() });
    }

    fn object<'v>(&mut self, path: &str, value: &'v Value, holds: &str) -> Option<&'v Map<String, Value>> {
        let object = value.as_object();
        if object.is_none() {
            self.fail(path, format!("must be an object of {holds}"));
        }
        object
    }

    fn users(&mut self, value: &Value) -> Users {
        let mut users = Users::new();
        for (id, value) in self.object("", value, "user ids and presets").into_iter().flatten() {
            let path = below("", id);
            let user = id.parse::<UserId>().map_err(|error| self.fail(&path, error.to_string())).ok();
            let presets = self.presets(&path, user.as_ref(), value);
            if let Some(user) = user {
                users.insert(user, presets);
            }
        }
        users
    }

    fn presets(&mut self, path: &str, user: Option<&UserId>, value: &Value) -> Presets {
        let mut presets = Presets::default();
        for (key, value) in self.object(path, value, "emoji and presets").into_iter().flatten() {
            let path = below(path, key);
            if !is_key(key) {
                let allowed =
                    "default, or an emoji between colons such as :palm_tree: or :wave::skin-tone-2:";
                self.fail(&path, format!("is no emoji; allowed: {allowed}"));
            }
            presets.0.insert(key.clone(), self.preset(&path, user, value));
        }
        presets
    }

    fn preset(&mut self, path: &str, user: Option<&UserId>, value: &Value) -> Preset {
        let Some(preset) = self.object(path, value, "name, picture or both") else {
            return Preset::default();
        };
        for key in preset.keys().filter(|key| !matches!(key.as_str(), "name" | "picture")) {
            self.fail(&below(path, key), "is not known; allowed: name, picture");
        }
        if !preset.contains_key("name") && !preset.contains_key("picture") {
            self.fail(path, "must have a name, a picture or both");
        }
        let name = self.text(path, preset, "name");
        if let Some(problem) = name.as_deref().and_then(|name| self.wrong_name(name)) {
            self.fail(&below(path, "name"), problem);
        }
        let picture = self.text(path, preset, "picture");
        if let (Some(user), Some(link)) = (user, &picture)
            && pictures::key_of(user, link).is_err()
        {
            let message = format!("is no link of a picture of his, which ends with /{user}/<uuid>.png");
            self.fail(&below(path, "picture"), message);
        }
        Preset { name, picture }
    }

    fn text(&mut self, path: &str, preset: &Map<String, Value>, key: &str) -> Option<String> {
        let value = preset.get(key)?;
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            self.fail(&below(path, key), "must be text");
        }
        text
    }

    fn wrong_name(&self, name: &str) -> Option<String> {
        let (length, most) = (name.chars().count(), self.name_at_most);
        if name.trim().is_empty() {
            Some("is empty; leave it out to keep the name".into())
        } else if name.chars().any(char::is_control) {
            Some("has control characters, such as a line's end".into())
        } else if length > most {
            Some(format!("has {length} characters; {most} are allowed"))
        } else {
            None
        }
    }
}

/// Whether this is `default` or `:name:`, with an optional skin tone from 2 to 6 after it.
fn is_key(key: &str) -> bool {
    if key == "default" {
        return true;
    }
    let Some(inner) = key.strip_prefix(':').and_then(|key| key.strip_suffix(':')) else { return false };
    let (name, tone) = inner.split_once("::").map_or((inner, None), |(name, tone)| (name, Some(tone)));
    let is_name =
        !name.is_empty() && !name.contains(|c: char| c == ':' || c.is_whitespace() || c.is_control());
    let is_tone = |tone: &str| {
        let number = tone.strip_prefix("skin-tone-");
        number.is_some_and(|number| matches!(number, "2" | "3" | "4" | "5" | "6"))
    };
    is_name && tone.is_none_or(is_tone)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    const UUID: &str = "8c6976e5-b541-5d3c-9e3c-0d1b2f3a4b5c";

    fn problems(users: Value) -> Vec<(String, String)> {
        let problems = check(&users, 80).unwrap_err();
        problems.into_iter().map(|problem| (problem.path, problem.message)).collect()
    }

    #[test]
    fn good_presets_are_read_as_they_stand() {
        let link = format!("s3://bucket/U1/{UUID}.png");
        let users = json!({
            "U1": { "default": { "name": "Ann" }, ":wave::skin-tone-2:": { "picture": link, "name": "é".repeat(80) } },
            "W2": {},
        });

        let read = check(&users, 80).unwrap();

        assert_eq!(serde_json::to_value(read).unwrap(), users);
    }

    #[test]
    fn every_problem_is_told_in_its_place_and_no_value_is_quoted() {
        let found = problems(json!({
            "bob": { ":a:": { "name": "" } },
            "U1": {
                "tada": { "name": "secret\n" },
                ":a/~b:": { "nickname": "secret" },
                ":b:": { "name": 5, "picture": format!("file:///U2/{UUID}.png") },
                ":c:": { "name": "secret".repeat(14) },
                ":d:": "secret",
            },
            "U2": [],
        }));

        let mut places: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
        places.sort();
        assert_eq!(
            places,
            [
                "/U1/:a~1~0b:",
                "/U1/:a~1~0b:/nickname",
                "/U1/:b:/name",
                "/U1/:b:/picture",
                "/U1/:c:/name",
                "/U1/:d:",
                "/U1/tada",
                "/U1/tada/name",
                "/U2",
                "/bob",
                "/bob/:a:/name"
            ]
        );
        assert!(found.iter().all(|(_, message)| !message.contains("secret")), "{found:?}");
    }

    #[test]
    fn what_is_no_object_at_all_is_told_at_the_root() {
        for users in [json!([]), json!(null), json!("U1")] {
            assert_eq!(problems(users)[0].0, "");
        }
    }

    #[test]
    fn a_key_is_default_or_an_emoji_with_an_optional_skin_tone() {
        for key in ["default", ":a:", ":+1:", ":wave::skin-tone-6:", ":日本:", ":a/b~c:"] {
            assert!(is_key(key), "{key}");
        }
        for key in [
            "",
            "::",
            ":",
            "tada",
            ":a",
            "a:",
            ":a b:",
            ":a:b:",
            ":a::skin-tone-1:",
            ":a::skin-tone-22:",
            "Default",
        ] {
            assert!(!is_key(key), "{key}");
        }
    }

    #[test]
    fn a_real_name_may_be_shorter_than_a_display_name() {
        let users = json!({ "U1": { "default": { "name": "x".repeat(51) } } });

        assert!(check(&users, name_at_most(NameField::DisplayName)).is_ok());
        assert_eq!(check(&users, name_at_most(NameField::RealName)).unwrap_err()[0].path, "/U1/default/name");
    }

    #[test]
    fn a_pointer_is_taken_apart_as_it_was_made() {
        assert_eq!(keys(&below(&below("", "U1"), ":a/b~1:")), ["U1", ":a/b~1:"]);
        assert_eq!(keys(""), [""; 0]);
    }
}
