//! The difference in words.

use crate::domain::UserId;

use super::{
    difference::{Change, Difference, Member},
    presets_file::WantedPicture,
    screen::Paint,
};

/// All members who differ, a paragraph each, and how many there are.
pub fn difference(difference: &Difference<'_>, file: &str, paint: Paint) -> String {
    let members = difference.members.iter().map(|shown| member(shown, paint) + "\n");
    members.chain([summary(difference, file)]).collect()
}

fn member(member: &Member<'_>, paint: Paint) -> String {
    let news = match () {
        () if member.is_new => paint.green("new"),
        () if member.changes.is_empty() => paint.dim("as before"),
        () => paint.yellow("changes"),
    };
    let width = member.changes.keys().map(|key| key.chars().count()).max().unwrap_or_default();
    let changes = member.changes.iter().map(|(key, shown)| {
        let key = format!("{:width$}", plain(key));
        format!("\n  {}", change(member.user, &key, shown, paint))
    });
    format!("{}  {news}{}", paint.bold(member.user), changes.collect::<String>())
}

fn change(user: &UserId, key: &str, change: &Change<'_>, paint: Paint) -> String {
    let (from, to) = (change.from, change.to);
    let name_was = from.and_then(|preset| preset.name.as_deref()).map(quoted);
    let name = to.and_then(|wish| wish.name.as_deref()).map(quoted);
    let picture_was = from.and_then(|preset| preset.picture.as_deref()).map(short);
    let picture = to.and_then(|wish| wish.picture.as_ref()).map(picture_in_words);
    let mut parts = Vec::new();
    if change.has_other_name() {
        parts.extend(part("name", name_was, name, to.is_some()));
    }
    if change.has_other_picture(user) {
        parts.extend(part("picture", picture_was, picture, to.is_some()));
    }
    let sign = match (from, to) {
        (None, _) => paint.green("+"),
        (_, None) => paint.red("-"),
        _ => paint.yellow("~"),
    };
    format!("{sign} {key}  {}", parts.join(", "))
}

/// A part as it was and as it will be; of a preset that goes as a whole, as it was.
fn part(label: &str, from: Option<String>, to: Option<String>, stays: bool) -> Option<String> {
    match (from, to) {
        (None, None) => None,
        (None, Some(to)) => Some(format!("{label} {to}")),
        (Some(from), None) if !stays => Some(format!("{label} {from}")),
        (Some(from), None) => Some(format!("{label} {from} → none")),
        (Some(from), Some(to)) => Some(format!("{label} {from} → {to}")),
    }
}

fn picture_in_words(picture: &WantedPicture) -> String {
    match picture {
        WantedPicture::File(file) => plain(&file.written),
        WantedPicture::Link(link) => short(link),
    }
}

/// A link's file name is long and says nothing: its beginning tells it from others.
fn short(link: &str) -> String {
    let file = link.rsplit('/').next().unwrap_or_default();
    plain(&format!("{}….png", file.chars().take(8).collect::<String>()))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", plain(text))
}

/// Text from outside, without what would make a terminal do something.
pub fn plain(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().collect() } else { c.to_string() };
    text.chars().map(escape).collect()
}

fn summary(difference: &Difference<'_>, file: &str) -> String {
    let Difference { members, same, unnamed } = difference;
    let new = match members.iter().filter(|member| member.is_new).count() {
        0 => String::new(),
        new => format!(" ({new} new)"),
    };
    let others = match unnamed {
        0 => String::new(),
        1 => format!("; 1 other is not in {file} and stays as he is"),
        others => format!("; {others} others are not in {file} and stay as they are"),
    };
    let differ = members.len();
    format!("\n{differ} of {} to onboard{new}{others}", counted(differ + same, "member"))
}

/// A number with its noun, in the plural if it must be.
pub fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::commands::onboard::difference::tests::{file, onboarded};

    #[test]
    fn a_difference_reads_like_this() {
        let old = "s3://b/U1/8c6976e5-b541-5d3c-9e3c-0d1b2f3a4b5c.png";
        let (_folder, file) = file(&json!({
            "U1": {
                "default": { "name": "Ann" },
                ":palm_tree:": { "name": "Ann (away)", "picture": "new.png" },
                ":tada:": { "name": "Ann!", "picture": old },
            },
            "U2": { ":tada:": { "name": "Ben", "picture": "new.png" } },
            "U3": { "default": { "name": "Cleo" } },
        }));
        let onboarded = onboarded(json!({
            "U1": {
                ":palm_tree:": { "name": "Ann\u{1b}[2J", "picture": old },
                ":tada:": { "picture": old },
                ":bye:": { "name": "Ann, bye", "picture": old },
            },
            "U3": { "default": { "name": "Cleo" } },
            "U4": {},
        }));

        let shown = difference(&Difference::between(&onboarded, &file, false), "presets.json", Paint::Plain);

        assert_eq!(
            shown,
            "U1  changes\n  \
               - :bye:        name \"Ann, bye\", picture 8c6976e5….png\n  \
               ~ :palm_tree:  name \"Ann\\u{1b}[2J\" → \"Ann (away)\", picture 8c6976e5….png → new.png\n  \
               ~ :tada:       name \"Ann!\"\n  \
               + default      name \"Ann\"\n\
             U2  new\n  \
               + :tada:  name \"Ben\", picture new.png\n\n\
             2 of 3 members to onboard (1 new); 1 other is not in presets.json and stays as he is"
        );
    }

    #[test]
    fn a_part_that_goes_leaves_none() {
        let (_folder, file) = file(&json!({ "U1": { ":a:": { "name": "Ann" } } }));
        let onboarded = onboarded(json!({ "U1": { ":a:": { "name": "Ann", "picture": "nonsense" } } }));

        let shown = difference(&Difference::between(&onboarded, &file, false), "f", Paint::Coloured);

        assert!(shown.contains("~\x1b[0m :a:  picture nonsense….png → none"), "{shown}");
    }
}
