//! The handle on a simulated Slack: what a test or the demo does to it, and sees of it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use serde_json::Value;

use crate::{
    clock::{Clock, Instant},
    domain::UserId,
};

use super::{
    calls::{ApiRequest, ApiResponse, Call},
    faults::{Effect, Fault},
    sign_in,
    workspace::{Code, Person, Workspace},
};

/// Scopes of the app's bot and of members who authorise it.
pub const BOT_SCOPES: [&str; 2] = ["users:read", "users.profile:read"];
/// What a member's token may do.
pub const USER_SCOPES: [&str; 2] = ["users.profile:read", "users.profile:write"];

/// How often a call that is held looks whether it may go on.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A simulated Slack; clones share it.
#[derive(Debug, Clone)]
pub struct SimulatedSlack {
    workspace: Arc<Mutex<Workspace>>,
    clock: Clock,
}

impl SimulatedSlack {
    /// An empty workspace.
    pub fn new(team: &str, paid_plan: bool, clock: Clock) -> Self {
        let workspace = Workspace::new(team, paid_plan);
        Self { workspace: Arc::new(Mutex::new(workspace)), clock }
    }

    /// The whole state, for what has no method of its own. Not to be held over an await.
    pub fn lock(&self) -> MutexGuard<'_, Workspace> {
        self.workspace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives out the app's bot token.
    pub fn bot_token(&self) -> String {
        let mut workspace = self.lock();
        // The bot is a user of its own, which `users.list` shows.
        let Ok(bot) = "UBOT".parse::<UserId>() else { return String::new() };
        workspace.add(&bot, "statusinator");
        if let Some(person) = workspace.people.get_mut(&bot) {
            person.is_bot = true;
        }
        workspace.grant(&bot, true, &BOT_SCOPES)
    }

    /// Gives out a member's token.
    pub fn user_token(&self, user: &UserId) -> String {
        self.lock().grant(user, false, &USER_SCOPES)
    }

    /// A member sets his status.
    pub fn set_status(&self, user: &UserId, emoji: &str, text: &str, expiration: u64) {
        self.lock().set_status(user, emoji, text, expiration, self.clock.unix());
    }

    /// Statuses whose time is over end.
    pub fn expire(&self) {
        self.lock().expire(self.clock.unix());
    }

    /// A member changes his name by hand.
    pub fn set_name_by_hand(&self, user: &UserId, name: &str) {
        let mut workspace = self.lock();
        if let Some(person) = workspace.people.get_mut(user) {
            name.clone_into(&mut person.display_name);
        }
        workspace.changed(user, self.clock.unix());
    }

    /// A member changes his picture by hand.
    pub fn set_photo_by_hand(&self, user: &UserId, photo: Bytes) {
        self.lock().set_photo(user, photo, self.clock.unix());
    }

    /// A member takes his consent back.
    pub fn revoke(&self, user: &UserId) {
        self.lock().revoke(std::slice::from_ref(user), self.clock.unix());
    }

    /// A member as he is.
    pub fn person(&self, user: &UserId) -> Option<Person> {
        self.lock().people.get(user).cloned()
    }

    /// A member's name.
    pub fn name(&self, user: &UserId) -> String {
        self.person(user).map(|person| person.display_name).unwrap_or_default()
    }

    /// A member's own picture.
    pub fn photo(&self, user: &UserId) -> Option<Bytes> {
        self.person(user).and_then(|person| person.photo)
    }

    /// Asks for a fault.
    pub fn inject(&self, fault: Fault) {
        self.lock().faults.push(fault);
    }

    /// How many calls are held by [`Effect::Held`].
    pub fn held(&self) -> usize {
        self.lock().held.0
    }

    /// Lets go every call that is held.
    pub fn let_go(&self) {
        let mut workspace = self.lock();
        workspace.held = (0, workspace.held.1 + 1);
    }

