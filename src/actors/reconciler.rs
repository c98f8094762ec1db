//! Remembers what was seen of each member and applied to him, and sees to it that everybody is looked at.
//!
//! Its memory lies in the state folder, one object a member, written after the fact: losing it costs calls and
//! lets presets win once, no more. When who is looked at is decided by [`PassClock`] and [`Looks`].
//!
//! Receives [`Recall`], [`Remember`], [`Intend`], [`Authorised`], [`LookAt`], [`PassDue`], [`EventsLeftOut`],
//! [`NoPaidPlan`], [`Compare`], [`Flush`], [`Observe`]. Announces [`Look`] and [`Seen`] to `RequestQueue`.

pub mod decided;
pub mod members;
mod memory;

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use actix::{
    Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, MessageResponse, ResponseActFuture,
    SpawnHandle, Supervised, WrapFuture,
};
use slog::{Logger, debug, info};
use tokio::sync::oneshot;

use crate::{
    applied::{self, Change, Record},
    clock::{Clock, Instant},
    directory::Directory,
    domain::{Cause, RequestId, UserId},
    metrics::{Count, Recorder},
    request::Request,
    storage::{Storage, StorageError},
};

use decided::Forgotten;

use super::{
    Observe, Report,
    agenda::{self, Looks, PassClock},
    event_listener::EventListener,
    pass::{self, Survey},
    request_queue::{Look, RequestQueue, Seen},
    slack_client::{SlackClient, TokenRevived},
    storage_helper::StorageHelper,
};

pub use memory::load;

/// The first wait before a member of whom a part failed is looked at again.
pub const FIRST_LOOK_AFTER_FAILURE: Duration = agenda::FIRST_REPETITION;
/// Slack names the minute in which it left out events by its beginning.
const A_MINUTE: u64 = 60;

/// Asks what is remembered of a member.
#[derive(Debug, Message)]
#[rtype(result = "Record")]
pub struct Recall {
    /// Who.
    pub user: UserId,
}

/// Something was learnt of a member.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Remember {
    /// Of whom.
    pub user: UserId,
    /// What.
    pub change: Change,
}

/// A part of a member's profile is about to be set. Answers once memory is durable that does not hold the part for as it
/// was before: else a crash could leave it believing so.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StorageError>")]
pub struct Intend {
    /// Whose.
    pub user: UserId,
    /// What.
    pub change: Change,
}

/// A member has authorised the app: his token is in the vault, he is looked at.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Authorised {
    /// Who.
    pub user: UserId,
    /// Names the call in the log.
    pub request: RequestId,
}

/// These members have new or different presets: they are looked at.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct LookAt {
    /// Who.
    pub users: Vec<UserId>,
}

/// Everybody is to be looked at, as soon as a pass may begin.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct PassDue;

/// Slack left out events in the minute that began then (unix seconds).
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct EventsLeftOut {
    /// The beginning of the minute.
    pub minute: u64,
}

/// Slack does not let the administrator's token set others' names on this plan.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct NoPaidPlan;

/// Asks which of these members need a request; of the others their status is noted.
#[derive(Debug, Message)]
#[rtype(result = "Compared")]
pub struct Compare {
    /// What a pass read.
    pub seen: Vec<pass::Status>,
}

/// Which members a pass may have to do something for.
#[derive(Debug, Default, MessageResponse)]
pub struct Compared {
    /// A part is open.
    pub open: Vec<pass::Status>,
    /// Skipped or refused: open only if his tokens are others than then.
    pub ended_without: Vec<(pass::Status, Record)>,
}

/// What a pass found: requests to make, and members whose endings still stand.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct PassRequests {
    /// Who needs a request.
    pub requests: Vec<Request>,
    /// Who does not: his tokens are those with which his parts ended.
    pub unchanged: Vec<pass::Status>,
}

/// Asks to write all that is remembered; answers when it is durable or could not be written.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Flush;

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct PassOver {
    is_complete: bool,
    pages: Option<usize>,
}

/// What the actor is made of.
pub struct ReconcilerParts {
    /// Where the memory lies.
    pub state: Rc<dyn Storage>,
    /// What lay there at the start.
    pub records: BTreeMap<UserId, Record>,
    /// Time between passes.
    pub interval: Option<Duration>,
    /// Works on who is to be looked at.
    pub queue: Addr<RequestQueue>,
    /// Is asked for a new `users.json` before a pass.
    pub listener: Addr<EventListener>,
    /// Reads statuses.
    pub slack: Addr<SlackClient>,
    /// Knows the members' tokens.
    pub storage: Addr<StorageHelper>,
    /// Knows who is onboarded.
    pub directory: Directory,
    /// Tells when a status ends.
    pub clock: Clock,
    /// Counts looks and passes.
    pub recorder: Recorder,
}

