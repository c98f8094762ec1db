//! Writes recorded samples to a CSV file, once a second and when asked.
//!
//! Receives [`Flush`], [`Observe`].

use std::{io, time::Duration};

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, ResponseActFuture, Supervised, WrapFuture,
};
use slog::{Logger, debug, error, info, warn};

use crate::{
    logging::escape,
    metrics::{Recorder, csv_rows},
    spool::Spool,
};

use super::{Observe, Report};

const TICK: Duration = Duration::from_secs(1);

/// Asks to write what was recorded so far; answers when that is done or failed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Flush;

/// The actor.
pub struct MetricsRecorder {
    recorder: Recorder,
    spool: Spool,
    is_writing: bool,
    written: u64,
    lost: u64,
    problem: Option<String>,
    log: Logger,
}

impl MetricsRecorder {
    /// Writes what the recorder takes into the spool.
    pub fn new(recorder: Recorder, spool: Spool, log: Logger) -> Self {
        Self { recorder, spool, is_writing: false, written: 0, lost: 0, problem: None, log }
    }

    /// Writes on another thread, so that a slow disk holds up no actor.
    fn write(&mut self) -> ResponseActFuture<Self, ()> {
        let (samples, dropped) = if self.is_writing { (Vec::new(), 0) } else { self.recorder.take() };
        self.note_lost(dropped);
        if samples.is_empty() {
            return Box::pin(actix::fut::ready(()));
        }
        self.is_writing = true;
        let spool = self.spool.clone();
        let written = tokio::task::spawn_blocking(move || {
            let result =
                csv_rows::rows(&samples).map_err(io::Error::from).and_then(|rows| spool.append(&rows));
            (samples, result)
        });
        Box::pin(written.into_actor(self).map(|written, actor, _| {
            actor.is_writing = false;
            match written {
                Ok((samples, Ok(()))) => actor.wrote(samples.len()),
                Ok((samples, Err(error))) => {
                    actor.recorder.put_back(samples);
                    actor.failed(&error.to_string());
                }
                Err(_) => actor.failed("the write broke off"),
            }
        }))
    }

    fn wrote(&mut self, samples: usize) {
        self.written += samples as u64;
        if self.problem.take().is_some() {
            info!(self.log, "metrics can be written again");
        }
    }

    fn failed(&mut self, why: &str) {
        if self.problem.is_none() {
            error!(self.log, "metrics cannot be written"; "error" => escape(why),
                "todo" => "see that STATUSINATOR_DATA_DIR can be written and has room");
        }
        self.problem = Some(format!("metrics cannot be written to STATUSINATOR_DATA_DIR: {why}"));
    }

    fn note_lost(&mut self, dropped: u64) {
        if dropped > 0 {
            self.lost += dropped;
            warn!(self.log, "metric samples were dropped: there were more than could be written"; "dropped" => dropped);
        }
    }
}

impl Actor for MetricsRecorder {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(TICK, |actor, ctx| {
            let writing = actor.write();
            ctx.spawn(writing);
        });
    }
}

impl Supervised for MetricsRecorder {
    fn restarting(&mut self, _ctx: &mut Self::Context) {
        self.is_writing = false;
        debug!(self.log, "restarting");
    }
}

impl Handler<Flush> for MetricsRecorder {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: Flush, _ctx: &mut Self::Context) -> Self::Result {
        if !self.is_writing {
            return self.write();
        }
        // What is being written is over soon; then the rest is written.
        let pause = tokio::time::sleep(Duration::from_millis(20)).into_actor(self);
        Box::pin(pause.then(|(), actor, ctx| actor.handle(Flush, ctx)))
    }
}

impl Handler<Observe> for MetricsRecorder {
    type Result = Report;

    fn handle(&mut self, _: Observe, _ctx: &mut Self::Context) -> Report {
        let snapshot = serde_json::json!({ "samples_written": self.written, "samples_dropped": self.lost });
        Report::of(snapshot, self.problem.iter().cloned().collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use actix::Addr;

    use super::*;
    use crate::{clock::Clock, logging::silent, metrics::Metric, spool::Kind};

    fn actor(folder: &tempfile::TempDir) -> (Recorder, Spool, Addr<MetricsRecorder>) {
        let recorder = Recorder::new(BTreeSet::new(), Clock::System);
        let spool = Spool::open(folder.path(), Kind::Metrics, 1 << 20).unwrap();
        let actor = MetricsRecorder::new(recorder.clone(), spool.clone(), silent()).start();
        (recorder, spool, actor)
    }

    #[actix::test]
    async fn a_flush_writes_what_was_recorded_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let (recorder, _, actor) = actor(&folder);
        recorder.level(Metric::OnboardedUsers, 3);
        actor.send(Flush).await.unwrap();
        recorder.level(Metric::OnboardedUsers, 4);

        actor.send(Flush).await.unwrap();

        let text = std::fs::read_to_string(folder.path().join("metrics/statusinator.csv")).unwrap();
        assert_eq!(text.matches("onboarded_users,").count(), 2);
        assert_eq!(text.matches("metric_name,").count(), 1);
    }

    #[actix::test]
    async fn what_cannot_be_written_is_kept_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let (recorder, spool, actor) = actor(&folder);
        let blocked = folder.path().join("metrics/statusinator.csv");
        std::fs::create_dir(&blocked).unwrap();
        recorder.level(Metric::OnboardedUsers, 3);
        actor.send(Flush).await.unwrap();
        assert_eq!(actor.send(Observe).await.unwrap().problems.len(), 1);

        std::fs::remove_dir(&blocked).unwrap();
        actor.send(Flush).await.unwrap();

        let report = actor.send(Observe).await.unwrap();
        assert_eq!((report.problems.len(), &report.snapshot["samples_written"]), (0, &serde_json::json!(1)));
        spool.close().unwrap();
        assert_eq!(spool.waiting().unwrap().len(), 1);
    }
}
