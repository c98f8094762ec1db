//! Sign in with Slack (<https://docs.slack.dev/authentication/sign-in-with-slack>), for administrators only.
//!
//! `GET /signin` sends the browser to Slack, `GET /signin/callback` takes what Slack tells of who it is, `POST /signout`
//! ends the session. The state is bound to the browser by a cookie; the nonce is made of the state, so that a token of
//! another sign-in is not taken for this one's.

use std::time::Instant;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{Data, Form, Query},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use maud::html;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use slog::{info, warn};

use crate::{
    actors::{
        gatekeeper::{Confirm, Denied},
        slack_client::sign_in::ExchangeSignIn,
    },
    domain::{RequestId, UserId},
    logging::escape,
    slack::{
        IdToken, SlackError,
        id_token::{Expected, NotBelieved},
    },
};

use super::{
    HttpState, OauthSettings,
    oauth::{CODE_IS_WRONG, Returned},
    oauth_state::LIFETIME,
    pages::page,
    session::{self, Operator},
};

const COOKIE: &str = "statusinator_signin";
const COOKIE_PATH: &str = "/signin";

/// Sends the browser to Slack.
pub async fn begin(state: Data<HttpState>) -> HttpResponse {
    let Some(oauth) = &state.oauth else { return no_client() };
    let begun = state.entrance.states.begin(Instant::now());
    let mut url = oauth.sign_in_url.clone();
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &oauth.client_id)
        .append_pair("scope", "openid")
        .append_pair("redirect_uri", &oauth.sign_in_redirect_uri)
        .append_pair("state", &begun)
        .append_pair("nonce", &nonce(&begun));
    if let Some(team) = &state.directory.load().team {
        url.query_pairs_mut().append_pair("team", &team.0);
    }
    HttpResponse::Found()
        .insert_header((header::LOCATION, url.as_str()))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .cookie(session::cookie(COOKIE, COOKIE_PATH, begun, LIFETIME, oauth.is_https))
        .finish()
}

/// Good for one sign-in, as its state is.
fn nonce(state: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!("nonce {state}")))
}

/// Takes the code that Slack gave the browser, asks who it is, and lets him in if he is an administrator.
pub async fn callback(
    request: HttpRequest,
    returned: Option<Query<Returned>>,
    state: Data<HttpState>,
) -> HttpResponse {
    let Some(oauth) = &state.oauth else { return no_client() };
    let Some(Query(returned)) = returned else { return stale() };
    let browser = request.cookie(COOKIE);
    let begun = returned.state.unwrap_or_default();
    if !state.entrance.states.end(&begun, browser.as_ref().map(|cookie| cookie.value()), Instant::now()) {
        return stale();
    }
    let id = RequestId::random();
    let mut response = match (returned.error, returned.code) {
        (Some(error), _) if error == "access_denied" => refused_by_member(),
        (Some(error), _) => slack_fails(&SlackError::Refused(error), id, &state),
        (None, None) => stale(),
        (None, Some(code)) => match who(code, &begun, id, oauth, &state).await {
            Ok(user) => let_in(user, id, &state).await,
            Err(answer) => answer,
        },
    };
    let spent = session::cookie(COOKIE, COOKIE_PATH, String::new(), LIFETIME, oauth.is_https);
    // A cookie that cannot be removed ends by itself.
    let _ = response.add_removal_cookie(&spent);
    response
}

/// Who signed in, as Slack tells.
async fn who(
    code: String,
    begun: &str,
    request: RequestId,
    oauth: &OauthSettings,
    state: &HttpState,
) -> Result<UserId, HttpResponse> {
    let Some(team) = state.directory.load().team.clone() else { return Err(starting()) };
    let token = exchange(code, request, oauth, state).await?;
    let (issuer, client_id, nonce) = (oauth.issuer.as_str(), oauth.client_id.as_str(), nonce(begun));
    let expected = Expected { issuer, client_id, team: &team, nonce: &nonce };
    token.check(expected, state.clock.unix()).map_err(|why| {
        info!(state.log, "a sign-in was not believed"; "request" => request.to_string(), "why" => why.to_string());
        if why == NotBelieved::AnotherWorkspace { another_workspace() } else { not_believed() }
    })
}

async fn exchange(
    code: String,
    request: RequestId,
    oauth: &OauthSettings,
    state: &HttpState,
) -> Result<IdToken, HttpResponse> {
    let exchange = ExchangeSignIn { code, redirect_uri: oauth.sign_in_redirect_uri.clone(), request };
    let exchanged = state
        .sign_in
        .send(exchange)
        .await
        .unwrap_or_else(|_| Err(SlackError::Unavailable("the call was interrupted by a restart".into())));
    exchanged.map_err(|error| match &error {
        SlackError::Refused(code) if CODE_IS_WRONG.contains(&code.as_str()) => stale(),
        _ => slack_fails(&error, request, state),
    })
}

