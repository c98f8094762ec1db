//! The simulated consent page: who am I, and do I allow it?

use actix_web::{
    HttpResponse,
    web::{Data, Form, Query},
};
use maud::{DOCTYPE, html};
use serde::Deserialize;
use url::Url;

use crate::domain::UserId;

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
    let (is_known, people) = {
        let workspace = slack.lock();
        let is_known =
            workspace.app.client_id == wish.client_id && workspace.may_return_to(&wish.redirect_uri);
        let members = workspace.people.values().filter(|person| !person.is_bot && !person.deleted);
        (
            is_known,
            members.map(|person| (person.id.to_string(), person.real_name.clone())).collect::<Vec<_>>(),
        )
    };
    if !is_known {
        return wrong("the client id or the redirect URI is not this app's");
    }
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Simulated Slack: allow Statusinator?" }
                style { (STYLE) }
            }
            body { main {
                p.note { "This is a simulated Slack; nothing here leaves your machine." }
                h1 { "Statusinator asks to change your profile" }
                p { "It wants: " code { (wish.user_scope) } }
                form method="post" {
                    input type="hidden" name="user_scope" value=(wish.user_scope);
                    input type="hidden" name="redirect_uri" value=(wish.redirect_uri);
                    input type="hidden" name="state" value=(wish.state);
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
    let Ok(mut back) = Url::parse(&decision.redirect_uri) else {
        return wrong("the redirect URI is no address");
    };
    if decision.decision == "allow" {
        let scopes: Vec<String> = decision.user_scope.split(',').map(str::to_owned).collect();
        let user = decision.user.parse::<UserId>().ok();
        let code = user.and_then(|user| slack.allow(&user, &scopes, &decision.redirect_uri));
        let Some(code) = code else { return wrong("the member or the redirect URI is not known") };
        back.query_pairs_mut().append_pair("code", &code);
    } else {
        back.query_pairs_mut().append_pair("error", "access_denied");
    }
    back.query_pairs_mut().append_pair("state", &decision.state);
    HttpResponse::Found().insert_header(("Location", back.as_str())).finish()
}

fn wrong(why: &str) -> HttpResponse {
    HttpResponse::BadRequest()
        .content_type("text/plain; charset=utf-8")
        .body(format!("simulated Slack: {why}"))
}

const STYLE: &str = ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:0}\
main{max-width:32rem;margin:10vh auto;padding:0 1rem}button,select{font:inherit;padding:.4rem 1rem}.note{opacity:.75}";
