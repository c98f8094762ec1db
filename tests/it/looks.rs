//! Looks and passes: what makes a profile right without an event.

use std::time::Duration;

use serde_json::json;
use statusinator::{
    clock::Clock,
    demo::{Effect, Fault},
};

use crate::harness::{Setup, user};

#[actix::test]
async fn the_first_pass_looks_at_everybody() {
    let setup = Setup::new().member("U1", json!({ ":a:": { "name": "A" } })).admin(true);
    let setup = setup.stranger_to_the_app("U2", json!({ ":a:": { "name": "A2" } }));
    for id in ["U1", "U2"] {
        setup.slack.lock().add(&user(id), id);
    }
    let app = setup.start().await;
    for id in ["U1", "U2"] {
        app.slack.set_status(&user(id), ":a:", "", 0);
    }
    // Nobody hears of the events.
    app.slack.take_events();

    let app = app.restart().await;

    app.until("both are right", async || app.name("U1") == "A" && app.name("U2") == "A2").await;
    app.finish().await;
}

#[actix::test]
async fn a_pass_comes_at_each_interval() {
    let mut setup = Setup::new().member("U1", json!({ ":a:": { "name": "A" } }));
    setup.interval = Some(Duration::from_secs(1));
    let app = setup.start().await;

    app.slack.set_status(&user("U1"), ":a:", "", 0);

    app.until("a pass finds it", async || app.name("U1") == "A").await;
    app.finish().await;
}

#[actix::test]
async fn a_pass_that_finds_nothing_to_do_calls_nothing_but_reads() {
    let mut setup = Setup::new().member("U1", json!({ ":a:": { "name": "A" } }));
    setup.interval = Some(Duration::from_secs(1));
    let app = setup.start().await;
    app.status("U1", ":a:").await;
    app.settle().await;
    let (sets, gets) = (app.slack.count("users.profile.set"), app.slack.count("users.profile.get"));

    app.until("two more passes", async || app.slack.count("users.profile.get") >= gets + 2).await;

    assert_eq!(app.slack.count("users.profile.set"), sets);
    app.finish().await;
}

#[actix::test]
async fn many_members_are_read_by_pages() {
    let mut setup = Setup::new().admin(true);
    for n in 0..60 {
        setup = setup.stranger_to_the_app(&format!("U{n:03}"), json!({ ":a:": { "name": "A" } }));
    }
    let app = setup.start().await;

    assert_eq!((app.slack.count("users.list"), app.slack.count("users.profile.get")), (1, 0));
    app.finish().await;
}

#[actix::test]
async fn a_page_that_fails_is_read_again() {
    let mut setup = Setup::new().admin(true);
    for n in 0..60 {
        setup = setup.stranger_to_the_app(&format!("U{n:03}"), json!({ ":a:": { "name": "A" } }));
    }
    setup.slack.inject(Fault::next("users.list", 1, Effect::Status(500)));
    setup.slack.lock().add(&user("U000"), "first");

    let app = setup.start().await;

    assert_eq!(app.slack.count("users.list"), 2);
    app.finish().await;
}

#[actix::test]
async fn new_and_different_presets_are_applied_when_users_json_is_reread() {
    let mut setup = Setup::new().member("U1", json!({ ":a:": { "name": "A" } }));
    setup.interval = Some(Duration::from_secs(1));
    let app = setup.start().await;
    app.status("U1", ":a:").await;
    app.settle().await;

    app.write_users(&json!({ "U1": { ":a:": { "name": "another" } } }));

    app.until("the new preset is applied", async || app.name("U1") == "another").await;
    app.finish().await;
}

#[actix::test]
async fn a_status_that_ended_unheard_is_looked_at_ten_seconds_after() {
    let app = Setup::new()
        .member("U1", json!({ ":a:": { "name": "A" }, "default": { "name": "home" } }))
        .start()
        .await;
    let ends = Clock::System.unix() + 2;
    app.slack.take_events();
    app.slack.set_status(&user("U1"), ":a:", "", ends);
    app.deliver().await;
    app.settle().await;
    assert_eq!(app.name("U1"), "A");

    app.until("its end comes", async || Clock::System.unix() >= ends).await;
    app.slack.expire();
    app.slack.take_events();

    app.until("he is looked at", async || app.name("U1") == "home").await;
    app.finish().await;
}

#[actix::test]
async fn a_pair_half_done_when_the_service_ended_is_finished_by_the_next_start() {
    let setup = Setup::new();
    let picture = setup.picture("U1", 10);
    let mut setup = setup.member("U1", json!({ ":a:": { "name": "A", "picture": picture } }));
    setup.drain_timeout = Duration::ZERO;
    let app = setup.start().await;
    app.slack.inject(Fault::next("users.setPhoto", 1, Effect::Hang));
    app.status("U1", ":a:").await;
    app.until("the name is set", async || app.name("U1") == "A").await;

    let app = app.restart().await;

    app.until("the picture too", async || app.photo("U1").is_some()).await;
    app.settle().await;
    assert_eq!(app.slack.count("users.profile.set"), 1);
    app.finish().await;
}
