//! `POST /slack/events`: what Slack tells us, verified, read and answered within its three seconds.

use std::{
    sync::atomic::Ordering,
    time::{Duration, UNIX_EPOCH},
};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, ResponseError as _,
    dev::Payload,
    http::header::{CONTENT_LENGTH, HeaderName},
    web::{Bytes, Data},
};
use futures_util::future::LocalBoxFuture;
use secrecy::ExposeSecret as _;
use slog::{debug, info, warn};

use crate::{
    actors::{
        event_listener::{Answer, AppRateLimited, Ignored, Missed, Receive, Revoke, Revoked},
        reconciler::PassDue,
    },
    clock::Instant,
    domain::{Emoji, RequestId},
    logging::escape,
    metrics::{Count, Metric},
};

use super::{
    HttpState, body,
    callback::{self, Callback, Event, Lenient, Text, User},
    error::ApiError,
    signature,
};

/// How large a body may be, in bytes.
const BODY_AT_MOST: usize = 1024 * 1024;
/// How long the listener may take: Slack waits three seconds, and wants an answer within them.
const PATIENCE: Duration = Duration::from_secs(2);

static TIMESTAMP: HeaderName = HeaderName::from_static("x-slack-request-timestamp");
static SIGNATURE: HeaderName = HeaderName::from_static("x-slack-signature");
/// Slack sends it with the second delivery of an event and the later ones.
static RETRY_NUM: HeaderName = HeaderName::from_static("x-slack-retry-num");

/// A body that Slack signed, and when it arrived.
pub struct Signed {
    body: Bytes,
    received: Instant,
    is_retry: bool,
}

impl FromRequest for Signed {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let header = |name: &HeaderName| request.headers().get(name)?.to_str().ok();
            let declared = header(&CONTENT_LENGTH).and_then(|text| text.parse().ok());
            let body = body::read(payload, declared, BODY_AT_MOST).await?;
            let state = request.app_data::<Data<HttpState>>().ok_or(ApiError::Unanswered)?;
            let received = Instant::now();
            let (secret, now) = (state.signing_secret.expose_secret(), state.clock.unix());
            signature::verify(secret, header(&TIMESTAMP), header(&SIGNATURE), &body, now).map_err(|_| {
                warn!(state.log, "a request was refused: its signature is missing, stale or wrong";
                    "todo" => "none if it is not from slack; else see SLACK_SIGNING_SECRET and this machine's clock");
                ApiError::BadSignature
            })?;
            Ok(Self { body, received, is_retry: header(&RETRY_NUM).is_some() })
        })
    }
}

/// Acknowledges what Slack tells; the work comes afterwards. Whatever arrives is counted once, by what became of it.
pub async fn receive(signed: Result<Signed, ApiError>, state: Data<HttpState>) -> HttpResponse {
    let answered = match signed {
        Ok(signed) => answer(&signed, &state).await,
        Err(error) => Err(error),
    };
    answered.unwrap_or_else(|error| {
        Count::of_event_error(error.code()).inspect(|count| state.recorder.count(*count));
        error.error_response()
    })
}

fn ok(state: &HttpState, count: Count) -> HttpResponse {
    state.recorder.count(count);
    HttpResponse::Ok().finish()
}

async fn answer(signed: &Signed, state: &HttpState) -> Result<HttpResponse, ApiError> {
    let callback = callback::parse(&signed.body).map_err(|_| ApiError::NotAnObject)?;
    state.recorder.took(Metric::EventParsingLatency, signed.received.elapsed());
    if callback.kind.text() == Some("url_verification") {
        state.recorder.count(Count::EventChallenge);
        let challenge = callback.challenge.text().unwrap_or_default().to_owned();
        return Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(challenge));
    }
    if state.is_draining.load(Ordering::Relaxed) {
        return Err(ApiError::Draining);
    }
    if is_elsewhere(&callback.team_id, state) {
        return Ok(ok(state, Count::EventOtherWorkspace));
    }
    match (callback.kind.text(), &callback.event.0) {
        (Some("app_rate_limited"), _) => {
            let minute = callback.minute_rate_limited.0.unwrap_or_else(|| state.clock.unix());
            state.rate_limited.do_send(AppRateLimited { request: RequestId::random(), minute });
            Ok(ok(state, Count::EventsLeftOut))
        }
        (Some("event_callback"), Some(event)) => on_event(signed, &callback, event, state).await,
        _ => Ok(ok(state, Count::EventOtherKind)),
    }
}

/// While the workspace is not known, nothing is taken for another's: the listener does nothing then anyway.
fn is_elsewhere(team: &Lenient<Text<'_>>, state: &HttpState) -> bool {
    let snapshot = state.directory.load();
    match (&snapshot.team, team.text()) {
        (Some(team), Some(of)) => team.0 != of,
        _ => false,
    }
}

