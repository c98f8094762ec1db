//! A member's consent, by OAuth v2 (<https://docs.slack.dev/authentication/installing-with-oauth>).
//!
//! `GET /slack/install` sends him to Slack's consent page, `GET /slack/oauth/callback` takes what Slack gives him for
//! us. The state is bound to his browser by a cookie, so that nobody can make him authorise with another's code.

use std::time::Instant;

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::Cookie,
    http::{StatusCode, header},
    web::{Data, Query},
};
use maud::html;
use serde::Deserialize;
use slog::{error, info, warn};

use crate::{
    actors::{
        reconciler::Authorised,
        slack_client::ExchangeCode,
        storage_helper::{PutToken, VaultError},
    },
    domain::RequestId,
    logging::escape,
    slack::{Consent, SlackError},
};

use super::{HttpState, OauthSettings, oauth_state::LIFETIME, pages::page, session};

const COOKIE: &str = "statusinator_install";
const COOKIE_PATH: &str = "/slack/oauth";
/// What a member lets us do: set his name and picture.
pub const USER_SCOPE: &str = "users.profile:write";
/// Errors of `oauth.v2.access` that are the code's fault (<https://docs.slack.dev/reference/methods/oauth.v2.access>).
pub(super) const CODE_IS_WRONG: [&str; 4] =
    ["invalid_code", "code_already_used", "code_expired", "invalid_code_verifier"];

/// What Slack hands to the browser.
#[derive(Debug, Deserialize)]
pub struct Returned {
    pub(super) code: Option<String>,
    pub(super) state: Option<String>,
    pub(super) error: Option<String>,
}

/// Sends the browser to Slack's consent page.
pub async fn install(state: Data<HttpState>) -> HttpResponse {
    let Some(oauth) = &state.oauth else { return no_client() };
    let nonce = state.states.begin(Instant::now());
    let mut url = oauth.authorize_url.clone();
    url.query_pairs_mut()
        .append_pair("client_id", &oauth.client_id)
        .append_pair("scope", "")
        .append_pair("user_scope", USER_SCOPE)
        .append_pair("redirect_uri", &oauth.redirect_uri)
        .append_pair("state", &nonce);
    if let Some(team) = &state.directory.load().team {
        url.query_pairs_mut().append_pair("team", &team.0);
    }
    HttpResponse::Found()
        .insert_header((header::LOCATION, url.as_str()))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .cookie(cookie(oauth, nonce))
        .finish()
}

fn cookie(oauth: &OauthSettings, value: String) -> Cookie<'static> {
    session::cookie(COOKIE, COOKIE_PATH, value, LIFETIME, oauth.is_https)
}

/// Takes the code that Slack gave the browser, makes a token of it, and has the member looked at.
pub async fn callback(
    request: HttpRequest,
    returned: Option<Query<Returned>>,
    state: Data<HttpState>,
) -> HttpResponse {
    let Some(oauth) = &state.oauth else { return no_client() };
    let Some(Query(returned)) = returned else { return stale() };
    let browser = request.cookie(COOKIE);
    let nonce = returned.state.as_deref().unwrap_or_default();
    if !state.states.end(nonce, browser.as_ref().map(|cookie| cookie.value()), Instant::now()) {
        return stale();
    }
    let id = RequestId::random();
    let mut response = match (returned.error, returned.code) {
        (Some(error), _) if error == "access_denied" => refused_by_member(),
        (Some(error), _) => slack_fails(&SlackError::Refused(error), id, &state),
        (None, None) => stale(),
        (None, Some(code)) => match exchange(code, id, oauth, &state).await {
            Ok(consent) => keep(consent, id, &state).await,
            Err(answer) => answer,
        },
    };
    // A cookie that cannot be removed ends by itself.
    let _ = response.add_removal_cookie(&cookie(oauth, String::new()));
    response
}

async fn exchange(
    code: String,
    request: RequestId,
    oauth: &OauthSettings,
    state: &HttpState,
) -> Result<Consent, HttpResponse> {
    let exchange = ExchangeCode { code, redirect_uri: oauth.redirect_uri.clone(), request };
    let exchanged = state
        .exchange
        .send(exchange)
        .await
        .unwrap_or_else(|_| Err(SlackError::Unavailable("the call was interrupted by a restart".into())));
    exchanged.map_err(|error| match &error {
        SlackError::Refused(code) if CODE_IS_WRONG.contains(&code.as_str()) => stale(),
        _ => slack_fails(&error, request, state),
    })
}