    /// Holds a call until it is let go.
    pub(super) async fn hold(&self) {
        let times = {
            let mut workspace = self.lock();
            workspace.held.0 += 1;
            workspace.held.1
        };
        while self.lock().held.1 == times {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// How many calls of a method came so far.
    pub fn count(&self, method: &str) -> usize {
        self.lock().calls.iter().filter(|call| call.method == method).count()
    }

    /// What real Slack would have refused for a fault of the caller's.
    pub fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    /// Takes the events that wait to be delivered.
    pub fn take_events(&self) -> Vec<Value> {
        self.lock().outbox.drain(..).collect()
    }

    /// A member allows the app; answers the code for the browser. `None` if the address is not the app's.
    pub fn allow(&self, user: &UserId, scopes: &[String], redirect_uri: &str) -> Option<String> {
        let (at, redirect_uri) = (Instant::now(), redirect_uri.to_owned());
        self.code(Code { user: user.clone(), scopes: scopes.to_vec(), redirect_uri, nonce: None, at })
    }

    /// A member signs in to the app; answers as [`Self::allow`].
    pub fn sign_in(&self, user: &UserId, nonce: Option<&str>, redirect_uri: &str) -> Option<String> {
        let (scopes, nonce) = (vec![sign_in::SCOPE.to_owned()], nonce.map(str::to_owned));
        let (at, redirect_uri) = (Instant::now(), redirect_uri.to_owned());
        self.code(Code { user: user.clone(), scopes, redirect_uri, nonce, at })
    }

    fn code(&self, given: Code) -> Option<String> {
        let mut workspace = self.lock();
        if !workspace.may_return_to(&given.redirect_uri) {
            return None;
        }
        let code = format!("code-{}", workspace.number());
        workspace.codes.insert(code.clone(), given);
        Some(code)
    }

    /// The effect that befalls a call, if a fault waits for it.
    pub fn effect(&self, request: &ApiRequest) -> Option<Effect> {
        let mut workspace = self.lock();
        let about = workspace.whom(request);
        let effect = Fault::take(&mut workspace.faults, &request.method, about.as_ref());
        if let Some(Effect::RateLimited(Some(seconds))) = effect {
            let now = Instant::now();
            workspace.windows.rest(&request.method, now, now + Duration::from_secs(seconds));
        }
        effect
    }

    /// Answers a call that was sent then as real Slack would.
    pub fn answer(&self, request: &ApiRequest, sent: Instant) -> ApiResponse {
        self.lock().answer(request, sent, Instant::now(), self.clock.unix())
    }

    /// The answer that a fault gives without anything being done.
    pub fn fault_answer(effect: &Effect) -> Option<ApiResponse> {
        match effect {
            Effect::Status(status) => Some(ApiResponse { status: *status, ..ApiResponse::error("") }),
            Effect::Error(code) => Some(ApiResponse::error(code)),
            Effect::RateLimited(retry_after) => Some(ApiResponse::rate_limited(*retry_after)),
            Effect::Garbage(body) => {
                Some(ApiResponse { body: body.clone().into(), ..ApiResponse::error("") })
            }
            _ => None,
        }
    }

    /// Notes a call and what became of it; without an answer its status is 0.
    pub fn note(&self, request: &ApiRequest, at: Instant, answer: Option<&ApiResponse>) {
        let mut workspace = self.lock();
        let error = answer.and_then(|answer| serde_json::from_slice::<Value>(&answer.body).ok());
        let error = error.and_then(|body| body.get("error")?.as_str().map(str::to_owned));
        let (by, user) = (workspace.caller(request), workspace.whom(request));
        let (method, status) = (request.method.clone(), answer.map_or(0, |answer| answer.status));
        workspace.calls.push(Call { method, by, user, at, status, error });
    }
}

impl Workspace {
    /// Whose token a call has.
    fn caller(&self, request: &ApiRequest) -> Option<UserId> {
        let token = request.authorization.as_deref()?.strip_prefix("Bearer ")?;
        self.grants.get(token).map(|grant| grant.owner.clone())
    }

    /// Whom a call is about.
    fn whom(&self, request: &ApiRequest) -> Option<UserId> {
        request.argument("user").and_then(|user| user.parse().ok()).or_else(|| self.caller(request))
    }

    /// Whether the address is registered, or lies below one that is.
    pub fn may_return_to(&self, address: &str) -> bool {
        self.app.redirect_urls.iter().any(|known| {
            address
                .strip_prefix(known.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || known.ends_with('/'))
        })
    }
}
