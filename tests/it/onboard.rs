//! `/onboard`: who may call it, what it takes, and what follows.

use std::{cell::RefCell, io::Write as _, net::TcpStream};

use bytes::Bytes;
use futures_util::future::join_all;
use serde_json::{Value, json};
use statusinator::demo::{Effect, Fault, pictures};

use crate::harness::{Setup, TestApp, user};

/// An administrator, as he calls the service.
pub struct Boss<'a> {
    app: &'a TestApp,
    pub token: String,
}

impl TestApp {
    /// An owner of the workspace with a token of his own.
    pub fn boss(&self) -> Boss<'_> {
        let boss = user("UBOSS");
        let mut workspace = self.slack.lock();
        if !workspace.people.contains_key(&boss) {
            workspace.add(&boss, "Boss");
            workspace.people.get_mut(&boss).unwrap().is_owner = true;
        }
        let known =
            workspace.grants.iter().find(|(_, grant)| grant.owner == boss).map(|(token, _)| token.clone());
        let token = known.unwrap_or_else(|| workspace.grant(&boss, false, &[]));
        Boss { app: self, token }
    }

    /// Calls with this `Authorization`; answers status and body.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        authorization: Option<&str>,
        body: Bytes,
    ) -> (u16, Value) {
        let mut request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.base));
        if let Some(authorization) = authorization {
            request = request.insert_header(("Authorization", authorization));
        }
        let mut answer = request.send_body(body).await.unwrap();
        let body = answer.body().limit(64 << 20).await.unwrap();
        (answer.status().as_u16(), serde_json::from_slice(&body).unwrap_or_default())
    }
}

impl Boss<'_> {
    pub async fn call(&self, method: &str, path: &str, body: impl Into<Bytes>) -> (u16, Value) {
        self.app.call(method, path, Some(&format!("Bearer {}", self.token)), body.into()).await
    }

    pub async fn onboard(&self, users: &Value) -> (u16, Value) {
        self.call("POST", "/onboard", users.to_string()).await
    }

    pub async fn upload(&self, id: &str, picture: Bytes) -> String {
        let (status, body) = self.call("POST", &format!("/onboard/{id}/pictures"), picture).await;
        assert_eq!(status, 201, "{body}");
        body["picture"].as_str().unwrap().to_owned()
    }
}

fn paths(body: &Value) -> Vec<&str> {
    body["problems"].as_array().unwrap().iter().map(|problem| problem["path"].as_str().unwrap()).collect()
}

#[actix::test]
async fn whom_an_administrator_onboards_is_looked_at_and_nobody_else_is_touched() {
    let app = Setup::new().member("U1", json!({ ":a:": { "name": "A" } })).start().await;
    app.slack.lock().add(&user("U2"), "Two");
    app.authorise("U2").await;
    app.status("U2", ":b:").await;
    let boss = app.boss();

    let (status, body) =
        boss.onboard(&json!({ "U2": { ":b:": { "name": "B" }, "default": { "name": "Two" } } })).await;

    assert_eq!(status, 200, "{body}");
    assert_eq!((&body["onboarded"], &body["warnings"]), (&json!(["U2"]), &json!([])));
    assert!(body["lastUpdatedAt"].as_str().unwrap().parse::<u64>().unwrap() > 1_700_000_000);
    app.until("he is looked at", async || app.name("U2") == "B").await;
    let (status, users) = boss.call("GET", "/onboard", "").await;
    assert_eq!(status, 200);
    assert_eq!(
        users,
        json!({ "U1": { ":a:": { "name": "A" } },
        "U2": { ":b:": { "name": "B" }, "default": { "name": "Two" } } })
    );
    let file: Value =
        serde_json::from_slice(&std::fs::read(app.store().join("users.json")).unwrap()).unwrap();
    assert_eq!(file, json!({ "lastUpdatedAt": body["lastUpdatedAt"], "users": users }));
    let said = &app.said("members onboarded")[0];
    assert_eq!((&said["administrator"], &said["members"]), (&json!("UBOSS"), &json!(1)));
    assert!(said["request"].is_string());
    app.finish().await;
}

