//! The documents against the program: the README's table of settings, the operations guide's table of log lines.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{collections::BTreeSet, fs, path::Path};

use statusinator::config::settings::{SETTINGS, Setting};

const README: &str = include_str!("../README.md");
const OPERATIONS: &str = include_str!("../docs/operations.md");

/// Variable, default and meaning of each row that begins with a variable.
fn rows() -> Vec<(&'static str, &'static str, &'static str)> {
    let cells = |line: &'static str| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        Some((cells.next()?.strip_prefix('`')?.strip_suffix('`')?, cells.next()?, cells.next()?))
    };
    let is_setting =
        |name: &str| ["STATUSINATOR_", "SLACK_", "AWS_"].iter().any(|prefix| name.starts_with(prefix));
    README
        .lines()
        .filter(|line| line.starts_with('|'))
        .filter_map(cells)
        .filter(|row| is_setting(row.0))
        .collect()
}

/// What the README must say when nothing is set.
fn default_of(setting: &Setting) -> String {
    match setting.default {
        Some(default) => format!("`{default}`"),
        None if setting.help.ends_with("; required") => "required".to_owned(),
        None if setting.variable == "STATUSINATOR_STORE" => "`file:<data dir>/store`".to_owned(),
        None if setting.variable == "STATUSINATOR_VAULT_KEY" => "made at the first start".to_owned(),
        None => "none".to_owned(),
    }
}

#[test]
fn the_readme_lists_every_setting_once_with_its_default() {
    let mut listed: Vec<_> =
        rows().iter().map(|(name, default, _)| ((*name).to_owned(), (*default).to_owned())).collect();
    let mut settings: Vec<_> =
        SETTINGS.iter().map(|setting| (setting.variable.to_owned(), default_of(setting))).collect();

    listed.sort();
    settings.sort();
    assert_eq!(listed, settings);
}

#[test]
fn every_setting_in_the_readme_has_a_meaning() {
    for (name, _, meaning) in rows() {
        assert!(meaning.len() > 10, "{name}: {meaning}");
    }
}

/// The sources, tests left out.
fn sources(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "tests" {
            texts.extend(sources(&path));
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = fs::read_to_string(&path).unwrap();
            texts.push(text.split("\nmod tests {").next().unwrap().to_owned());
        }
    }
    texts
}

/// What a macro logs, given what follows its opening parenthesis: the logger, a comma, the message.
fn message(arguments: &str) -> String {
    let (mut depth, mut quoted) = (0, false);
    let comma = arguments.find(|c: char| {
        match c {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0 && !quoted
    });
    let message = arguments[comma.unwrap() + 1..].trim_start();
    let literal = message.strip_prefix('"').unwrap_or_else(|| panic!("not a constant: {}", &message[..60]));
    literal.split('"').next().unwrap().to_owned()
}

fn logged() -> BTreeSet<String> {
    let texts = sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    let calls = texts.iter().flat_map(|text| {
        ["warn!(", "error!(", "crit!("].into_iter().flat_map(move |call| text.split(call).skip(1))
    });
    calls.map(message).collect()
}

#[test]
fn the_operations_guide_has_a_row_for_every_warning_and_error_and_no_other() {
    let table = OPERATIONS.split("## What a line means").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows =
        table.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once("` |")?.0.to_owned()));

    let rows: BTreeSet<String> = rows.collect();

    assert_eq!(logged().symmetric_difference(&rows).collect::<Vec<_>>(), Vec::<&String>::new());
}
