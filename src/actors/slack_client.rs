//! Makes all calls of Slack's Web API, within Slack's limits.
//!
//! A call that would break a limit is not made: who must wait longer than [`PATIENCE`] is told until when. While
//! the bot token is dead, nothing is called but `auth.test`.
//!
//! Receives one message a method; [`Withdraw`] when a request gives up its place; [`AskStanding`], [`Observe`].
//! Announces [`WorkspaceKnown`], [`Misconfigured`] and [`TokenRevived`].

pub mod access;
pub mod handover;
pub mod sign_in;
mod standing;

use std::{collections::HashMap, rc::Rc};

use actix::{
    Actor, ActorFutureExt, Context, Handler, Message, Recipient, ResponseActFuture, ResponseFuture,
    Supervised, WrapFuture,
};
use futures_util::future::LocalBoxFuture;
use slog::{Logger, debug, o, warn};
use tokio::sync::oneshot;

use crate::{
    clock::{Clock, Instant},
    config::{ClientConfig, NameField},
    domain::{Cause, RequestId, TeamId, UserId},
    metrics::{Metric, Recorder},
    pictures::Picture,
    request::PATIENCE,
    slack::{
        CallError, Consent, Identity, Member, MemberPage, Method, Profile, SlackError, Token, Transport,
        WebApi,
        limits::{Ask, Limits, Turn},
    },
};

use super::{Observe, Report};

/// On whose behalf a call is made: decides its place when calls must wait for a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The request; its calls keep their place in line by it.
    pub request: RequestId,
    /// Events go before looks, looks before passes.
    pub cause: Cause,
}

/// `users.profile.get` of a member, with the bot token.
#[derive(Debug, Message)]
#[rtype(result = "Result<Profile, SlackError>")]
pub struct GetProfile {
    /// Whose profile.
    pub user: UserId,
    /// For whom the call is made.
    pub caller: Caller,
}

/// `users.profile.set` of one name.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SlackError>")]
pub struct SetName {
    /// Whose name.
    pub user: UserId,
    /// The name to set.
    pub name: String,
    /// Which of his names.
    pub field: NameField,
    /// With which token.
    pub token: Token,
    /// For whom the call is made.
    pub caller: Caller,
}

/// `users.setPhoto`. Answers the new `avatar_hash`, where Slack tells it.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<String>, SlackError>")]
pub struct SetPhoto {
    /// Whose picture: the token's owner.
    pub user: UserId,
    /// His own token.
    pub token: Token,
    /// The picture.
    pub picture: Picture,
    /// For whom the call is made.
    pub caller: Caller,
}

/// `users.info` of a member, with the bot token.
#[derive(Debug, Message)]
#[rtype(result = "Result<Member, SlackError>")]
pub struct GetMember {
    /// Whose.
    pub user: UserId,
    /// For whom the call is made.
    pub caller: Caller,
}

/// One page of `users.list`, with the bot token.
#[derive(Debug, Message)]
#[rtype(result = "Result<MemberPage, SlackError>")]
pub struct ListMembers {
    /// Where the page begins; `None` for the first.
    pub cursor: Option<String>,
    /// For whom the call is made.
    pub caller: Caller,
}

/// `oauth.v2.access`: a code for a member's token.
#[derive(Debug, Message)]
#[rtype(result = "Result<Consent, SlackError>")]
pub struct ExchangeCode {
    /// What Slack gave to the browser.
    pub code: String,
    /// The address that was named when the code was asked for.
    pub redirect_uri: String,
    /// Names the call in the log.
    pub request: RequestId,
}

/// Gives up every place in line that a request holds; a call of its that waits is not made.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Withdraw {
    /// The request that ended or was replaced.
    pub request: RequestId,
}

/// Asks what the configured tokens can do now.
#[derive(Debug, Message)]
#[rtype(result = "Standing")]
pub struct AskStanding;

/// What the configured tokens can do now.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Whether the bot token works, as far as is known.
    pub bot_works: bool,
    /// The admin token, if one is configured and works.
    pub admin: Option<Admin>,
}

/// A working admin token.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Whose token it is.
    pub owner: UserId,
    /// The token.
    pub token: Token,
}

/// Announces the workspace that the bot token belongs to.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct WorkspaceKnown {
    /// The workspace.
    pub team: TeamId,
}

/// Announces that a configured token that was dead or unknown works: a pass can do what was left undone.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct TokenRevived;

/// Announces that a token shows a wrong setting: the process must stop.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Misconfigured {
    /// What is wrong, with the setting's name.
    pub why: String,
}

/// What the actor is made of.
pub struct SlackClientParts {
    /// What counts already.
    pub limits: Limits,
    /// Carries calls.
    pub transport: Rc<dyn Transport>,
    /// The bot token.
    pub bot: Token,
    /// The admin token.
    pub admin: Option<Token>,
    /// The app's OAuth client.
    pub client: Option<ClientConfig>,
    /// Hears which workspace it is.
    pub on_workspace: Recipient<WorkspaceKnown>,
    /// Hears of tokens that must not be used.
    pub on_misconfigured: Recipient<Misconfigured>,
    /// Hears when a dead bot token works again.
    pub on_revived: Recipient<TokenRevived>,
    /// Takes samples.
    pub recorder: Recorder,
    /// Tells the time of day.
    pub clock: Clock,
    /// Where it logs.
    pub log: Logger,
}

