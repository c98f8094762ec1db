//! Sign in with Slack: from the link to the session, and back out.

use std::time::Duration;

use serde_json::json;
use statusinator::demo::{Effect, Fault};

use crate::harness::{Setup, TEAM, TestApp, user};

/// What a browser got: status, the cookies set (name and value alone), where it is sent, the text.
pub struct Seen {
    pub status: u16,
    pub cookies: Vec<String>,
    pub location: Option<String>,
    pub text: String,
    pub policy: String,
}

/// `GET` as a browser with these cookies.
pub async fn get(app: &TestApp, path: &str, cookies: &[&str]) -> Seen {
    let request = app.client.get(format!("{}{path}", app.base));
    seen(request.insert_header(("cookie", cookies.join("; "))).send().await.unwrap()).await
}

async fn seen<S>(mut answer: awc::ClientResponse<S>) -> Seen
where
    S: futures_util::Stream<Item = Result<bytes::Bytes, actix_web::error::PayloadError>> + Unpin,
{
    let text = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let cookies = answer.headers().get_all("set-cookie").map(|value| value.to_str().unwrap().to_owned());
    let (cookies, location) = (cookies.collect(), text("location"));
    let (status, policy) = (answer.status().as_u16(), text("content-security-policy").unwrap_or_default());
    let text = String::from_utf8(answer.body().await.unwrap().to_vec()).unwrap();
    Seen { status, cookies, location, text, policy }
}

fn value(cookie: &str) -> &str {
    cookie.split(';').next().unwrap()
}

/// A sign-in that was begun: the state's cookie and what was sent along to Slack.
struct Begun {
    cookie: String,
    location: url::Url,
}

impl Begun {
    fn sent(&self, name: &str) -> String {
        self.location.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned()
    }
}

async fn begin(app: &TestApp) -> Begun {
    let seen = get(app, "/signin", &[]).await;
    assert_eq!(seen.status, 302);
    Begun { cookie: seen.cookies[0].clone(), location: seen.location.unwrap().parse().unwrap() }
}

/// The callback of a sign-in, with a code that Slack gave for it.
async fn end(app: &TestApp, begun: &Begun, id: &str) -> Seen {
    let nonce = begun.sent("nonce");
    let code = app.slack.sign_in(&user(id), Some(&nonce), &begun.sent("redirect_uri")).unwrap();
    back(app, &format!("code={code}&state={}", begun.sent("state")), &begun.cookie).await
}

async fn back(app: &TestApp, query: &str, cookie: &str) -> Seen {
    get(app, &format!("/signin/callback?{query}"), &[value(cookie)]).await
}

/// Signs an administrator in; answers his session's cookie.
pub async fn sign_in(app: &TestApp, id: &str) -> String {
    let seen = end(app, &begin(app).await, id).await;
    assert_eq!((seen.status, seen.location.as_deref()), (303, Some("/")), "{}", seen.text);
    session(&seen).unwrap()
}

fn session(seen: &Seen) -> Option<String> {
    let cookie = seen.cookies.iter().find(|cookie| cookie.starts_with("statusinator_session="))?;
    Some(value(cookie).to_owned())
}

pub async fn app() -> TestApp {
    Setup::new().admin(false).stranger_to_the_app("U1", json!({ ":a:": { "name": "A" } })).start().await
}

#[actix::test]
async fn the_link_leads_to_slacks_sign_in_page_and_asks_for_identity_only() {
    let app = app().await;

    let begun = begin(&app).await;

    assert_eq!(begun.location.path(), "/openid/connect/authorize");
    for (name, wanted) in [
        ("response_type", "code"),
        ("scope", "openid"),
        ("team", TEAM),
        ("redirect_uri", "http://127.0.0.1:9/signin/callback"),
    ] {
        assert_eq!(begun.sent(name), wanted);
    }
    assert!(begun.sent("state").len() >= 22 && begun.sent("nonce").len() >= 22);
    assert_ne!(begun.sent("state"), begun.sent("nonce"));
    for attribute in ["HttpOnly", "SameSite=Lax", "Max-Age=600", "Path=/signin"] {
        assert!(begun.cookie.contains(attribute), "{}", begun.cookie);
    }
    let page = app.client.get(begun.location.as_str()).send().await.unwrap();
    assert_eq!(page.status(), 200, "the simulated Slack is as strict as the real one");
    app.finish().await;
}

