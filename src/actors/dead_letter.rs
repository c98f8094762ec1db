//! Holds the requests for which the request queue had no room when Slack delivered them again.
//!
//! A member has at most one; a newer one takes the end of the queue. [`RequestQueue`](super::request_queue)
//! decides what comes here and takes it back, oldest first, when it is empty itself.
//!
//! Receives [`Divert`], [`TakeOldest`], [`Forget`], [`Observe`].

use std::collections::VecDeque;

use actix::{Actor, Context, Handler, Message, MessageResponse, Supervised};
use slog::{Logger, debug};

use crate::{
    domain::UserId,
    metrics::{Metric, Recorder},
    request::Request,
};

use super::{Observe, Report, backlog::Held};

/// Asks to hold a request, in place of an older one of the same member.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Divert(pub Request);

/// Asks for the oldest requests, so many at most.
#[derive(Debug, Message)]
#[rtype(result = "Taken")]
pub struct TakeOldest(pub usize);

/// What [`TakeOldest`] gives.
#[derive(Debug, MessageResponse)]
pub struct Taken {
    /// The oldest, in their order.
    pub requests: Vec<Request>,
    /// What is still here, oldest first.
    pub left: Vec<Held>,
}

/// Drops what a member has here.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Forget(pub UserId);

/// The actor.
pub struct DeadLetter {
    requests: VecDeque<Request>,
    recorder: Recorder,
    log: Logger,
}

impl DeadLetter {
    /// Empty.
    pub fn new(recorder: Recorder, log: Logger) -> Self {
        Self { requests: VecDeque::new(), recorder, log }
    }

    fn record(&self) {
        self.recorder.level(Metric::DeadLetterQueueSize, self.requests.len() as u64);
    }
}

impl Actor for DeadLetter {
    type Context = Context<Self>;

    fn started(&mut self, _ctx: &mut Self::Context) {
        self.record();
    }
}

impl Supervised for DeadLetter {
    fn restarting(&mut self, _ctx: &mut Self::Context) {
        debug!(self.log, "restarting"; "waiting" => self.requests.len());
    }
}

impl Handler<Divert> for DeadLetter {
    type Result = ();

    fn handle(&mut self, Divert(request): Divert, _ctx: &mut Self::Context) {
        self.requests.retain(|held| held.user != request.user);
        self.requests.push_back(request);
        self.record();
    }
}

impl Handler<TakeOldest> for DeadLetter {
    type Result = Taken;

    fn handle(&mut self, TakeOldest(most): TakeOldest, _ctx: &mut Self::Context) -> Taken {
        let requests = self.requests.drain(..most.min(self.requests.len())).collect();
        self.record();
        let left = self.requests.iter().map(Held::of).collect();
        Taken { requests, left }
    }
}

impl Handler<Forget> for DeadLetter {
    type Result = ();

    fn handle(&mut self, Forget(user): Forget, _ctx: &mut Self::Context) {
        self.requests.retain(|held| held.user != user);
        self.record();
    }
}

impl Handler<Observe> for DeadLetter {
    type Result = Report;

    fn handle(&mut self, _: Observe, _ctx: &mut Self::Context) -> Report {
        Report::of(serde_json::json!({ "waiting": self.requests.len() }), Vec::new())
    }
}
