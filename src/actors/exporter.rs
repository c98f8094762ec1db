//! Moves logs and metrics to the store: closes files, packs and puts them, and removes them once the store has them.
//!
//! Receives [`Export`], [`Observe`].

use std::{
    fs::File,
    io::{self, Read as _},
    rc::Rc,
    time::Duration,
};

use actix::{
    Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, ResponseActFuture, SpawnHandle,
    Supervised, WrapFuture,
};
use bytes::Bytes;
use flate2::{Compression, read::GzEncoder};
use slog::{Logger, debug, error, info, warn};

use crate::{
    clock::Clock,
    config::ExportConfig,
    logging::{LogHandle, escape},
    metrics::{Count, Recorder},
    spool::{Closed, Spool},
    storage::{Storage, StorageError},
};

use super::{
    Observe, Report,
    metrics_recorder::{Flush, MetricsRecorder},
};

mod retention;

/// How often losses are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long lines that were logged before an export may take to get into its file.
const LINES_WITHIN: Duration = Duration::from_secs(1);
/// The first wait after a failure; each further one doubles it, up to the export interval.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Asks to export everything up to now; answers when that is done, or failed: then the files stay.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Export;

/// What the exporter works with.
#[derive(Clone)]
pub struct ExporterParts {
    /// When to export, and what becomes of old exports.
    pub config: ExportConfig,
    /// Where exports go.
    pub store: Rc<dyn Storage>,
    /// The log's lines, if they go into files.
    pub logs: Option<LogHandle>,
    /// The samples' files.
    pub metrics: Spool,
    /// Who writes samples into them.
    pub metrics_recorder: Addr<MetricsRecorder>,
    /// Tells the time of day.
    pub clock: Clock,
    /// Counts exports.
    pub recorder: Recorder,
    /// Its log.
    pub log: Logger,
}

/// What an export takes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    /// Only files that are closed already: an earlier process left them, or an export that failed.
    Leftovers,
    /// All that was recorded up to now.
    Everything,
}

/// The actor.
pub struct Exporter {
    parts: ExporterParts,
    is_exporting: bool,
    /// Exports that failed one after another.
    failures: u32,
    problem: Option<String>,
    next: Option<SpawnHandle>,
}

impl Exporter {
    /// Exports what an earlier process left as soon as it is started.
    pub fn new(parts: ExporterParts) -> Self {
        Self { parts, is_exporting: false, failures: 0, problem: None, next: None }
    }

    fn export(&mut self, load: Load) -> ResponseActFuture<Self, ()> {
        self.is_exporting = true;
        let exported = export(self.parts.clone(), load);
        Box::pin(exported.into_actor(self).map(|exported, actor, ctx| {
            actor.is_exporting = false;
            match exported {
                Ok(files) => actor.exported(files),
                Err(error) => actor.failed(&error),
            }
            let load = if actor.failures == 0 { Load::Everything } else { Load::Leftovers };
            actor.export_after(actor.pause(), load, ctx);
        }))
    }

    fn export_after(&mut self, pause: Duration, load: Load, ctx: &mut Context<Self>) {
        let next = ctx.run_later(pause, move |actor, ctx| {
            if !actor.is_exporting {
                let export = actor.export(load);
                ctx.spawn(export);
            }
        });
        if let Some(earlier) = self.next.replace(next) {
            ctx.cancel_future(earlier);
        }
    }

    fn pause(&self) -> Duration {
        let interval = self.parts.config.interval;
        match self.failures {
            0 => interval,
            failures => interval.min(TRY_AGAIN_AFTER * 2_u32.saturating_pow(failures.min(16) - 1)),
        }
    }

    fn exported(&mut self, files: u64) {
        self.failures = 0;
        if files > 0 {
            debug!(self.parts.log, "exported"; "files" => files);
        }
        if self.problem.take().is_some() {
            info!(self.parts.log, "logs and metrics are exported again"; "files" => files);
        }
    }

    fn failed(&mut self, failure: &Failure) {
        self.failures = self.failures.saturating_add(1);
        self.parts.recorder.count(Count::ExportFailed);
        if self.problem.is_none() {
            error!(self.parts.log, "logs and metrics cannot be exported: they are kept and tried again";
                "error" => escape(&failure.to_string()), "todo" => failure.todo());
        }
        self.problem = Some(format!("logs and metrics cannot be exported: {failure}; {}", failure.todo()));
    }