/// What is known of a configured token.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    /// Slack has not told yet.
    Nothing,
    /// It works.
    Works(Identity),
    /// Slack says that it is dead.
    Dead(String),
}

/// The actor.
pub struct SlackClient {
    api: WebApi,
    parts: SlackClientParts,
    limits: Limits,
    /// Requests that gave up their place, for as long as a call of theirs may wait here: it is not made.
    withdrawn: HashMap<RequestId, Instant>,
    bot: Known,
    admin: Known,
    admin_tested: Option<Instant>,
    will_test: bool,
    trouble: Option<String>,
    skew: Option<u64>,
    /// Whether the first round of tests is over: before that, who asks what the tokens can do waits.
    is_settled: bool,
    waiting: Vec<oneshot::Sender<Standing>>,
}

type Calling<T> = LocalBoxFuture<'static, Result<T, CallError>>;

impl SlackClient {
    /// Has not called yet.
    pub fn new(mut parts: SlackClientParts) -> Self {
        let api = WebApi::new(parts.transport.clone());
        let limits = std::mem::take(&mut parts.limits);
        Self {
            api,
            parts,
            limits,
            withdrawn: HashMap::new(),
            bot: Known::Nothing,
            admin: Known::Nothing,
            admin_tested: None,
            will_test: false,
            trouble: None,
            skew: None,
            is_settled: false,
            waiting: Vec::new(),
        }
    }

    /// Makes a call as soon as the limits allow it, if that is soon; notes how it went.
    fn make<T: 'static>(
        &mut self,
        ask: Ask,
        token: Option<Token>,
        call: impl FnOnce(WebApi) -> Calling<T> + 'static,
    ) -> ResponseActFuture<Self, Result<T, SlackError>> {
        if matches!(self.bot, Known::Dead(_)) && !ask.method.is_the_clients() {
            return Box::pin(actix::fut::ready(Err(SlackError::Suspended)));
        }
        let now = Instant::now();
        match self.limits.ask(&ask, now) {
            Turn::Wait { until, slack_said } if until > now + PATIENCE => {
                Box::pin(actix::fut::ready(Err(SlackError::MustWait { until, slack_said })))
            }
            Turn::Wait { until, .. } => {
                let waited = tokio::time::sleep_until(until).into_actor(self);
                Box::pin(waited.then(move |(), client, _| match client.withdrawn.get(&ask.request) {
                    Some(_) => Box::pin(actix::fut::ready(Err(SlackError::Suspended))),
                    None => client.make(ask, token, call),
                }))
            }
            Turn::Now(slot) => {
                let calling = call(self.api.clone()).into_actor(self);
                Box::pin(calling.map(move |called, client, ctx| {
                    let ended = Instant::now();
                    client.limits.ended(slot, ended);
                    client.parts.recorder.took(Metric::SlackApiLatency, ended.duration_since(now));
                    client.note(&ask, token.as_ref(), called, ctx)
                }))
            }
        }
    }

    /// Takes note of pauses and dead tokens.
    fn note<T>(
        &mut self,
        ask: &Ask,
        token: Option<&Token>,
        called: Result<T, CallError>,
        ctx: &mut Context<Self>,
    ) -> Result<T, SlackError> {
        let now = Instant::now();
        match called {
            Err(CallError::RateLimited(retry_after)) => {
                let wait = self.limits.pause(ask.method, retry_after, now);
                self.parts.recorder.rate_limited(ask.method);
                let log = self.parts.log.new(o!("request" => ask.request.to_string()));
                warn!(log, "slack says ratelimited"; "method" => ask.method.name(), "wait_ms" => wait.as_millis() as u64);
                Err(SlackError::MustWait { until: now + wait, slack_said: true })
            }
            Err(CallError::Failed(SlackError::DeadToken(code))) => {
                self.note_dead(token, &code, ctx);
                Err(SlackError::DeadToken(code))
            }
            Err(CallError::Failed(error)) => Err(error),
            Ok(answer) => {
                self.limits.answered(ask.method, now);
                Ok(answer)
            }
        }
    }
}

impl Actor for SlackClient {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(1024);
        self.will_test = false;
        self.test(ctx);
    }
}

impl Supervised for SlackClient {
    fn restarting(&mut self, _ctx: &mut Self::Context) {
        self.limits.all_ended(Instant::now());
        debug!(self.parts.log, "restarting");
    }
}

fn reading(method: Method, caller: Caller) -> Ask {
    Ask { method, request: caller.request, cause: caller.cause, write: None }
}

fn writing(method: Method, caller: Caller, user: &UserId, token: &Token) -> Ask {
    Ask { write: Some((user.clone(), token.fingerprint())), ..reading(method, caller) }
}

