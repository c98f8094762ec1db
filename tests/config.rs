//! Settings and command line of the real binary, from outside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Output, Stdio},
};

use tempfile::TempDir;

/// Runs the binary in a folder, with nothing in its environment but this.
fn run(folder: &TempDir, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_statusinator"))
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn wrong_usage_ends_with_2_and_help_with_0() {
    for arguments in [
        &[][..],
        &["fly"],
        &["serve", "--fly"],
        &["demo", "--workers", "1"],
        &["health", "--bind", "nowhere"],
        &["health", "--bind", "127.0.0.1:0"],
        &["manifest"],
        &["manifest", "--url", "http://example.org"],
    ] {
        assert_eq!(run(&folder(), arguments, &[]).status.code(), Some(2), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["serve", "--help"], &["demo", "--help"], &["--version"]] {
        assert_eq!(run(&folder(), arguments, &[]).status.code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn all_wrong_settings_are_told_at_once_and_nothing_is_written() {
    let folder = folder();
    fs::write(folder.path().join(".env"), "SLACK_CLIENT_ID=1.2\nno setting\n").unwrap();

    let output = run(
        &folder,
        &["serve", "--bind", "nowhere", "--drain-timeout="],
        &[("STATUSINATOR_WORKERS", "65"), ("SLACK_BOT_TOKEN", "xoxe.xoxb-hidden")],
    );

    let text = complaint(&output);
    let expected = [
        "STATUSINATOR_BIND",
        "\"nowhere\"",
        "STATUSINATOR_DRAIN_TIMEOUT",
        "0s to 10m",
        "STATUSINATOR_WORKERS",
        "\"65\"",
        "1 to 64",
        "SLACK_BOT_TOKEN",
        "SLACK_SIGNING_SECRET",
        "SLACK_CLIENT_SECRET",
        ".env line 2",
    ];
    for part in expected {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    assert!(!text.contains("hidden"), "{text}");
    assert!(!folder.path().join("data").exists());
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_dotenv() {
    let folder = folder();
    fs::write(folder.path().join(".env"), "STATUSINATOR_WORKERS=71\n").unwrap();
    let environment = [("STATUSINATOR_WORKERS", "72")];

    let shown = [
        (run(&folder, &["serve", "--workers", "73"], &environment), "\"73\""),
        (run(&folder, &["serve"], &environment), "\"72\""),
        (run(&folder, &["serve"], &[("STATUSINATOR_WORKERS", "")]), "\"71\""),
    ];

    for (output, value) in shown {
        let text = complaint(&output);
        assert_eq!(text.matches("STATUSINATOR_WORKERS").count(), 1, "{text}");
        assert!(text.contains(value), "{text}");
    }
}

#[test]
fn a_secret_comes_from_a_file_but_not_twice_and_never_by_a_flag() {
    let folder = folder();
    fs::write(folder.path().join("secret"), "s1gn\n").unwrap();
    fs::write(folder.path().join(".env"), "SLACK_SIGNING_SECRET_FILE=secret\nSLACK_BOT_TOKEN_FILE=none\n")
        .unwrap();

    let from_file = complaint(&run(&folder, &["serve"], &[]));
    let twice = complaint(&run(&folder, &["serve"], &[("SLACK_SIGNING_SECRET", "other")]));
    let by_flag = complaint(&run(&folder, &["serve", "--slack-bot-token=xoxb-hidden"], &[]));

    assert!(!from_file.contains("SLACK_SIGNING_SECRET"), "{from_file}");
    assert!(from_file.contains("SLACK_BOT_TOKEN_FILE") && from_file.contains("\"none\""), "{from_file}");
    assert!(twice.contains("SLACK_SIGNING_SECRET") && !twice.contains("other"), "{twice}");
    assert!(!by_flag.contains("hidden"), "{by_flag}");
}

/// A running service of which Slack knows nothing; it is killed when dropped.
struct Served {
    process: Child,
    address: String,
}

impl Served {
    fn start(folder: &TempDir) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_statusinator"))
            .args(["serve", "--bind", "127.0.0.1:0", "--log-format", "json"])
            .args(["--slack-api-url", "http://127.0.0.1:9/"])
            .current_dir(folder.path())
            .env_clear()
            .envs([("SLACK_SIGNING_SECRET", "shhh"), ("SLACK_BOT_TOKEN", "xoxb-1")])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut lines = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line).unwrap());
        let listening = lines.find(|line| line["msg"] == "listening").unwrap();
        Self { process, address: listening["address"].as_str().unwrap().to_owned() }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn health_tells_whether_the_service_serves_and_whether_it_does_its_work() {
    let folder = folder();
    let service = Served::start(&folder);
    let bind = [("STATUSINATOR_BIND", service.address.as_str())];

    let serves = run(&folder, &["health"], &bind);
    let ready = run(&folder, &["health", "--ready"], &bind);

    assert_eq!(serves.status.code(), Some(0), "{serves:?}");
    assert_eq!(ready.status.code(), Some(1), "{ready:?}");
    let why = String::from_utf8(ready.stderr).unwrap();
    assert!(why.contains("answered 503, starting\n"), "{why}");
}

#[test]
fn health_says_no_when_nobody_listens() {
    let folder = folder();
    let service = Served::start(&folder);
    let address = service.address.clone();
    drop(service);

    let serves = run(&folder, &["health", "--bind", &address], &[]);

    assert_eq!(serves.status.code(), Some(1), "{serves:?}");
}

#[test]
fn the_manifest_needs_no_setting_and_begins_with_the_link_that_creates_the_app() {
    let printed = run(&folder(), &["manifest", "--url", "https://status.example.org/"], &[]);

    let text = String::from_utf8(printed.stdout).unwrap();
    assert_eq!(printed.status.code(), Some(0));
    assert!(
        text.starts_with("# https://api.slack.com/apps?new_app=1&manifest_yaml=_metadata%3A%0A"),
        "{text}"
    );
    assert!(text.contains("\"https://status.example.org/slack/events\""), "{text}");
}
