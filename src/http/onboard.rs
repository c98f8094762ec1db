//! `/onboard`: administrators keep members' presets and pictures.
//!
//! Who calls is looked at before the body is read. A call gets a request id of its own, which every line about it has.

mod darkroom;
mod error;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, dev,
    http::header,
    web::{Bytes, Data, Path, Payload},
};
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};
use slog::info;

use crate::{
    actors::{
        gatekeeper::Admit,
        registrar::{ForgetMember, Onboard},
        storage_helper::edits::{MissingPictures, PutPicture, ShowUsers},
    },
    domain::{RequestId, UserId, Users},
    pictures,
    presets::{self, Problem, below},
    slack::Token,
    storage::Key,
};

use super::{HttpState, body, error::ApiError};
pub use darkroom::Darkroom;
pub use error::OnboardError;

/// How large presets may be, in bytes, and how long they may take to arrive; a picture takes as long.
const PRESETS_AT_MOST: usize = 8 * 1024 * 1024;
const ARRIVES_WITHIN: Duration = Duration::from_secs(60);
/// No token of Slack's is longer, in characters.
const TOKEN_AT_MOST: usize = 512;

/// An administrator of this workspace, who calls.
#[derive(Debug)]
pub struct Administrator {
    user: UserId,
    request: RequestId,
}

impl FromRequest for Administrator {
    type Error = OnboardError;
    type Future = LocalBoxFuture<'static, Result<Self, OnboardError>>;

    fn from_request(request: &HttpRequest, _payload: &mut dev::Payload) -> Self::Future {
        let (state, token) = (request.app_data::<Data<HttpState>>().cloned(), bearer(request));
        Box::pin(async move {
            let state = state.ok_or(OnboardError::Request(ApiError::Unanswered))?;
            let token = token.ok_or(OnboardError::NoToken)?;
            let request = RequestId::random();
            let user = state.admit.send(Admit { token, request }).await??;
            Ok(Self { user, request })
        })
    }
}

/// The token of `Authorization: Bearer …`, if it can be one.
fn bearer(request: &HttpRequest) -> Option<Token> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    let can_be =
        (1..=TOKEN_AT_MOST).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
    (scheme.eq_ignore_ascii_case("bearer") && can_be).then(|| Token::new(token))
}

/// The body, whole and in time.
async fn whole(request: &HttpRequest, payload: Payload, at_most: usize) -> Result<Bytes, ApiError> {
    let declared =
        request.headers().get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse().ok());
    let read = body::read(payload.into_inner(), declared, at_most);
    tokio::time::timeout(ARRIVES_WITHIN, read).await.unwrap_or(Err(ApiError::CutOff))
}

/// `POST /onboard`: replaces the presets of the members named.
pub async fn post(
    administrator: Administrator,
    request: HttpRequest,
    payload: Payload,
    state: Data<HttpState>,
) -> Result<HttpResponse, OnboardError> {
    let body = whole(&request, payload, PRESETS_AT_MOST).await?;
    let name_at_most = state.name_at_most;
    let read =
        move || serde_json::from_slice::<Value>(&body).map(|users| presets::examine(&users, name_at_most));
    let read = state.clock.offload(read).await.ok_or(ApiError::Unanswered)?;
    let (users, mut problems) = read.map_err(|_| OnboardError::NotJson)?;
    problems.extend(missing_pictures(&users, &state).await?);
    if !problems.is_empty() {
        return Err(OnboardError::Problems(problems));
    }
    let onboarded: Vec<UserId> = users.keys().cloned().collect();
    let warnings = warnings(&users);
    let Administrator { user, request } = administrator;
    let at = state.onboard.send(Onboard { users, administrator: user, request }).await??;
    Ok(HttpResponse::Ok().json(json!({
        "lastUpdatedAt": at.to_string(), "onboarded": onboarded, "warnings": warnings,
    })))
}

/// A problem for every link whose picture is not in the store.
async fn missing_pictures(users: &Users, state: &HttpState) -> Result<Vec<Problem>, OnboardError> {
    let mut places: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    for (user, presets) in users {
        for (emoji, preset) in &presets.0 {
            if let Some(key) = preset.picture.as_deref().and_then(|link| pictures::key_of(user, link).ok()) {
                let preset = below(&below("", user.as_str()), emoji);
                places.entry(key).or_default().push(below(&preset, "picture"));
            }
        }
    }
    let keys: BTreeSet<Key> = places.keys().cloned().collect();
    let missing = state.missing_pictures.send(MissingPictures(keys)).await??;
    let places = missing.iter().filter_map(|key| places.remove(key)).flatten();
    let message = "is not in the store; upload it first";
    Ok(places.map(|path| Problem { path, message: message.to_owned() }).collect())
}

/// A warning for every member whose name stays when he clears his status.
fn warnings(users: &Users) -> Vec<Problem> {
    let without =
        users.iter().filter(|(_, presets)| !presets.0.is_empty() && !presets.0.contains_key("default"));
    let message = "has no default: his name and picture stay when he clears his status";
    without.map(|(user, _)| Problem { path: below("", user.as_str()), message: message.to_owned() }).collect()
}

/// `GET /onboard`: who is onboarded, as the store has it.
pub async fn get(
    _administrator: Administrator,
    state: Data<HttpState>,
) -> Result<HttpResponse, OnboardError> {
    let users = state.show_users.send(ShowUsers).await??;
    Ok(HttpResponse::Ok().content_type("application/json").body(String::from(Box::<str>::from(users))))
}

/// `DELETE /onboard/{user}`: forgets a member.
pub async fn delete(
    administrator: Administrator,
    user: Path<String>,
    state: Data<HttpState>,
) -> Result<HttpResponse, OnboardError> {
    let user = member(&user)?;
    let Administrator { user: administrator, request } = administrator;
    state.forget.send(ForgetMember { user: user.clone(), administrator, request }).await??;
    Ok(HttpResponse::Ok().json(json!({ "forgotten": user })))
}

/// `POST /onboard/{user}/pictures`: makes a profile picture of an image and stores it.
pub async fn picture(
    administrator: Administrator,
    user: Path<String>,
    request: HttpRequest,
    payload: Payload,
    state: Data<HttpState>,
) -> Result<HttpResponse, OnboardError> {
    let user = member(&user)?;
    let place = state.darkroom.enter()?;
    let upload = whole(&request, payload, pictures::AT_MOST as usize).await?;
    let (key, picture) = place.develop(upload, &user, &state.clock).await?;
    let bytes = picture.len();
    let Administrator { user: administrator, request } = administrator;
    let link = state.put_picture.send(PutPicture { key, bytes: picture, request }).await??;
    info!(state.log, "picture stored"; "request" => request.to_string(), "user" => user.as_str(),
        "administrator" => administrator.as_str(), "bytes" => bytes);
    Ok(HttpResponse::Created().json(json!({ "picture": link })))
}

/// The member whom a path names.
fn member(user: &str) -> Result<UserId, OnboardError> {
    user.parse().map_err(|error: crate::domain::BadUserId| OnboardError::problem(error.to_string()))
}