#[actix::test]
async fn an_administrator_gets_a_sealed_session_for_twelve_hours() {
    let app = app().await;

    let seen = end(&app, &begin(&app).await, "UADMIN").await;

    let cookie = seen.cookies.iter().find(|cookie| cookie.starts_with("statusinator_session=")).unwrap();
    for attribute in ["HttpOnly", "SameSite=Lax", "Max-Age=43200", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "the public address is http");
    assert!(
        seen.cookies.iter().any(|cookie| cookie.starts_with("statusinator_signin=;")),
        "the state is spent"
    );
    assert_eq!(get(&app, "/", &[value(cookie)]).await.status, 200);
    let said = app.said("an administrator signed in");
    assert_eq!(said[0]["user"], "UADMIN");
    assert!(said[0]["request"].is_string());
    app.finish().await;
}

#[actix::test]
async fn a_plain_member_is_told_kindly_and_gets_no_session() {
    let app = app().await;

    let seen = end(&app, &begin(&app).await, "U1").await;

    assert_eq!((seen.status, session(&seen)), (403, None));
    assert!(seen.text.contains("for administrators") && !seen.text.contains("<script"));
    app.finish().await;
}

#[actix::test]
async fn who_is_no_administrator_any_more_loses_the_page() {
    let app = app().await;
    let session = sign_in(&app, "UADMIN").await;
    app.slack.lock().people.get_mut(&user("UADMIN")).unwrap().is_owner = false;
    later(Duration::from_secs(61)).await;

    let seen = get(&app, "/", &[&session]).await;

    assert_eq!(seen.status, 403);
    assert!(seen.cookies[0].starts_with("statusinator_session=;"), "{:?}", seen.cookies);
    app.finish().await;
}

/// Lets the actors' clock jump.
async fn later(by: Duration) {
    tokio::time::pause();
    tokio::time::advance(by).await;
    tokio::time::resume();
}

#[actix::test]
async fn while_slack_cannot_tell_the_page_stays_open_and_says_so() {
    let app = app().await;
    let session = sign_in(&app, "UADMIN").await;
    later(Duration::from_secs(61)).await;
    app.slack.inject(Fault::next("users.info", 1, Effect::Status(500)));

    let seen = get(&app, "/", &[&session]).await;

    assert_eq!(seen.status, 200);
    assert!(seen.text.contains("Slack cannot say at present"));
    app.finish().await;
}

#[actix::test]
async fn when_slack_cannot_tell_nobody_is_let_in() {
    let app = app().await;
    app.slack.inject(Fault::next("users.info", 1, Effect::Status(500)));

    let seen = end(&app, &begin(&app).await, "UADMIN").await;

    assert_eq!((seen.status, session(&seen)), (503, None));
    app.finish().await;
}

#[actix::test]
async fn a_state_is_good_once_in_its_own_browser_and_for_signing_in_only() {
    let app = app().await;
    let begun = begin(&app).await;
    let nonce = begun.sent("nonce");
    let code = app.slack.sign_in(&user("UADMIN"), Some(&nonce), &begun.sent("redirect_uri")).unwrap();
    let query = format!("code={code}&state={}", begun.sent("state"));
    let (install, install_cookie) = app.install().await;
    let of_install = install.query_pairs().find(|(key, _)| key == "state").unwrap().1.into_owned();
    let mixed = value(&install_cookie).replace("statusinator_install", "statusinator_signin");

    assert_eq!(back(&app, &query, "").await.status, 400, "without the cookie");
    assert_eq!(back(&app, &query, "statusinator_signin=another").await.status, 400, "with another's cookie");
    assert_eq!(back(&app, "", &begun.cookie).await.status, 400, "with nothing");
    assert_eq!(
        back(&app, &format!("code={code}&state={of_install}"), &mixed).await.status,
        400,
        "an install's"
    );
    assert_eq!(back(&app, &query, &begun.cookie).await.status, 303);
    assert_eq!(back(&app, &query, &begun.cookie).await.status, 400, "a second time");
    app.finish().await;
}

