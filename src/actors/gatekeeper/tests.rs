//! The actor with the real `SlackClient` against the simulated Slack, on paused time.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use futures_util::future::join_all;

use super::*;
use crate::{
    actors::{deaf::Deaf, slack_client::SlackClientParts},
    clock::Clock,
    demo::{Effect, Fault, SimulatedSlack},
    directory::Snapshot,
    logging::silent,
    metrics::Recorder,
    slack::limits::Limits,
};

const TEAM: &str = "T1";

struct Stage {
    slack: SimulatedSlack,
    keeper: Addr<Gatekeeper>,
    directory: Directory,
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

impl Stage {
    /// A workspace whose owner is UBOSS; with his token as the admin token, if so wanted.
    async fn new(has_admin_token: bool, enterprise: bool) -> Self {
        let slack = SimulatedSlack::new(TEAM, true, Clock::simulated());
        slack.lock().enterprise = enterprise;
        for id in ["UBOSS", "U1"] {
            slack.lock().add(&user(id), id);
        }
        slack.lock().people.get_mut(&user("UBOSS")).unwrap().is_owner = true;
        let admin = has_admin_token
            .then(|| Token::new(slack.lock().grant(&user("UBOSS"), false, &["admin.users:read"])));
        let deaf = Deaf.start();
        let client = SlackClient::new(SlackClientParts {
            limits: Limits::default(),
            transport: Rc::new(slack.clone()),
            bot: Token::new(slack.bot_token()),
            admin,
            client: None,
            on_workspace: deaf.clone().recipient(),
            on_misconfigured: deaf.clone().recipient(),
            on_revived: deaf.recipient(),
            recorder: Recorder::new(BTreeSet::new(), Clock::simulated()),
            clock: Clock::simulated(),
            log: silent(),
        })
        .start();
        let directory = Directory::default();
        directory.publish(Snapshot { team: Some(TeamId(TEAM.into())), users: None });
        let keeper = Gatekeeper::new(client, directory.clone(), silent()).start();
        Self { slack, keeper, directory }
    }

    async fn admit(&self, token: &str) -> Result<UserId, Denied> {
        self.keeper.send(Admit { token: Token::new(token), request: RequestId::random() }).await.unwrap()
    }

    async fn confirm(&self, id: &str) -> Result<(), Denied> {
        self.keeper.send(Confirm { user: user(id), request: RequestId::random() }).await.unwrap()
    }

    fn token(&self, id: &str) -> String {
        self.slack.user_token(&user(id))
    }

    fn set_admin(&self, id: &str, is_admin: bool) {
        self.slack.lock().people.get_mut(&user(id)).unwrap().is_admin = is_admin;
    }

