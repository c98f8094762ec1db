//! `POST /slack/events`, row by row, in the order of the contract.

use awc::http::StatusCode;
use serde_json::{Value, json};
use statusinator::{clock::Clock, http::signature::sign};

use crate::harness::{SECRET, Setup, TEAM, TestApp, user};

fn change(id: &str, user: Value) -> Value {
    let mut inner = json!({ "id": id, "team_id": TEAM, "profile": { "status_emoji": ":a:" } });
    inner.as_object_mut().unwrap().extend(user.as_object().unwrap().clone());
    json!({ "type": "event_callback", "team_id": TEAM, "event_id": format!("Ev{id}{user}"), "event_time": 1,
        "event": { "type": "user_change", "user": inner } })
}

async fn app() -> TestApp {
    Setup::new().member("U1", json!({ ":a:": { "name": "A" }, ":b:": { "name": "B" } })).start().await
}

/// Posts a body with this signature at this distance from now.
async fn post(
    app: &TestApp,
    body: impl Into<bytes::Bytes>,
    skew: i64,
    secret: &str,
) -> (StatusCode, bytes::Bytes) {
    let body = body.into();
    let at = Clock::System.unix().checked_add_signed(skew).unwrap();
    let mut answer = app
        .client
        .post(format!("{}/slack/events", app.base))
        .insert_header(("X-Slack-Request-Timestamp", at.to_string()))
        .insert_header(("X-Slack-Signature", sign(secret, at, &body)))
        .send_body(body)
        .await
        .unwrap();
    (answer.status(), answer.body().await.unwrap())
}

#[actix::test]
async fn a_body_over_one_mib_is_413_signed_or_not() {
    let app = app().await;

    for secret in [SECRET, "another"] {
        let (status, _) = post(&app, vec![b' '; 1024 * 1024 + 1], 0, secret).await;
        assert_eq!(status, 413);
    }
    app.finish().await;
}

#[actix::test]
async fn a_wrong_or_stale_signature_is_401_and_the_body_is_not_parsed() {
    let app = app().await;

    for (skew, secret) in [(0, "another"), (-302, SECRET), (302, SECRET)] {
        let (status, body) = post(&app, "not json", skew, secret).await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status.as_u16(), &body["error"]), (401, &json!("bad_signature")), "{skew}");
    }
    let unsigned = app.client.post(format!("{}/slack/events", app.base)).send_body("{}").await.unwrap();
    assert_eq!(unsigned.status(), 401);
    assert_eq!(post(&app, "{}", -298, SECRET).await.0, 200);
    assert_eq!(post(&app, "{}", 298, SECRET).await.0, 200);
    app.finish().await;
}

#[actix::test]
async fn what_is_signed_but_no_json_object_is_400() {
    let app = app().await;

    for body in ["", "nonsense", "[]", "\"text\"", "{"] {
        assert_eq!(post(&app, body, 0, SECRET).await.0, 400, "{body}");
    }
    app.finish().await;
}

#[actix::test]
async fn the_challenge_comes_back_as_plain_text() {
    let app = app().await;
    let recorded = include_str!("../fixtures/events-recorded/url_verification.java-sdk.json");

    let (status, body) = post(&app, recorded, 0, SECRET).await;

    assert_eq!(
        (status.as_u16(), &body[..]),
        (200, &b"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"[..])
    );
    app.finish().await;
}

#[actix::test]
async fn what_concerns_nobody_here_is_200_and_nothing() {
    let app = app().await;
    let calls = app.slack.calls().len();
    let mut of_another = change("U1", json!({}));
    of_another["team_id"] = json!("T0OTHER");
    let mut no_emoji = change("U1", json!({}));
    no_emoji["event"]["user"]["profile"] = json!({});
    let mut another_kind = change("U1", json!({}));
    another_kind["event"]["type"] = json!("team_join");

    for event in [
        of_another,
        no_emoji,
        another_kind,
        change("U1", json!({ "team_id": "T0OTHER" })),
        change("U1", json!({ "is_stranger": true })),
        change("U1", json!({ "deleted": true })),
        change("U1", json!({ "is_bot": true })),
        change("U0NOBODY", json!({})),
        change("../../etc", json!({})),
        json!({ "type": "event_callback", "team_id": TEAM }),
        json!({ "type": "something_new" }),
        json!({}),
    ] {
        assert_eq!(app.event(&event).await.status, 200, "{event}");
    }

    app.settle().await;
    assert_eq!(app.slack.calls().len(), calls);
    app.finish().await;
}