/// Seals the token, if it is of this workspace and lets us do what we need.
async fn keep(consent: Consent, request: RequestId, state: &HttpState) -> HttpResponse {
    let team = state.directory.load().team.clone();
    match team {
        None => return starting(),
        Some(team) if team != consent.team => {
            info!(state.log, "a member of another workspace tried to authorise"; "request" => request.to_string());
            return another_workspace();
        }
        Some(_) => {}
    }
    if !consent.scopes.iter().any(|scope| scope == USER_SCOPE) {
        return scope_missing();
    }
    let user = consent.user.clone();
    let put = PutToken { user: user.clone(), token: consent.token, request };
    let stored = state.put_token.send(put).await.unwrap_or_else(|_| {
        Err(VaultError::Store(crate::storage::StorageError::Unavailable(
            "the write was interrupted by a restart".into(),
        )))
    });
    if let Err(error) = stored {
        error!(state.log, "a member authorised, but his token cannot be stored"; "request" => request.to_string(),
            "user" => user.as_str(), "error" => escape(&error.to_string()),
            "todo" => "see STATUSINATOR_STORE and STATUSINATOR_VAULT_KEY; then he authorises again");
        return cannot_store();
    }
    state.authorised.do_send(Authorised { user, request });
    done()
}

fn slack_fails(error: &SlackError, request: RequestId, state: &HttpState) -> HttpResponse {
    warn!(state.log, "slack did not give a token for a member's consent"; "request" => request.to_string(),
        "error" => escape(&error.to_string()),
        "todo" => "see SLACK_CLIENT_ID, SLACK_CLIENT_SECRET and the app's redirect URLs");
    let text = html! {
        p { "Slack did not answer as it should. Nothing was changed. Please try again in a few minutes; if it stays so, tell "
            "the administrator of this app." }
        p { a class="button" href="/slack/install" { "Try again" } }
    };
    page(StatusCode::BAD_GATEWAY, "Slack did not answer", text)
}

fn no_client() -> HttpResponse {
    let text = html! { p { "The administrator of this app has not set a Slack client, so members cannot authorise it here." } };
    page(StatusCode::NOT_FOUND, "Not set up yet", text)
}

fn stale() -> HttpResponse {
    let text = html! {
        p { "This link is no longer good, or was begun in another browser. Nothing was changed." }
        p { a class="button" href="/slack/install" { "Begin again" } }
    };
    page(StatusCode::BAD_REQUEST, "Please begin again", text)
}

fn refused_by_member() -> HttpResponse {
    let text = html! {
        p { "You did not allow it, so nothing was changed. Your name and your picture stay as they are." }
        p { a class="button" href="/slack/install" { "I changed my mind" } }
    };
    page(StatusCode::OK, "All right", text)
}

fn another_workspace() -> HttpResponse {
    let text = html! {
        p { "You are signed in to another Slack workspace than the one that this app serves. Nothing was changed." }
        p { "Sign in to the right workspace in this browser, then begin again." }
        p { a class="button" href="/slack/install" { "Begin again" } }
    };
    page(StatusCode::FORBIDDEN, "Another workspace", text)
}

fn scope_missing() -> HttpResponse {
    let text = html! {
        p { "Slack did not grant the permission to change your profile (" code { (USER_SCOPE) } "). Nothing was changed." }
        p { a class="button" href="/slack/install" { "Begin again" } }
    };
    page(StatusCode::BAD_REQUEST, "A permission is missing", text)
}

fn starting() -> HttpResponse {
    let text = html! {
        p { "The service has just started and has not reached Slack yet. Please try again in a minute." }
        p { a class="button" href="/slack/install" { "Try again" } }
    };
    page(StatusCode::SERVICE_UNAVAILABLE, "One moment", text)
}

fn cannot_store() -> HttpResponse {
    let text = html! {
        p { "You allowed it, but this could not be stored. Your profile stays as it is. Please tell the administrator of this "
            "app, and try again later." }
    };
    page(StatusCode::SERVICE_UNAVAILABLE, "That could not be stored", text)
}

fn done() -> HttpResponse {
    let text = html! {
        p { "From now on your name and picture follow your status emoji, as far as presets are kept for you." }
        p { "You can take this back in Slack at any time, under the apps that you have allowed." }
    };
    page(StatusCode::OK, "Done", text)
}
