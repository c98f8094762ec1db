//! What is measured and counted, as `/metrics` and the CSV files show it.

use serde_json::{Value, json};
use statusinator::{
    demo::{Effect, Fault},
    metrics::Metric,
};

use crate::harness::{Setup, TEAM, TestApp, user};

/// How much each series of a counter grew since it was read before; only those that grew.
async fn grown(app: &TestApp, before: &std::collections::BTreeMap<String, f64>, counter: &str) -> Value {
    let now = app.metrics().await;
    let of_counter = now.iter().filter(|(name, _)| name.starts_with(counter));
    let grown = of_counter.map(|(name, value)| (name.split('"').nth(1).unwrap(), value - before[name]));
    json!(
        grown
            .filter(|(_, by)| *by > 0.0)
            .map(|(label, by)| (label.to_owned(), json!(by as u64)))
            .collect::<serde_json::Map<_, _>>()
    )
}

fn change(id: &str, event_id: &str, fields: Value) -> Value {
    let mut member = json!({ "id": id, "team_id": TEAM, "profile": { "status_emoji": ":a:" } });
    member.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({ "type": "event_callback", "team_id": TEAM, "event_id": event_id, "event_time": 1,
        "event": { "type": "user_change", "user": member } })
}

#[actix::test]
async fn every_event_is_counted_once_by_what_became_of_it() {
    let app =
        Setup::new().member("U1", json!({ ":a:": { "name": "A" }, ":b:": { "name": "B" } })).start().await;
    let before = app.metrics().await;

    let unsigned = app.client.post(format!("{}/slack/events", app.base)).send_body("{}").await.unwrap();
    assert_eq!(unsigned.status(), 401);
    let events = [
        json!({ "type": "url_verification", "challenge": "c" }),
        json!({ "type": "event_callback", "team_id": "T0OTHER" }),
        json!({ "type": "event_callback", "event": { "type": "team_join" } }),
        json!({ "type": "app_rate_limited", "team_id": TEAM, "minute_rate_limited": 1 }),
        json!({ "type": "event_callback", "event": { "type": "tokens_revoked", "tokens": { "oauth": ["U9"] } } }),
        json!([]),
        change("U1", "Ev1", json!({ "team_id": "T0OTHER" })),
        change("U1", "Ev2", json!({ "is_bot": true })),
        change("U9", "Ev3", json!({})),
    ];
    for event in events {
        app.event(&event).await;
    }
    app.status("U1", ":a:").await;
    app.settle().await;
    app.event(&change("U1", "Ev4", json!({}))).await;

    let expected = json!({ "accepted": 1, "app_rate_limited": 1, "bad_signature": 1, "ignored_no_member": 1,
        "ignored_not_onboarded": 1, "ignored_other_kind": 1, "ignored_other_workspace": 2, "ignored_unchanged": 1,
        "not_an_object": 1, "tokens_revoked": 1, "url_verification": 1 });
    assert_eq!(grown(&app, &before, "statusinator_events_total").await, expected);
    app.finish().await;
}

#[actix::test]
async fn requests_and_their_parts_are_counted_by_how_they_went() {
    let both = |setup: &Setup, id: &str| json!({ ":a:": { "name": "A", "picture": setup.picture(id, 7) } });
    let setup = Setup::new();
    let (one, two) = (both(&setup, "U1"), both(&setup, "U2"));
    let app = setup.member("U1", one).stranger_to_the_app("U2", two).start().await;
    let before = app.metrics().await;
    app.slack.inject(Fault::next("users.setPhoto", 1, Effect::RateLimited(Some(1))));

    app.status("U1", ":a:").await;
    app.settle().await;
    app.slack.inject(Fault::next("users.profile.get", 1, Effect::Status(500)).of(&user("U2")));
    app.status("U2", ":a:").await;
    app.settle().await;

    let requests = grown(&app, &before, "statusinator_requests_total").await;
    for (outcome, times) in [("ended", 2), ("applied", 2), ("retried", 2), ("skipped_not_authorised", 2)] {
        assert_eq!(requests[outcome], times, "{outcome}: {requests}");
    }
    assert_eq!(grown(&app, &before, "statusinator_rate_limited_total").await, json!({ "users.setPhoto": 1 }));
    app.finish().await;
}

#[actix::test]
async fn a_life_leaves_samples_of_all_metrics_in_both_places_but_of_no_disabled_one() {
    for disabled in [None, Some(Metric::SlackApiLatency)] {
        let mut setup = Setup::new().member("U1", json!({ ":a:": { "name": "A" } }));
        setup.metrics_disabled.extend(disabled);
        let app = setup.start().await;
        app.status("U1", ":a:").await;
        app.settle().await;

        for metric in Metric::ALL.into_iter().filter(|metric| Some(*metric) != disabled) {
            let row = format!("{},", metric.name());
            app.until("its sample is written", async || {
                app.samples().iter().any(|line| line.starts_with(&row))
            })
            .await;
        }

        let shown = app.metrics().await;
        for metric in Metric::ALL {
            let is_shown = shown.keys().any(|series| series.starts_with(&metric.prometheus_name()));
            assert_eq!(is_shown, Some(metric) != disabled, "{}", metric.name());
            let is_written = app.samples().iter().any(|line| line.starts_with(metric.name()));
            assert_eq!(is_written, Some(metric) != disabled, "{}", metric.name());
        }
        assert_eq!(shown["statusinator_onboarded_users"], 1.0);
        assert!(shown["statusinator_request_lifecycle_duration_seconds_count"] >= 1.0);
        assert!(!shown.keys().any(|series| series.contains("U1")), "{shown:#?}");
        app.finish().await;
    }
}

#[actix::test]
async fn what_readyz_says_is_a_gauge_and_a_damaged_file_is_one() {
    let app = Setup::new().member("U1", json!({ ":a:": { "name": "A" } })).start().await;
    let well = app.metrics().await;
    std::fs::write(app.store().join("users.json"), "{").unwrap();

    app.event(&change("U9", "Ev1", json!({}))).await;
    app.until("the damage is seen", async || !app.problems().await.is_empty()).await;

    let damaged = app.metrics().await;
    for (series, before, after) in [
        ("statusinator_ready", 1.0, 1.0),
        ("statusinator_problems", 0.0, 1.0),
        ("statusinator_users_file_broken", 0.0, 1.0),
    ] {
        assert_eq!((well[series], damaged[series]), (before, after), "{series}");
    }
    app.finish().await;
}

#[actix::test]
async fn a_restart_is_counted_by_its_actor() {
    let app = Setup::new().start().await;
    let before = app.metrics().await;

    app.service.restarts.sabotage("dead_letter");
    app.observe(&app.service.dead_letter).await;

    assert_eq!(grown(&app, &before, "statusinator_actor_restarts_total").await, json!({ "dead_letter": 1 }));
    app.finish().await;
}
