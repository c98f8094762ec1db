//! `statusinator onboard`, run as users run it, against the whole application.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use serde_json::json;
use statusinator::demo::{Effect, Fault, pictures};
use tempfile::TempDir;

use crate::harness::{Setup, TestApp, user};

const PRESETS: &str = r#"
[U1.default]
name = "One"

[U1.":palm_tree:"]
name = "One (away)"
picture = "pics/one.png"

[U2.":tada:"]
picture = "pics/two.png"
"#;

/// A folder with a presets file and pictures, and who onboards from it.
struct Desk {
    folder: TempDir,
    base: String,
    token: String,
}

struct Ended {
    status: Option<i32>,
    out: String,
    err: String,
}

impl Desk {
    fn new(app: &TestApp, presets: &str) -> Self {
        let (base, token) = (app.base.clone(), app.boss().token);
        let desk = Self { folder: tempfile::tempdir().unwrap(), base, token };
        std::fs::create_dir(desk.folder.path().join("pics")).unwrap();
        desk.write("pics/one.png", &pictures::square(1));
        desk.write("pics/two.png", &pictures::square(2));
        desk.write("presets.toml", presets.as_bytes());
        desk
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.folder.path().join(name), bytes).unwrap();
    }

    /// Runs the command beside the application, which goes on meanwhile.
    async fn run(&self, more: &'static [&'static str]) -> Ended {
        let (folder, base, token) =
            (PathBuf::from(self.folder.path()), self.base.clone(), self.token.clone());
        let command = move || {
            Command::new(env!("CARGO_BIN_EXE_statusinator"))
                .args(["onboard", "--url", &base, "presets.toml"])
                .args(more)
                .current_dir(folder)
                .env_clear()
                .env("SLACK_ADMIN_TOKEN", token)
                .output()
        };
        let Output { status, stdout, stderr } = tokio::task::spawn_blocking(command).await.unwrap().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { status: status.code(), out: text(stdout), err: text(stderr) }
    }
}

async fn application() -> TestApp {
    let app = Setup::new().start().await;
    for id in ["U1", "U2"] {
        app.slack.lock().add(&user(id), &format!("{id} by birth"));
        app.authorise(id).await;
    }
    app
}

#[actix::test]
async fn a_file_becomes_presets_that_members_then_have() {
    let app = application().await;
    app.status("U1", ":palm_tree:").await;
    let desk = Desk::new(&app, PRESETS);

    let first = desk.run(&[]).await;
    let second = desk.run(&[]).await;

    assert_eq!(first.status, Some(0), "{}{}", first.out, first.err);
    assert!(first.out.ends_with("Onboarded 2 members with 2 new pictures.\n"), "{}", first.out);
    assert!(first.err.contains("warning: presets.toml:9: U2: has no default"), "{}", first.err);
    app.until("name and picture follow", async || {
        app.name("U1") == "One (away)" && app.photo("U1").is_some()
    })
    .await;
    assert_eq!(second.status, Some(0));
    assert_eq!(second.out, "Nothing to do: all is as presets.toml says (2 members).\n");
    assert_eq!(second.err, "");
    assert_eq!((app.said("picture stored").len(), app.said("members onboarded").len()), (2, 1));
    app.finish().await;
}

#[actix::test]
async fn only_the_picture_and_the_member_that_changed_are_sent_again() {
    let app = application().await;
    let desk = Desk::new(&app, PRESETS);
    desk.run(&[]).await;
    app.boss().onboard(&json!({ "U3": { "default": { "name": "Three" } } })).await;
    let before = app.boss().call("GET", "/onboard", "").await.1;

    desk.write("pics/two.png", &pictures::square(3));
    let dry = desk.run(&["--dry-run"]).await;
    let unchanged = app.boss().call("GET", "/onboard", "").await.1;
    let wet = desk.run(&[]).await;

    assert!(dry.out.starts_with("U2  changes\n  ~ :tada:  picture "), "{}", dry.out);
    assert_eq!(unchanged, before);
    let (shown_dry, ends_dry) = dry.out.trim_end().rsplit_once('\n').unwrap();
    let (shown, ends) = wet.out.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(shown_dry, shown);
    assert!(
        shown.ends_with("\n\n1 of 2 members to onboard; 1 other is not in presets.toml and stays as he is")
    );
    assert_eq!(ends_dry, "Nothing was sent: without --dry-run, 1 member with 1 new picture would be.");
    assert_eq!(ends, "Onboarded 1 member with 1 new picture.");
    assert_eq!(app.said("picture stored").len(), 3);
    let after = app.boss().call("GET", "/onboard", "").await.1;
    assert_eq!((&after["U1"], &after["U3"]), (&before["U1"], &before["U3"]));
    assert_ne!(after["U2"], before["U2"]);
    app.finish().await;
}

