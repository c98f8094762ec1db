//! `GET /`: the operator's page for who may see it, and for everybody else what this is.
//!
//! Administrators sign in; that one still is an administrator is asked again each time. Where no Slack client is
//! configured the key opens it that is printed at the start, and goes from the address into a cookie at once.

mod overview;
mod plots;
mod view;

use std::{sync::PoisonError, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::Cookie,
    http::StatusCode,
    web::{Data, Query},
};
use serde::Deserialize;
use tokio::time::Instant;

use crate::{
    actors::gatekeeper::{Confirm, Denied},
    domain::{RequestId, UserId},
};

use super::{
    HttpState, pages,
    session::{self, Operator},
    signin::{plain_member, to_the_page},
};

/// Nothing but our own style, script, picture and form; the script may fetch the page again.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// While Slack cannot tell who is an administrator, it is asked no more often than this.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// What may stand behind the address.
#[derive(Debug, Deserialize)]
pub struct Asked {
    key: Option<String>,
}

/// Who looks at the page.
pub(super) struct Viewer {
    /// Who he is.
    pub(super) operator: Operator,
    /// Whether Slack could say just now that he is an administrator.
    pub(super) is_confirmed: bool,
    /// Ends his session.
    pub(super) sign_out_token: String,
}

/// The operator's page, or the front page.
pub async fn home(request: HttpRequest, asked: Option<Query<Asked>>, state: Data<HttpState>) -> HttpResponse {
    let asked = asked.and_then(|Query(asked)| asked.key);
    if let (Some(text), Some(key)) = (asked, &state.entrance.key) {
        return if key.is(&text) { to_the_page(Operator::KeyHolder, &state) } else { pages::wrong_key() };
    }
    let Some((cookie, operator)) = session(&request, &state) else { return pages::front(&state) };
    let is_confirmed = match &operator {
        Operator::KeyHolder => true,
        Operator::Administrator(user) => match is_administrator(user, &state).await {
            Ok(is_confirmed) => is_confirmed,
            Err(NoLonger) => return no_longer(&state),
        },
    };
    let sign_out_token = session::sign_out_token(cookie.value());
    let overview = overview::gather(Viewer { operator, is_confirmed, sign_out_token }, &state).await;
    pages::answer(StatusCode::OK, POLICY).body(view::page(&overview).into_string())
}

fn session<'a>(request: &'a HttpRequest, state: &HttpState) -> Option<(Cookie<'a>, Operator)> {
    let cookie = request.cookie(session::COOKIE)?;
    let operator = state.entrance.sessions.open(cookie.value(), state.clock.unix())?;
    Some((cookie, operator))
}

/// He is an administrator no longer.
struct NoLonger;

/// Whether Slack says that he is an administrator; false when it cannot tell. Then the page stays open to who was one
/// when he signed in: it is there to tell what is wrong, and that may be why Slack does not answer.
async fn is_administrator(user: &UserId, state: &HttpState) -> Result<bool, NoLonger> {
    let in_vain = || state.entrance.asked_in_vain.lock().unwrap_or_else(PoisonError::into_inner);
    if in_vain().is_some_and(|at| at.elapsed() < ASK_AGAIN_AFTER) {
        return Ok(false);
    }
    let confirm = Confirm { user: user.clone(), request: RequestId::random() };
    match state.confirm.send(confirm).await {
        Ok(Ok(())) => Ok(true),
        Ok(Err(Denied::Unavailable(_))) | Err(_) => {
            *in_vain() = Some(Instant::now());
            Ok(false)
        }
        Ok(Err(_)) => Err(NoLonger),
    }
}

fn no_longer(state: &HttpState) -> HttpResponse {
    let mut response = plain_member();
    // The cookie is well formed: it is empty.
    let _ = response.add_removal_cookie(&state.entrance.cookie(String::new()));
    response
}
