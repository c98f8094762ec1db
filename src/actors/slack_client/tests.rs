//! The actor against a Slack that answers by a script, on paused time.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{cell::RefCell, collections::BTreeSet, rc::Rc, time::Duration};

use actix::{Actor, Addr, Context, Handler};
use async_trait::async_trait;

use super::*;
use crate::{
    logging::{Lines, captured},
    slack::{Call, NoAnswer, Reply},
};

/// A status and a body, or why there is none.
type Scripted = Result<(u16, &'static str), &'static str>;

/// Answers each method by its name, and counts.
#[derive(Clone, Default)]
struct Script(Rc<RefCell<Inner>>);

#[derive(Default)]
struct Inner {
    answers: Vec<(&'static str, Scripted)>,
    calls: Vec<(&'static str, String, Instant)>,
    hang: bool,
}

impl Script {
    /// The next call of the method is answered so, instead of as usual.
    fn next(&self, method: &'static str, answer: Scripted) {
        self.0.borrow_mut().answers.push((method, answer));
    }

    fn count(&self, method: &str) -> usize {
        self.0.borrow().calls.iter().filter(|(of, ..)| *of == method).count()
    }
}

#[async_trait(?Send)]
impl Transport for Script {
    async fn call(&self, call: Call) -> Result<Reply, NoAnswer> {
        let method = call.method.name();
        let body = format!("{:?}", call.body);
        self.0.borrow_mut().calls.push((method, body, Instant::now()));
        if self.0.borrow().hang {
            std::future::pending::<()>().await;
        }
        let place = self.0.borrow().answers.iter().position(|(of, _)| *of == method);
        let answer = match place {
            Some(place) => self.0.borrow_mut().answers.remove(place).1,
            None => Ok((200, usual(method))),
        };
        let (status, body) = answer.map_err(|why| NoAnswer(why.into()))?;
        Ok(Reply { status, body: body.into(), ..Reply::default() })
    }
}

fn usual(method: &str) -> &'static str {
    match method {
        "auth.test" => r#"{"ok":true,"team_id":"T1","user_id":"UADMIN"}"#,
        "users.profile.get" => r#"{"ok":true,"profile":{"status_emoji":":tada:","display_name":"Ann"}}"#,
        _ => r#"{"ok":true}"#,
    }
}

/// Keeps what is announced.
#[derive(Default)]
struct Ear(Rc<RefCell<Vec<String>>>);

impl Actor for Ear {
    type Context = Context<Self>;
}

impl Handler<WorkspaceKnown> for Ear {
    type Result = ();

    fn handle(&mut self, known: WorkspaceKnown, _: &mut Self::Context) {
        self.0.borrow_mut().push(format!("workspace {}", known.team));
    }
}

impl Handler<Misconfigured> for Ear {
    type Result = ();

    fn handle(&mut self, wrong: Misconfigured, _: &mut Self::Context) {
        self.0.borrow_mut().push(wrong.why);
    }
}

impl Handler<TokenRevived> for Ear {
    type Result = ();

    fn handle(&mut self, _: TokenRevived, _: &mut Self::Context) {
        self.0.borrow_mut().push("revived".into());
    }
}

struct Stage {
    client: Addr<SlackClient>,
    script: Script,
    heard: Rc<RefCell<Vec<String>>>,
    lines: Lines,
}

async fn stage(script: Script, admin: bool) -> Stage {
    tokio::time::pause();
    let heard = Rc::new(RefCell::new(Vec::new()));
    let ear = Ear(heard.clone()).start();
    let (log, lines) = captured();
    let client = SlackClient::new(SlackClientParts {
        limits: Limits::default(),
        transport: Rc::new(script.clone()),
        bot: Token::new("xoxb-bot"),
        admin: admin.then(|| Token::new("xoxp-admin")),
        client: None,
        on_workspace: ear.clone().recipient(),
        on_misconfigured: ear.clone().recipient(),
        on_revived: ear.recipient(),
        recorder: Recorder::new(BTreeSet::new(), Clock::System),
        clock: Clock::System,
        log,
    })
    .start();
    client.send(AskStanding).await.unwrap();
    Stage { client, script, heard, lines }
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn caller() -> Caller {
    Caller { request: RequestId::random(), cause: Cause::Event }
}

fn get() -> GetProfile {
    GetProfile { user: user("U1"), caller: caller() }
}

fn set(id: &str, token: &str) -> SetName {
    let field = NameField::DisplayName;
    SetName { user: user(id), name: "Ann".into(), field, token: Token::new(token), caller: caller() }
}

#[actix::test]
async fn the_workspace_is_announced_and_profiles_are_read() {
    let stage = stage(Script::default(), false).await;

    let profile = stage.client.send(get()).await.unwrap().unwrap();

    assert_eq!(profile.display_name, "Ann");
    assert_eq!(*stage.heard.borrow(), ["workspace T1"]);
}

#[actix::test]
async fn the_hundred_and_first_reading_in_a_minute_is_told_to_wait_and_not_sent() {
    let stage = stage(Script::default(), false).await;
    for _ in 0..100 {
        stage.client.send(get()).await.unwrap().unwrap();
    }

    let refused = stage.client.send(get()).await.unwrap().unwrap_err();

    assert!(matches!(refused, SlackError::MustWait { slack_said: false, .. }), "{refused:?}");
    assert_eq!(stage.script.count("users.profile.get"), 100);
}

#[actix::test]
async fn a_short_wait_for_a_limit_is_waited_here() {
    let stage = stage(Script::default(), false).await;
    for _ in 0..100 {
        stage.client.send(get()).await.unwrap().unwrap();
    }
    let began = Instant::now();
    tokio::time::advance(Duration::from_millis(59_500)).await;

    stage.client.send(get()).await.unwrap().unwrap();

    assert!(began.elapsed() >= Duration::from_secs(60));
}

#[actix::test]
async fn a_call_that_waits_is_not_made_when_its_request_gives_up() {
    let stage = stage(Script::default(), false).await;
    for _ in 0..100 {
        stage.client.send(get()).await.unwrap().unwrap();
    }
    tokio::time::advance(Duration::from_millis(59_500)).await;
    let waits = get();
    let request = waits.caller.request;
    let waiting = actix::spawn(stage.client.send(waits));

    stage.client.send(Withdraw { request }).await.unwrap();

    assert_eq!(waiting.await.unwrap().unwrap(), Err(SlackError::Suspended));
    assert_eq!(stage.script.count("users.profile.get"), 100);
    stage.client.send(get()).await.unwrap().unwrap();
}

async fn rests_after(answer: (u16, &'static str)) {
    let stage = stage(Script::default(), false).await;
    stage.script.next("users.profile.get", Ok(answer));
    let now = Instant::now();

    let first = stage.client.send(get()).await.unwrap().unwrap_err();
    let second = stage.client.send(get()).await.unwrap().unwrap_err();

    for refused in [first, second] {
        let SlackError::MustWait { until, slack_said: true } = refused else { panic!("{refused:?}") };
        assert!(until - now - Duration::from_secs(5) < Duration::from_millis(100));
    }
    assert_eq!(stage.script.count("users.profile.get"), 1);
    stage.client.send(set("U1", "xoxp-own")).await.unwrap().unwrap();
}

#[actix::test]
async fn after_429_the_method_rests_for_everybody_and_others_do_not() {
    rests_after((429, "")).await;
}

#[actix::test]
async fn after_200_with_ratelimited_the_method_rests_too() {
    rests_after((200, r#"{"ok":false,"error":"ratelimited"}"#)).await;
}

#[actix::test]
async fn an_answer_that_does_not_come_within_ten_seconds_is_unavailable() {
    let stage = stage(Script::default(), false).await;
    stage.script.0.borrow_mut().hang = true;
    let began = Instant::now();

    let late = stage.client.send(get()).await.unwrap().unwrap_err();

    assert!(matches!(late, SlackError::Unavailable(_)));
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[actix::test]
async fn with_a_dead_bot_token_only_auth_test_is_called_once_a_minute_until_it_works() {
    let stage = stage(Script::default(), false).await;
    stage.script.next("users.profile.get", Ok((200, r#"{"ok":false,"error":"account_inactive"}"#)));
    stage.script.next("auth.test", Ok((200, r#"{"ok":false,"error":"account_inactive"}"#)));
    let dead = stage.client.send(get()).await.unwrap().unwrap_err();
    assert_eq!(dead, SlackError::DeadToken("account_inactive".into()));

    assert_eq!(stage.client.send(get()).await.unwrap().unwrap_err(), SlackError::Suspended);
    let problems = stage.client.send(Observe).await.unwrap().problems;
    assert!(problems[0].contains("SLACK_BOT_TOKEN"), "{problems:?}");
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!((stage.script.count("auth.test"), stage.script.count("users.profile.get")), (2, 1));
    tokio::time::sleep(Duration::from_secs(60)).await;

    assert_eq!(stage.script.count("auth.test"), 3);
    assert!(stage.heard.borrow().contains(&"revived".to_owned()));
    stage.client.send(get()).await.unwrap().unwrap();
    assert_eq!(stage.lines.all().iter().filter(|line| line["level"] == "error").count(), 1);
}

#[actix::test]
async fn slack_away_at_the_start_is_tried_again_each_minute() {
    let script = Script::default();
    script.next("auth.test", Err("refused"));
    let stage = stage(script, false).await;
    assert!(stage.heard.borrow().is_empty());
    assert_eq!(stage.client.send(Observe).await.unwrap().problems.len(), 1);

    tokio::time::sleep(Duration::from_secs(61)).await;

    assert_eq!(*stage.heard.borrow(), ["workspace T1"]);
    assert!(stage.client.send(Observe).await.unwrap().problems.is_empty());
}

#[actix::test]
async fn an_organisations_token_is_a_wrong_setting() {
    let script = Script::default();
    script.next(
        "auth.test",
        Ok((200, r#"{"ok":true,"team_id":"T1","user_id":"U1","is_enterprise_install":true}"#)),
    );
    tokio::time::pause();
    let heard = Rc::new(RefCell::new(Vec::new()));
    let ear = Ear(heard.clone()).start();
    let (log, _) = captured();
    let _client = SlackClient::new(SlackClientParts {
        limits: Limits::default(),
        transport: Rc::new(script),
        bot: Token::new("xoxb-bot"),
        admin: None,
        client: None,
        on_workspace: ear.clone().recipient(),
        on_misconfigured: ear.clone().recipient(),
        on_revived: ear.recipient(),
        recorder: Recorder::new(BTreeSet::new(), Clock::System),
        clock: Clock::System,
        log,
    })
    .start();
    tokio::time::sleep(Duration::from_secs(1)).await;

    assert!(heard.borrow()[0].starts_with("SLACK_BOT_TOKEN is an organisation's token"), "{heard:?}");
}

#[actix::test]
async fn another_is_named_only_when_the_admin_token_sets_his_name() {
    let stage = stage(Script::default(), true).await;
    let admin = stage.client.send(AskStanding).await.unwrap().admin.unwrap();
    assert_eq!(admin.owner, user("UADMIN"));

    stage.client.send(set("U1", "xoxp-admin")).await.unwrap().unwrap();
    stage.client.send(set("UADMIN", "xoxp-admin")).await.unwrap().unwrap();
    stage.client.send(set("U1", "xoxp-own")).await.unwrap().unwrap();

    let script = stage.script.0.borrow();
    let sent: Vec<_> = script.calls.iter().filter(|(of, ..)| *of == "users.profile.set").collect();
    let names: Vec<bool> = sent.iter().map(|(_, body, _)| body.contains("\"user\"")).collect();
    assert_eq!(names, [true, false, false]);
}

#[actix::test]
async fn a_dead_admin_token_is_not_used_and_is_told() {
    let stage = stage(Script::default(), true).await;
    stage.script.next("users.profile.set", Ok((200, r#"{"ok":false,"error":"token_expired"}"#)));

    stage.client.send(set("U1", "xoxp-admin")).await.unwrap().unwrap_err();

    let standing = stage.client.send(AskStanding).await.unwrap();
    assert!(standing.admin.is_none() && standing.bot_works);
    let problems = stage.client.send(Observe).await.unwrap().problems;
    assert!(problems[0].contains("SLACK_ADMIN_TOKEN"), "{problems:?}");
}
