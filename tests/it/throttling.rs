//! The throttling table, row by row.

use std::time::Duration;

use serde_json::json;
use statusinator::demo::{Effect, Fault};

use crate::harness::{Setup, TestApp, user};

/// One worker, held by a member whose status is being read; two places on standby, two dead letters.
async fn busy() -> TestApp {
    let presets = json!({ ":a:": { "name": "A" }, ":b:": { "name": "B" } });
    let mut setup = Setup::new().queue(2, 2, 1);
    for n in 0..8 {
        setup = setup.member(&format!("U{n}"), presets.clone());
    }
    let app = setup.start().await;
    app.slack
        .inject(Fault::next("users.profile.get", 1, Effect::Delay(Duration::from_secs(4))).of(&user("U0")));
    assert_eq!(app.status("U0", ":a:").await.status, 200);
    app.until("the worker is held", async || app.depths().await["working"] == 1).await;
    app
}

/// Both members' places on standby are taken.
async fn full() -> TestApp {
    let app = busy().await;
    for id in ["U1", "U2"] {
        assert_eq!(app.status(id, ":a:").await.status, 200);
    }
    assert_eq!(app.depths().await["standby"], 2);
    app
}

/// Both queues are full.
async fn overfull() -> TestApp {
    let app = full().await;
    for id in ["U3", "U4"] {
        assert_eq!(app.status_again(id, ":a:").await.status, 200);
    }
    assert_eq!(app.depths().await["dead_letters"], 2);
    app
}

/// Whatever was refused, a pass makes every profile right in the end.
async fn all_become(app: TestApp, names: &[(&str, &str)]) {
    for (id, name) in names {
        app.until("every profile is right", async || app.name(id) == *name).await;
    }
    app.finish().await;
}

#[actix::test]
async fn a_first_delivery_is_queued_while_there_is_room() {
    let app = busy().await;

    let answered = app.status("U1", ":a:").await;

    assert_eq!((answered.status, app.depths().await["standby"].clone()), (200, json!(1)));
    all_become(app, &[("U0", "A"), ("U1", "A")]).await;
}

#[actix::test]
async fn a_redelivery_is_queued_while_there_is_room() {
    let app = busy().await;

    let answered = app.status_again("U1", ":a:").await;

    assert_eq!((answered.status, app.depths().await["standby"].clone()), (200, json!(1)));
    all_become(app, &[("U1", "A")]).await;
}

#[actix::test]
async fn a_first_delivery_to_a_full_queue_is_503_and_slack_may_try_again() {
    let app = full().await;

    let answered = app.status("U3", ":a:").await;

    assert_eq!((answered.status, answered.no_retry), (503, false));
    let body: serde_json::Value = serde_json::from_slice(&answered.body).unwrap();
    assert_eq!(body["error"], "busy");
    assert_eq!(app.depths().await["dead_letters"], 0);
    app.end_hard().await;
}

#[actix::test]
async fn a_redelivery_to_a_full_queue_becomes_a_dead_letter() {
    let app = full().await;

    let answered = app.status_again("U3", ":a:").await;

    assert_eq!((answered.status, app.depths().await["dead_letters"].clone()), (200, json!(1)));
    all_become(app, &[("U1", "A"), ("U2", "A"), ("U3", "A")]).await;
}

#[actix::test]
async fn with_both_queues_full_a_first_delivery_is_503_and_final() {
    let app = overfull().await;

    let answered = app.status("U5", ":a:").await;

    assert_eq!((answered.status, answered.no_retry), (503, true));
    app.end_hard().await;
}

#[actix::test]
async fn with_both_queues_full_a_redelivery_is_503_and_final() {
    let app = overfull().await;

    let answered = app.status_again("U5", ":a:").await;

    assert_eq!((answered.status, answered.no_retry), (503, true));
    app.end_hard().await;
}

#[actix::test]
async fn a_member_on_standby_gets_his_newer_request_at_the_end_even_of_a_full_queue() {
    let app = full().await;

    let answered = app.status("U1", ":b:").await;

    assert_eq!((answered.status, app.depths().await["standby"].clone()), (200, json!(2)));
    all_become(app, &[("U1", "B"), ("U2", "A")]).await;
}

#[actix::test]
async fn a_member_with_a_dead_letter_gets_his_newer_request_there() {
    let app = overfull().await;

    let answered = app.status("U3", ":b:").await;

    assert_eq!((answered.status, app.depths().await["dead_letters"].clone()), (200, json!(2)));
    all_become(app, &[("U3", "B"), ("U4", "A")]).await;
}

#[actix::test]
async fn dead_letters_move_when_the_request_queue_is_empty() {
    let app = overfull().await;

    all_become(app, &[("U0", "A"), ("U1", "A"), ("U2", "A"), ("U3", "A"), ("U4", "A")]).await;
}

#[actix::test]
async fn an_event_answered_503_makes_a_pass_due() {
    let app = full().await;
    assert_eq!(app.status("U5", ":a:").await.status, 503);

    app.until("a pass finds the member whose event was refused", async || app.name("U5") == "A").await;

    app.finish().await;
}
