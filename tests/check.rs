//! `check` of the real binary, and the start on a store that is not fit, from outside.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[allow(dead_code)]
#[path = "support/s3_server.rs"]
mod s3_server;

use std::{
    collections::BTreeMap,
    process::{Command, Output},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use s3_server::{BUCKET, KEY, S3Server};
use statusinator::{
    clock::Clock,
    config::VaultKey,
    demo::{Server, SimulatedSlack},
    domain::UserId,
    slack::Token,
    vault::{Stored, Vault},
};
use tempfile::TempDir;

/// The settings of a service that lacks nothing, on a folder.
struct Stage {
    slack: SimulatedSlack,
    folder: TempDir,
    environment: BTreeMap<&'static str, String>,
    server: Server,
}

fn boss() -> UserId {
    "UBOSS".parse().unwrap()
}

impl Stage {
    fn new() -> Self {
        let slack = SimulatedSlack::new("T1", true, Clock::System);
        slack.lock().add(&boss(), "Boss");
        let server = Server::start(&slack, |_| {}).unwrap();
        let environment = BTreeMap::from([
            ("SLACK_SIGNING_SECRET", "8f742231b10e8888abcd99yyyzzz85a5".to_owned()),
            ("SLACK_BOT_TOKEN", slack.bot_token()),
            ("SLACK_API_URL", server.api_url()),
            ("STATUSINATOR_BIND", "127.0.0.1:0".to_owned()),
        ]);
        Self { slack, folder: tempfile::tempdir().unwrap(), environment, server }
    }

    fn set(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.environment.insert(name, text.into());
        self
    }

    fn on(self, store: &S3Server) -> Self {
        self.set("STATUSINATOR_STORE", format!("s3://{BUCKET}"))
            .set("AWS_REGION", "eu-central-1")
            .set("AWS_ENDPOINT_URL_S3", format!("http://{}", store.address))
            .set("AWS_ACCESS_KEY_ID", KEY)
            .set("AWS_SECRET_ACCESS_KEY", "test-secret")
    }

    /// What a command of the binary says, and its exit status.
    async fn run(&self, command: &'static str) -> (String, i32) {
        let (folder, environment) = (self.folder.path().to_owned(), self.environment.clone());
        let run = move || -> Output {
            let mut binary = Command::new(env!("CARGO_BIN_EXE_statusinator"));
            binary.arg(command).current_dir(folder).env_clear().envs(environment).output().unwrap()
        };
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        let told = [output.stdout, output.stderr].concat();
        (String::from_utf8(told).unwrap(), output.status.code().unwrap())
    }
}

/// The line about a setting.
fn about<'a>(told: &'a str, setting: &str) -> &'a str {
    told.lines().find(|line| line.contains(setting)).unwrap_or_else(|| panic!("{setting}: {told}"))
}

#[actix::test]
async fn nothing_is_wrong_with_a_service_that_lacks_nothing() {
    let stage = Stage::new();
    let admin = stage.slack.user_token(&boss());
    let stage = stage.set("SLACK_ADMIN_TOKEN", admin);

    let (told, status) = stage.run("check").await;

    assert_eq!(status, 0, "{told}");
    assert!(told.lines().all(|line| line.starts_with("ok ")) && told.lines().count() == 5, "{told}");
    assert!(about(&told, "SLACK_BOT_TOKEN").contains("workspace T1"), "{told}");
    assert!(about(&told, "SLACK_ADMIN_TOKEN").contains("as UBOSS"), "{told}");
    assert!(about(&told, "STATUSINATOR_STORE").contains("nobody is onboarded yet"), "{told}");
    assert_eq!(std::fs::read_dir(stage.folder.path()).unwrap().count(), 0, "what was not there is not there");
    stage.server.stop().await;
}

#[actix::test]
async fn tokens_that_are_dead_or_lack_scopes_are_named() {
    let stage = Stage::new();
    let poor = stage.slack.lock().grant(&boss(), true, &["users:read"]);
    let admin = stage.slack.user_token(&boss());
    stage.slack.revoke(&boss());
    let stage = stage.set("SLACK_BOT_TOKEN", poor).set("SLACK_ADMIN_TOKEN", admin);

    let (told, status) = stage.run("check").await;

    assert_eq!(status, 1, "{told}");
    let (bot, admin) = (about(&told, "SLACK_BOT_TOKEN"), about(&told, "SLACK_ADMIN_TOKEN"));
    assert!(bot.starts_with("FAILED"), "{told}");
    assert!(admin.starts_with("FAILED") && admin.contains("token_revoked"), "{told}");
    assert!(told.contains("2 of 5 checks failed"), "{told}");
    assert!(!told.contains("xox"), "{told}");
}

#[actix::test]
async fn a_refusal_tells_the_time_as_well() {
    let stage = Stage::new().set("SLACK_BOT_TOKEN", "xoxb-of-nobody");

    let (told, status) = stage.run("check").await;

    assert_eq!(status, 1, "{told}");
    assert!(about(&told, "clock").starts_with("ok"), "{told}");
    assert!(told.contains("1 of 5 checks failed"), "{told}");
}

#[actix::test]
async fn a_slack_that_does_not_answer_is_named_once_a_line() {
    let stage = Stage::new().set("SLACK_API_URL", "http://127.0.0.1:9/api/");

    let (told, status) = stage.run("check").await;

    assert_eq!(status, 1, "{told}");
    assert!(about(&told, "SLACK_BOT_TOKEN").contains("SLACK_API_URL"), "{told}");
}