impl Handler<GetProfile> for SlackClient {
    type Result = ResponseActFuture<Self, Result<Profile, SlackError>>;

    fn handle(&mut self, get: GetProfile, _ctx: &mut Self::Context) -> Self::Result {
        let bot = self.parts.bot.clone();
        self.make(reading(Method::UsersProfileGet, get.caller), Some(bot.clone()), move |api| {
            Box::pin(async move { api.users_profile_get(&bot, &get.user).await })
        })
    }
}

impl Handler<SetName> for SlackClient {
    type Result = ResponseActFuture<Self, Result<(), SlackError>>;

    fn handle(&mut self, set: SetName, _ctx: &mut Self::Context) -> Self::Result {
        let is_another = Some(&set.token) == self.parts.admin.as_ref()
            && !matches!(&self.admin, Known::Works(admin) if admin.user == set.user);
        let ask = writing(Method::UsersProfileSet, set.caller, &set.user, &set.token);
        self.make(ask, Some(set.token.clone()), move |api| {
            Box::pin(async move {
                let other = is_another.then_some(&set.user);
                api.users_profile_set(&set.token, set.field, &set.name, other).await
            })
        })
    }
}

impl Handler<SetPhoto> for SlackClient {
    type Result = ResponseActFuture<Self, Result<Option<String>, SlackError>>;

    fn handle(&mut self, set: SetPhoto, _ctx: &mut Self::Context) -> Self::Result {
        let ask = writing(Method::UsersSetPhoto, set.caller, &set.user, &set.token);
        self.make(ask, Some(set.token.clone()), move |api| {
            Box::pin(async move { api.users_set_photo(&set.token, &set.picture).await })
        })
    }
}

impl Handler<GetMember> for SlackClient {
    type Result = ResponseActFuture<Self, Result<Member, SlackError>>;

    fn handle(&mut self, get: GetMember, _ctx: &mut Self::Context) -> Self::Result {
        let bot = self.parts.bot.clone();
        self.make(reading(Method::UsersInfo, get.caller), Some(bot.clone()), move |api| {
            Box::pin(async move { api.users_info(&bot, &get.user).await })
        })
    }
}

impl Handler<ListMembers> for SlackClient {
    type Result = ResponseActFuture<Self, Result<MemberPage, SlackError>>;

    fn handle(&mut self, list: ListMembers, _ctx: &mut Self::Context) -> Self::Result {
        let bot = self.parts.bot.clone();
        self.make(reading(Method::UsersList, list.caller), Some(bot.clone()), move |api| {
            Box::pin(async move { api.users_list(&bot, list.cursor).await })
        })
    }
}

impl Handler<ExchangeCode> for SlackClient {
    type Result = ResponseActFuture<Self, Result<Consent, SlackError>>;

    fn handle(&mut self, exchange: ExchangeCode, _ctx: &mut Self::Context) -> Self::Result {
        let Some(client) = self.parts.client.clone() else {
            return Box::pin(actix::fut::ready(Err(SlackError::Refused("no_client_configured".into()))));
        };
        let caller = Caller { request: exchange.request, cause: Cause::Event };
        self.make(reading(Method::OauthV2Access, caller), None, move |api| {
            Box::pin(async move {
                api.oauth_v2_access((&client.id, &client.secret), exchange.code, exchange.redirect_uri).await
            })
        })
    }
}

impl Handler<Withdraw> for SlackClient {
    type Result = ();

    fn handle(&mut self, Withdraw { request }: Withdraw, _ctx: &mut Self::Context) {
        self.limits.withdraw(request);
        self.withdrawn.retain(|_, at| at.elapsed() <= PATIENCE);
        self.withdrawn.insert(request, Instant::now());
    }
}

impl Handler<AskStanding> for SlackClient {
    type Result = ResponseFuture<Standing>;

    fn handle(&mut self, _: AskStanding, _ctx: &mut Self::Context) -> Self::Result {
        let now = self.standing();
        if self.is_settled {
            return Box::pin(std::future::ready(now));
        }
        let (answer, settled) = oneshot::channel();
        self.waiting.push(answer);
        Box::pin(async move { settled.await.unwrap_or(now) })
    }
}

impl Handler<Observe> for SlackClient {
    type Result = Report;

    fn handle(&mut self, _: Observe, _ctx: &mut Self::Context) -> Report {
        let state = |known: &Known| match known {
            Known::Nothing => "unknown",
            Known::Works(_) => "works",
            Known::Dead(_) => "dead",
        };
        let admin = self.parts.admin.as_ref().map_or("none", |_| state(&self.admin));
        let paused: Vec<&str> =
            self.limits.pauses(Instant::now()).iter().map(|(method, _)| method.name()).collect();
        let snapshot = serde_json::json!({
            "bot_token": state(&self.bot),
            "admin_token": admin,
            "calls_under_way": self.limits.under_way(),
            "paused": paused,
        });
        Report::of(snapshot, self.problems())
    }
}

#[cfg(test)]
mod tests;
