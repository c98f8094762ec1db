//! Holds the requests on standby, gives them to workers, and decides what becomes of an event.
//!
//! The rules live in [`Backlog`]; here are the messages, the workers and the timers. A worker is a task of
//! its own that runs [`request::run`]: it goes on through a restart of this actor, and tells it at its end.
//!
//! Receives [`Enqueue`], [`Look`], [`Seen`], [`Reading`], [`Forget`], [`prompt::Onboarded`], [`Drain`],
//! [`Observe`].
//! Sends [`Divert`], [`TakeOldest`] to `DeadLetter`; announces [`PassDue`] after a refusal.

pub mod prompt;

use std::collections::BTreeMap;

use actix::{
    Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, Recipient, ResponseActFuture,
    SpawnHandle, Supervised, WrapFuture,
};
use slog::{Logger, debug, error, info, o};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{
    clock::Instant,
    config::QueueConfig,
    domain::{Cause, Emoji, RequestId, UserId},
    metrics::{Count, Metric, Recorder},
    request::{self, Next, Reading, Request, World},
};

use prompt::Prompt;

use super::{
    Observe, Report,
    backlog::{Backlog, Finished, Verdict},
    dead_letter::{self, DeadLetter, Divert, TakeOldest},
    event_listener::reading::Rehydrate,
    reconciler::PassDue,
    slack_client::Withdraw,
    supervision::{Restarts, panic_text},
};

/// Asks for a place for an event's request.
#[derive(Debug, Message)]
#[rtype(result = "Verdict")]
pub struct Enqueue {
    /// The request.
    pub request: Request,
    /// Whether Slack delivers the event again.
    pub is_retry: bool,
}

/// Asks for a look at a member as soon as a worker is idle. It counts in neither queue.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Look(pub Request);

/// Announces the status of a member for whom a pass found nothing to do.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Seen {
    /// Who.
    pub user: UserId,
    /// His emoji.
    pub emoji: Emoji,
    /// When the call began that read it.
    pub began: Instant,
}

/// Drops all that waits of a member and stops what is worked on. Answers once no call of his is under way.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Forget(pub UserId);

/// Asks to begin no look any more and to answer when every accepted request has ended, or those left cannot
/// end before the deadline.
#[derive(Debug, Message)]
#[rtype(result = "Vec<(RequestId, UserId)>")]
pub struct Drain {
    /// When the stop must go on.
    pub deadline: Instant,
}

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct WorkerDone {
    user: UserId,
    request: Result<(Request, Next), String>,
}

/// What the actor is made of.
pub struct RequestQueueParts {
    /// The sizes.
    pub config: QueueConfig,
    /// Whom requests deal with.
    pub world: World,
    /// Holds the overflow.
    pub dead_letter: Addr<DeadLetter>,
    /// Reads `users.json` when it is prompted.
    pub listener: Recipient<Rehydrate>,
    /// Hears when an event was answered 503.
    pub on_refused: Recipient<PassDue>,
    /// Counts panics of requests.
    pub restarts: Restarts,
    /// Takes samples.
    pub recorder: Recorder,
}

/// The actor.
pub struct RequestQueue {
    backlog: Backlog,
    parts: RequestQueueParts,
    workers: BTreeMap<UserId, JoinHandle<()>>,
    forgetting: Vec<(UserId, oneshot::Sender<()>)>,
    draining: Option<(Instant, oneshot::Sender<()>)>,
    timer: Option<(Instant, SpawnHandle)>,
    is_refilling: bool,
    prompt: Prompt,
    log: Logger,
}

impl RequestQueue {
    /// An empty queue.
    pub fn new(parts: RequestQueueParts, log: Logger) -> Self {
        Self {
            backlog: Backlog::new(parts.config),
            parts,
            workers: BTreeMap::new(),
            forgetting: Vec::new(),
            draining: None,
            timer: None,
            is_refilling: false,
            prompt: Prompt::default(),
            log,
        }
    }

    /// Gives idle workers what there is to do, moves dead letters, arms the timer: after whatever happened.
    fn go_on(&mut self, ctx: &mut Context<Self>) {
        while let Some((request, cancel)) = self.backlog.take(Instant::now()) {
            self.work_on(request, cancel, ctx);
        }
        for request in self.backlog.take_withdrawn() {
            self.parts.recorder.count(Count::RequestDropped);
            info!(self.log, "request dropped: it is no longer needed"; "request" => request.to_string());
            self.parts.world.slack.do_send(Withdraw { request });
        }
        self.parts.recorder.level(Metric::InboundRequestQueueSize, self.backlog.depths().standby as u64);
        let must_wait = self.prompt(ctx);
        let room = self.backlog.room_for_dead_letters();
        if room > 0 && !must_wait && !self.is_refilling {
            self.refill(room, ctx);
        }
        self.arm_timer(ctx);
        self.answer_drain();
    }

