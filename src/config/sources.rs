//! Where a setting's text comes from: flag, else environment, else `.env`, else its default.

use std::{cell::Cell, collections::BTreeMap, fs, io, path::Path};

use super::{
    aws::AWS_VARIABLES,
    settings::{SETTINGS, Setting},
};

/// Texts by variable.
pub type Texts = BTreeMap<String, String>;

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct Wrong {
    /// The variable, or the file, that is wrong.
    pub name: String,
    /// What is wrong, and what is allowed; never a secret's value.
    pub problem: String,
}

impl Wrong {
    /// This name has this problem.
    pub fn new(name: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { name: name.into(), problem: problem.into() }
    }
}

/// The places that settings come from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Given on the command line.
    pub flags: Texts,
    /// The process's environment.
    pub environment: Texts,
    /// What `.env` in the working folder says.
    pub dotenv: Texts,
    /// What of these could not be read, whatever setting it was meant for.
    pub broken: Vec<Wrong>,
}

impl Sources {
    /// The flags given, the process's environment, and `.env` of the working folder if there is one.
    pub fn of_process(flags: Texts) -> Self {
        let environment =
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        let mut broken = Vec::new();
        let dotenv = dotenv(Path::new(".env"), &mut broken);
        Self { flags, environment: environment.collect(), dotenv, broken }
    }

    /// A variable's text; an empty one counts as unset.
    fn variable(&self, name: &str) -> Option<&str> {
        let filled = |texts: &'_ Texts| texts.get(name).is_some_and(|text| !text.is_empty());
        let source = [&self.environment, &self.dotenv].into_iter().find(|texts| filled(texts));
        source.and_then(|texts| texts.get(name)).map(String::as_str)
    }

    /// A setting's text, and whether it was given rather than its default.
    fn find(&self, setting: &Setting) -> Result<Option<String>, Wrong> {
        if setting.is_secret {
            return self.secret(setting.variable);
        }
        let given =
            self.flags.get(setting.variable).map(String::as_str).or_else(|| self.variable(setting.variable));
        Ok(given.or(setting.default).map(str::to_owned))
    }

    /// A secret, from its variable or from the file that `…_FILE` names; a newline at the file's end is dropped.
    fn secret(&self, name: &str) -> Result<Option<String>, Wrong> {
        let file_variable = format!("{name}_FILE");
        match (self.variable(name), self.variable(&file_variable)) {
            (Some(_), Some(_)) => {
                Err(Wrong::new(name, format!("is set and {file_variable} too; set one of them")))
            }
            (Some(text), None) => Ok(Some(text.to_owned())),
            (None, None) => Ok(None),
            (None, Some(path)) => {
                let text = fs::read_to_string(path).map_err(|error| {
                    Wrong::new(&file_variable, format!("{path:?} cannot be read: {error}"))
                })?;
                let text = text.strip_suffix('\n').unwrap_or(&text);
                let text = text.strip_suffix('\r').unwrap_or(text);
                if text.is_empty() {
                    return Err(Wrong::new(&file_variable, format!("{path:?} is empty")));
                }
                Ok(Some(text.to_owned()))
            }
        }
    }

    /// The variables that AWS's tools find credentials by, as far as they are set.
    pub fn aws(&self) -> Texts {
        let set = |name: &&str| Some(((*name).to_owned(), self.variable(name)?.to_owned()));
        AWS_VARIABLES.iter().filter_map(set).collect()
    }

    /// Every setting's text; what cannot be found out is noted as wrong.
    pub fn texts(&self, wrong: &mut Vec<Wrong>) -> Texts {
        wrong.extend_from_slice(&self.broken);
        let mut texts = Texts::new();
        for setting in &SETTINGS {
            match self.find(setting) {
                Ok(Some(text)) => {
                    texts.insert(setting.variable.to_owned(), text);
                }
                Ok(None) => {}
                Err(problem) => wrong.push(problem),
            }
        }
        texts
    }
}

/// Reads a `.env` file; a missing one is empty. Every broken line is noted, and the others count.
fn dotenv(path: &Path, broken: &mut Vec<Wrong>) -> Texts {
    match fs::read_to_string(path) {
        Ok(text) => parse_dotenv(&text, broken),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Texts::new(),
        Err(error) => {
            broken.push(Wrong::new(".env", format!("cannot be read: {error}")));
            Texts::new()
        }
    }
}

