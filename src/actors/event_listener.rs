//! Decides what becomes of an event, and keeps the cache of who is onboarded.
//!
//! Receives [`Receive`], [`Missed`], [`reading::Rehydrate`], [`reading::Forget`], [`WorkspaceKnown`], [`Revoke`],
//! [`AppRateLimited`], [`Observe`]. Sends [`Enqueue`]; announces [`PassDue`] and [`EventsLeftOut`].

pub mod reading;

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use actix::{
    Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, Recipient, ResponseActFuture,
    Supervised, WrapFuture,
};
use serde::Serialize;
use slog::{Logger, debug, error, info, o, warn};

use crate::{
    applied::Change,
    clock::Instant,
    directory::{Directory, Snapshot},
    domain::{Cause, Emoji, RequestId, TeamId, UserId, Users},
    logging::escape,
    metrics::Recorder,
    request::Request,
    storage::{Key, Storage},
};

use reading::Readings;

use super::{
    Observe, Report,
    backlog::Verdict,
    recent_events::RecentEvents,
    reconciler::{EventsLeftOut, PassDue, Reconciler, Remember},
    request_queue::{Enqueue, RequestQueue},
    revoked,
    slack_client::{Misconfigured, WorkspaceKnown},
    storage_helper::StorageHelper,
};

/// A miss makes the listener ask for a new `users.json` at most this often; a failed reading is repeated so.
const ASK_AT_MOST_EVERY: Duration = Duration::from_secs(5);

/// A change of an onboarded member's user object.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Answer")]
pub struct Receive {
    /// The event's own UUID, made when it arrived.
    pub request: RequestId,
    /// Slack's `event_id`.
    pub event_id: Option<String>,
    /// Whose.
    pub user: UserId,
    /// The status emoji in the event; `None` when it does not tell.
    pub emoji: Option<Emoji>,
    /// When the status ends (unix seconds); 0 for never, `None` when it does not tell.
    pub expiration: Option<u64>,
    /// Whether Slack delivers it again (`X-Slack-Retry-Num`).
    pub is_retry: bool,
    /// When it arrived.
    pub received: Instant,
}

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// 200: it waits in the request queue.
    Queued,
    /// 200: it waits in the request queue, in place of an older one of the member.
    Replaced,
    /// 200: it waits in the dead letter queue.
    Diverted,
    /// 200: there is nothing to do.
    Ignored(Ignored),
    /// 503: the request queue is full, Slack shall deliver it again.
    Busy,
    /// 503 with `X-Slack-No-Retry: 1`: both queues are full.
    Overloaded,
}

/// Why there is nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ignored {
    /// The emoji is the newest known, or the event does not tell one.
    Unchanged,
    /// The same event was accepted before.
    Duplicate,
    /// The member is not onboarded.
    NotOnboarded,
    /// The workspace or `users.json` is not known yet: the first pass looks at everybody.
    Starting,
}

/// Announces that `users.json` may not be what was last read of it: somebody who is not in the cache had an event, or
/// `/onboard` found it damaged.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Missed;

/// Slack revoked tokens: those leave the vault.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Revoke {
    /// The event's UUID.
    pub request: RequestId,
    /// Whose tokens.
    pub whose: Revoked,
    /// The envelope's `event_time`: tokens stored over a second later stay.
    pub event_time: SystemTime,
}

/// Whose tokens were revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoked {
    /// These members'.
    Members(Vec<UserId>),
    /// Everybody's: the app was uninstalled.
    Everybody,
}

/// Slack left out events because there were too many.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct AppRateLimited {
    /// The event's UUID.
    pub request: RequestId,
    /// The minute in which events were left out, unix seconds.
    pub minute: u64,
}

/// What the actor is made of.
pub struct EventListenerParts {
    /// Reads `users.json`, removes revoked tokens.
    pub storage: Addr<StorageHelper>,
    /// Takes requests.
    pub queue: Addr<RequestQueue>,
    /// Looks at members and remembers.
    pub reconciler: Addr<Reconciler>,
    /// Where the cache is published.
    pub directory: Directory,
    /// The state folder: which workspace this is.
    pub state: Rc<dyn Storage>,
    /// The workspace that the state folder names.
    pub team: Option<TeamId>,
    /// Hears when the state folder is another workspace's.
    pub on_misconfigured: Recipient<Misconfigured>,
    /// Takes samples.
    pub recorder: Recorder,
}

/// The actor. Its memory of events is [`RecentEvents`].
pub struct EventListener {
    parts: EventListenerParts,
    team: Option<TeamId>,
    users: Option<Arc<Users>>,
    recent: RecentEvents,
    asked: Option<Instant>,
    will_ask: bool,
    readings: Readings,
    was_complete: bool,
    problem: Option<String>,
    log: Logger,
}

impl EventListener {
    /// Knows nobody yet.
    pub fn new(parts: EventListenerParts, log: Logger) -> Self {
        Self {
            team: parts.team.clone(),
            parts,
            users: None,
            recent: RecentEvents::default(),
            asked: None,
            will_ask: false,
            readings: Readings::default(),
            was_complete: false,
            problem: None,
            log,
        }
    }

    fn publish(&mut self) {
        self.parts.directory.publish(Snapshot { team: self.team.clone(), users: self.users.clone() });
        let is_complete = self.team.is_some() && self.users.is_some();
        if is_complete && !std::mem::replace(&mut self.was_complete, true) {
            self.parts.reconciler.do_send(PassDue);
        }
    }

