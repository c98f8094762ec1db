//! A request's life, from the event to the changed profile.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use statusinator::demo::{Effect, Fault, pictures};

use crate::harness::{Setup, user};

#[actix::test]
async fn a_status_change_reaches_name_and_picture() {
    let setup = Setup::new();
    let picture = setup.picture("U1", 10);
    let app = setup
        .member("U1", json!({ ":palm_tree:": { "name": "Ann (away)", "picture": picture } }))
        .start()
        .await;

    let answered = app.status("U1", ":palm_tree:").await;

    assert_eq!(answered.status, 200);
    app.settle().await;
    assert_eq!(app.name("U1"), "Ann (away)");
    assert_eq!(app.photo("U1"), Some(pictures::square(10)));
    let request = &app.said("event queued")[0]["request"];
    for msg in ["part applied", "request ended"] {
        assert!(
            app.said(msg).iter().any(|line| line["request"] == *request),
            "{msg} carries the event's uuid"
        );
    }
    app.finish().await;
}

#[actix::test]
async fn own_writes_come_back_as_events_and_end_at_not_changed() {
    let setup = Setup::new();
    let picture = setup.picture("U1", 10);
    let app = setup.member("U1", json!({ ":tada:": { "name": "Ann!", "picture": picture } })).start().await;
    app.status("U1", ":tada:").await;
    app.settle().await;
    let calls = app.slack.calls().len();

    let echoes = app.slack.take_events();
    for echo in &echoes {
        assert_eq!(app.event(echo).await.status, 200);
    }

    app.settle().await;
    assert_eq!(echoes.len(), 2);
    assert_eq!(app.slack.calls().len(), calls);
    app.finish().await;
}

#[actix::test]
async fn a_preset_is_found_as_sent_then_without_skin_tone_then_by_default() {
    let presets = json!({
        ":wave::skin-tone-2:": { "name": "two" }, ":wave:": { "name": "any tone" }, "default": { "name": "default" }
    });
    let app = Setup::new().member("U1", presets).start().await;
    app.until("the first pass applied the default", async || app.name("U1") == "default").await;

    for (emoji, name) in [
        (":wave::skin-tone-2:", "two"),
        (":wave::skin-tone-5:", "any tone"),
        (":wave:", "any tone"),
        (":unknown:", "default"),
        (":wave:", "any tone"),
        ("", "default"),
    ] {
        app.status("U1", emoji).await;
        app.settle().await;
        assert_eq!(app.name("U1"), name, "{emoji}");
    }
    app.finish().await;
}

#[actix::test]
async fn without_a_preset_for_the_emoji_nothing_is_set() {
    let app = Setup::new().member("U1", json!({ ":a:": { "name": "A" } })).start().await;

    app.status("U1", ":b:").await;

    app.settle().await;
    assert_eq!((app.name("U1").as_str(), app.slack.count("users.profile.set")), ("U1 by birth", 0));
    app.finish().await;
}

#[actix::test]
async fn a_preset_may_have_only_a_name_or_only_a_picture() {
    let setup = Setup::new();
    let picture = setup.picture("U1", 10);
    let app =
        setup.member("U1", json!({ ":n:": { "name": "N" }, ":p:": { "picture": picture } })).start().await;

    app.status("U1", ":n:").await;
    app.settle().await;
    assert_eq!((app.name("U1").as_str(), app.photo("U1")), ("N", None));
    app.status("U1", ":p:").await;
    app.settle().await;

    assert_eq!((app.name("U1").as_str(), app.photo("U1")), ("N", Some(pictures::square(10))));
    app.finish().await;
}

