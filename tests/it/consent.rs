//! Consent: from the link to the sealed token, and back.

use serde_json::json;
use statusinator::demo::{Effect, Fault};

use crate::harness::{Setup, TEAM, TestApp, user};

async fn app() -> TestApp {
    Setup::new().stranger_to_the_app("U1", json!({ ":a:": { "name": "A" } })).start().await
}

fn has_token(app: &TestApp) -> bool {
    app.store().join("tokens/U1").exists()
}

#[actix::test]
async fn the_link_leads_to_slacks_page_with_user_scopes_only_and_a_cookie() {
    let app = app().await;

    let answer = app.client.get(format!("{}/slack/install", app.base)).send().await.unwrap();

    let text = |name: &str| answer.headers().get(name).unwrap().to_str().unwrap().to_owned();
    let location: url::Url = text("location").parse().unwrap();
    let find = |name: &str| location.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
    assert_eq!(location.path(), "/oauth/v2/authorize");
    assert_eq!((find("scope").as_str(), find("user_scope").as_str()), ("", "users.profile:write"));
    assert_eq!(
        (find("team").as_str(), find("redirect_uri").as_str()),
        (TEAM, "http://127.0.0.1:9/slack/oauth/callback")
    );
    assert!(find("state").len() >= 22);
    let cookie = text("set-cookie");
    for attribute in ["HttpOnly", "SameSite=Lax", "Max-Age=600"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    app.finish().await;
}

#[actix::test]
async fn who_allows_it_has_his_token_sealed_and_is_looked_at() {
    let app = app().await;
    app.status("U1", ":a:").await;
    app.settle().await;

    let (status, page) = app.consent("U1", "users.profile:write").await;

    assert_eq!(status, 200);
    assert!(page.contains("Done") && !page.contains("<script"));
    app.until("he is looked at", async || app.name("U1") == "A").await;
    let sealed = std::fs::read(app.store().join("tokens/U1")).unwrap();
    assert!(!sealed.windows(4).any(|window| window == b"xoxp"));
    app.finish().await;
}

#[actix::test]
async fn who_authorises_anew_while_a_call_with_his_old_token_is_refused_is_tried_with_the_new_one() {
    let app = app().await;
    app.authorise("U1").await;
    app.slack.inject(Fault::next("users.profile.set", 1, Effect::Held).of(&user("U1")));
    app.status("U1", ":a:").await;
    app.until("the call is under way", async || app.slack.held() == 1).await;
    for grant in app.slack.lock().grants.values_mut().filter(|grant| grant.owner == user("U1")) {
        grant.scopes.clear();
    }

    app.authorise("U1").await;
    app.slack.let_go();

    app.until("the new token did it", async || app.name("U1") == "A").await;
    assert_eq!(app.said("part refused").len(), 1);
    app.finish().await;
}

#[actix::test]
async fn the_token_outlives_a_restart() {
    let app = app().await;
    app.authorise("U1").await;
    let app = app.restart().await;

    app.status("U1", ":a:").await;

    app.settle().await;
    assert_eq!(app.name("U1"), "A");
    app.finish().await;
}

#[actix::test]
async fn a_state_is_good_once_and_in_its_own_browser_only() {
    let app = app().await;
    let (location, cookie) = app.install().await;
    let state = location.query_pairs().find(|(key, _)| key == "state").unwrap().1.into_owned();
    let code = app.slack.allow(
        &user("U1"),
        &["users.profile:write".into()],
        "http://127.0.0.1:9/slack/oauth/callback",
    );
    let query = format!("code={}&state={state}", code.unwrap());

    assert_eq!(app.callback(&query, None).await.0, 400, "without the cookie");
    assert_eq!(
        app.callback(&query, Some("statusinator_install=another")).await.0,
        400,
        "with another's cookie"
    );
    assert_eq!(app.callback(&format!("{query}x"), Some(&cookie)).await.0, 400, "with another state");
    assert_eq!(app.callback("", Some(&cookie)).await.0, 400, "with nothing");
    assert_eq!(app.callback(&query, Some(&cookie)).await.0, 200);
    assert_eq!(app.callback(&query, Some(&cookie)).await.0, 400, "a second time");
    app.finish().await;
}

#[actix::test]
async fn a_code_that_slack_does_not_know_is_400() {
    let app = app().await;
    let (location, cookie) = app.install().await;
    let state = location.query_pairs().find(|(key, _)| key == "state").unwrap().1.into_owned();

    let (status, _) = app.callback(&format!("code=wrong&state={state}"), Some(&cookie)).await;

    assert_eq!((status, has_token(&app)), (400, false));
    app.finish().await;
}

#[actix::test]
async fn who_refuses_gets_a_friendly_page_and_nothing_changes() {
    let app = app().await;
    let (location, cookie) = app.install().await;
    let state = location.query_pairs().find(|(key, _)| key == "state").unwrap().1.into_owned();

    let (status, page) = app.callback(&format!("error=access_denied&state={state}"), Some(&cookie)).await;

    assert_eq!((status, has_token(&app)), (200, false));
    assert!(page.contains("nothing was changed"));
    app.finish().await;
}

#[actix::test]
async fn slacks_failure_is_502() {
    for effect in [Effect::Status(500), Effect::Cut, Effect::Error("bad_client_secret".into())] {
        let app = app().await;
        app.slack.inject(Fault::next("oauth.v2.access", 1, effect));

        let (status, _) = app.consent("U1", "users.profile:write").await;

        assert_eq!((status, has_token(&app)), (502, false));
        app.finish().await;
    }
}

#[actix::test]
async fn another_workspaces_member_is_403() {
    let app = app().await;
    app.slack.lock().team = "T0OTHER".into();

    let (status, _) = app.consent("U1", "users.profile:write").await;

    assert_eq!((status, has_token(&app)), (403, false));
    app.finish().await;
}

#[actix::test]
async fn consent_without_the_right_to_write_is_told() {
    let app = app().await;

    let (status, page) = app.consent("U1", "users.profile:read").await;

    assert_eq!((status, has_token(&app)), (400, false));
    assert!(page.contains("users.profile:write"));
    app.finish().await;
}

#[actix::test]
async fn a_revoked_token_leaves_the_vault_and_the_admin_token_is_not_used_either() {
    let presets = json!({ ":a:": { "name": "A" }, ":b:": { "name": "B" } });
    let app = Setup::new().admin(true).member("U1", presets).start().await;
    app.slack.take_events();
    app.slack.revoke(&user("U1"));

    assert_eq!(app.deliver().await.status, 200);

    assert!(!has_token(&app));
    app.status("U1", ":a:").await;
    app.settle().await;
    assert_eq!(app.name("U1"), "U1 by birth");
    app.authorise("U1").await;
    app.until("he authorised again", async || app.name("U1") == "A").await;
    app.finish().await;
}

#[actix::test]
async fn a_token_stored_after_the_event_stays() {
    let app = app().await;
    app.authorise("U1").await;
    let old = json!({ "type": "event_callback", "team_id": TEAM, "event_id": "Ev1", "event_time": 1_000_000_000,
        "event": { "type": "tokens_revoked", "tokens": { "oauth": ["U1"], "bot": [] } } });

    assert_eq!(app.event(&old).await.status, 200);

    assert!(has_token(&app));
    app.finish().await;
}

#[actix::test]
async fn when_the_app_is_uninstalled_all_tokens_leave_and_the_service_stays_up() {
    let app = Setup::new().member("U1", json!({})).member("U2", json!({})).start().await;
    let now = statusinator::clock::Clock::System.unix();
    let event = json!({ "type": "event_callback", "team_id": TEAM, "event_id": "Ev1", "event_time": now,
        "event": { "type": "app_uninstalled" } });

    assert_eq!(app.event(&event).await.status, 200);

    assert!(!app.store().join("tokens").exists());
    assert_eq!(app.get("/healthz").await.0, 200);
    app.finish().await;
}