    fn counts(&self) -> [usize; 3] {
        ["auth.test", "admin.users.list", "users.info"].map(|method| self.slack.count(method))
    }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[actix::test]
async fn an_owner_and_an_administrator_are_let_in_and_nobody_else_is() {
    tokio::time::pause();
    let stage = Stage::new(false, false).await;
    let (boss, member, bot) = (stage.token("UBOSS"), stage.token("U1"), stage.slack.bot_token());

    assert_eq!(stage.admit(&boss).await, Ok(user("UBOSS")));
    assert_eq!(stage.admit(&member).await, Err(Denied::NotAdministrator));
    assert_eq!(stage.admit(&bot).await, Err(Denied::Bot));
    assert_eq!(stage.admit("xoxp-made-up").await, Err(Denied::DeadToken));
    stage.set_admin("U1", true);
    assert_eq!(stage.admit(&member).await, Ok(user("U1")), "a no is not kept");
    stage.slack.lock().people.get_mut(&user("U1")).unwrap().deleted = true;
    assert_eq!(stage.confirm("U1").await, Ok(()), "a yes is kept for a minute");
    pass(61).await;
    assert_eq!(stage.confirm("U1").await, Err(Denied::NotAdministrator), "his account was closed");
    assert_eq!(stage.confirm("UNOBODY").await, Err(Denied::NotAdministrator));
    stage.slack.lock().team = "T2".into();
    assert_eq!(stage.admit(&stage.token("UBOSS")).await, Err(Denied::AnotherWorkspace));
    assert_eq!(stage.slack.violations(), Vec::<String>::new());
}

#[actix::test]
async fn a_yes_of_users_info_is_kept_for_a_minute_and_a_no_is_not() {
    tokio::time::pause();
    let stage = Stage::new(false, false).await;
    let (boss, member) = (stage.token("UBOSS"), stage.token("U1"));
    pass(1).await;
    let before = stage.counts();
    let since = |now: [usize; 3]| [now[0] - before[0], now[1] - before[1], now[2] - before[2]];

    for _ in 0..3 {
        stage.admit(&boss).await.unwrap();
    }
    assert_eq!(since(stage.counts()), [1, 0, 1]);
    for _ in 0..3 {
        stage.admit(&member).await.unwrap_err();
    }
    assert_eq!(since(stage.counts()), [4, 0, 4]);
    pass(60).await;
    stage.admit(&boss).await.unwrap();

    assert_eq!(since(stage.counts()), [5, 0, 5]);
}

#[actix::test]
async fn on_enterprise_the_list_is_read_until_he_is_found_and_kept_for_ten_minutes() {
    tokio::time::pause();
    let stage = Stage::new(true, true).await;
    for n in 0..250 {
        stage.slack.lock().add(&user(&format!("U{n:04}")), "somebody");
    }
    stage.set_admin("U0150", true);

    assert_eq!(stage.confirm("U0150").await, Ok(()));
    assert_eq!(stage.slack.count("admin.users.list"), 2, "no page more than it takes");
    assert_eq!(stage.confirm("U0010").await, Err(Denied::NotAdministrator), "already read");
    assert_eq!(stage.confirm("UBOSS").await, Ok(()), "on the third page");
    assert_eq!(stage.confirm("UNOBODY").await, Err(Denied::NotAdministrator), "on no page");
    stage.set_admin("U0150", false);
    pass(590).await;
    assert_eq!(stage.confirm("U0150").await, Ok(()));
    assert_eq!((stage.slack.count("admin.users.list"), stage.slack.count("users.info")), (3, 0));
    pass(11).await;

    assert_eq!(stage.confirm("U0150").await, Err(Denied::NotAdministrator));
    assert_eq!(stage.slack.violations(), Vec::<String>::new());
}

#[actix::test]
async fn a_list_of_more_pages_than_a_minute_allows_is_read_on_when_he_is_asked_for_again() {
    tokio::time::pause();
    let stage = Stage::new(true, true).await;
    for n in 0..10_150 {
        stage.slack.lock().add(&user(&format!("U{n:05}")), "somebody");
    }

    let first = stage.confirm("UBOSS").await;

    assert!(matches!(first, Err(Denied::Unavailable(_))), "{first:?}");
    pass(31).await;
    assert_eq!(stage.confirm("UBOSS").await, Ok(()));
    assert_eq!((stage.slack.count("admin.users.list"), stage.slack.count("users.info")), (102, 0));
    assert_eq!(stage.slack.violations(), Vec::<String>::new());
}

#[actix::test]
async fn when_slack_refuses_the_list_users_info_is_asked() {
    tokio::time::pause();
    let ordinary = Stage::new(true, false).await;
    assert_eq!(ordinary.confirm("UBOSS").await, Ok(()));
    assert_eq!((ordinary.slack.count("admin.users.list"), ordinary.slack.count("users.info")), (1, 1));

    for refusal in ["not_allowed_token_type", "token_revoked", "invalid_cursor"] {
        let stage = Stage::new(true, true).await;
        stage.slack.inject(Fault::next("admin.users.list", 1, Effect::Error(refusal.into())));
        assert_eq!(stage.confirm("UBOSS").await, Ok(()), "{refusal}");
        assert_eq!(stage.slack.count("users.info"), 1, "{refusal}");
    }
}

#[actix::test]
async fn what_slack_does_not_answer_is_neither_yes_nor_no() {
    tokio::time::pause();
    let faults = [
        ("auth.test", Effect::Status(500)),
        ("auth.test", Effect::Hang),
        ("admin.users.list", Effect::Error("internal_error".into())),
        ("users.info", Effect::Cut),
        ("users.info", Effect::Error("missing_scope".into())),
    ];
    for (method, effect) in faults {
        let stage = Stage::new(method == "admin.users.list", method == "admin.users.list").await;
        let token = stage.token("UBOSS");
        pass(1).await;
        stage.slack.inject(Fault::next(method, 1, effect.clone()));

        let first = stage.admit(&token).await;

        assert!(matches!(first, Err(Denied::Unavailable(_))), "{method} {effect:?}: {first:?}");
        assert_eq!(stage.admit(&token).await, Ok(user("UBOSS")), "{method} {effect:?}");
    }
}

#[actix::test]
async fn sixty_unknown_tokens_are_tried_in_a_minute() {
    tokio::time::pause();
    let stage = Stage::new(false, false).await;
    let boss = stage.token("UBOSS");
    stage.admit(&boss).await.unwrap();
    for n in 0..59 {
        assert_eq!(stage.admit(&format!("xoxp-{n}")).await, Err(Denied::DeadToken));
    }

    let late = stage.admit("xoxp-late").await.unwrap_err();

    assert!(matches!(late, Denied::TooMany { retry_after } if retry_after.as_secs() <= 61), "{late:?}");
    assert_eq!(stage.admit(&boss).await, Ok(user("UBOSS")), "who is known is let in");
    pass(61).await;
    assert_eq!(stage.admit("xoxp-late").await, Err(Denied::DeadToken));
}

#[actix::test]
async fn many_calls_with_one_token_ask_once() {
    tokio::time::pause();
    let stage = Stage::new(false, false).await;
    let boss = stage.token("UBOSS");
    pass(1).await;
    let before = stage.slack.count("auth.test");

    let admitted = join_all((0..200).map(|_| stage.admit(&boss))).await;

    assert!(admitted.iter().all(|it| *it == Ok(user("UBOSS"))));
    assert_eq!((stage.slack.count("auth.test") - before, stage.slack.count("users.info")), (1, 1));
}

#[actix::test]
async fn nobody_is_let_in_before_the_workspace_is_known() {
    tokio::time::pause();
    let stage = Stage::new(false, false).await;
    stage.directory.publish(Snapshot::default());

    assert!(matches!(stage.confirm("UBOSS").await, Err(Denied::Unavailable(_))));
    assert!(matches!(stage.admit(&stage.token("UBOSS")).await, Err(Denied::Unavailable(_))));
}
