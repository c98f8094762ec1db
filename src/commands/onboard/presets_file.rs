//! A presets file, read and checked as far as that goes without asking anybody.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;
use uuid::Uuid;

use crate::{
    domain::{Preset, Presets, UserId, Users},
    pictures,
    presets::{self, Problem, below, keys},
    storage::Key,
};

use super::{
    document::{Document, Flaw, Format},
    picture_file::PictureFile,
    show::plain,
};

/// What a file wants: members, and what each shall have.
#[derive(Debug)]
pub struct PresetsFile {
    /// Everybody it names.
    pub members: BTreeMap<UserId, Wishes>,
    path: PathBuf,
    document: Document,
}

/// A member's presets as the file has them, by `:emoji:` or `default`.
pub type Wishes = BTreeMap<String, Wish>;

/// What a member wants to show while he has a certain emoji.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The name to show.
    pub name: Option<String>,
    /// The picture to show.
    pub picture: Option<WantedPicture>,
}

/// A picture that the file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedPicture {
    /// One on this machine.
    File(PictureFile),
    /// One that the store has already.
    Link(String),
}

impl WantedPicture {
    /// Where it lies in the store, or will; `None` for a link that leads elsewhere.
    pub fn key(&self, user: &UserId) -> Option<Key> {
        match self {
            Self::File(file) => Some(Key::picture(user, file.id)),
            Self::Link(link) => pictures::key_of(user, link).ok(),
        }
    }
}

/// A file that cannot be used as it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Flaws {
    /// The file's name.
    pub file: String,
    /// Everything that is wrong, at least one.
    pub flaws: Vec<Flaw>,
}

impl fmt::Display for Flaws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, flaws } = self;
        match flaws.len() {
            1 => write!(f, "{file} has a problem:")?,
            number => write!(f, "{file} has {number} problems:")?,
        }
        for Flaw { line, message } in flaws {
            match line {
                Some(line) => write!(f, "\n  {file}:{line}: {message}")?,
                None => write!(f, "\n  {file}: {message}")?,
            }
        }
        Ok(())
    }
}

impl PresetsFile {
    /// Reads a file, and looks at the pictures that it names.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn read(path: &Path, name_at_most: usize) -> Result<Self, Flaws> {
        let with_name = |flaws| Flaws { file: path.display().to_string(), flaws };
        let document = document(path).map_err(with_name)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut flaws = Vec::new();
        let mut pictures = pictures_of(&document, folder, &mut flaws);
        let mut value = document.value.clone();
        for (pointer, picture) in &pictures {
            if let (Some(written), Some(user)) = (value.pointer_mut(pointer), keys(pointer).first()) {
                *written = stand_in(user, picture.as_ref()).into();
            }
        }
        let users = presets::check(&value, name_at_most).unwrap_or_else(|problems| {
            flaws.extend(problems.iter().map(|problem| flaw(&document, problem)));
            Users::new()
        });
        if !flaws.is_empty() {
            flaws.sort();
            return Err(with_name(flaws));
        }
        let members = users.into_iter().map(|(user, presets)| {
            let wishes = wishes(&user, presets, &mut pictures);
            (user, wishes)
        });
        Ok(Self { members: members.collect(), path: path.to_owned(), document })
    }

    /// The file's name.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// What the service found wrong, in its places in the file.
    pub fn flaws(&self, problems: &[Problem]) -> Flaws {
        let mut flaws: Vec<Flaw> = problems.iter().map(|problem| flaw(&self.document, problem)).collect();
        flaws.sort();
        Flaws { file: self.name(), flaws }
    }

    /// The line of what a pointer leads to.
    pub fn line(&self, pointer: &str) -> Option<usize> {
        self.document.line(pointer)
    }
}

fn document(path: &Path) -> Result<Document, Vec<Flaw>> {
    let whole = |message: String| vec![Flaw { line: None, message }];
    let format = Format::of(path)
        .ok_or_else(|| whole("its name ends in neither .toml nor .json, which tells its format".into()))?;
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => whole("is not there".into()),
        io::ErrorKind::InvalidData => whole("is not text in UTF-8".into()),
        _ => whole(format!("cannot be read: {error}")),
    })?;
    Document::parse(text.trim_start_matches('\u{feff}'), format)
}

/// A problem in the file's own terms. Its keys and the service's words may hold anything.
fn flaw(document: &Document, Problem { path, message }: &Problem) -> Flaw {
    let place = keys(path).join(" ");
    let message = if place.is_empty() { message.clone() } else { format!("{place}: {message}") };
    Flaw { line: document.line(path), message: plain(&message) }
}