    fn work_on(&mut self, request: Request, cancel: request::Cancel, ctx: &mut Context<Self>) {
        let user = request.user.clone();
        let queue = ctx.address();
        let (world, restarts) = (self.parts.world.clone(), self.parts.restarts.clone());
        let life = actix::spawn(async move {
            restarts.suffer("request");
            request::run(request, world, cancel).await
        });
        let worker = actix::spawn({
            let user = user.clone();
            async move {
                let request = life.await.map_err(|gone| match gone.try_into_panic() {
                    Ok(panic) => panic_text(panic.as_ref()),
                    Err(_) => "cancelled".to_owned(),
                });
                queue.do_send(WorkerDone { user, request });
            }
        });
        self.workers.insert(user, worker);
    }

    /// Shuts the mailbox until the dead letters are here: an event in between could find its member's request
    /// in neither queue.
    fn refill(&mut self, room: usize, ctx: &mut Context<Self>) {
        self.is_refilling = true;
        let taken = self.parts.dead_letter.send(TakeOldest(room)).into_actor(self);
        ctx.wait(taken.map(|taken, queue, ctx| match taken {
            Ok(taken) => {
                queue.is_refilling = false;
                debug!(queue.log, "dead letters moved"; "moved" => taken.requests.len(), "left" => taken.left.len());
                queue.backlog.refill(taken.requests, taken.left);
                queue.go_on(ctx);
            }
            Err(_) => queue.go_on_later(ctx),
        }));
    }

    /// `DeadLetter` is restarting: asks again in a moment.
    fn go_on_later(&mut self, ctx: &mut Context<Self>) {
        ctx.run_later(std::time::Duration::from_millis(100), |queue, ctx| {
            queue.is_refilling = false;
            queue.go_on(ctx);
        });
    }

    fn arm_timer(&mut self, ctx: &mut Context<Self>) {
        // What is due already waits for a worker, not for the clock.
        let now = Instant::now();
        let due = [self.backlog.next_due(now), self.prompt.due()].into_iter().flatten().min();
        if self.timer.map(|(at, _)| at) == due {
            return;
        }
        if let Some((_, handle)) = self.timer.take() {
            ctx.cancel_future(handle);
        }
        if let Some(at) = due {
            let wait = at.saturating_duration_since(now);
            let handle = ctx.run_later(wait, |queue, ctx| {
                queue.timer = None;
                queue.go_on(ctx);
            });
            self.timer = Some((at, handle));
        }
    }

    fn answer_drain(&mut self) {
        let Some((deadline, _)) = &self.draining else { return };
        let too_late = self.backlog.next_due(Instant::now()).is_none_or(|due| due > *deadline);
        if self.backlog.only_put_off()
            && too_late
            && let Some((_, answer)) = self.draining.take()
        {
            // Who asked may have gone: then nobody waits for this.
            let _ = answer.send(());
        }
    }

    fn end(&mut self, request: &Request, ctx: &mut Context<Self>) {
        let log = self.log_of(request);
        let took = request.received.elapsed();
        if request.cause == Cause::Event {
            self.parts.recorder.took(Metric::RequestLifecycleDuration, took);
        }
        self.parts.recorder.count(Count::RequestEnded);
        info!(log, "request ended"; "cause" => request.cause.as_str(), "duration_ms" => took.as_millis() as u64);
        self.parts.world.slack.do_send(Withdraw { request: request.id });
        self.go_on(ctx);
    }

    fn log_of(&self, request: &Request) -> Logger {
        self.log.new(o!("request" => request.id.to_string(), "user" => request.user.to_string()))
    }
}

impl Actor for RequestQueue {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(1024);
        self.go_on(ctx);
    }
}

impl Supervised for RequestQueue {
    fn restarting(&mut self, ctx: &mut Self::Context) {
        self.timer = None;
        self.is_refilling = false;
        self.prompt.interrupted();
        // A worker whose end was the message that was lost would keep its member for ever.
        let gone: Vec<UserId> =
            self.workers.iter().filter(|(_, it)| it.is_finished()).map(|(u, _)| u.clone()).collect();
        for user in gone {
            ctx.notify(WorkerDone { user, request: Err("its end was lost in a restart".into()) });
        }
        debug!(self.log, "restarting"; "standby" => self.backlog.depths().standby);
    }
}

impl Handler<Enqueue> for RequestQueue {
    type Result = ResponseActFuture<Self, Verdict>;