#[actix::test]
async fn every_recorded_payload_is_200() {
    let app = app().await;
    for folder in ["events-recorded", "events-docs"] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            assert_eq!(post(&app, text.clone(), 0, SECRET).await.0, 200, "{text}");
        }
    }
    app.finish().await;
}

#[actix::test]
async fn an_event_accepted_before_is_200_and_nothing() {
    let app = app().await;
    app.slack.set_status(&user("U1"), ":a:", "", 0);
    let event = app.slack.take_events().remove(0);
    app.event(&event).await;
    app.settle().await;
    // Another emoji in between, so that only the event's id tells that it is known.
    app.status("U1", ":b:").await;
    app.settle().await;
    let calls = app.slack.calls().len();

    let answered = app.event(&event).await;

    app.settle().await;
    assert_eq!((answered.status, app.slack.calls().len()), (200, calls));
    app.finish().await;
}

#[actix::test]
async fn all_three_kinds_of_change_are_taken() {
    let app = app().await;
    for (kind, emoji, name) in [
        ("user_status_changed", ":a:", "A"),
        ("user_profile_changed", ":b:", "B"),
        ("user_change", ":a:", "A"),
    ] {
        app.slack.set_status(&user("U1"), emoji, "", 0);
        let mut event = app.slack.take_events().remove(0);
        event["event"]["type"] = json!(kind);

        app.event(&event).await;

        app.settle().await;
        assert_eq!(app.name("U1"), name, "{kind}");
        app.slack.take_events();
    }
    app.finish().await;
}

#[actix::test]
async fn while_the_status_is_being_read_an_event_of_any_emoji_is_queued() {
    use statusinator::demo::{Effect, Fault};
    let app = app().await;
    let slow = Effect::Delay(std::time::Duration::from_secs(2));
    app.slack.inject(Fault::next("users.profile.get", 1, slow));
    app.status("U1", ":a:").await;
    app.until("it is read", async || app.depths().await["working"] == 1).await;

    app.slack.set_status(&user("U1"), ":a:", "again", 0);
    app.deliver().await;

    assert_eq!(app.depths().await["standby"], 1);
    app.finish().await;
}

#[actix::test]
async fn a_member_who_was_missed_is_looked_at_once_users_json_names_him() {
    let app = app().await;
    app.slack.lock().add(&user("U2"), "U2 by birth");
    app.authorise("U2").await;
    app.slack.set_status(&user("U2"), ":a:", "", 0);
    app.write_users(&json!({ "U1": {}, "U2": { ":a:": { "name": "A" } } }));

    app.deliver().await;

    app.until("he is looked at", async || app.name("U2") == "A").await;
    assert_eq!(app.onboarded().len(), 2);
    app.finish().await;
}

#[actix::test]
async fn a_damaged_users_json_keeps_the_last_good_one_and_is_a_problem() {
    let app = app().await;
    std::fs::write(app.store().join("users.json"), "{\"users\":").unwrap();

    app.event(&change("U0NOBODY", json!({}))).await;

    app.until("it is told", async || app.problems().await.iter().any(|it| it.contains("users.json"))).await;
    assert_eq!((app.get("/readyz").await.0, app.onboarded().len()), (200, 1));
    app.status("U1", ":b:").await;
    app.settle().await;
    assert_eq!(app.name("U1"), "B");
    app.write_users(&json!({}));
    app.until("it is mended", async || app.problems().await.is_empty()).await;
    app.finish().await;
}

#[actix::test]
async fn unknown_paths_are_404_and_wrong_methods_405() {
    let app = app().await;

    let (status, body) = app.get("/nothing").await;
    assert_eq!((status, &body["error"]), (404, &json!("not_found")));
    for (path, method) in [("/slack/events", "GET"), ("/healthz", "POST"), ("/readyz", "DELETE")] {
        let answer =
            app.client.request(method.parse().unwrap(), format!("{}{path}", app.base)).send().await.unwrap();
        assert_eq!(answer.status(), 405, "{path}");
        assert!(answer.headers().contains_key("allow"));
    }
    app.finish().await;
}