#[actix::test]
async fn a_token_of_another_sign_in_issuer_or_workspace_is_not_believed() {
    let app = app().await;
    let stolen = begin(&app).await;
    let own = begin(&app).await;
    let (nonce, redirect_uri) = (stolen.sent("nonce"), stolen.sent("redirect_uri"));
    let code = app.slack.sign_in(&user("UADMIN"), Some(&nonce), &redirect_uri).unwrap();
    let swapped = back(&app, &format!("code={code}&state={}", own.sent("state")), &own.cookie).await;
    assert_eq!((swapped.status, session(&swapped)), (400, None));

    app.slack.lock().app.issuer = "https://evil.example".into();
    let forged = end(&app, &begin(&app).await, "UADMIN").await;
    assert_eq!((forged.status, session(&forged)), (400, None));

    let issuer = app.server.api_url().replace("/api/", "");
    app.slack.lock().app.issuer = issuer;
    app.slack.lock().team = "T0OTHER".into();
    let elsewhere = end(&app, &begin(&app).await, "UADMIN").await;
    assert_eq!((elsewhere.status, session(&elsewhere)), (403, None));

    let why: Vec<_> = app.said("a sign-in was not believed").iter().map(|line| line["why"].clone()).collect();
    assert_eq!(why, ["another nonce", "another issuer", "another workspace"]);
    app.slack.lock().team = TEAM.into();
    app.finish().await;
}

#[actix::test]
async fn a_code_of_the_consent_page_signs_nobody_in() {
    let app = app().await;
    let begun = begin(&app).await;
    let scopes = ["users.profile:write".to_owned()];
    let code = app.slack.allow(&user("UADMIN"), &scopes, &begun.sent("redirect_uri")).unwrap();

    let seen = back(&app, &format!("code={code}&state={}", begun.sent("state")), &begun.cookie).await;

    assert_eq!((seen.status, session(&seen)), (502, None));
    app.finish().await;
}

#[actix::test]
async fn slacks_failure_is_502_a_wrong_code_400_and_a_refusal_is_all_right() {
    let app = app().await;
    app.slack.inject(Fault::next("openid.connect.token", 1, Effect::Cut));
    assert_eq!(end(&app, &begin(&app).await, "UADMIN").await.status, 502);

    for (answer, status) in [("code=made-up", 400), ("error=access_denied", 200), ("error=server_error", 502)]
    {
        let begun = begin(&app).await;
        let query = format!("{answer}&state={}", begun.sent("state"));
        assert_eq!(back(&app, &query, &begun.cookie).await.status, status, "{answer}");
    }
    app.finish().await;
}

#[actix::test]
async fn the_page_ends_its_own_session_and_nobody_else_does() {
    let app = app().await;
    let session = sign_in(&app, "UADMIN").await;
    let page = get(&app, "/", &[&session]).await.text;
    let token = page.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let post = async |cookie: &str, body: String| {
        let request = app.client.post(format!("{}/signout", app.base)).insert_header(("cookie", cookie));
        let request = request.content_type("application/x-www-form-urlencoded");
        seen(request.send_body(body).await.unwrap()).await
    };

    let from_elsewhere = post("", format!("token={token}")).await;
    assert_eq!(
        (from_elsewhere.status, from_elsewhere.cookies.len()),
        (303, 0),
        "browsers send no cookie then"
    );
    for body in [String::new(), "token=made-up".to_owned()] {
        let forged = post(&session, body).await;
        assert_eq!((forged.status, forged.cookies.len()), (403, 0));
    }
    let asked = get(&app, "/signout", &[&session]).await;
    assert_eq!(asked.status, 405);

    let ended = post(&session, format!("token={token}")).await;

    assert_eq!((ended.status, ended.location.as_deref()), (303, Some("/")));
    assert!(ended.cookies[0].starts_with("statusinator_session=;"));
    app.finish().await;
}