    fn handle(&mut self, Enqueue { request, is_retry }: Enqueue, ctx: &mut Self::Context) -> Self::Result {
        let verdict = self.backlog.admit(&request, is_retry);
        match verdict {
            Verdict::Queued | Verdict::Replaced => self.go_on(ctx),
            Verdict::Busy | Verdict::Overloaded => self.parts.on_refused.do_send(PassDue),
            Verdict::Unchanged => {}
            Verdict::Diverted => {
                let user = request.user.clone();
                let diverted = self.parts.dead_letter.send(Divert(request)).into_actor(self);
                return Box::pin(diverted.map(move |held, queue, _| match held {
                    Ok(()) => Verdict::Diverted,
                    Err(_) => {
                        queue.backlog.not_diverted(&user);
                        queue.parts.on_refused.do_send(PassDue);
                        Verdict::Busy
                    }
                }));
            }
        }
        Box::pin(actix::fut::ready(verdict))
    }
}

impl Handler<Look> for RequestQueue {
    type Result = ();

    fn handle(&mut self, Look(request): Look, ctx: &mut Self::Context) {
        if self.draining.is_none() {
            self.backlog.add_look(request);
            self.go_on(ctx);
        }
    }
}

impl Handler<Seen> for RequestQueue {
    type Result = ();

    fn handle(&mut self, seen: Seen, _ctx: &mut Self::Context) {
        self.backlog.note_read(seen.user, seen.emoji, seen.began);
    }
}

impl Handler<Reading> for RequestQueue {
    type Result = ();

    fn handle(&mut self, reading: Reading, _ctx: &mut Self::Context) {
        self.backlog.note_reading(reading);
    }
}

impl Handler<WorkerDone> for RequestQueue {
    type Result = ();

    fn handle(&mut self, WorkerDone { user, request }: WorkerDone, ctx: &mut Self::Context) {
        self.workers.remove(&user);
        match request {
            Ok((request, next)) => {
                let until = match next {
                    Next::Ended => None,
                    Next::PutOff(until) => Some(until),
                };
                match self.backlog.finish(request.clone(), until) {
                    Finished::Ended => self.end(&request, ctx),
                    Finished::PutOff => {
                        self.parts.recorder.count(Count::RequestPutOff);
                        debug!(self.log_of(&request), "request put off");
                    }
                    // It is among the withdrawn.
                    Finished::Replaced => {}
                }
            }
            Err(why) => self.worker_lost(&user, &why),
        }
        let answered = |(forgotten, _): &mut (UserId, _)| *forgotten == user;
        for (_, answer) in self.forgetting.extract_if(.., answered) {
            let _ = answer.send(());
        }
        self.go_on(ctx);
    }
}

impl RequestQueue {
    /// A request panicked, or its end was lost: the pass that follows every restart looks at its member again.
    fn worker_lost(&mut self, user: &UserId, why: &str) {
        let Some(request) = self.backlog.lost(user) else { return };
        error!(self.log_of(&request), "request interrupted, a pass looks at the member again"; "error" => crate::logging::escape(why));
        self.parts.recorder.count(Count::RequestInterrupted);
        self.parts.restarts.note("request", why);
    }
}

impl Handler<Forget> for RequestQueue {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, Forget(user): Forget, ctx: &mut Self::Context) -> Self::Result {
        let worked_on = self.backlog.forget(&user);
        self.go_on(ctx);
        let (answer, ended) = oneshot::channel();
        if let Some(request) = worked_on {
            self.parts.world.slack.do_send(Withdraw { request });
            self.forgetting.push((user.clone(), answer));
        } else {
            drop(answer);
        }
        let dropped = self.parts.dead_letter.send(dead_letter::Forget(user));
        Box::pin(
            async move {
                // `DeadLetter` answers, or restarts without what this member had: the queue no longer knows of it.
                let _ = dropped.await;
                let _ = ended.await;
            }
            .into_actor(self),
        )
    }
}

impl Handler<Drain> for RequestQueue {
    type Result = ResponseActFuture<Self, Vec<(RequestId, UserId)>>;

    fn handle(&mut self, Drain { deadline }: Drain, _ctx: &mut Self::Context) -> Self::Result {
        self.backlog.drop_looks();
        let (answer, drained) = oneshot::channel();
        self.draining = Some((deadline, answer));
        self.answer_drain();
        let waited = tokio::time::timeout_at(deadline, drained).into_actor(self);
        Box::pin(waited.map(|_, queue, _| {
            let left = queue.backlog.unfinished();
            queue.parts.recorder.count_by(Count::RequestUnfinished, left.len() as u64);
            left
        }))
    }
}

impl Handler<Observe> for RequestQueue {
    type Result = Report;

    fn handle(&mut self, _: Observe, _ctx: &mut Self::Context) -> Report {
        let depths = serde_json::to_value(self.backlog.depths()).unwrap_or_default();
        Report::of(depths, Vec::new())
    }
}
