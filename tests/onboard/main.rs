//! `statusinator onboard` as users run it, against a service that can be told to make trouble.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod stub;

use std::{
    fs,
    process::{Command, Output},
};

use serde_json::json;
use statusinator::demo::pictures;
use stub::{Stub, TOKEN, Trouble};
use tempfile::TempDir;

const USERS: (&str, &str) = ("GET", "/onboard");
const POST: (&str, &str) = ("POST", "/onboard");
const PICTURE: (&str, &str) = ("POST", "/pictures");

const PRESETS: &str = r#"
[U1.default]
name = "Ann"
picture = "one.png"

[U1.":palm_tree:"]
picture = "two.png"

[U2.":tada:"]
name = "Ben!"
"#;

/// A folder with presets and pictures, and a stand-in for the service.
struct Stage {
    folder: TempDir,
    stub: Stub,
}

struct Ended {
    status: i32,
    out: String,
    err: String,
}

impl Stage {
    fn new(presets: &str) -> Self {
        let stage = Self { folder: tempfile::tempdir().unwrap(), stub: Stub::start() };
        stage.write("presets.toml", presets.as_bytes());
        for (name, hue) in [("one.png", 1), ("two.png", 2)] {
            stage.write(name, &pictures::square(hue));
        }
        stage
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join(name), bytes).unwrap();
    }

    fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
        let output: Output = Command::new(env!("CARGO_BIN_EXE_statusinator"))
            .arg("onboard")
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        Ended {
            status: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let arguments = [&["--url", self.stub.address.as_str(), "presets.toml"], arguments].concat();
        self.run_with(&arguments, &[("SLACK_ADMIN_TOKEN", TOKEN)])
    }
}

impl Ended {
    #[track_caller]
    fn with(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{}{}", self.out, self.err);
        self
    }
}

#[test]
fn everything_wrong_with_the_file_is_told_before_anything_is_asked() {
    let stage = Stage::new("[U1.default]\nname = ''\npicture = 'none.png'\n[U1.tada]\nname = 'Ann'\n");

    let ended = stage.run(&[]).with(2);

    assert_eq!(
        ended.err,
        "statusinator: presets.toml has 3 problems:\n  \
           presets.toml:2: U1 default name: is empty; leave it out to keep the name\n  \
           presets.toml:3: U1 default picture: none.png: it is not there; a path is relative to the presets file\n  \
           presets.toml:4: U1 tada: is no emoji; allowed: default, or an emoji between colons such as :palm_tree: or :wave::skin-tone-2:\n\
         Nothing was sent.\n"
    );
    assert!(ended.out.is_empty() && stage.stub.state().calls.is_empty());
}

#[test]
fn a_real_name_may_be_shorter() {
    let stage = Stage::new(&format!("[U1.default]\nname = '{}'\n", "n".repeat(51)));

    let ended = stage.run(&["--name-field", "real_name"]).with(2);

    assert!(
        ended.err.contains("presets.toml:2: U1 default name: has 51 characters; 50 are allowed"),
        "{}",
        ended.err
    );
    stage.run(&[]).with(0);
}

#[test]
fn a_picture_that_the_service_refuses_is_told_in_its_place_and_the_others_are_tried() {
    let stage = Stage::new(PRESETS);
    let problem = json!({ "path": "", "message": "it is damaged" });
    let answer = json!({ "message": "nothing was changed", "problems": [problem] }).to_string();
    stage.stub.trouble(PICTURE, 422, &answer, &[]);
    stage.stub.trouble(PICTURE, 422, &answer, &[]);

    let ended = stage.run(&[]).with(2);

    assert!(
        ended.err.contains("presets.toml:4: U1 default picture: one.png: it is damaged"),
        "{}",
        ended.err
    );
    assert!(
        ended.err.contains("presets.toml:7: U1 :palm_tree: picture: two.png: it is damaged"),
        "{}",
        ended.err
    );
    assert!(ended.err.ends_with("\nNobody was onboarded.\n"), "{}", ended.err);
    assert_eq!(stage.stub.calls(POST), 0);
}