#[actix::test]
async fn what_already_is_so_is_not_sent_again() {
    let setup = Setup::new();
    let (a, b) = (setup.picture("U1", 10), setup.picture("U1", 20));
    let presets = json!({ ":a:": { "name": "same", "picture": a }, ":b:": { "name": "same", "picture": b }, ":a2:": { "picture": a } });
    let app = setup.member("U1", presets).start().await;
    app.status("U1", ":a:").await;
    app.settle().await;
    app.status("U1", ":b:").await;
    app.settle().await;
    assert_eq!((app.slack.count("users.profile.set"), app.slack.count("users.setPhoto")), (1, 2));

    app.status("U1", ":a2:").await;
    app.settle().await;
    app.status("U1", ":a:").await;
    app.settle().await;

    assert_eq!((app.slack.count("users.profile.set"), app.slack.count("users.setPhoto")), (1, 3));
    app.finish().await;
}

#[actix::test]
async fn a_change_by_hand_stays_until_the_status_changes() {
    let app = Setup::new().member("U1", json!({ ":a:": { "name": "A" } })).start().await;
    app.status("U1", ":a:").await;
    app.settle().await;

    app.slack.set_name_by_hand(&user("U1"), "by hand");
    app.deliver().await;
    app.settle().await;
    let app = app.restart().await;
    app.settle().await;
    assert_eq!(app.name("U1"), "by hand");
    app.status("U1", "").await;
    app.settle().await;
    app.status("U1", ":a:").await;

    app.settle().await;
    assert_eq!(app.name("U1"), "A");
    app.finish().await;
}

#[actix::test]
async fn one_part_refused_does_not_hold_up_the_other() {
    let setup = Setup::new();
    let picture = setup.picture("U1", 10);
    let app =
        setup.member("U1", json!({ ":a:": { "name": "see http://x", "picture": picture } })).start().await;

    app.status("U1", ":a:").await;
    app.settle().await;

    assert_eq!((app.name("U1").as_str(), app.photo("U1").is_some()), ("U1 by birth", true));
    let refused = app.said("part refused");
    assert_eq!(
        (refused.len(), &refused[0]["error"], &refused[0]["part"]),
        (1, &json!("name_not_allowed"), &json!("name"))
    );
    assert!(refused[0]["todo"].as_str().is_some_and(|todo| !todo.is_empty()));
    let app = app.restart().await;
    app.settle().await;
    assert_eq!(app.slack.count("users.profile.set"), 1, "not tried again, not even after a restart");
    app.finish().await;
}

#[actix::test]
async fn a_picture_that_slack_would_not_take_is_refused_without_a_call() {
    let setup = Setup::new();
    let link = setup.picture("U1", 10);
    let file = link.rsplit('/').next().unwrap().to_owned();
    std::fs::write(setup.folder.path().join("store/U1").join(&file), "no picture").unwrap();
    let presets = json!({
        ":damaged:": { "picture": link },
        ":missing:": { "picture": "file:///x/U1/00000000-0000-0000-0000-00000000ffff.png" },
        ":another:": { "picture": format!("file:///x/U2/{file}") },
    });
    let app = setup.member("U1", presets).start().await;

    for emoji in [":damaged:", ":missing:", ":another:"] {
        app.status("U1", emoji).await;
        app.settle().await;
    }

    assert_eq!((app.slack.count("users.setPhoto"), app.said("part refused").len()), (0, 3));
    app.finish().await;
}

#[actix::test]
async fn who_has_not_authorised_is_skipped_with_the_link_and_looked_at_when_he_does() {
    let app = Setup::new().stranger_to_the_app("U1", json!({ ":a:": { "name": "A" } })).start().await;
    app.status("U1", ":a:").await;
    app.settle().await;
    assert_eq!((app.slack.count("users.profile.set"), app.name("U1").as_str()), (0, "U1 by birth"));
    let skipped = app.said("part skipped: the member has not authorised the app");
    assert!(skipped[0]["todo"].as_str().is_some_and(|todo| todo.contains("/slack/install")), "{skipped:?}");

    app.authorise("U1").await;

    app.until("he is looked at", async || app.name("U1") == "A").await;
    app.finish().await;
}