/// The actor.
pub struct Reconciler {
    parts: ReconcilerParts,
    records: BTreeMap<UserId, Record>,
    /// Whose memory is to be written, or removed if nothing is remembered.
    dirty: BTreeSet<UserId>,
    /// Whose is being written.
    writing: Option<BTreeSet<UserId>>,
    forgotten: Forgotten,
    /// Who waits until what is dirty now is durable.
    waiting: Vec<oneshot::Sender<Result<(), StorageError>>>,
    write_problem: Option<String>,
    passes: PassClock,
    looks: Looks,
    pages: Option<usize>,
    no_paid_plan: bool,
    timer: Option<SpawnHandle>,
    log: Logger,
}

impl Reconciler {
    /// Remembers what lay in the state folder.
    pub fn new(mut parts: ReconcilerParts, log: Logger) -> Self {
        Self {
            records: std::mem::take(&mut parts.records),
            passes: PassClock::new(parts.interval),
            parts,
            dirty: BTreeSet::new(),
            writing: None,
            forgotten: Forgotten::default(),
            waiting: Vec::new(),
            write_problem: None,
            looks: Looks::default(),
            pages: None,
            no_paid_plan: false,
            timer: None,
            log,
        }
    }

    fn look(&self, user: UserId) {
        self.parts.recorder.count(Count::Look);
        self.parts.queue.do_send(Look(Request::new(RequestId::random(), user, None, Cause::Look)));
    }

    /// Looks at who is due, begins a pass if one is due, and arms the timer for what comes next.
    fn go_on(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        for user in self.looks.take_due(now) {
            self.look(user);
        }
        if self.passes.due(now).is_some_and(|due| due <= now) {
            self.begin_pass(now, ctx);
        }
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        let next = [self.looks.next(), self.passes.due(now)].into_iter().flatten().min();
        self.timer = next.map(|at| {
            ctx.run_later(at.saturating_duration_since(now), |it, ctx| {
                it.timer = None;
                it.go_on(ctx);
            })
        });
    }

    fn begin_pass(&mut self, now: Instant, ctx: &mut Context<Self>) {
        let snapshot = self.parts.directory.load();
        if snapshot.team.is_none() || snapshot.users.is_none() {
            // `EventListener` asks for a pass as soon as it knows both.
            self.passes.give_up();
            return;
        }
        drop(snapshot);
        self.passes.begin(now);
        self.parts.recorder.count(Count::PassBegan);
        let survey = Survey {
            request: RequestId::random(),
            slack: self.parts.slack.clone(),
            storage: self.parts.storage.clone(),
            listener: self.parts.listener.clone(),
            reconciler: ctx.address(),
            directory: self.parts.directory.clone(),
            known_pages: self.pages,
            log: self.log.clone(),
        };
        let over = survey.run().into_actor(self);
        ctx.spawn(over.map(|(is_complete, pages), _, ctx| ctx.notify(PassOver { is_complete, pages })));
    }
}

impl Actor for Reconciler {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(1024);
        self.write(ctx);
        self.go_on(ctx);
    }
}

impl Supervised for Reconciler {
    fn restarting(&mut self, _ctx: &mut Self::Context) {
        self.timer = None;
        // What was being written may be half there: it is written again.
        self.dirty.extend(self.writing.take().into_iter().flatten());
        if self.passes.is_running() {
            self.passes.end(false);
        }
        debug!(self.log, "restarting"; "members" => self.records.len());
    }
}

impl Handler<Recall> for Reconciler {
    type Result = actix::MessageResult<Recall>;

    fn handle(&mut self, Recall { user }: Recall, _ctx: &mut Self::Context) -> Self::Result {
        actix::MessageResult(self.records.get(&user).cloned().unwrap_or_default())
    }
}

impl Handler<Remember> for Reconciler {
    type Result = ();

    fn handle(&mut self, Remember { user, change }: Remember, ctx: &mut Self::Context) {
        self.learn(&user, change, ctx);
        self.go_on(ctx);
    }
}

impl Handler<Intend> for Reconciler {
    type Result = ResponseActFuture<Self, Result<(), StorageError>>;

    fn handle(&mut self, Intend { user, change }: Intend, ctx: &mut Self::Context) -> Self::Result {
        self.learn(&user, change, ctx);
        let durable = self.durable(user, ctx);
        Box::pin(durable.into_actor(self))
    }
}

impl Handler<Authorised> for Reconciler {
    type Result = ();

    fn handle(&mut self, Authorised { user, request }: Authorised, ctx: &mut Self::Context) {
        info!(self.log, "member authorised"; "request" => request.to_string(), "user" => user.as_str());
        self.learn(&user, Change::Authorised, ctx);
        self.look(user);
    }
}

