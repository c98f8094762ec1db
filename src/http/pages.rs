//! Pages for people: plain words, no script, and nothing from elsewhere.

use std::sync::LazyLock;

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::HttpState;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1d1c1d;--paper:#fff;--link:#0b5cad;--line:#ccc}\
@media(prefers-color-scheme:dark){:root{--ink:#e8e8e8;--paper:#1a1d21;--link:#8ec7ff;--line:#555}}\
body{margin:0;background:var(--paper);color:var(--ink);font:1.0625rem/1.6 system-ui,sans-serif}\
main{max-width:36rem;margin:12vh auto 2rem;padding:0 1.25rem}\
h1{font-size:1.6rem;line-height:1.25;margin:0 0 1rem}a{color:var(--link)}\
.button{display:inline-block;margin-top:.5rem;padding:.55rem 1.1rem;border:1px solid var(--line);border-radius:.4rem;\
text-decoration:none;font-weight:600}a:focus-visible{outline:3px solid var(--link);outline-offset:2px}";

/// Allows this page's own style and nothing else.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
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
                title { (title) " · Statusinator" }
                style { (PreEscaped(STYLE)) }
            }
            body { main { h1 { (title) } (text) } }
        }
    };
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header(("Content-Security-Policy", POLICY.as_str()))
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .insert_header(("Referrer-Policy", "no-referrer"))
        .insert_header(("Cache-Control", "no-store"))
        .body(body.into_string())
}

/// `GET /`: what this is, and where a member authorises it.
pub async fn front(state: Data<HttpState>) -> HttpResponse {
    let text = html! {
        p { "Statusinator changes a Slack member's name and picture to the pair that he keeps for his status emoji: everyone "
            "sees at a glance that he is on holiday, at lunch, or on call." }
        @if let Some(oauth) = &state.oauth {
            p { "It changes your profile only after you allow it, and you can take that back in Slack at any time." }
            p { a class="button" href=(oauth.install_link) { "Allow it to change my name and picture" } }
        } @else {
            p { "Members cannot authorise it here yet: its administrator has not set a Slack client." }
        }
    };
    page(StatusCode::OK, "Your status, at a glance", text)
}