async fn on_event(
    signed: &Signed,
    callback: &Callback<'_>,
    event: &Event<'_>,
    state: &HttpState,
) -> Result<HttpResponse, ApiError> {
    match event.kind.text() {
        Some("user_change" | "user_status_changed" | "user_profile_changed") => {
            let Some(user) = &event.user.0 else { return Ok(ok(state, Count::EventNoMember)) };
            on_change(signed, callback, user, state).await
        }
        Some("tokens_revoked") => {
            let named = event.tokens.0.as_ref().and_then(|tokens| tokens.oauth.0.as_ref());
            let users = named.into_iter().flatten().filter_map(|id| id.text()?.parse().ok()).collect();
            revoke(callback, Revoked::Members(users), state).await
        }
        Some("app_uninstalled") => revoke(callback, Revoked::Everybody, state).await,
        _ => Ok(ok(state, Count::EventOtherKind)),
    }
}

async fn revoke(
    callback: &Callback<'_>,
    whose: Revoked,
    state: &HttpState,
) -> Result<HttpResponse, ApiError> {
    let request = RequestId::random();
    info!(state.log, "tokens were revoked at slack"; "request" => request.to_string());
    let at = callback.event_time.0.unwrap_or_else(|| state.clock.unix());
    let event_time = UNIX_EPOCH.checked_add(Duration::from_secs(at)).unwrap_or_else(|| state.clock.wall());
    let revoked = state.revoke.send(Revoke { request, whose, event_time });
    tokio::time::timeout(PATIENCE, revoked).await.map_err(|_| ApiError::Unanswered)??;
    Ok(ok(state, Count::EventRevoked))
}

async fn on_change(
    signed: &Signed,
    callback: &Callback<'_>,
    user: &User<'_>,
    state: &HttpState,
) -> Result<HttpResponse, ApiError> {
    if is_elsewhere(&user.team_id, state) {
        return Ok(ok(state, Count::EventOtherWorkspace));
    }
    let Some(id) = user.id.text().filter(|_| is_a_member(user)) else {
        return Ok(ok(state, Count::EventNoMember));
    };
    if !state.directory.has(id) {
        if state.directory.note_miss() {
            state.missed.do_send(Missed);
        }
        return Ok(ok(state, Count::EventNotOnboarded));
    }
    let Ok(id) = id.parse() else { return Ok(ok(state, Count::EventNoMember)) };
    let profile = user.profile();
    let event = Receive {
        request: RequestId::random(),
        event_id: callback.event_id.text().map(str::to_owned),
        user: id,
        emoji: profile.status_emoji.text().map(Emoji::new),
        expiration: profile.status_expiration.0,
        is_retry: signed.is_retry,
        received: signed.received,
    };
    let received = tokio::time::timeout(PATIENCE, state.receive.send(event.clone())).await;
    let Ok(Ok(answer)) = received else {
        // Slack may have given up before the listener has time again.
        state.pass_due.do_send(PassDue);
        return Err(ApiError::Unanswered);
    };
    log(&event, answer, state);
    let count = match answer {
        Answer::Queued => Count::EventAccepted,
        Answer::Replaced => Count::EventReplaced,
        Answer::Diverted => Count::EventDiverted,
        Answer::Ignored(Ignored::Unchanged) => Count::EventUnchanged,
        Answer::Ignored(Ignored::Duplicate) => Count::EventDuplicate,
        Answer::Ignored(Ignored::NotOnboarded) => Count::EventNotOnboarded,
        Answer::Ignored(Ignored::Starting) => Count::EventStarting,
        Answer::Busy => return Err(ApiError::Busy),
        Answer::Overloaded => return Err(ApiError::Overloaded),
    };
    Ok(ok(state, count))
}

/// Neither a stranger, nor a bot, nor a closed account.
fn is_a_member(user: &User<'_>) -> bool {
    !(user.is_stranger.is_true() || user.deleted.is_true() || user.is_bot.is_true())
}

fn log(event: &Receive, answer: Answer, state: &HttpState) {
    let (request, user) = (event.request.to_string(), event.user.as_str());
    let emoji =
        event.emoji.as_ref().map_or_else(|| "(untold)".to_owned(), |emoji| escape(&emoji.to_string()));
    match answer {
        Answer::Queued => {
            info!(state.log, "event queued"; "request" => request, "user" => user, "emoji" => emoji)
        }
        Answer::Replaced => {
            info!(state.log, "event queued in place of an older one"; "request" => request, "user" => user, "emoji" => emoji);
        }
        Answer::Diverted => {
            info!(state.log, "event queued as a dead letter"; "request" => request, "user" => user, "emoji" => emoji);
        }
        Answer::Ignored(why) => {
            let why = match why {
                Ignored::Unchanged => "unchanged",
                Ignored::Duplicate => "duplicate",
                Ignored::NotOnboarded => "not onboarded",
                Ignored::Starting => "starting",
            };
            debug!(state.log, "event needs nothing"; "request" => request, "user" => user, "why" => why);
        }
        Answer::Busy | Answer::Overloaded => {
            let queues =
                if answer == Answer::Busy { "the request queue is full" } else { "both queues are full" };
            warn!(state.log, "event refused, a pass follows"; "request" => request, "user" => user, "why" => queues,
                "todo" => "if this is frequent, raise STATUSINATOR_QUEUE_CAPACITY or STATUSINATOR_WORKERS");
        }
    }
}