impl Handler<LookAt> for Reconciler {
    type Result = ();

    fn handle(&mut self, LookAt { users }: LookAt, _ctx: &mut Self::Context) {
        for user in users {
            self.look(user);
        }
    }
}

impl Handler<PassDue> for Reconciler {
    type Result = ();

    fn handle(&mut self, _: PassDue, ctx: &mut Self::Context) {
        self.passes.want();
        self.go_on(ctx);
    }
}

impl Handler<TokenRevived> for Reconciler {
    type Result = ();

    fn handle(&mut self, _: TokenRevived, ctx: &mut Self::Context) {
        self.passes.want();
        self.go_on(ctx);
    }
}

impl Handler<EventsLeftOut> for Reconciler {
    type Result = ();

    fn handle(&mut self, EventsLeftOut { minute }: EventsLeftOut, ctx: &mut Self::Context) {
        let left = minute.saturating_add(A_MINUTE).saturating_sub(self.parts.clock.unix()).min(A_MINUTE);
        self.passes.left_out_until(Instant::now() + Duration::from_secs(left));
        self.go_on(ctx);
    }
}

impl Handler<NoPaidPlan> for Reconciler {
    type Result = ();

    fn handle(&mut self, _: NoPaidPlan, _ctx: &mut Self::Context) {
        self.no_paid_plan = true;
    }
}

impl Handler<Compare> for Reconciler {
    type Result = Compared;

    fn handle(&mut self, Compare { seen }: Compare, ctx: &mut Self::Context) -> Compared {
        let mut compared = Compared::default();
        for status in seen {
            let record = self.records.get(&status.user).cloned().unwrap_or_default();
            if record.read_began.is_some_and(|began| began > status.began) {
                continue;
            }
            // Who was forgotten since the pass began stays so.
            let Some(presets) = self.parts.directory.presets(&status.user) else { continue };
            let preset = presets.for_emoji(&status.emoji);
            match pass::need(&record, &status.emoji, preset) {
                pass::Need::Nothing => self.nothing_to_do(status, ctx),
                pass::Need::Request => compared.open.push(status),
                pass::Need::IfTokensDiffer => compared.ended_without.push((status, record)),
            }
        }
        self.go_on(ctx);
        compared
    }
}

impl Handler<PassRequests> for Reconciler {
    type Result = ();

    fn handle(&mut self, found: PassRequests, ctx: &mut Self::Context) {
        for request in found.requests {
            self.parts.queue.do_send(Look(request));
        }
        for status in found.unchanged {
            self.nothing_to_do(status, ctx);
        }
    }
}

impl Reconciler {
    fn nothing_to_do(&mut self, status: pass::Status, ctx: &mut Context<Self>) {
        let pass::Status { user, emoji, expiration, began } = status;
        let Some(presets) = self.parts.directory.presets(&user) else { return };
        self.learn(&user, Change::Saw { emoji: emoji.clone(), expiration, began }, ctx);
        for part in applied::unwanted(presets.for_emoji(&emoji)) {
            self.learn(&user, Change::Unwanted(part), ctx);
        }
        self.parts.queue.do_send(Seen { user, emoji, began });
    }
}

impl Handler<PassOver> for Reconciler {
    type Result = ();

    fn handle(&mut self, over: PassOver, ctx: &mut Self::Context) {
        self.parts.recorder.count(if over.is_complete { Count::PassComplete } else { Count::PassCutShort });
        debug!(self.log, "pass over"; "complete" => over.is_complete);
        self.pages = over.pages.or(self.pages);
        // One that was cut short because nothing may be called is asked for again by who can tell when.
        self.passes.end(true);
        self.go_on(ctx);
    }
}

impl Handler<Flush> for Reconciler {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: Flush, _ctx: &mut Self::Context) -> Self::Result {
        self.write_all()
    }
}

impl Handler<Observe> for Reconciler {
    type Result = Report;

    fn handle(&mut self, _: Observe, _ctx: &mut Self::Context) -> Report {
        let snapshot = serde_json::json!({
            "members": self.records.len(),
            "unwritten": self.dirty.len(),
            "pass_running": self.passes.is_running(),
            "last_pass_began_seconds_ago": self.passes.last_began().map(|began| began.elapsed().as_secs()),
            "looks_planned": self.looks.len(),
        });
        let plan = self.no_paid_plan.then(|| {
            "slack does not let SLACK_ADMIN_TOKEN set others' names: the workspace has no paid plan; members authorise the app"
                .to_owned()
        });
        Report::of(snapshot, self.write_problem.iter().cloned().chain(plan).collect())
    }
}