    fn enqueue(&self, event: Receive) -> ResponseActFuture<Self, Answer> {
        let mut request = Request::new(event.request, event.user.clone(), event.emoji.clone(), Cause::Event);
        request.received = event.received;
        let enqueued = self.parts.queue.send(Enqueue { request, is_retry: event.is_retry }).into_actor(self);
        Box::pin(enqueued.map(move |verdict, listener, _| match verdict {
            Ok(Verdict::Unchanged) => listener.unchanged(&event),
            Ok(Verdict::Queued) => listener.accepted(&event, Answer::Queued),
            Ok(Verdict::Replaced) => listener.accepted(&event, Answer::Replaced),
            Ok(Verdict::Diverted) => listener.accepted(&event, Answer::Diverted),
            Ok(Verdict::Overloaded) => Answer::Overloaded,
            Ok(Verdict::Busy) => Answer::Busy,
            Err(_) => {
                listener.parts.reconciler.do_send(PassDue);
                Answer::Busy
            }
        }))
    }

    fn accepted(&mut self, event: &Receive, answer: Answer) -> Answer {
        if let Some(event_id) = &event.event_id {
            self.recent.remember(event_id, Instant::now());
        }
        answer
    }

    /// Only a new end of the status is noted.
    fn unchanged(&self, event: &Receive) -> Answer {
        if let Some(expiration) = event.expiration {
            let change = Change::Expires(expiration);
            self.parts.reconciler.do_send(Remember { user: event.user.clone(), change });
        }
        Answer::Ignored(Ignored::Unchanged)
    }
}

impl Actor for EventListener {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(4096);
        self.publish();
        let reading = self.read_users(false);
        ctx.spawn(reading);
    }
}

impl Supervised for EventListener {
    fn restarting(&mut self, _ctx: &mut Self::Context) {
        self.will_ask = false;
        self.readings.interrupted();
        debug!(self.log, "restarting"; "onboarded" => self.users.as_ref().map_or(0, |users| users.len()));
    }
}

impl Handler<Receive> for EventListener {
    type Result = ResponseActFuture<Self, Answer>;

    fn handle(&mut self, event: Receive, ctx: &mut Self::Context) -> Self::Result {
        let ignored = match &self.users {
            Some(users) if self.team.is_some() => {
                if users.contains_key(&event.user) {
                    let seen = event.event_id.as_ref().is_some_and(|id| self.recent.has(id, Instant::now()));
                    seen.then_some(Ignored::Duplicate)
                } else {
                    self.ask_later(ctx);
                    Some(Ignored::NotOnboarded)
                }
            }
            _ => Some(Ignored::Starting),
        };
        match ignored {
            Some(why) => Box::pin(actix::fut::ready(Answer::Ignored(why))),
            None if event.emoji.is_none() => Box::pin(actix::fut::ready(self.unchanged(&event))),
            None => self.enqueue(event),
        }
    }
}

impl Handler<Missed> for EventListener {
    type Result = ();

    fn handle(&mut self, _: Missed, ctx: &mut Self::Context) {
        self.ask_later(ctx);
    }
}

impl Handler<WorkspaceKnown> for EventListener {
    type Result = ();

    fn handle(&mut self, WorkspaceKnown { team }: WorkspaceKnown, ctx: &mut Self::Context) {
        match &self.team {
            Some(known) if *known != team => {
                let why =
                    format!("STATUSINATOR_DATA_DIR belongs to workspace {known}, SLACK_BOT_TOKEN to {team}");
                self.parts.on_misconfigured.do_send(Misconfigured { why });
                return;
            }
            Some(_) => return,
            None => info!(self.log, "workspace known"; "team" => %team),
        }
        let state = self.parts.state.clone();
        let bytes = bytes::Bytes::from(team.0.clone());
        self.team = Some(team);
        self.publish();
        let write = async move { state.put(&Key::workspace(), bytes, None).await }.into_actor(self);
        ctx.spawn(write.map(|written, listener, _| {
            if let Err(error) = written {
                error!(listener.log, "the workspace could not be noted"; "error" => escape(&error.to_string()),
                    "todo" => "see that STATUSINATOR_DATA_DIR can be written");
            }
        }));
    }
}

impl Handler<Revoke> for EventListener {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, revoke: Revoke, _ctx: &mut Self::Context) -> Self::Result {
        let storage = self.parts.storage.clone();
        let onboarded = self.users.clone().unwrap_or_default();
        let reconciler = self.parts.reconciler.clone();
        let log = self.log.new(o!("request" => revoke.request.to_string()));
        Box::pin(
            async move { revoked::carry_out(revoke, &storage, &onboarded, &reconciler, &log).await }
                .into_actor(self),
        )
    }
}

impl Handler<AppRateLimited> for EventListener {
    type Result = ();

    fn handle(&mut self, limited: AppRateLimited, _ctx: &mut Self::Context) {
        warn!(self.log, "slack left out events, a pass follows"; "request" => limited.request.to_string(),
            "minute" => limited.minute);
        self.parts.reconciler.do_send(EventsLeftOut { minute: limited.minute });
    }
}

impl Handler<Observe> for EventListener {
    type Result = Report;

    fn handle(&mut self, _: Observe, _ctx: &mut Self::Context) -> Report {
        let snapshot = serde_json::json!({
            "onboarded": self.users.as_ref().map(|users| users.len()),
            "workspace_known": self.team.is_some(),
            "recent_events": self.recent.len(),
        });
        Report::of(snapshot, self.problem.iter().cloned().collect())
    }
}