#[actix::test]
async fn what_only_the_service_can_see_is_told_by_line_and_nothing_is_written() {
    let app = application().await;
    let desk = Desk::new(&app, PRESETS);
    let whole = pictures::square(1);
    desk.write("pics/one.png", &whole[..whole.len() / 2]);

    let damaged = desk.run(&[]).await;
    let uuid = "8c6976e5-b541-5d3c-9e3c-0d1b2f3a4b5c";
    desk.write("presets.toml", format!("[U1.default]\npicture = 's3://b/U1/{uuid}.png'\n").as_bytes());
    let missing = desk.run(&[]).await;

    assert_eq!((damaged.status, missing.status), (Some(2), Some(2)), "{}{}", damaged.err, missing.err);
    assert!(
        damaged.err.contains("presets.toml:7: U1 :palm_tree: picture: pics/one.png: "),
        "{}",
        damaged.err
    );
    assert!(
        missing.err.contains("presets.toml:2: U1 default picture: is not in the store"),
        "{}",
        missing.err
    );
    assert_eq!(app.boss().call("GET", "/onboard", "").await.1, json!({}));
    app.finish().await;
}

#[actix::test]
async fn slack_may_be_away_for_a_while_and_who_is_no_administrator_is_told_so() {
    let app = application().await;
    let mut desk = Desk::new(&app, PRESETS);
    app.slack.inject(Fault::next("auth.test", 1, Effect::Status(503)));

    let late = desk.run(&[]).await;
    desk.token = app.slack.user_token(&user("U1"));
    let member = desk.run(&[]).await;

    assert_eq!(late.status, Some(0), "{}{}", late.out, late.err);
    assert!(late.err.starts_with("503: ") && late.err.contains("; trying again in "), "{}", late.err);
    assert_eq!(member.status, Some(1));
    assert!(member.err.starts_with("statusinator: the service answered 403: "), "{}", member.err);
    app.finish().await;
}

#[actix::test]
async fn all_brings_back_a_picture_that_the_store_has_lost() {
    let app = application().await;
    let desk = Desk::new(&app, PRESETS);
    desk.run(&[]).await;
    let two =
        app.store().join("U2").join(format!("{}.png", statusinator::pictures::id(&pictures::square(2))));
    std::fs::remove_file(&two).unwrap();

    let trusting = desk.run(&[]).await;
    desk.write("presets.toml", format!("{PRESETS}name = 'Two!'\n").as_bytes());
    let told = desk.run(&[]).await;
    let all = desk.run(&["--all"]).await;

    assert!(trusting.out.starts_with("Nothing to do"), "{}", trusting.out);
    assert_eq!(told.status, Some(2));
    assert!(told.err.contains("presets.toml:10: U2 :tada: picture: is not in the store"), "{}", told.err);
    assert_eq!(all.status, Some(0), "{}", all.err);
    assert!(all.out.starts_with("U1  as before\nU2  changes\n  ~ :tada:  name \"Two!\"\n"), "{}", all.out);
    assert!(two.exists());
    app.finish().await;
}

/// The first block of this language in the README's section.
pub fn block(language: &str) -> &'static str {
    let section = include_str!("../../README.md").split("\n## Onboard many\n").nth(1).unwrap();
    section.split(&format!("```{language}\n")).nth(1).unwrap().split("```").next().unwrap()
}

#[actix::test]
async fn the_readmes_file_does_what_the_readme_shows() {
    let app = application().await;
    let desk = Desk::new(&app, block("toml"));
    for (name, hue) in [("ann.jpg", 1), ("ann-beach.png", 2), ("ben-waves.gif", 3)] {
        desk.write(&format!("pics/{name}"), &pictures::square(hue));
    }

    let ended = desk.run(&[]).await;

    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert_eq!(ended.out, block("text"));
    assert!(!ended.err.contains("warning"), "{}", ended.err);
    app.finish().await;
}