#[actix::test]
async fn all_presets_of_who_is_named_are_replaced_and_who_lacks_a_default_is_a_warning() {
    let app =
        Setup::new().member("U1", json!({ ":a:": { "name": "A" }, ":b:": { "name": "B" } })).start().await;
    let boss = app.boss();

    let (status, body) = boss.onboard(&json!({ "U1": { ":c:": { "name": "C" } }, "U2": {} })).await;

    assert_eq!((status, body["warnings"][0]["path"].as_str()), (200, Some("/U1")));
    assert_eq!(body["warnings"].as_array().unwrap().len(), 1, "no preset is fine");
    assert_eq!(
        boss.call("GET", "/onboard", "").await.1,
        json!({ "U1": { ":c:": { "name": "C" } }, "U2": {} })
    );
    app.until("the cache has it", async || app.onboarded().contains_key(&user("U2"))).await;
    app.finish().await;
}

#[actix::test]
async fn only_an_administrator_of_this_workspace_is_let_in_and_the_body_is_not_looked_at_before() {
    let app = Setup::new().member("U1", json!({})).start().await;
    let (boss, bot) = (app.boss().token, app.slack.bot_token());
    let plain = app.slack.user_token(&user("U1"));
    let bearer = |token: &str| Some(format!("Bearer {token}"));
    let too_large = Bytes::from(vec![b'x'; 9 << 20]);
    for (authorization, status, code) in [
        (None, 401, "no_token"),
        (Some(format!("Basic {boss}")), 401, "no_token"),
        (bearer(""), 401, "no_token"),
        (bearer(&"x".repeat(600)), 401, "no_token"),
        (bearer("xoxp-made-up"), 401, "dead_token"),
        (bearer(&plain), 403, "not_administrator"),
        (bearer(&bot), 403, "bot_token"),
        (bearer(&boss), 413, "too_large"),
    ] {
        for (method, path) in [("POST", "/onboard"), ("POST", "/onboard/U1/pictures")] {
            if status == 413 && path != "/onboard" {
                continue;
            }
            let (got, body) = app.call(method, path, authorization.as_deref(), too_large.clone()).await;
            assert_eq!(
                (got, body["error"].as_str()),
                (status, Some(code)),
                "{method} {path} {authorization:?}"
            );
        }
        if status != 413 {
            for (method, path) in [("GET", "/onboard"), ("DELETE", "/onboard/U1")] {
                let (got, body) = app.call(method, path, authorization.as_deref(), Bytes::new()).await;
                assert_eq!(
                    (got, body["error"].as_str()),
                    (status, Some(code)),
                    "{method} {path} {authorization:?}"
                );
            }
        }
    }
    app.slack.lock().team = "T0OTHER".into();
    let other = app.slack.user_token(&user("UBOSS"));
    assert_eq!(app.call("GET", "/onboard", bearer(&other).as_deref(), Bytes::new()).await.0, 403);
    app.slack.lock().team = crate::harness::TEAM.into();
    assert!(app.onboarded().contains_key(&user("U1")));
    app.finish().await;
}

#[actix::test]
async fn sixty_unknown_tokens_a_minute_and_no_more() {
    let app = Setup::new().start().await;
    let boss = app.boss();
    boss.call("GET", "/onboard", "").await;
    let tries = (0..59).map(|n| {
        let app = &app;
        async move { app.call("GET", "/onboard", Some(&format!("Bearer xoxp-{n}")), Bytes::new()).await.0 }
    });
    assert!(join_all(tries).await.iter().all(|status| *status == 401));

    let late =
        app.client.get(format!("{}/onboard", app.base)).insert_header(("Authorization", "Bearer xoxp-late"));
    let answer = late.send().await.unwrap();

    assert_eq!(answer.status(), 429);
    let wait: u64 = answer.headers().get("retry-after").unwrap().to_str().unwrap().parse().unwrap();
    assert!((1..=61).contains(&wait));
    assert_eq!(boss.call("GET", "/onboard", "").await.0, 200, "who is known is let in");
    app.finish().await;
}

