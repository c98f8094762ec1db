//! How it stops, and what is left when it does.

use std::time::Duration;

use serde_json::json;
use statusinator::{
    app::{App, AppError},
    demo::{Effect, Fault},
    logging,
};

use crate::harness::{Setup, user};

#[actix::test]
async fn a_stop_finishes_what_was_accepted() {
    let app = Setup::new().member("U1", json!({ ":a:": { "name": "A" } })).start().await;
    app.slack.inject(Fault::next("users.profile.set", 1, Effect::Delay(Duration::from_secs(1))));
    app.status("U1", ":a:").await;

    let app = app.restart().await;

    assert_eq!((app.name("U1").as_str(), app.slack.count("users.profile.set")), ("A", 1));
    app.finish().await;
}

#[actix::test]
async fn what_cannot_be_finished_is_named_and_made_good_by_the_next_start() {
    let mut setup = Setup::new().member("U1", json!({ ":a:": { "name": "A" } }));
    setup.drain_timeout = Duration::from_secs(1);
    let app = setup.start().await;
    app.slack.inject(Fault::next("users.profile.get", 1, Effect::Hang).of(&user("U1")));
    app.status("U1", ":a:").await;
    let lines = app.lines.clone();

    let app = app.restart().await;

    let left: Vec<_> = lines
        .all()
        .into_iter()
        .filter(|line| line["msg"].as_str().is_some_and(|it| it.starts_with("request not finished")))
        .collect();
    assert_eq!((left.len(), &left[0]["user"]), (1, &json!("U1")));
    app.until("the next start makes it good", async || app.name("U1") == "A").await;
    app.finish().await;
}

#[actix::test]
async fn while_it_drains_events_are_503_and_the_challenge_is_answered() {
    let mut app = Setup::new().member("U1", json!({ ":a:": { "name": "A" } })).start().await;
    app.slack.inject(Fault::next("users.profile.get", 1, Effect::Delay(Duration::from_secs(3))));
    app.status("U1", ":a:").await;
    app.begin_stop();
    app.until("it drains", async || app.get("/readyz").await.1["status"] == "draining").await;

    let refused = app.status("U1", ":b:").await;
    let challenge = app.event(&json!({ "type": "url_verification", "challenge": "abc" })).await;

    assert_eq!((refused.status, refused.no_retry), (503, false));
    assert_eq!((challenge.status, &challenge.body[..]), (200, &b"abc"[..]));
    assert_eq!((app.get("/readyz").await.0, app.get("/healthz").await.0), (503, 200));
    app.ended().await;
}

#[actix::test]
async fn a_second_process_on_the_same_folder_is_refused() {
    let app = Setup::new().start().await;

    let second = App::build(&app.config, &logging::silent(), None).await;

    assert!(matches!(second, Err(AppError::Misconfigured(why)) if why.contains("STATUSINATOR_DATA_DIR")));
    app.finish().await;
}

#[actix::test]
async fn another_workspaces_folder_is_refused() {
    let mut app = Setup::new().start().await;
    app.slack.lock().team = "T0OTHER".into();
    app.begin_stop();
    app.ended().await;

    let again = App::build(&app.config, &logging::silent(), None).await.unwrap();
    let ended = again.run(std::future::pending::<()>(), std::future::pending::<()>()).await;

    assert!(
        matches!(ended, Err(AppError::Misconfigured(why)) if why.contains("T0TEST") && why.contains("T0OTHER"))
    );
}

#[actix::test]
async fn until_slack_tells_the_workspace_it_is_starting_and_events_do_nothing() {
    let setup = Setup::new();
    setup.slack.inject(Fault::next("auth.test", 1, Effect::Status(500)));
    let app = setup.start_unready().await;

    let (status, report) = app.get("/readyz").await;
    let answered = app
        .event(
            &json!({ "type": "event_callback", "event": { "type": "user_change", "user": { "id": "U1" } } }),
        )
        .await;

    assert_eq!((status, &report["status"], answered.status), (503, &json!("starting"), 200));
    app.until("the problem is told", async || !app.problems().await.is_empty()).await;
    app.end_hard().await;
}
