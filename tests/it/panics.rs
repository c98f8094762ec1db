//! Panics on purpose, under load: nothing that was accepted is lost, and the next event is answered.

use std::time::Duration;

use serde_json::json;
use statusinator::{
    actors::Observe,
    app::{App, AppError},
    demo::{Effect, Fault},
    logging,
};

use crate::harness::{Setup, TestApp};

const MEMBERS: [&str; 4] = ["U1", "U2", "U3", "U4"];

async fn app() -> TestApp {
    let mut setup = Setup::new().queue(10, 10, 2);
    setup.interval = Some(Duration::from_secs(5));
    for id in MEMBERS {
        setup = setup.member(id, json!({ ":a:": { "name": "A" }, ":b:": { "name": "B" } }));
    }
    setup.start().await
}

/// Everybody changes his status while Slack is slow; in the midst of it somebody panics.
async fn survives(victim: &'static str) {
    let app = app().await;
    app.slack.inject(Fault::next("users.profile.set", 2, Effect::Delay(Duration::from_millis(300))));
    for id in MEMBERS {
        if id == "U3" {
            app.service.restarts.sabotage(victim);
        }
        // 503 is no promise; Slack would deliver it again.
        assert!([200, 503].contains(&app.status(id, ":a:").await.status));
    }

    let all_are = async |name: &str| MEMBERS.iter().all(|id| app.name(id) == name);
    app.until("nothing is lost", async || all_are("A").await).await;
    let restarts = async || app.get("/readyz").await.1["actors"][victim]["restarts"].clone();
    app.until("the restart is counted", async || restarts().await == json!(1)).await;
    for id in MEMBERS {
        assert_eq!(app.status(id, ":b:").await.status, 200, "after {victim} panicked");
    }
    app.until("the next events are worked on", async || all_are("B").await).await;
    assert_eq!(app.get("/readyz").await.0, 200);
    app.finish().await;
}

macro_rules! survives {
    ($($test:ident: $victim:literal,)*) => {
        $(#[actix::test]
        async fn $test() {
            survives($victim).await;
        })*
    };
}

survives! {
    a_panic_of_the_event_listener_is_survived: "event_listener",
    a_panic_of_the_request_queue_is_survived: "request_queue",
    a_panic_of_the_dead_letter_queue_is_survived: "dead_letter",
    a_panic_of_the_storage_helper_is_survived: "storage_helper",
    a_panic_of_the_slack_client_is_survived: "slack_client",
    a_panic_of_the_reconciler_is_survived: "reconciler",
    a_panic_of_the_gatekeeper_is_survived: "gatekeeper",
    a_panic_of_the_overseer_is_survived: "overseer",
    a_panic_of_the_registrar_is_survived: "registrar",
    a_panic_of_the_chronicler_is_survived: "chronicler",
    a_panic_of_the_metrics_recorder_is_survived: "metrics_recorder",
    a_panic_of_the_exporter_is_survived: "exporter",
    a_panic_within_a_request_is_survived: "request",
}

#[actix::test]
async fn both_queues_survive_a_panic_of_their_actors_with_all_they_hold() {
    for victim in ["request_queue", "dead_letter"] {
        let mut setup = Setup::new().queue(1, 2, 1);
        for id in MEMBERS {
            setup = setup.member(id, json!({ ":a:": { "name": "A" } }));
        }
        let app = setup.start().await;
        app.slack.inject(Fault::next("users.profile.get", 1, Effect::Delay(Duration::from_secs(2))));
        assert_eq!(app.status("U1", ":a:").await.status, 200);
        app.until("the worker is held", async || app.depths().await["working"] == 1).await;
        for id in ["U2", "U3", "U4"] {
            assert_eq!(app.status_again(id, ":a:").await.status, 200);
        }

        app.service.restarts.sabotage(victim);

        // The panic costs this very message.
        let _ = app.service.queue.send(Observe).await;
        let _ = app.service.dead_letter.send(Observe).await;
        let letters = app.observe(&app.service.dead_letter).await;
        assert_eq!((&app.depths().await["standby"], &letters["waiting"]), (&json!(1), &json!(2)), "{victim}");
        app.until("all are done", async || MEMBERS.iter().all(|id| app.name(id) == "A")).await;
        app.finish().await;
    }
}

#[actix::test]
async fn a_storm_of_restarts_ends_the_process_with_an_error() {
    let mut app = Setup::new().start().await;
    app.begin_stop();
    app.ended().await;
    let again = App::build(&app.config, &logging::silent(), None).await.unwrap();
    let (restarts, queue) = (again.service().restarts.clone(), again.service().queue.clone());
    let storm = async {
        loop {
            restarts.sabotage("request_queue");
            let _ = queue.send(Observe).await;
        }
    };

    let ended = tokio::select! {
        ended = again.run(std::future::pending::<()>(), std::future::pending::<()>()) => ended,
        () = storm => unreachable!("it never ends"),
    };

    let failed =
        matches!(&ended, Err(AppError::Failed(why)) if why.to_string().contains("restart too often"));
    assert!(failed, "{ended:?}");
}