#[actix::test]
async fn every_problem_is_told_at_once_with_its_pointer_and_nothing_changes() {
    let app = Setup::new().member("U1", json!({ ":a:": { "name": "A" } })).start().await;
    let boss = app.boss();
    let before = std::fs::read(app.store().join("users.json")).unwrap();
    let missing = "file:///anywhere/U1/00000000-0000-0000-0000-00000000abcd.png";
    let users = json!({ "U1": { ":a:": { "name": "" }, ":p:": { "picture": missing }, ":q:": { "picture": missing } },
        "U2": { "a/b": { "name": "x" } }, "bob": {} });

    let (status, body) = boss.onboard(&users).await;

    assert_eq!((status, body["error"].as_str()), (422, Some("problems")));
    let mut places = paths(&body);
    places.sort_unstable();
    assert_eq!(places, ["/U1/:a:/name", "/U1/:p:/picture", "/U1/:q:/picture", "/U2/a~1b", "/bob"]);
    assert_eq!(boss.call("POST", "/onboard", "{").await.0, 400);
    assert_eq!(paths(&boss.call("POST", "/onboard", "[]").await.1), [""]);
    assert_eq!(boss.call("DELETE", "/onboard/bob", "").await.0, 422);
    assert_eq!(std::fs::read(app.store().join("users.json")).unwrap(), before);
    app.finish().await;
}

#[actix::test]
async fn another_method_is_405_and_tells_which_are_allowed() {
    let app = Setup::new().start().await;
    for (method, path, allowed) in [
        ("PUT", "/onboard", "POST, GET"),
        ("GET", "/onboard/U1", "DELETE"),
        ("DELETE", "/onboard/U1/pictures", "POST"),
        ("GET", "/slack/events", "POST"),
        ("POST", "/readyz", "GET"),
    ] {
        let request = app.client.request(method.parse().unwrap(), format!("{}{path}", app.base));
        let answer = request.send().await.unwrap();

        assert_eq!(
            (answer.status().as_u16(), answer.headers().get("allow").unwrap().to_str().unwrap()),
            (405, allowed)
        );
    }
    app.finish().await;
}