#[test]
fn a_busy_service_is_asked_again_as_late_as_it_wants() {
    let stage = Stage::new(PRESETS);
    let later = [("Retry-After", "0")];
    for on in [USERS, PICTURE, POST] {
        stage.stub.trouble(on, 503, r#"{"error":"busy","message":"the store does not answer"}"#, &later);
        stage.stub.trouble(on, 429, "", &later);
    }

    let ended = stage.run(&[]).with(0);

    assert!(ended.err.contains("503: the store does not answer; trying again in 0 s"), "{}", ended.err);
    assert_eq!(ended.err.matches("trying again").count(), 6, "{}", ended.err);
    assert_eq!((stage.stub.calls(USERS), stage.stub.calls(PICTURE)), (3, 4));
}

#[test]
fn a_service_that_stays_away_is_given_up_and_the_next_run_goes_on() {
    let stage = Stage::new(PRESETS);
    for _ in 0..6 {
        stage.stub.trouble(POST, 503, r#"{"message":"the store is away"}"#, &[("Retry-After", "0")]);
    }

    let given_up = stage.run(&[]).with(1);
    let resumed = stage.run(&[]).with(0);

    assert!(
        given_up
            .err
            .contains("statusinator: the service cannot do it now: 503: the store is away\nNobody was"),
        "{}",
        given_up.err
    );
    assert!(resumed.out.ends_with("Onboarded 2 members with 2 new pictures.\n"), "{}", resumed.out);
}

#[test]
fn members_are_sent_in_batches_and_a_failure_between_them_is_made_good_by_the_next_run() {
    let stage = Stage::new("");
    let presets = |user: usize| {
        let preset = |key: usize| (format!(":{key}{}:", "k".repeat(1200)), json!({ "name": "n".repeat(80) }));
        (format!("U{user}"), (0..12).map(preset).collect::<serde_json::Value>())
    };
    let users: serde_json::Value = (0..600).map(presets).collect();
    stage.write("many.json", users.to_string().as_bytes());
    let arguments = ["--url", stage.stub.address.as_str(), "many.json"];
    let environment = [("SLACK_ADMIN_TOKEN", TOKEN)];
    let answer = r#"{"message":"the token is dead"}"#.to_owned();
    let trouble = Trouble { on: POST, skip: 1, status: 401, headers: Vec::new(), body: answer };
    stage.stub.state().troubles.push_back(trouble);

    let first = stage.run_with(&arguments, &environment).with(1);
    let second = stage.run_with(&arguments, &environment).with(0);

    assert!(first.err.contains("401: the token is dead\n"), "{}", first.err);
    let done = |ended: &str| ended.split(" member").next().unwrap().parse::<usize>().unwrap();
    let (before, after) =
        (first.err.split("dead\n").nth(1).unwrap(), second.out.split("Onboarded ").nth(1).unwrap());
    assert!(done(before) > 0 && done(before) + done(after) == 600, "{before}{after}");
    assert!(second.err.ends_with(" more like these\n") && second.err.lines().count() == 21, "{}", second.err);
    let sizes: Vec<_> =
        stage.stub.state().calls.iter().filter(|call| call.0 == "POST").map(|call| call.2).collect();
    assert!(sizes.len() > 1 && sizes.iter().sum::<usize>() > 8 << 20, "{sizes:?}");
    assert_eq!(stage.stub.state().users, users);
}

#[test]
fn an_answer_that_is_not_the_services_is_told_as_such_and_the_token_goes_nowhere_else() {
    let stage = Stage::new(PRESETS);
    let elsewhere = Stub::start();
    stage.stub.trouble(USERS, 301, "<html>", &[("Location", &format!("{}/onboard", elsewhere.address))]);
    let moved = stage.run(&[]).with(1);
    stage.stub.trouble(USERS, 200, "<html>", &[]);
    let page = stage.run(&[]).with(1);
    stage.stub.trouble(USERS, 403, r#"{"error":"forbidden","message":"no administrator\u001b[2J"}"#, &[]);
    let forbidden = stage.run(&[]).with(1);

    assert!(moved.err.contains("answered 301: it gives no reason; is the address right?"), "{}", moved.err);
    assert!(page.err.contains("is the address right?"), "{}", page.err);
    assert!(forbidden.err.contains("answered 403: no administrator\\u{1b}[2J"), "{}", forbidden.err);
    assert!(elsewhere.state().calls.is_empty());
}

#[test]
fn nobody_at_the_address_is_told_at_once() {
    let stage = Stage::new(PRESETS);

    let ended =
        stage.run_with(&["--url", "http://127.0.0.1:9", "presets.toml"], &[("SLACK_ADMIN_TOKEN", TOKEN)]);

    assert!(ended.err.starts_with("statusinator: the service cannot be reached: "), "{}", ended.err);
    assert_eq!(ended.status, 1);
}

#[test]
fn the_token_comes_from_its_variable_or_its_file_and_never_from_a_flag() {
    let stage = Stage::new(PRESETS);
    stage.write("token", format!("{TOKEN}\n").as_bytes());
    let url = [("STATUSINATOR_PUBLIC_URL", stage.stub.address.as_str())];
    let both = [("SLACK_ADMIN_TOKEN", TOKEN), ("SLACK_ADMIN_TOKEN_FILE", "token"), url[0]];

    let none = stage.run_with(&["presets.toml"], &[]).with(2);
    let twice = stage.run_with(&["presets.toml"], &both).with(2);
    let by_flag = stage.run_with(&["presets.toml", "--slack-admin-token", TOKEN], &url).with(2);
    stage.write(".env", b"SLACK_ADMIN_TOKEN_FILE=token\n");
    let by_file = stage.run_with(&["presets.toml"], &url).with(0);
    let plain = stage.run_with(&["presets.toml", "--url", "http://example.org"], &[]).with(2);

    assert!(none.err.contains("SLACK_ADMIN_TOKEN: is required"), "{}", none.err);
    assert!(none.err.contains("STATUSINATOR_PUBLIC_URL: is required"), "{}", none.err);
    assert!(twice.err.contains("SLACK_ADMIN_TOKEN: is set and SLACK_ADMIN_TOKEN_FILE too"), "{}", twice.err);
    assert!(plain.err.contains("an https address, or http on loopback"), "{}", plain.err);
    for ended in [none, twice, by_file, plain] {
        assert!(!ended.out.contains(TOKEN) && !ended.err.contains(TOKEN));
    }
    assert!(by_flag.out.is_empty());
}

#[test]
fn the_help_names_the_settings_with_variable_and_default() {
    let help = Stage::new("").run_with(&["--help"], &[]).with(0).out;

    for part in [
        "--url <URL>",
        "STATUSINATOR_PUBLIC_URL",
        "--dry-run",
        "--all",
        "SLACK_ADMIN_TOKEN",
        "[default: display_name]",
    ] {
        assert!(help.contains(part), "{part} is not in {help}");
    }
    assert!(!help.contains("SLACK_BOT_TOKEN"), "{help}");
}

#[test]
fn in_a_terminal_there_are_colours_and_a_bar_unless_colours_are_not_wanted() {
    let stage = Stage::new(PRESETS);
    let command = format!(
        "{} onboard --all --url {} presets.toml",
        env!("CARGO_BIN_EXE_statusinator"),
        stage.stub.address
    );
    let in_terminal = |more: &[(&str, &str)]| {
        let output = Command::new("script")
            .args(["--quiet", "--return", "--command", &command, "/dev/null"])
            .current_dir(stage.folder.path())
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("TERM", "xterm"), ("SLACK_ADMIN_TOKEN", TOKEN)])
            .envs(more.iter().copied())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };

    let coloured = in_terminal(&[]);
    let plain = in_terminal(&[("NO_COLOR", "1")]);

    assert!(
        coloured.contains("\x1b[1mU1\x1b[0m  \x1b[32mnew\x1b[0m\r\n  \x1b[32m+\x1b[0m :palm_tree:  picture"),
        "{coloured}"
    );
    assert!(coloured.contains("pictures ") && coloured.contains("2 of 2"), "{coloured}");
    assert!(coloured.contains("\x1b[33mwarning:\x1b[0m presets.toml:9: U2"), "{coloured}");
    assert!(plain.contains("U1  as before\r\nU2  as before\r\n"), "{plain}");
    assert!(plain.contains("warning: presets.toml:9: U2") && !plain.contains("\x1b[3"), "{plain}");
    for text in [coloured, plain] {
        assert!(!text.contains("uploaded 1 of 2"), "{text}");
    }
}
