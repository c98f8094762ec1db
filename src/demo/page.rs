//! The demo's page: pick a member and an emoji, watch his name and picture change, with the request's steps beside it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use actix_web::{
    HttpResponse,
    web::{self, Data, Form, Path, ServiceConfig},
};
use maud::{DOCTYPE, PreEscaped, html};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{clock::Instant, domain::UserId};

use super::{
    seed::{EMOJI, RESIDENTS},
    slack::SimulatedSlack,
    workspace::Grant,
};

/// Since when each member's steps are shown, and where one authorises.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<Mutex<Watched>>);

#[derive(Debug, Default)]
struct Watched {
    since: BTreeMap<UserId, Instant>,
    service: String,
}

impl Watch {
    /// Tells where the service is.
    pub fn set_service(&self, address: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).service = address;
    }

    fn begin(&self, user: &UserId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).since.insert(user.clone(), Instant::now());
    }

    fn since(&self, user: &UserId) -> Option<Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).since.get(user).copied()
    }

    fn service(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).service.clone()
    }
}

/// The page's routes.
pub fn routes(watch: &Watch) -> impl Fn(&mut ServiceConfig) + Send + Clone + 'static {
    let watch = Data::new(watch.clone());
    move |app| {
        app.app_data(watch.clone())
            .route("/", web::get().to(show))
            .route("/demo/state", web::get().to(state))
            .route("/demo/status", web::post().to(set))
            .route("/demo/photo/{user}/{hash}", web::get().to(photo));
    }
}

async fn show(watch: Data<Watch>) -> HttpResponse {
    let service = watch.service();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                link rel="icon" href="data:,";
                title { "Statusinator demo" }
                style { (PreEscaped(include_str!("page.css"))) }
            }
            body {
                main {
                    h1 { "Statusinator demo" }
                    p { "Pick an emoji for a member. Slack tells Statusinator, and the name and the picture follow. This Slack is "
                        "simulated; nothing leaves your machine." }
                    p { "How the service is doing, its " a href={ (service) "/" } { "operator's page" } " shows: sign in as "
                        (RESIDENTS[0].name) ", who owns this workspace." }
                    div.members {
                        @for resident in &RESIDENTS {
                            section.member id=(resident.id) aria-labelledby={ "name-" (resident.id) } {
                                img alt={ "Picture of " (resident.name) } width="96" height="96" data-photo;
                                h2 id={ "name-" (resident.id) } data-name { (resident.name) }
                                p.status data-status {}
                                label for={ "emoji-" (resident.id) } { "Status of " (resident.name) }
                                select id={ "emoji-" (resident.id) } data-emoji {
                                    @for (emoji, look) in EMOJI { option value=(emoji) { (look) } }
                                }
                                p.consent data-consent hidden {
                                    "Has not allowed it yet. "
                                    a href={ (service) "/slack/install" } { "Allow it as " (resident.name) }
                                }
                                ol.steps data-steps aria-live="polite" {}
                            }
                        }
                    }
                }
                script { (PreEscaped(include_str!("page.js"))) }
            }
        }
    };
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page.into_string())
}

async fn state(slack: Data<SimulatedSlack>, watch: Data<Watch>) -> HttpResponse {
    let members: Vec<Value> =
        RESIDENTS.iter().filter_map(|resident| member(&resident.user().ok()?, &slack, &watch)).collect();
    HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(members)
}

fn member(user: &UserId, slack: &SimulatedSlack, watch: &Watch) -> Option<Value> {
    let person = slack.person(user)?;
    let since = watch.since(user);
    let (mut steps, has_authorised) = (Vec::new(), {
        let workspace = slack.lock();
        let may_write = |grant: &Grant| grant.scopes.iter().any(|scope| scope == "users.profile:write");
        workspace
            .grants
            .values()
            .any(|grant| grant.owner == *user && grant.dead.is_none() && may_write(grant))
    });
    if let Some(since) = since {
        steps.push(json!({ "what": "status set", "ms": 0 }));
        let calls =
            slack.calls().into_iter().filter(|call| call.user.as_ref() == Some(user) && call.at >= since);
        steps.extend(calls.map(|call| {
            let error = call.error.map(|error| format!(": {error}")).unwrap_or_default();
            let ms = call.at.duration_since(since).as_secs_f64() * 1000.0;
            json!({ "what": format!("{}{error}", call.method), "ms": (ms * 10.0).round() / 10.0 })
        }));
    }
    let photo = person.photo.is_some().then(|| format!("/demo/photo/{user}/{}", person.avatar_hash));
    Some(
        json!({ "id": user.as_str(), "name": person.display_name, "emoji": person.status_emoji, "photo": photo,
        "authorised": has_authorised, "steps": steps }),
    )
}

#[derive(Debug, Deserialize)]
struct Picked {
    user: String,
    emoji: String,
}

async fn set(picked: Form<Picked>, slack: Data<SimulatedSlack>, watch: Data<Watch>) -> HttpResponse {
    let Some(user) = picked.user.parse::<UserId>().ok().filter(|user| slack.person(user).is_some()) else {
        return HttpResponse::NotFound().finish();
    };
    watch.begin(&user);
    slack.set_status(&user, &picked.emoji, "", 0);
    HttpResponse::NoContent().finish()
}

async fn photo(path: Path<(String, String)>, slack: Data<SimulatedSlack>) -> HttpResponse {
    let photo = path.0.parse::<UserId>().ok().and_then(|user| slack.photo(&user));
    match photo {
        Some(photo) => HttpResponse::Ok().content_type("image/png").body(photo),
        None => HttpResponse::NotFound().finish(),
    }
}