#[actix::test]
async fn a_damaged_users_json_is_told() {
    let stage = Stage::new();
    let store = stage.folder.path().join("data/store");
    std::fs::create_dir_all(&store).unwrap();
    std::fs::write(store.join("users.json"), "{").unwrap();

    let (told, status) = stage.run("check").await;

    assert_eq!(status, 1, "{told}");
    assert!(about(&told, "STATUSINATOR_STORE").contains("users.json is damaged"), "{told}");
}

#[actix::test]
async fn a_store_that_cannot_be_used_is_told_with_what_to_look_at() {
    let file = Stage::new();
    std::fs::write(file.folder.path().join("f"), "").unwrap();
    let file = file.set("STATUSINATOR_STORE", "file:f");
    let store = S3Server::start();
    let unreached = Stage::new().on(&store).set("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9");

    let (no_folder, no_answer) = (file.run("check").await.0, unreached.run("check").await.0);

    let (no_folder, no_answer) =
        (about(&no_folder, "STATUSINATOR_STORE"), about(&no_answer, "STATUSINATOR_STORE"));
    assert!(no_folder.starts_with("FAILED") && no_folder.contains("/f is a folder"), "{no_folder}");
    assert!(no_answer.starts_with("FAILED") && no_answer.contains("AWS_ENDPOINT_URL_S3"), "{no_answer}");
}

#[actix::test]
async fn a_key_that_does_not_open_the_tokens_is_told() {
    let stage = Stage::new();
    let tokens = stage.folder.path().join("data/store/tokens");
    std::fs::create_dir_all(&tokens).unwrap();
    let key = VaultKey([7; 32]);
    let stored = Stored { token: Token::new("xoxp-1"), at: std::time::SystemTime::now() };
    std::fs::write(tokens.join("UBOSS"), Vault::new(vec![key]).seal(&boss(), &stored).unwrap()).unwrap();
    let keyed = |stage: Stage, byte: u8| stage.set("STATUSINATOR_VAULT_KEY", STANDARD.encode([byte; 32]));

    let (none, _) = stage.run("check").await;
    let stage = keyed(stage, 8);
    let (other, status) = stage.run("check").await;
    let stage = keyed(stage, 7);
    let (right, fine) = stage.run("check").await;

    let told = [&none, &other, &right].map(|told| about(told, "STATUSINATOR_VAULT_KEY"));
    assert!(told[0].starts_with("FAILED") && told[0].contains("vault.key is not there"), "{none}");
    assert!(told[1].starts_with("FAILED") && told[1].contains("opens 0 of 1 tokens"), "{other}");
    assert!(told[2].starts_with("ok"), "{right}");
    assert_eq!((status, fine), (1, 0));
}

#[actix::test]
async fn a_folder_that_is_there_is_left_as_it_was() {
    let stage = Stage::new();
    let (store, key) = (stage.folder.path().join("data/store"), stage.folder.path().join("data/vault.key"));
    std::fs::create_dir_all(&store).unwrap();
    std::fs::write(&key, "not a key").unwrap();

    let (told, status) = stage.run("check").await;

    assert_eq!(status, 1, "{told}");
    let about_key = about(&told, "STATUSINATOR_VAULT_KEY");
    assert!(about_key.starts_with("FAILED") && about_key.contains("others may read it"), "{told}");
    assert!(std::fs::read_dir(&store).unwrap().next().is_none(), "whoever serves it may be another user");
    assert_eq!(std::fs::read_to_string(&key).unwrap(), "not a key");
}

#[actix::test]
async fn a_bucket_is_tried_and_nothing_is_left_in_it() {
    let store = S3Server::start();
    let stage = Stage::new().on(&store);

    let (told, status) = stage.run("check").await;

    assert_eq!(status, 0, "{told}");
    assert!(about(&told, "STATUSINATOR_EXPORT_ROLE_ARN").contains("not set"), "{told}");
    assert_eq!(store.count("PutObject"), 4);
    assert!(store.lock().objects.is_empty(), "{:?}", store.lock().objects);
}

#[actix::test]
async fn a_denied_write_names_who_may_not_what() {
    let store = S3Server::start();
    store.lock().denied.insert((KEY, "PutObject"));
    let stage = Stage::new().on(&store);

    let (told, status) = stage.run("check").await;

    assert_eq!(status, 1, "{told}");
    assert!(told.contains("AccessDenied for PutObject check/"), "{told}");
    assert!(told.contains("as the plain credentials; grant it s3:PutObject there"), "{told}");
    assert!(about(&told, "STATUSINATOR_EXPORT_ROLE_ARN").starts_with("FAILED"), "{told}");
}

#[actix::test]
async fn a_store_that_ignores_conditions_is_found_and_refused_at_the_start() {
    let store = S3Server::start();
    store.lock().ignores_conditions = true;
    let stage = Stage::new().on(&store);

    let (checked, failed) = stage.run("check").await;
    let (served, refused) = stage.run("serve").await;

    assert_eq!((failed, refused), (1, 2), "{checked}\n{served}");
    for told in [checked, served] {
        assert!(told.contains("the store ignores If-None-Match: * on a write"), "{told}");
    }
    assert!(store.lock().objects.is_empty(), "{:?}", store.lock().objects);
}
