//! The simulated consent page: who am I, and do I allow it?

use actix_web::{
    HttpResponse,
    web::{Data, Form, Query},
};
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;
use url::Url;

use super::slack::SimulatedSlack;

/// What the app sends along (<https://docs.slack.dev/authentication/installing-with-oauth>).
#[derive(Debug, Deserialize)]
pub struct Wish {
    client_id: String,
    #[serde(default)]
    user_scope: String,
    redirect_uri: String,
    #[serde(default)]
    state: String,
}

/// What the member answers.
#[derive(Debug, Deserialize)]
pub struct Decision {
    user_scope: String,
    redirect_uri: String,
    state: String,
    user: String,
    decision: String,
}

/// `GET /oauth/v2/authorize`.
pub async fn ask(wish: Option<Query<Wish>>, slack: Data<SimulatedSlack>) -> HttpResponse {
    let Some(Query(wish)) = wish else { return wrong("client_id and redirect_uri are needed") };
    if !is_known(&slack, &wish.client_id, &wish.redirect_uri) {
        return wrong("the client id or the redirect URI is not this app's");
    }
    let wants = html! { p { "It wants: " code { (wish.user_scope) } } };
    let hidden =
        [("user_scope", wish.user_scope), ("redirect_uri", wish.redirect_uri), ("state", wish.state)];
    question("Statusinator asks to change your profile", &wants, &hidden, &slack)
}

/// Whether the app is this one, and may have browsers sent back there.
pub(super) fn is_known(slack: &SimulatedSlack, client_id: &str, redirect_uri: &str) -> bool {
    let workspace = slack.lock();
    workspace.app.client_id == client_id && workspace.may_return_to(redirect_uri)
}

/// The page that asks who one is, and whether one allows it. What is hidden comes back with the answer.
pub(super) fn question(
    title: &str,
    text: &Markup,
    hidden: &[(&str, String)],
    slack: &SimulatedSlack,
) -> HttpResponse {
    let people: Vec<(String, String)> = {
        let workspace = slack.lock();
        let members = workspace.people.values().filter(|person| !person.is_bot && !person.deleted);
        members.map(|person| (person.id.to_string(), person.real_name.clone())).collect()
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                link rel="icon" href="data:,";
                title { "Simulated Slack: " (title) }
                style { (STYLE) }
            }
            body { main {
                p.note { "This is a simulated Slack; nothing here leaves your machine." }
                h1 { (title) }
                (text)
                form method="post" {
                    @for (name, value) in hidden { input type="hidden" name=(name) value=(value); }
                    p {
                        label for="user" { "I am " }
                        select id="user" name="user" {
                            @for (id, name) in &people { option value=(id) { (name) } }
                        }
                    }
                    button name="decision" value="allow" { "Allow" } " "
                    button name="decision" value="deny" { "Deny" }
                }
            } }
        }
    };
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page.into_string())
}

/// `POST /oauth/v2/authorize`: sends the browser back to the app.
pub async fn answer(decision: Form<Decision>, slack: Data<SimulatedSlack>) -> HttpResponse {
    let Ok(back) = Url::parse(&decision.redirect_uri) else {
        return wrong("the redirect URI is no address");
    };
    let code = (decision.decision == "allow").then(|| {
        let scopes: Vec<String> = decision.user_scope.split(',').map(str::to_owned).collect();
        slack.allow(&decision.user.parse().ok()?, &scopes, &decision.redirect_uri)
    });
    send_back(back, code, &decision.state)
}

/// Sends the browser back with a code, or with a refusal if there is none; an inner `None` is a code that there cannot be.
pub(super) fn send_back(mut back: Url, code: Option<Option<String>>, state: &str) -> HttpResponse {
    match code {
        Some(Some(code)) => back.query_pairs_mut().append_pair("code", &code),
        Some(None) => return wrong("the member or the redirect URI is not known"),
        None => back.query_pairs_mut().append_pair("error", "access_denied"),
    };
    back.query_pairs_mut().append_pair("state", state);
    HttpResponse::Found().insert_header(("Location", back.as_str())).finish()
}

pub(super) fn wrong(why: &str) -> HttpResponse {
    HttpResponse::BadRequest()
        .content_type("text/plain; charset=utf-8")
        .body(format!("simulated Slack: {why}"))
}

const STYLE: &str = ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:0}\
main{max-width:32rem;margin:10vh auto;padding:0 1rem}button,select{font:inherit;padding:.4rem 1rem}.note{opacity:.75}";