/// Begins a session, if he is an administrator.
async fn let_in(user: UserId, request: RequestId, state: &HttpState) -> HttpResponse {
    let confirmed = state.confirm.send(Confirm { user: user.clone(), request }).await;
    match confirmed.unwrap_or_else(|_| Err(Denied::Unavailable("interrupted by a restart".into()))) {
        Ok(()) => {
            info!(state.log, "an administrator signed in"; "request" => request.to_string(), "user" => user.as_str());
            to_the_page(Operator::Administrator(user), state)
        }
        Err(Denied::Unavailable(_)) => cannot_tell(),
        Err(_) => plain_member(),
    }
}

/// Begins a session and goes on to the operator's page.
pub fn to_the_page(operator: Operator, state: &HttpState) -> HttpResponse {
    let Some(session) = state.entrance.sessions.begin(operator, state.clock.unix()) else {
        return cannot_tell();
    };
    let mut response = home();
    // The cookie is well formed: base64 within.
    let _ = response.add_cookie(&state.entrance.cookie(session));
    response
}

fn home() -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, "/"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

/// What the page's form sends.
#[derive(Debug, Deserialize)]
pub struct SignOut {
    token: String,
}

/// Ends the session, if the page that was made for it asks for that.
pub async fn sign_out(
    request: HttpRequest,
    form: Option<Form<SignOut>>,
    state: Data<HttpState>,
) -> HttpResponse {
    // Another site's form comes without this cookie (SameSite=Lax): then there is nothing to end.
    let Some(cookie) = request.cookie(session::COOKIE) else { return home() };
    let is_of_its_page = form.is_some_and(|form| form.token == session::sign_out_token(cookie.value()));
    if !is_of_its_page {
        return not_from_here();
    }
    let mut response = home();
    let _ = response.add_removal_cookie(&state.entrance.cookie(String::new()));
    response
}

fn slack_fails(error: &SlackError, request: RequestId, state: &HttpState) -> HttpResponse {
    warn!(state.log, "slack did not tell who signed in"; "request" => request.to_string(),
        "error" => escape(&error.to_string()),
        "todo" => "see SLACK_CLIENT_ID, SLACK_CLIENT_SECRET and the app's redirect URLs");
    let text = html! {
        p { "Slack did not answer as it should. Please try again in a few minutes. If it stays so, see the service's log." }
        p { a class="button" href="/signin" { "Try again" } }
    };
    page(StatusCode::BAD_GATEWAY, "Slack did not answer", text)
}

fn no_client() -> HttpResponse {
    let text = html! {
        p { "Nobody can sign in here, because no Slack client is configured. The operator's page opens with the link that the "
            "service prints when it starts." }
    };
    page(StatusCode::NOT_FOUND, "No sign-in here", text)
}

fn stale() -> HttpResponse {
    let text = html! {
        p { "This sign-in is no longer good, or was begun in another browser." }
        p { a class="button" href="/signin" { "Begin again" } }
    };
    page(StatusCode::BAD_REQUEST, "Please begin again", text)
}

fn not_believed() -> HttpResponse {
    let text = html! {
        p { "What Slack told of this sign-in does not fit it. The service's log says what does not." }
        p { a class="button" href="/signin" { "Begin again" } }
    };
    page(StatusCode::BAD_REQUEST, "That does not fit", text)
}

fn refused_by_member() -> HttpResponse {
    let text = html! {
        p { "You did not sign in, and that is all right." }
        p { a class="button" href="/" { "Back" } }
    };
    page(StatusCode::OK, "All right", text)
}

fn another_workspace() -> HttpResponse {
    let text = html! {
        p { "You signed in to another Slack workspace than the one that this app serves." }
        p { a class="button" href="/signin" { "Choose the other one" } }
    };
    page(StatusCode::FORBIDDEN, "Another workspace", text)
}

/// Says that only administrators may see the page.
pub fn plain_member() -> HttpResponse {
    let text = html! {
        p { "We know now who you are, and all is well. But this page is for the administrators and owners of your workspace, "
            "and Slack says that you are neither." }
        p { "If you came to let your name and picture follow your status, this is the way:" }
        p { a class="button" href="/" { "To the front page" } }
    };
    page(StatusCode::FORBIDDEN, "This page is for administrators", text)
}

fn starting() -> HttpResponse {
    let text = html! {
        p { "The service has just started and has not reached Slack yet. Please try again in a minute." }
        p { a class="button" href="/signin" { "Try again" } }
    };
    page(StatusCode::SERVICE_UNAVAILABLE, "One moment", text)
}

fn cannot_tell() -> HttpResponse {
    let text = html! {
        p { "Slack cannot say at present whether you are an administrator. Please try again in a minute. What is wrong stands "
            "in the service's log, and at " a href="/readyz" { "/readyz" } "." }
        p { a class="button" href="/signin" { "Try again" } }
    };
    page(StatusCode::SERVICE_UNAVAILABLE, "Slack cannot tell", text)
}

fn not_from_here() -> HttpResponse {
    let text = html! {
        p { "This did not come from the operator's page, so you are still signed in." }
        p { a class="button" href="/" { "To the page" } }
    };
    page(StatusCode::FORBIDDEN, "Still signed in", text)
}
