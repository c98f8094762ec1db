//! A presets file as plain JSON, and the line on which each of its values stands.
//!
//! Both formats say the same: members, below each his emoji, below each a name and a picture. Places are JSON
//! pointers, as the service's own problems have them.

use std::{borrow::Borrow, collections::BTreeMap, ffi::OsStr, fmt, ops::Range, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};
use toml::de::{DeTable, DeValue};

use crate::presets::{below, keys};

/// What a file says, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its values. Whatever is neither text nor a table is there too, so that it can be refused in its place.
    pub value: Value,
    lines: BTreeMap<String, usize>,
}

/// Something wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flaw {
    /// The line, counted from 1; `None` when it concerns the whole file.
    pub line: Option<usize>,
    /// What is wrong, and what is allowed.
    pub message: String,
}

/// The formats that a presets file can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `.toml`
    Toml,
    /// `.json`
    Json,
}

impl Format {
    /// The format that a file's name tells.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension().and_then(OsStr::to_str)? {
            "toml" => Some(Self::Toml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

impl Document {
    /// Reads a file's text.
    ///
    /// # Errors
    /// Every place at which it is not what its format demands; for JSON, the first.
    pub fn parse(text: &str, format: Format) -> Result<Self, Vec<Flaw>> {
        let line_ends =
            text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
        let mut reader = Reader { text, line_ends, lines: BTreeMap::new(), flaws: Vec::new() };
        let value = match format {
            Format::Toml => reader.toml(),
            Format::Json => reader.json(),
        };
        reader.flaws.sort();
        if reader.flaws.is_empty() { Ok(Self { value, lines: reader.lines }) } else { Err(reader.flaws) }
    }

    /// The line of the value at a pointer, or of the nearest value around it.
    pub fn line(&self, pointer: &str) -> Option<usize> {
        let mut pointer = pointer;
        loop {
            if let Some(line) = self.lines.get(pointer) {
                return Some(*line);
            }
            pointer = pointer.rsplit_once('/')?.0;
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    line_ends: Vec<usize>,
    lines: BTreeMap<String, usize>,
    flaws: Vec<Flaw>,
}

impl<'t> Reader<'t> {
    fn line_at(&self, offset: usize) -> usize {
        1 + self.line_ends.partition_point(|end| *end < offset)
    }

    fn flaw(&mut self, place: Option<Range<usize>>, message: impl Into<String>) {
        let line = place.map(|place| self.line_at(place.start));
        self.flaws.push(Flaw { line, message: message.into() });
    }

    fn toml(&mut self) -> Value {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            self.flaw(error.span(), error.message());
        }
        self.toml_table(table.get_ref(), "")
    }

    fn toml_table(&mut self, table: &DeTable<'_>, pointer: &str) -> Value {
        let mut object = Map::new();
        for (key, value) in table {
            let name: &str = key.get_ref().borrow();
            let inner = below(pointer, name);
            self.lines.insert(inner.clone(), self.line_at(key.span().start));
            let value = match value.get_ref() {
                DeValue::String(text) => Value::String(text.to_string()),
                DeValue::Table(table) => self.toml_table(table, &inner),
                DeValue::Boolean(value) => Value::Bool(*value),
                // Of no use in a presets file, whatever it is; only its kind has to be seen.
                DeValue::Array(_) => Value::Array(Vec::new()),
                DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_) => Value::from(0),
            };
            object.insert(name.to_owned(), value);
        }
        Value::Object(object)
    }

    fn json(&mut self) -> Value {
        match serde_json::from_str::<&'t RawValue>(self.text) {
            Ok(raw) => self.json_value(raw, ""),
            Err(error) => {
                let message = error.to_string();
                let message = message.split(" at line ").next().unwrap_or_default().to_owned();
                self.flaws.push(Flaw { line: Some(error.line()), message });
                Value::Null
            }
        }
    }

    fn json_value(&mut self, raw: &'t RawValue, pointer: &str) -> Value {
        let offset = raw.get().as_ptr().addr() - self.text.as_ptr().addr();
        let line = self.line_at(offset);
        if self.lines.insert(pointer.to_owned(), line).is_some() {
            let key = keys(pointer).pop().unwrap_or_default();
            self.flaw(Some(offset..offset), format!("{key:?} stands here for the second time"));
        }
        if !raw.get().starts_with('{') {
            return serde_json::from_str(raw.get()).unwrap_or_default();
        }
        let entries = serde_json::from_str::<Entries<'t>>(raw.get()).map(|entries| entries.0);
        let inner = entries.unwrap_or_default().into_iter().map(|(key, raw)| {
            let value = self.json_value(raw, &below(pointer, &key));
            (key, value)
        });
        Value::Object(inner.collect())
    }
}

/// An object's entries as they stand: also those whose key is there twice.
struct Entries<'t>(Vec<(String, &'t RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AsTheyStand)
    }
}

