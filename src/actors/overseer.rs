//! Gathers what every actor tells of itself, and ends the process when a setting turns out to be wrong.
//!
//! Receives [`Readiness`] from `/readyz`, [`Misconfigured`] from whoever found out.

use std::{
    collections::BTreeMap,
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use actix::{Actor, Context, Handler, MessageResult, Recipient, ResponseFuture, Supervised};
use futures_util::future::join_all;
use slog::{Logger, error};
use tokio::sync::mpsc;

use crate::{
    directory::Directory,
    http::{Readiness, ReadinessReport},
};

use super::{Observe, Report, slack_client::Misconfigured, supervision::Restarts};

/// How long an actor may take to answer before it counts as broken.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why the process must end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fatal {
    /// A setting is wrong; only its owner can mend it.
    Misconfigured(String),
    /// Actors restart faster than they work.
    RestartStorm,
}

/// The actor.
pub struct Overseer {
    observed: Vec<(&'static str, Recipient<Observe>)>,
    directory: Directory,
    is_draining: Arc<AtomicBool>,
    restarts: Restarts,
    on_fatal: mpsc::UnboundedSender<Fatal>,
    log: Logger,
}

impl Overseer {
    /// Watches these actors.
    pub fn new(
        observed: Vec<(&'static str, Recipient<Observe>)>,
        directory: Directory,
        is_draining: Arc<AtomicBool>,
        restarts: Restarts,
        on_fatal: mpsc::UnboundedSender<Fatal>,
        log: Logger,
    ) -> Self {
        Self { observed, directory, is_draining, restarts, on_fatal, log }
    }
}

impl Actor for Overseer {
    type Context = Context<Self>;
}

impl Supervised for Overseer {}

impl Handler<Misconfigured> for Overseer {
    type Result = MessageResult<Misconfigured>;

    fn handle(&mut self, Misconfigured { why }: Misconfigured, _ctx: &mut Self::Context) -> Self::Result {
        error!(self.log, "a setting is wrong, the service stops"; "error" => why.clone());
        // Nobody listens only when the process is ending already.
        let _ = self.on_fatal.send(Fatal::Misconfigured(why));
        MessageResult(())
    }
}

impl Handler<Readiness> for Overseer {
    type Result = ResponseFuture<ReadinessReport>;

    fn handle(&mut self, _: Readiness, _ctx: &mut Self::Context) -> Self::Result {
        let asked = self.observed.iter().map(|(name, actor)| {
            let answer = tokio::time::timeout(PATIENCE, actor.send(Observe));
            let name = *name;
            async move { (name, answer.await.ok().and_then(Result::ok)) }
        });
        let asked = join_all(asked);
        let (directory, restarts) = (self.directory.clone(), self.restarts.clone());
        let is_draining = self.is_draining.clone();
        Box::pin(
            async move { report(asked.await, &directory, &restarts, is_draining.load(Ordering::Relaxed)) },
        )
    }
}

fn report(
    answers: Vec<(&'static str, Option<Report>)>,
    directory: &Directory,
    restarts: &Restarts,
    is_draining: bool,
) -> ReadinessReport {
    let counts = restarts.counts();
    let mut actors = BTreeMap::new();
    let mut problems = Vec::new();
    let mut all_answer = true;
    for (name, answer) in answers {
        let answers = answer.is_some();
        let Report { mut snapshot, problems: of_this } = answer.unwrap_or_else(|| {
            all_answer = false;
            Report::of(
                serde_json::json!({}),
                vec![format!("{name} does not answer; the service restarts it or itself")],
            )
        });
        if let Some(fields) = snapshot.as_object_mut() {
            fields.insert("answers".into(), answers.into());
            fields.insert("restarts".into(), counts.get(name).copied().unwrap_or_default().into());
        }
        actors.insert(name.to_owned(), snapshot);
        problems.extend(of_this);
    }
    // Who is not asked (this actor, requests) may have restarted all the same.
    for (name, restarts) in counts {
        actors.entry(name.to_owned()).or_insert_with(|| serde_json::json!({ "restarts": restarts }));
    }
    let snapshot = directory.load();
    let users_broken =
        snapshot.users.is_none() && problems.iter().any(|problem| problem.contains("users.json"));
    let status = match () {
        () if is_draining => "draining",
        () if !all_answer || users_broken => "broken",
        () if snapshot.team.is_none() || snapshot.users.is_none() => "starting",
        () => "ready",
    };
    ReadinessReport { status, actors, problems }
}