    /// Counts and tells what was lost before it could be exported.
    fn note_losses(&self) {
        let parts = &self.parts;
        for (place, channel) in
            parts.logs.iter().flat_map(|logs| [("stdout", &logs.stdout), ("file", &logs.file)])
        {
            let lost = channel.take_lost();
            if lost > 0 {
                parts.recorder.count_by(Count::LineLost, lost);
                warn!(parts.log, "log lines were lost: there were more than could be written";
                    "place" => place, "lost" => lost);
            }
        }
        for spool in parts.spools() {
            let dropped = spool.take_dropped();
            if dropped.files > 0 {
                parts.recorder.count_by(Count::ExportDropped, dropped.files);
                warn!(parts.log, "files were dropped before they were exported: there was no room for more";
                    "of" => spool.kind().folder(), "files" => dropped.files, "bytes" => dropped.bytes,
                    "todo" => "mend the store, or raise STATUSINATOR_DISK_LIMIT");
            }
        }
    }
}

impl ExporterParts {
    fn spools(&self) -> impl Iterator<Item = &Spool> {
        self.logs.iter().map(|logs| &logs.spool).chain([&self.metrics])
    }
}

/// Why an export did not come to its end.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Disk(#[from] io::Error),
    #[error("{0}")]
    Store(#[from] StorageError),
    #[error("packing broke off")]
    BrokeOff,
}

impl Failure {
    fn todo(&self) -> &'static str {
        match self {
            Self::Disk(_) => "see that STATUSINATOR_DATA_DIR can be read and written",
            Self::Store(_) => "run statusinator check with the same settings",
            Self::BrokeOff => "report it with this line",
        }
    }
}

/// Puts the files, the oldest first; answers their number.
async fn export(parts: ExporterParts, load: Load) -> Result<u64, Failure> {
    if load == Load::Everything {
        // An actor that is restarted at this moment writes its samples into the next file.
        let _ = parts.metrics_recorder.send(Flush).await;
        if let Some(logs) = &parts.logs {
            logs.file.flush(LINES_WITHIN).await;
        }
    }
    let spools: Vec<Spool> = parts.spools().cloned().collect();
    let waiting = move || -> io::Result<Vec<Closed>> {
        let mut waiting = Vec::new();
        for spool in &spools {
            if load == Load::Everything {
                spool.close()?;
            }
            waiting.extend(spool.waiting()?);
        }
        Ok(waiting)
    };
    let waiting = parts.clock.offload(waiting).await.ok_or(Failure::BrokeOff)??;
    let files = waiting.len() as u64;
    for file in waiting {
        put(&parts, file).await?;
    }
    if let Some(retention) = parts.config.retention {
        retention::remove_old(&*parts.store, parts.clock.wall(), retention).await?;
    }
    Ok(files)
}

async fn put(parts: &ExporterParts, file: Closed) -> Result<(), Failure> {
    let path = file.path.clone();
    let packed =
        parts.clock.offload(move || File::open(&path).and_then(gzip)).await.ok_or(Failure::BrokeOff)?;
    let packed = match packed {
        Ok(packed) => packed,
        // It was dropped meanwhile, for want of room.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    parts.store.put(&file.key, packed, None).await?;
    parts.recorder.count(Count::ExportStored);
    match std::fs::remove_file(&file.path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn gzip(file: File) -> io::Result<Bytes> {
    let mut packed = Vec::new();
    GzEncoder::new(file, Compression::default()).read_to_end(&mut packed)?;
    Ok(packed.into())
}

impl Actor for Exporter {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(LOOK_EVERY, |actor, _| actor.note_losses());
        self.export_after(Duration::ZERO, Load::Leftovers, ctx);
    }
}

impl Supervised for Exporter {
    fn restarting(&mut self, _ctx: &mut Self::Context) {
        // The export that was under way is cancelled; what it had not put yet is put by the next one.
        self.is_exporting = false;
        self.next = None;
        debug!(self.parts.log, "restarting");
    }
}

impl Handler<Export> for Exporter {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: Export, _ctx: &mut Self::Context) -> Self::Result {
        if !self.is_exporting {
            return self.export(Load::Everything);
        }
        // The one under way may have closed its files before this was asked.
        let pause = tokio::time::sleep(Duration::from_millis(20)).into_actor(self);
        Box::pin(pause.then(|(), actor, ctx| actor.handle(Export, ctx)))
    }
}

impl Handler<Observe> for Exporter {
    type Result = Report;

    fn handle(&mut self, _: Observe, _ctx: &mut Self::Context) -> Report {
        let waiting = self.parts.spools().map(|spool| {
            // A folder that cannot be read is a failure of the next export.
            let files = spool.waiting().unwrap_or_default();
            let bytes: u64 = files.iter().map(|file| file.bytes).sum();
            (spool.kind().folder().to_owned(), serde_json::json!({ "files": files.len(), "bytes": bytes }))
        });
        let waiting: serde_json::Map<String, serde_json::Value> = waiting.collect();
        let snapshot = serde_json::json!({ "waiting": waiting, "failures": self.failures });
        Report::of(snapshot, self.problem.iter().cloned().collect())
    }
}

#[cfg(test)]
#[path = "exporter/tests.rs"]
mod tests;
