//! Pages for people: plain words, no script, and nothing from elsewhere.

use std::sync::LazyLock;

use actix_web::{HttpResponse, HttpResponseBuilder, http::StatusCode};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::{
    HttpState,
    assets::{BASE_STYLE, ICON},
};

/// Allows this page's own style, the mark, and nothing else.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(BASE_STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// A page with this title and text.
pub fn page(status: StatusCode, title: &str, text: Markup) -> HttpResponse {
    let body = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                link rel="icon" href=(ICON.path);
                title { (title) " · Statusinator" }
                style { (PreEscaped(BASE_STYLE)) }
            }
            body { main.plain {
                img.mark src=(ICON.path) alt="";
                h1 { (title) }
                (text)
            } }
        }
    };
    answer(status, &POLICY).body(body.into_string())
}

/// Begins the answer to a browser: HTML that nobody keeps, frames or takes for something else.
pub fn answer(status: StatusCode, policy: &str) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .content_type("text/html; charset=utf-8")
        .insert_header(("Content-Security-Policy", policy))
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .insert_header(("Referrer-Policy", "no-referrer"))
        .insert_header(("Cache-Control", "no-store"));
    response
}

/// What this is, where a member authorises it, and where its operator goes.
pub fn front(state: &HttpState) -> HttpResponse {
    let text = html! {
        p { "Statusinator changes a Slack member's name and picture to the pair that he keeps for his status emoji: everyone "
            "sees at a glance that he is on holiday, at lunch, or on call." }
        @if let Some(oauth) = &state.oauth {
            p { "It changes your profile only after you allow it, and you can take that back in Slack at any time." }
            div.ways {
                a class="button first" href=(oauth.install_link) { "Allow it to change my name and picture" }
                a class="button" href="/signin" { "Sign in with Slack" }
            }
            p { small { "Signing in is for administrators of the workspace: they see how the service is doing." } }
        } @else {
            p { "Members cannot authorise it here yet: its administrator has not set a Slack client." }
            p { "Until then the operator's page opens with the link that the service prints when it starts." }
        }
    };
    page(StatusCode::OK, "Your status, at a glance", text)
}

/// Says that a key is not the one.
pub fn wrong_key() -> HttpResponse {
    let text = html! {
        p { "This is not the key that the service printed when it last started. Each start makes a new one." }
        p { a class="button" href="/" { "To the front page" } }
    };
    page(StatusCode::FORBIDDEN, "Another key", text)
}
