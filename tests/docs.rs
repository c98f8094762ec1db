//! The README's table of settings against the settings themselves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use statusinator::config::settings::{SETTINGS, Setting};

const README: &str = include_str!("../README.md");

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