fn parse_dotenv(text: &str, broken: &mut Vec<Wrong>) -> Texts {
    let mut texts = Texts::new();
    // The library takes a last line that ends in a blank for one that goes on.
    let ended = format!("{}\n", text.trim_start_matches('\u{feff}'));
    let lines_read = Cell::new(0);
    for entry in dotenvy::from_read_iter(LineByLine { rest: ended.as_bytes(), lines_read: &lines_read }) {
        match entry {
            Ok((name, value)) => {
                texts.insert(name, value);
            }
            Err(error) => {
                let number = lines_read.get() - lines_in(&error).saturating_sub(1);
                // The library's own words quote the line, which may hold a secret.
                let problem = "is not NAME=value (quote values with spaces)";
                broken.push(Wrong::new(format!(".env line {number}"), problem));
            }
        }
    }
    texts
}

/// How many lines the broken entry has: a quoted value may have several.
fn lines_in(error: &dotenvy::Error) -> usize {
    match error {
        dotenvy::Error::LineParse(broken, _) => broken.lines().count(),
        _ => 1,
    }
}

/// Gives a line at a time and counts: the library does not tell where it is.
struct LineByLine<'a> {
    rest: &'a [u8],
    lines_read: &'a Cell<usize>,
}

impl io::Read for LineByLine<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line = self.rest.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        let (now, rest) = self.rest.split_at(line.len().min(buffer.len()));
        buffer[..now.len()].copy_from_slice(now);
        self.rest = rest;
        self.lines_read.set(self.lines_read.get() + usize::from(now.ends_with(b"\n")));
        Ok(now.len())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> Texts {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    fn find(sources: &Sources, name: &str) -> Option<String> {
        sources.texts(&mut Vec::new()).remove(name)
    }

    #[test]
    fn flags_go_before_environment_before_dotenv_before_defaults() {
        let name = "STATUSINATOR_WORKERS";
        let mut sources = Sources::default();
        assert_eq!(find(&sources, name).unwrap(), "4");
        sources.dotenv = texts(&[(name, "5")]);
        assert_eq!(find(&sources, name).unwrap(), "5");
        sources.environment = texts(&[(name, "6")]);
        assert_eq!(find(&sources, name).unwrap(), "6");
        sources.flags = texts(&[(name, "7")]);
        assert_eq!(find(&sources, name).unwrap(), "7");
    }

    #[test]
    fn an_empty_variable_is_unset() {
        let environment = texts(&[("STATUSINATOR_WORKERS", ""), ("SLACK_BOT_TOKEN", "")]);
        let dotenv = texts(&[("STATUSINATOR_WORKERS", "9")]);
        let sources = Sources { environment, dotenv, ..Sources::default() };

        assert_eq!(find(&sources, "STATUSINATOR_WORKERS").unwrap(), "9");
        assert_eq!(find(&sources, "SLACK_BOT_TOKEN"), None);
    }

    #[test]
    fn a_secret_may_come_from_a_file_but_not_from_both() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "xoxb-1\n").unwrap();
        let mut environment = texts(&[("SLACK_BOT_TOKEN_FILE", path.to_str().unwrap())]);
        let from_file = Sources { environment: environment.clone(), ..Sources::default() };
        assert_eq!(find(&from_file, "SLACK_BOT_TOKEN").unwrap(), "xoxb-1");

        environment.insert("SLACK_BOT_TOKEN".into(), "xoxb-2".into());
        let mut wrong = Vec::new();
        Sources { environment, ..Sources::default() }.texts(&mut wrong);

        assert_eq!(wrong.len(), 1);
        assert!(!wrong[0].to_string().contains("xoxb"), "{}", wrong[0]);
    }

    #[test]
    fn a_broken_dotenv_is_told_without_quoting_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        fs::write(&path, "SLACK_BOT_TOKEN xoxb-secret 'x\n").unwrap();

        let mut broken = Vec::new();
        dotenv(&path, &mut broken);

        assert!(!format!("{broken:?}").contains("xoxb"), "{broken:?}");
        assert_eq!(broken[0].name, ".env line 1");
        assert!(dotenv(&folder.path().join("none"), &mut Vec::new()).is_empty());
    }

    #[test]
    fn each_broken_line_of_dotenv_is_numbered_and_the_others_count() {
        let mut broken = Vec::new();

        let read = parse_dotenv("A=1\nbroken\n# it's fine\nB=two words\nbroken\nC='3' ", &mut broken);

        assert_eq!(read, texts(&[("A", "1"), ("C", "3")]));
        let names: Vec<_> = broken.iter().map(|wrong| wrong.name.as_str()).collect();
        assert_eq!(names, [".env line 2", ".env line 4", ".env line 5"]);
    }

    #[test]
    fn a_quote_that_is_never_closed_is_named_by_the_line_that_opens_it() {
        let mut broken = Vec::new();

        parse_dotenv("A=1\nB=\"two\nC=3\n", &mut broken);

        assert_eq!(broken[0].name, ".env line 2");
    }
}