#[actix::test]
async fn a_name_goes_by_the_admin_token_and_a_picture_never() {
    let setup = Setup::new().admin(true);
    let picture = setup.picture("U1", 10);
    let app =
        setup.stranger_to_the_app("U1", json!({ ":a:": { "name": "A", "picture": picture } })).start().await;

    app.status("U1", ":a:").await;
    app.settle().await;

    assert_eq!((app.name("U1").as_str(), app.photo("U1")), ("A", None));
    assert_eq!(app.slack.count("users.setPhoto"), 0);
    app.finish().await;
}

#[actix::test]
async fn the_admin_tokens_owner_is_changed_by_it_like_by_his_own() {
    let setup = Setup::new().admin(false);
    let picture = setup.picture("UADMIN", 10);
    let mut setup = setup;
    setup.users["UADMIN"] = json!({ ":a:": { "name": "A", "picture": picture } });
    let app = setup.start().await;

    app.status("UADMIN", ":a:").await;
    app.settle().await;

    assert_eq!((app.name("UADMIN").as_str(), app.photo("UADMIN").is_some()), ("A", true));
    app.finish().await;
}

#[actix::test]
async fn no_paid_plan_is_one_problem_and_no_line_per_member() {
    let presets = json!({ ":a:": { "name": "A" } });
    let setup = Setup::new()
        .admin(false)
        .stranger_to_the_app("U1", presets.clone())
        .stranger_to_the_app("U2", presets);
    let app = setup.start().await;
    app.status("U1", ":a:").await;
    app.status("U2", ":a:").await;
    app.settle().await;

    let problems = app.problems().await;

    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("paid plan"));
    assert_eq!((app.said("part refused").len(), app.slack.count("users.profile.set")), (0, 2));
    app.finish().await;
}

#[actix::test]
async fn a_lost_answer_is_found_out_and_not_sent_twice() {
    let setup = Setup::new();
    let picture = setup.picture("U1", 10);
    let app = setup.member("U1", json!({ ":a:": { "name": "A", "picture": picture } })).start().await;
    app.slack.inject(Fault::next("users.profile.set", 1, Effect::LostAnswer));
    app.slack.inject(Fault::next("users.setPhoto", 1, Effect::LostAnswer));

    app.status("U1", ":a:").await;
    app.settle().await;

    assert_eq!((app.name("U1").as_str(), app.photo("U1")), ("A", Some(pictures::square(10))));
    assert_eq!((app.slack.count("users.profile.set"), app.slack.count("users.setPhoto")), (1, 1));
    app.finish().await;
}

#[actix::test]
async fn failures_that_pass_are_tried_again() {
    for effect in [
        Effect::Status(503),
        Effect::Error("internal_error".into()),
        Effect::Garbage("<html>".into()),
        Effect::Cut,
        Effect::RateLimited(Some(1)),
        Effect::Error("ratelimited".into()),
    ] {
        for method in ["users.profile.get", "users.profile.set"] {
            let app = Setup::new().member("U1", json!({ ":a:": { "name": "A" } })).start().await;
            app.slack.inject(Fault::next(method, 1, effect.clone()));

            app.status("U1", ":a:").await;

            app.until("the name is set", async || app.name("U1") == "A").await;
            app.finish().await;
        }
    }
}

#[actix::test]
async fn retry_after_is_kept_and_the_worker_given_up_meanwhile() {
    let presets = json!({ ":a:": { "name": "A" } });
    let app = Setup::new().queue(10, 10, 1).member("U1", presets.clone()).member("U2", presets).start().await;
    app.slack.inject(Fault::next("users.profile.set", 1, Effect::RateLimited(Some(2))));
    app.status("U1", ":a:").await;
    app.until("it is put off", async || app.depths().await["put_off"] == 1).await;

    app.status("U2", ":b:").await;

    app.until("another's is worked on", async || app.depths().await["working"] == 0).await;
    assert_eq!(app.depths().await["put_off"], 1);
    app.settle().await;
    let sets: Vec<_> =
        app.slack.calls().into_iter().filter(|call| call.method == "users.profile.set").collect();
    assert_eq!(sets.len(), 2);
    assert!(sets[1].at - sets[0].at >= Duration::from_secs(2));
    assert_eq!(app.name("U1"), "A");
    app.finish().await;
}