/// The files that stand where a picture is named, by the place; `None` for one that cannot be used.
fn pictures_of(
    document: &Document,
    folder: &Path,
    flaws: &mut Vec<Flaw>,
) -> BTreeMap<String, Option<PictureFile>> {
    let mut checked: BTreeMap<&str, Result<PictureFile, String>> = BTreeMap::new();
    let mut pictures = BTreeMap::new();
    for (user, presets) in entries(&document.value) {
        for (key, preset) in entries(presets) {
            let Some(written) = preset.get("picture").and_then(Value::as_str).filter(|text| is_path(text))
            else {
                continue;
            };
            let pointer = below(&below(&below("", user), key), "picture");
            let picture = checked.entry(written).or_insert_with(|| PictureFile::check(folder, written));
            if let Err(message) = picture {
                let problem = Problem { path: pointer.clone(), message: message.clone() };
                flaws.push(flaw(document, &problem));
            }
            pictures.insert(pointer, picture.clone().ok());
        }
    }
    pictures
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Whether a picture is a path; else it is a link.
fn is_path(text: &str) -> bool {
    !text.is_empty() && !text.contains("://")
}

/// A link such as the file's picture will have, for the rules to judge.
fn stand_in(user: &str, picture: Option<&PictureFile>) -> String {
    format!("file:///{user}/{}.png", picture.map_or(Uuid::nil(), |picture| picture.id))
}

fn wishes(user: &UserId, presets: Presets, pictures: &mut BTreeMap<String, Option<PictureFile>>) -> Wishes {
    let wish = |(key, preset): (String, Preset)| {
        let pointer = below(&below(&below("", user.as_str()), &key), "picture");
        let file = pictures.remove(&pointer).flatten().map(WantedPicture::File);
        let wish = Wish { name: preset.name, picture: file.or(preset.picture.map(WantedPicture::Link)) };
        (key, wish)
    };
    presets.0.into_iter().map(wish).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::demo;

    const UUID: &str = "8c6976e5-b541-5d3c-9e3c-0d1b2f3a4b5c";

    fn folder(files: &[(&str, &[u8])]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    fn read(folder: &TempDir, name: &str) -> Result<PresetsFile, Flaws> {
        PresetsFile::read(&folder.path().join(name), 80)
    }

    #[test]
    fn a_picture_is_a_file_beside_the_presets_or_a_link_that_is_there_already() {
        let picture = demo::pictures::square(1);
        let text = format!(
            "[U1.default]\nname = 'Ann'\npicture = 'ann.png'\n[U1.':tada:']\npicture = 's3://b/U1/{UUID}.png'\n[U2]\n"
        );
        let folder = folder(&[("ann.png", &picture), ("presets.toml", text.as_bytes())]);

        let file = read(&folder, "presets.toml").unwrap();

        let ann: UserId = "U1".parse().unwrap();
        let wishes = &file.members[&ann];
        let place = |key: &str| wishes[key].picture.as_ref().unwrap().key(&ann).unwrap();
        assert_eq!(wishes["default"].name.as_deref(), Some("Ann"));
        assert_eq!(place("default"), Key::picture(&ann, pictures::id(&picture)));
        assert_eq!(place(":tada:"), Key::picture(&ann, UUID.parse().unwrap()));
        assert!(file.members[&"U2".parse::<UserId>().unwrap()].is_empty());
    }

    #[test]
    fn everything_wrong_is_told_at_once_in_the_order_of_the_lines() {
        let text = "[bob.default]\nname = ''\n\n[U1.tada]\nname = 'Ann'\npicture = 'none.png'\n\n\
                    [U1.':b:']\npicture = 'text.png'\n\n[U1.':c:']\npicture = 's3://b/U2/x.png'\n\n[U1.':d:']\n";
        let folder = folder(&[("text.png", b"hello"), ("presets.toml", text.as_bytes())]);

        let flaws = read(&folder, "presets.toml").unwrap_err();

        let lines: Vec<_> = flaws.flaws.iter().filter_map(|flaw| flaw.line).collect();
        assert_eq!(lines, [1, 2, 4, 6, 9, 12, 14], "{flaws}");
        let text = flaws.to_string();
        for part in [
            "has 7 problems:",
            "presets.toml:2: bob default name: is empty",
            ":6: U1 tada picture: none.png: it is not there",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_as_a_whole() {
        let folder = folder(&[("presets.yaml", b""), ("bytes.toml", &[0xff]), ("broken.json", b"{\n")]);

        for (name, told) in [
            ("none.toml", "none.toml: is not there"),
            ("presets.yaml", "neither .toml nor .json"),
            ("bytes.toml", "not text in UTF-8"),
            ("broken.json", "broken.json:2: "),
        ] {
            let flaws = read(&folder, name).unwrap_err().to_string();
            assert!(flaws.contains("has a problem:") && flaws.contains(told), "{flaws}");
        }
    }

    #[test]
    fn what_the_service_finds_wrong_is_told_in_the_files_places() {
        let folder = folder(&[("presets.json", b"{\n\"U1\": {\n\":a/b:\": {\n\"name\": \"Ann\" } } }")]);
        let file = read(&folder, "presets.json").unwrap();
        let problem =
            |path: &str| Problem { path: path.to_owned(), message: "does not\u{1b} please".to_owned() };

        let flaws = file.flaws(&[problem("/U1/:a~1b:/name"), problem("/U9"), problem("")]).to_string();

        assert!(flaws.contains(":4: U1 :a/b: name: does not\\u{1b} please"), "{flaws}");
        assert!(flaws.contains(":1: U9: does not") && flaws.contains(":1: does not"), "{flaws}");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        let folder = folder(&[("presets.json", "\u{feff}{}".as_bytes())]);

        assert!(read(&folder, "presets.json").unwrap().members.is_empty());
    }
}