struct AsTheyStand;

impl<'de> Visitor<'de> for AsTheyStand {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    const TOML: &str = r#"
# Everybody in design
[U1.default]
name = "Ann"

[U1.":palm_tree:"]
name = "Ann (away)"
picture = 'pics/ann.png'

[U2]
":a/b~c:" = { name = "Ben" }
"#;

    const JSON: &str = r#"{
  "U1": {
    "default": { "name": "Ann" },
    ":palm_tree:": {
      "name": "Ann (away)",
      "picture": "pics/ann.png"
    }
  },
  "U2": { ":a/b~c:": { "name": "Ben" } }
}"#;

    #[test]
    fn both_formats_say_the_same() {
        let toml = Document::parse(TOML, Format::Toml).unwrap();
        let json = Document::parse(JSON, Format::Json).unwrap();

        assert_eq!(toml.value, json.value);
        assert_eq!(toml.value["U1"][":palm_tree:"]["picture"], "pics/ann.png");
        assert_eq!(toml.value["U2"], json!({ ":a/b~c:": { "name": "Ben" } }));
    }

    #[test]
    fn a_pointer_leads_to_its_line_or_to_the_nearest_around_it() {
        let toml = Document::parse(TOML, Format::Toml).unwrap();
        let json = Document::parse(JSON, Format::Json).unwrap();

        for (pointer, in_toml, in_json) in [
            ("/U1/default/name", Some(4), Some(3)),
            ("/U1/:palm_tree:/picture", Some(8), Some(6)),
            ("/U1/:palm_tree:/nickname", Some(6), Some(4)),
            ("/U2/:a~1b~0c:/name", Some(11), Some(9)),
            ("/U3", None, Some(1)),
        ] {
            assert_eq!((toml.line(pointer), json.line(pointer)), (in_toml, in_json), "{pointer}");
        }
    }

    #[test]
    fn every_flaw_of_a_toml_file_is_told_with_its_line() {
        let flaws =
            Document::parse("[U1.a]\nname = Ann\n[U1.a]\npicture = \"x\n[U2\n", Format::Toml).unwrap_err();

        let lines: Vec<_> = flaws.iter().filter_map(|flaw| flaw.line).collect();
        assert_eq!(lines, [2, 3, 4, 5], "{flaws:?}");
    }

    #[test]
    fn the_first_flaw_of_a_json_file_and_keys_that_are_there_twice_are_told() {
        let broken = Document::parse("{\n\"U1\": {},\n}", Format::Json).unwrap_err();
        let twice = Document::parse("{\"U1\": {},\n\"U2\": {},\n\"U1\": {}}", Format::Json).unwrap_err();

        assert_eq!(broken, [Flaw { line: Some(3), message: "key must be a string".into() }]);
        assert_eq!(twice[0].line, Some(3));
        assert!(twice[0].message.contains("\"U1\""), "{twice:?}");
    }

    #[test]
    fn values_of_no_use_keep_their_place() {
        let text = "[U1.default]\nname = 5\npicture = [1]\n";

        let document = Document::parse(text, Format::Toml).unwrap();

        assert_eq!(document.value["U1"]["default"], json!({ "name": 0, "picture": [] }));
        assert_eq!(document.line("/U1/default/picture"), Some(3));
    }

    #[test]
    fn a_files_name_tells_its_format() {
        assert_eq!(Format::of(Path::new("a.b/presets.toml")), Some(Format::Toml));
        assert_eq!(Format::of(Path::new("presets.json")), Some(Format::Json));
        assert_eq!(Format::of(Path::new("toml")), None);
    }
}