#[actix::test]
async fn a_damaged_file_is_never_written_over() {
    let app = Setup::new().member("U1", json!({})).start().await;
    let boss = app.boss();
    let file = app.store().join("users.json");
    for damage in ["{", r#"{"users":[]}"#] {
        std::fs::write(&file, damage).unwrap();
        for (method, path, body) in
            [("POST", "/onboard", r#"{"U2":{}}"#), ("GET", "/onboard", ""), ("DELETE", "/onboard/U1", "")]
        {
            let (status, body) = boss.call(method, path, body).await;
            assert_eq!(
                (status, body["error"].as_str()),
                (503, Some("users_json_damaged")),
                "{method} {damage}"
            );
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), damage);
        app.until("the damage is told", async || {
            app.problems().await.iter().any(|problem| problem.contains("users.json"))
        })
        .await;
    }
    std::fs::remove_file(&file).unwrap();
    assert_eq!(boss.onboard(&json!({ "U2": {} })).await.0, 503, "it was there and is gone");
    assert!(!file.exists());
    app.write_users(&json!({ "U1": {} }));
    assert_eq!(boss.onboard(&json!({ "U2": {} })).await.0, 200);
    app.until("the cache has it", async || app.onboarded().len() == 2).await;
    app.finish().await;
}

#[actix::test]
async fn when_slack_or_the_store_does_not_answer_it_is_503_and_nothing_changes() {
    let app = Setup::new().member("U1", json!({})).start().await;
    let boss = app.boss();
    for (method, effect) in [("auth.test", Effect::Status(500)), ("users.info", Effect::Cut)] {
        app.slack.inject(Fault::next(method, 1, effect));
        let (status, body) = boss.onboard(&json!({ "U2": {} })).await;
        assert_eq!((status, body["error"].as_str()), (503, Some("slack_unavailable")), "{method}");
    }
    let (store, aside) = (app.store(), app.store().with_extension("aside"));
    std::fs::rename(&store, &aside).unwrap();
    std::fs::write(&store, "no folder").unwrap();

    let (status, body) = boss.onboard(&json!({ "U2": {} })).await;

    assert_eq!(status, 503, "{body}");
    std::fs::remove_file(&store).unwrap();
    std::fs::rename(&aside, &store).unwrap();
    app.until("the store is back", async || boss.onboard(&json!({ "U3": {} })).await.0 == 200).await;
    assert_eq!(boss.call("GET", "/onboard", "").await.1, json!({ "U1": {}, "U3": {} }));
    app.finish().await;
}

#[actix::test]
async fn on_enterprise_the_administrators_list_decides_and_a_dead_admin_token_does_not_lock_out() {
    let app = Setup::new().admin(true).start().await;
    {
        let mut workspace = app.slack.lock();
        workspace.enterprise = true;
        for grant in workspace.grants.values_mut().filter(|grant| !grant.is_bot) {
            grant.scopes.push("admin.users:read".into());
        }
    }
    let boss = app.boss();

    assert_eq!(boss.call("GET", "/onboard", "").await.0, 200);
    assert_eq!((app.slack.count("admin.users.list"), app.slack.count("users.info")), (1, 0));
    app.slack.lock().revoke(&[user("UADMIN")], 0);
    app.slack.take_events();
    let app = app.restart().await;
    let boss = Boss { app: &app, token: app.slack.user_token(&user("UBOSS")) };

    assert_eq!(boss.call("GET", "/onboard", "").await.0, 200);
    assert!(app.slack.count("users.info") == 1);
    app.finish().await;
}

#[actix::test]
async fn an_uploaded_picture_reaches_the_profile() {
    let app = Setup::new().member("U1", json!({})).start().await;
    app.status("U1", ":a:").await;
    let boss = app.boss();

    let link = boss.upload("U1", pictures::square(120)).await;

    assert!(link.starts_with("file:///") && link.contains("/store/U1/") && link.ends_with(".png"), "{link}");
    assert_eq!(boss.upload("U1", pictures::square(120)).await, link, "the same bytes, the same link");
    assert_ne!(boss.upload("U1", pictures::square(121)).await, link);
    assert!(boss.upload("UNOTYET", pictures::square(120)).await.contains("/UNOTYET/"));
    let (status, body) = boss.onboard(&json!({ "U1": { "default": { "picture": link } } })).await;
    assert_eq!(status, 200, "{body}");
    app.until("he has it", async || app.photo("U1").is_some()).await;
    let stored = std::fs::read(url::Url::parse(&link).unwrap().to_file_path().unwrap()).unwrap();
    assert_eq!(app.photo("U1").unwrap(), stored);
    let others = json!({ "U2": { "default": { "picture": link } } });
    assert_eq!(paths(&boss.onboard(&others).await.1), ["/U2/default/picture"], "his picture, not another's");
    app.finish().await;
}

#[actix::test]
async fn what_is_no_picture_or_too_large_is_refused() {
    let app = Setup::new().start().await;
    let boss = app.boss();
    for (upload, status) in [
        (Bytes::new(), 422),
        (Bytes::from_static(b"<svg/>"), 422),
        (pictures::square(1).slice(..900), 422),
        (Bytes::from(vec![0; (10 << 20) + 1]), 413),
    ] {
        let (got, body) = boss.call("POST", "/onboard/U1/pictures", upload).await;
        assert_eq!(got, status, "{body}");
    }
    assert_eq!(boss.call("POST", "/onboard/bob/pictures", pictures::square(1)).await.0, 422);
    app.finish().await;
}

#[actix::test]
async fn when_all_places_for_pictures_are_taken_it_is_503() {
    let app = Setup::new().start().await;
    let boss = app.boss();
    let small = pictures::square(1);
    let begin = || {
        let mut socket = TcpStream::connect(app.base.strip_prefix("http://").unwrap()).unwrap();
        let head =
            "POST /onboard/U1/pictures HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\nAuthorization: Bearer";
        socket.write_all(format!("{head} {}\r\n\r\n", boss.token).as_bytes()).unwrap();
        socket
    };
    let unfinished = RefCell::new(Vec::new());

    app.until("all places are taken", async || {
        unfinished.borrow_mut().push(begin());
        let (status, body) = boss.call("POST", "/onboard/U1/pictures", small.clone()).await;
        status == 503 && body["error"] == "busy"
    })
    .await;

    assert!(unfinished.take().len() >= 17);
    app.until("places are free", async || {
        boss.call("POST", "/onboard/U1/pictures", small.clone()).await.0 == 201
    })
    .await;
    app.finish().await;
}

#[actix::test]
async fn what_was_refused_is_tried_anew_when_he_is_named() {
    let presets = json!({ ":a:": { "name": "A" } });
    let app = Setup::new().member("U1", presets.clone()).start().await;
    app.slack.inject(Fault::next("users.profile.set", 1, Effect::Error("profile_set_failed".into())));
    app.status("U1", ":a:").await;
    app.settle().await;
    assert_eq!(app.name("U1"), "U1 by birth");

    assert_eq!(app.boss().onboard(&json!({ "U1": presets })).await.0, 200);

    app.until("he is tried anew", async || app.name("U1") == "A").await;
    app.finish().await;
}

#[actix::test]
async fn while_requests_stand_by_the_cache_waits_and_is_read_before_dead_letters_move() {
    let presets = |name: &str| json!({ ":a:": { "name": name } });
    let mut setup = Setup::new().queue(1, 5, 1);
    for id in ["U1", "U2", "U3"] {
        setup = setup.member(id, presets("old"));
    }
    let app = setup.start().await;
    app.slack.inject(Fault::next("users.profile.get", 1, Effect::Held).of(&user("U1")));
    app.status("U1", ":a:").await;
    assert_eq!(app.status("U2", ":a:").await.status, 200, "on standby");
    assert_eq!(app.status_again("U3", ":a:").await.status, 200, "a dead letter");

    assert_eq!(app.boss().onboard(&json!({ "U3": presets("new") })).await.0, 200);

    assert_eq!(app.depths().await["standby"], 1);
    assert_eq!(app.onboarded()[&user("U3")], serde_json::from_value(presets("old")).unwrap());
    app.slack.let_go();
    app.settle().await;
    assert_eq!((app.name("U2"), app.name("U3")), ("old".into(), "new".into()));
    let sets = app.slack.calls().into_iter().filter(|call| call.method == "users.profile.set");
    assert_eq!(sets.filter(|call| call.user == Some(user("U3"))).count(), 1, "never with the old presets");
    app.finish().await;
}

#[actix::test]
async fn two_applications_on_one_folder_lose_no_onboarding() {
    const EACH: usize = 60;
    let one = Setup::new().start().await;
    let mut other = Setup::new();
    (other.slack, other.store) = (one.slack.clone(), Some(one.store()));
    let other = other.start().await;
    let token = one.boss().token;
    let onboarding =
        (0..2 * EACH).map(|n| {
            let boss = Boss { app: if n % 2 == 0 { &one } else { &other }, token: token.clone() };
            async move {
                boss.onboard(&json!({ format!("U{n}"): { "default": { "name": format!("{n}") } } })).await.0
            }
        });

    let answered = join_all(onboarding).await;

    assert!(answered.iter().all(|status| *status == 200), "{answered:?}");
    let users = one.boss().call("GET", "/onboard", "").await.1;
    assert_eq!(users.as_object().unwrap().len(), 2 * EACH);
    assert_eq!(one.boss().onboard(&json!({ "ULAST": {} })).await.0, 200);
    one.until("its cache has them", async || one.onboarded().len() == 2 * EACH + 1).await;
    other.end_hard().await;
    one.end_hard().await;
}