#[actix::test]
async fn a_newer_request_replaces_one_that_was_put_off() {
    let app =
        Setup::new().member("U1", json!({ ":a:": { "name": "A" }, ":b:": { "name": "B" } })).start().await;
    app.slack.inject(Fault::next("users.profile.set", 1, Effect::RateLimited(Some(2))));
    app.status("U1", ":a:").await;
    app.until("it is put off", async || app.depths().await["put_off"] == 1).await;

    app.status("U1", ":b:").await;

    app.until("the newer one is done", async || app.name("U1") == "B").await;
    app.finish().await;
}

#[actix::test]
async fn after_five_tries_a_part_fails_and_the_member_is_looked_at_later() {
    let app = Setup::new().member("U1", json!({ ":a:": { "name": "A" } })).start().await;
    app.slack.inject(Fault::next("users.profile.set", 5, Effect::Status(500)));

    app.status("U1", ":a:").await;
    app.settle().await;

    assert_eq!((app.slack.count("users.profile.set"), app.said("part failed").len()), (5, 1));
    assert_eq!(app.observe(&app.service.reconciler).await["looks_planned"], 1);
    app.finish().await;
}

#[actix::test]
async fn a_dead_token_leaves_the_vault_and_the_part_is_skipped() {
    for (dead, withdrew) in [("account_inactive", false), ("token_revoked", true)] {
        let app = Setup::new().admin(true).member("U1", json!({ ":a:": { "name": "A" } })).start().await;
        for grant in app.slack.lock().grants.values_mut().filter(|grant| grant.owner == user("U1")) {
            grant.dead = Some(if withdrew { "token_revoked" } else { "account_inactive" });
        }

        app.status("U1", ":a:").await;
        app.settle().await;

        assert!(!app.store().join("tokens/U1").exists(), "{dead}");
        let by_admin = if withdrew { "U1 by birth" } else { "A" };
        assert_eq!(app.name("U1"), by_admin, "{dead}");
        app.finish().await;
    }
}

#[actix::test]
async fn with_a_dead_bot_token_only_auth_test_is_called() {
    let app = Setup::new().member("U1", json!({ ":a:": { "name": "A" } })).start().await;
    let bot = app.config.slack.bot_token.expose().to_owned();
    app.slack.lock().grants.get_mut(&bot).unwrap().dead = Some("invalid_auth");
    app.status("U1", ":a:").await;
    app.settle().await;
    let calls = app.slack.calls().len();

    app.status("U1", ":b:").await;
    app.settle().await;

    assert_eq!(app.slack.calls().len(), calls);
    let problems = app.problems().await;
    assert!(problems.iter().any(|problem| problem.contains("SLACK_BOT_TOKEN")), "{problems:?}");
    assert_eq!(app.get("/readyz").await.0, 200);
    app.finish().await;
}

#[actix::test]
async fn name_and_picture_do_not_wait_for_each_other() {
    let setup = Setup::new();
    let picture = setup.picture("U1", 10);
    let app = setup.member("U1", json!({ ":a:": { "name": "A", "picture": picture } })).start().await;
    app.slack.inject(Fault::next("users.setPhoto", 1, Effect::Delay(Duration::from_secs(3))));
    app.slack.inject(Fault::next("users.profile.set", 1, Effect::Status(500)));

    app.status("U1", ":a:").await;

    app.until("the name is set on its second try", async || app.name("U1") == "A").await;
    assert_eq!(app.photo("U1"), None::<Bytes>);
    app.settle().await;
    assert!(app.photo("U1").is_some());
    app.finish().await;
}
