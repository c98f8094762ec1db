//! The operator's page: who sees it, and what it shows.

use serde_json::json;
use statusinator::demo::{Effect, Fault};

use crate::{
    harness::{Setup, TestApp, user},
    signin::{app, get, sign_in},
};

/// The page as an administrator sees it.
async fn page(app: &TestApp) -> String {
    let session = sign_in(app, "UADMIN").await;
    get(app, "/", &[&session]).await.text
}

#[actix::test]
async fn who_is_not_signed_in_sees_what_this_is_and_both_ways_in() {
    let app = app().await;
    let of_another_process = "statusinator_session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    for cookie in ["", "statusinator_session=", of_another_process] {
        let seen = get(&app, "/", &[cookie]).await;

        assert_eq!(seen.status, 200);
        for text in ["Your status, at a glance", "http://127.0.0.1:9/slack/install", "href=\"/signin\""] {
            assert!(seen.text.contains(text), "{text}");
        }
        assert!(!seen.text.contains("request_queue") && !seen.text.contains("U1"), "{}", seen.text);
    }
    app.finish().await;
}

#[actix::test]
async fn nothing_from_elsewhere_may_get_into_the_page() {
    let app = app().await;
    let session = sign_in(&app, "UADMIN").await;

    for cookie in ["", &session] {
        let seen = get(&app, "/", &[cookie]).await;

        assert!(seen.policy.starts_with("default-src 'none'; style-src '"), "{}", seen.policy);
        for text in ["unsafe", "*", "http:", "https:", "data:"] {
            assert!(!seen.policy.contains(text), "{}", seen.policy);
        }
        assert!(!seen.text.contains(" style=\"") && !seen.text.contains(" onclick"), "{}", seen.text);
    }
    app.finish().await;
}

#[actix::test]
async fn style_script_and_mark_are_served_and_kept() {
    let app = app().await;
    let text = page(&app).await;
    let paths: Vec<&str> = text.split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert!(paths.len() >= 3);

    for path in paths {
        let answer = app.client.get(format!("{}{path}", app.base)).send().await.unwrap();
        let header = |name: &str| answer.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(answer.status(), 200, "{path}");
        assert!(header("cache-control").contains("immutable"));
        let kind = header("content-type");
        assert!(
            ["text/css", "text/javascript", "image/svg+xml"].iter().any(|known| kind.starts_with(known)),
            "{kind}"
        );
    }
    assert_eq!(app.get("/assets/operator.css").await.0, 404);
    assert_eq!(app.get("/assets/..%2f..%2fCargo.toml").await.0, 404);
    app.finish().await;
}

#[actix::test]
async fn without_a_client_the_page_opens_by_the_printed_key_only() {
    let app = Setup::new().without_client().stranger_to_the_app("U1", json!({})).start().await;
    let link = app.page_link.clone().unwrap();
    let key = link.split_once("/?key=").unwrap().1;

    let front = get(&app, "/", &[]).await;
    assert_eq!(front.status, 200);
    assert!(!front.text.contains("U1"), "never by address alone");
    assert_eq!(get(&app, &format!("/?key={key}x"), &[]).await.status, 403);
    assert_eq!(get(&app, "/?key=", &[]).await.status, 403);
    assert_eq!(get(&app, "/signin", &[]).await.status, 404);

    let opened = get(&app, &format!("/?key={key}"), &[]).await;

    assert_eq!(
        (opened.status, opened.location.as_deref()),
        (303, Some("/")),
        "the key leaves the address at once"
    );
    let session = opened.cookies[0].split(';').next().unwrap();
    assert!(!session.contains(key));
    let page = get(&app, "/", &[session]).await;
    assert!(page.status == 200 && page.text.contains("U1"), "{}", page.text);
    assert!(app.lines.all().iter().all(|line| !line.to_string().contains(key)), "the key is logged");
    app.finish().await;
}

#[actix::test]
async fn with_a_client_no_key_is_printed_or_taken() {
    let app = app().await;

    assert_eq!(app.page_link, None);
    let seen = get(&app, "/?key=anything", &[]).await;

    assert!(seen.status == 200 && seen.text.contains("Sign in with Slack"));
    app.finish().await;
}

#[actix::test]
async fn a_change_is_shown_with_the_request_that_the_log_names() {
    let presets = json!({ ":a:": { "name": "A" }, "default": { "name": "U1 <b>by</b> birth" } });
    let app = Setup::new().admin(true).member("U1", presets).start().await;
    app.slack.set_status(&user("U1"), ":a:", "secret plans", 0);
    app.deliver().await;
    app.settle().await;
    assert_eq!(app.name("U1"), "A");

    let page = page(&app).await;

    let request = app.said("part applied").last().unwrap()["request"].as_str().unwrap().to_owned();
    assert!(page.contains(&request), "{page}");
    assert!(
        page.contains("All is well") && page.contains("U1’s name <span class=\"pill applied\">applied"),
        "{page}"
    );
    assert!(page.contains("U1 &lt;b&gt;by&lt;/b&gt; birth"), "names are text");
    assert!(!page.contains("secret plans") && !page.contains("xoxp-"), "{page}");
    app.finish().await;
}

#[actix::test]
async fn what_is_wrong_is_shown_with_what_to_do() {
    let setup = Setup::new().admin(true);
    let picture = setup.picture("U1", 10);
    let app = setup.stranger_to_the_app("U1", json!({ ":a:": { "picture": picture } })).start().await;
    app.status("U1", ":a:").await;
    app.settle().await;
    app.slack.inject(Fault::next("users.list", 1, Effect::RateLimited(Some(600))));
    std::fs::write(app.store().join("users.json"), "{ broken").unwrap();
    app.service.listener.do_send(statusinator::actors::event_listener::Missed);
    app.until("users.json is found broken", async || !app.problems().await.is_empty()).await;

    let page = page(&app).await;

    for text in [
        "It runs, but something is wrong",
        "users.json cannot be read",
        "Repair it or restore a version of it",
        "1 member: name or picture left alone, for want of consent",
        "http://127.0.0.1:9/slack/install",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    app.end_hard().await;
}

#[actix::test]
async fn a_dead_bot_token_does_not_shut_the_page_that_tells_of_it() {
    let app = app().await;
    let session = sign_in(&app, "UADMIN").await;
    app.slack.inject(Fault::next("users.profile.get", 1, Effect::Error("token_revoked".into())));
    app.slack.inject(Fault::next("auth.test", 1, Effect::Error("token_revoked".into())));
    app.status("U1", ":a:").await;
    app.until("the token is found dead", async || !app.problems().await.is_empty()).await;

    let seen = get(&app, "/", &[&session]).await;

    assert_eq!(seen.status, 200);
    assert!(seen.text.contains("SLACK_BOT_TOKEN is dead") && seen.text.contains("Install the app again"));
    app.end_hard().await;
}
