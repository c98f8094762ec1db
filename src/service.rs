//! The actors, wired to each other and to the outside: Slack, the store, the clock.
//!
//! The whole service but for HTTP, so that a simulation can run the very same actors in one thread.

use std::{
    collections::BTreeMap,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix::{Actor, Addr, Context, Recipient};
use anyhow::Context as _;
use slog::{Logger, o, warn};
use tokio::sync::mpsc;

use crate::{
    actors::{
        Observe,
        chronicler::Chronicler,
        dead_letter::DeadLetter,
        event_listener::{EventListener, EventListenerParts},
        exporter::{Exporter, ExporterParts},
        gatekeeper::Gatekeeper,
        metrics_recorder::MetricsRecorder,
        overseer::{Fatal, Overseer},
        reconciler::{self, PassDue, Reconciler, ReconcilerParts},
        registrar::Registrar,
        request_queue::{Drain, RequestQueue, RequestQueueParts},
        slack_client::{
            SlackClient, SlackClientParts,
            handover::{self, KeepLimits},
        },
        storage_helper::StorageHelper,
        supervision::{self, Restarts},
    },
    applied::Record,
    clock::{Clock, Instant},
    config::Config,
    directory::Directory,
    domain::{RequestId, TeamId, UserId},
    logging::LogHandle,
    metrics::Recorder,
    request::World,
    slack::{Transport, limits::Limits},
    spool::Spool,
    storage::{Key, Storage, Stores},
    vault::Vault,
};

/// What the actors deal with beyond each other.
pub struct Outside {
    /// Carries calls to Slack.
    pub transport: Rc<dyn Transport>,
    /// `users.json`, pictures, tokens, exports.
    pub stores: Stores,
    /// The service's own state.
    pub state: Rc<dyn Storage>,
    /// Seals tokens; `None` when there is no key.
    pub vault: Option<Vault>,
    /// Tells the time of day.
    pub clock: Clock,
    /// Takes samples.
    pub recorder: Recorder,
}

/// Where logs and metrics wait for their export.
pub struct Files {
    /// The log, if it goes into files.
    pub logs: Option<LogHandle>,
    /// Samples.
    pub metrics: Spool,
}

/// The actors that keep logs and metrics.
#[derive(Clone)]
pub struct Keepers {
    /// Writes samples.
    pub metrics_recorder: Addr<MetricsRecorder>,
    /// Moves files to the store.
    pub exporter: Addr<Exporter>,
}

/// The running actors.
#[derive(Clone)]
pub struct Service {
    /// Takes events.
    pub listener: Addr<EventListener>,
    /// Holds requests.
    pub queue: Addr<RequestQueue>,
    /// Remembers.
    pub reconciler: Addr<Reconciler>,
    /// Calls Slack.
    pub slack: Addr<SlackClient>,
    /// Reads and writes the store.
    pub storage: Addr<StorageHelper>,
    /// Knows who is an administrator.
    pub gatekeeper: Addr<Gatekeeper>,
    /// Carries out what administrators decide.
    pub registrar: Addr<Registrar>,
    /// Remembers what happened lately.
    pub chronicler: Addr<Chronicler>,
    /// Gathers snapshots.
    pub overseer: Addr<Overseer>,
    /// Holds the overflow.
    pub dead_letter: Addr<DeadLetter>,
    /// Keep logs and metrics, if somebody shall.
    pub keepers: Option<Keepers>,
    /// Who is onboarded.
    pub directory: Directory,
    /// Counts restarts.
    pub restarts: Restarts,
    /// Set while the service stops: no event is accepted any more.
    pub is_draining: Arc<AtomicBool>,
    state: (Rc<dyn Storage>, Clock),
}

/// Contexts made before their actors, so that each can be given the others' addresses.
#[derive(Default)]
struct Contexts {
    listener: Context<EventListener>,
    queue: Context<RequestQueue>,
    reconciler: Context<Reconciler>,
    slack: Context<SlackClient>,
    overseer: Context<Overseer>,
}

fn address<A: Actor<Context = Context<A>>>(ctx: &Context<A>) -> Addr<A> {
    actix::AsyncContext::address(ctx)
}

impl Service {
    /// Starts all actors on this thread; logs and metrics are kept and exported if there are files for them. `on_fatal` hears
    /// why the process must end.
    ///
    /// # Errors
    /// When the state folder cannot be read.
    pub async fn start(
        config: &Config,
        mut outside: Outside,
        files: Option<Files>,
        on_fatal: mpsc::UnboundedSender<Fatal>,
        log: &Logger,
    ) -> anyhow::Result<Self> {
        let team = read_team(&*outside.state, log).await.context("reading the state folder")?;
        let records = reconciler::load(&*outside.state, log).await.context("reading the state folder")?;
        let storm = on_fatal.clone();
        let restarts = Restarts::new(move || drop(storm.send(Fatal::RestartStorm)), log);
        let limits = handover::read(&*outside.state, outside.clock).await;
        let contexts = Contexts::default();
        let service = Self::with_addresses(&contexts, config, &mut outside, files, &restarts, log);
        let reconciler = service.reconciler.clone();
        let recorder = outside.recorder.clone();
        restarts.on_restart(move |actor| {
            recorder.restarted(actor);
            reconciler.do_send(PassDue);
        });

        let queue = service.request_queue(config, &outside.recorder, log);
        supervision::start_in(contexts.queue, queue, "request_queue", &restarts);
        let memory = (outside.state.clone(), records);
        let reconciler = service.reconciler(config, memory, outside.clock, outside.recorder.clone(), log);
        supervision::start_in(contexts.reconciler, reconciler, "reconciler", &restarts);
        let listener = service.event_listener(outside.state.clone(), team, outside.recorder.clone(), log);
        supervision::start_in(contexts.listener, listener, "event_listener", &restarts);
        let slack = service.slack_client(config, outside, limits, log);
        supervision::start_in(contexts.slack, slack, "slack_client", &restarts);
        let overseer = service.overseer(on_fatal, log);
        supervision::start_in(contexts.overseer, overseer, "overseer", &restarts);
        Ok(service)
    }

    /// Starts the actors that need not know all others, and has everybody's address.
    fn with_addresses(
        contexts: &Contexts,
        config: &Config,
        outside: &mut Outside,
        files: Option<Files>,
        restarts: &Restarts,
        log: &Logger,
    ) -> Self {
        let named = |actor: &'static str| log.new(o!("actor" => actor));
        let keepers = files.map(|files| keepers(config, files, outside, restarts, log));
        let helper = StorageHelper::new(
            outside.stores.clone(),
            outside.state.clone(),
            outside.vault.take(),
            address(&contexts.listener).recipient(),
            outside.recorder.clone(),
            outside.clock,
            named("storage_helper"),
        );
        let directory = Directory::default();
        let storage = supervision::start("storage_helper", restarts, |_| helper);
        let gatekeeper = Gatekeeper::new(address(&contexts.slack), directory.clone(), named("gatekeeper"));
        let registrar = Registrar {
            storage: storage.clone(),
            listener: address(&contexts.listener),
            queue: address(&contexts.queue),
            reconciler: address(&contexts.reconciler),
            slack: address(&contexts.slack),
            log: named("registrar"),
        };
        let chronicler = Chronicler::new(outside.clock, named("chronicler"));
        let dead_letter = DeadLetter::new(outside.recorder.clone(), named("dead_letter"));
        Self {
            listener: address(&contexts.listener),
            queue: address(&contexts.queue),
            reconciler: address(&contexts.reconciler),
            slack: address(&contexts.slack),
            overseer: address(&contexts.overseer),
            chronicler: supervision::start("chronicler", restarts, |_| chronicler),
            gatekeeper: supervision::start("gatekeeper", restarts, |_| gatekeeper),
            registrar: supervision::start("registrar", restarts, |_| registrar),
            storage,
            dead_letter: supervision::start("dead_letter", restarts, |_| dead_letter),
            keepers,
            directory,
            restarts: restarts.clone(),
            is_draining: Arc::default(),
            state: (outside.state.clone(), outside.clock),
        }
    }

    fn request_queue(&self, config: &Config, recorder: &Recorder, log: &Logger) -> RequestQueue {
        let log = log.new(o!("actor" => "request_queue"));
        let world = World {
            slack: self.slack.clone(),
            storage: self.storage.clone(),
            reconciler: self.reconciler.clone(),
            on_reading: self.queue.clone().recipient(),
            on_ended: self.chronicler.clone().recipient(),
            directory: self.directory.clone(),
            name_field: config.slack.name_field,
            install_link: config.install_link(),
            recorder: recorder.clone(),
            log: log.clone(),
        };
        let parts = RequestQueueParts {
            config: config.queue,
            world,
            dead_letter: self.dead_letter.clone(),
            listener: self.listener.clone().recipient(),
            on_refused: self.reconciler.clone().recipient(),
            restarts: self.restarts.clone(),
            recorder: recorder.clone(),
        };
        RequestQueue::new(parts, log)
    }

    fn reconciler(
        &self,
        config: &Config,
        (state, records): (Rc<dyn Storage>, BTreeMap<UserId, Record>),
        clock: Clock,
        recorder: Recorder,
        log: &Logger,
    ) -> Reconciler {
        let parts = ReconcilerParts {
            state,
            records,
            interval: config.reconcile_interval,
            queue: self.queue.clone(),
            listener: self.listener.clone(),
            slack: self.slack.clone(),
            storage: self.storage.clone(),
            directory: self.directory.clone(),
            clock,
            recorder,
        };
        Reconciler::new(parts, log.new(o!("actor" => "reconciler")))
    }

    fn event_listener(
        &self,
        state: Rc<dyn Storage>,
        team: Option<TeamId>,
        recorder: Recorder,
        log: &Logger,
    ) -> EventListener {
        let parts = EventListenerParts {
            storage: self.storage.clone(),
            queue: self.queue.clone(),
            reconciler: self.reconciler.clone(),
            directory: self.directory.clone(),
            state,
            team,
            on_misconfigured: self.overseer.clone().recipient(),
            recorder,
        };
        EventListener::new(parts, log.new(o!("actor" => "event_listener")))
    }

    fn slack_client(&self, config: &Config, outside: Outside, limits: Limits, log: &Logger) -> SlackClient {
        SlackClient::new(SlackClientParts {
            limits,
            transport: outside.transport,
            bot: config.slack.bot_token.clone(),
            admin: config.slack.admin_token.clone(),
            client: config.slack.client.clone(),
            on_workspace: self.listener.clone().recipient(),
            on_misconfigured: self.overseer.clone().recipient(),
            on_revived: self.reconciler.clone().recipient(),
            recorder: outside.recorder,
            clock: outside.clock,
            log: log.new(o!("actor" => "slack_client")),
        })
    }

    fn overseer(&self, on_fatal: mpsc::UnboundedSender<Fatal>, log: &Logger) -> Overseer {
        let mut observed: Vec<(&'static str, Recipient<Observe>)> = vec![
            ("event_listener", self.listener.clone().recipient()),
            ("request_queue", self.queue.clone().recipient()),
            ("dead_letter", self.dead_letter.clone().recipient()),
            ("storage_helper", self.storage.clone().recipient()),
            ("slack_client", self.slack.clone().recipient()),
            ("gatekeeper", self.gatekeeper.clone().recipient()),
            ("registrar", self.registrar.clone().recipient()),
            ("chronicler", self.chronicler.clone().recipient()),
            ("reconciler", self.reconciler.clone().recipient()),
        ];
        if let Some(keepers) = &self.keepers {
            observed.push(("metrics_recorder", keepers.metrics_recorder.clone().recipient()));
            observed.push(("exporter", keepers.exporter.clone().recipient()));
        }
        let (directory, draining) = (self.directory.clone(), self.is_draining.clone());
        Overseer::new(
            observed,
            directory,
            draining,
            self.restarts.clone(),
            on_fatal,
            log.new(o!("actor" => "overseer")),
        )
    }

    /// Accepts no event any more and waits until the accepted requests have ended, at most so long. Then what is
    /// remembered is written. Answers the requests that have not ended.
    pub async fn drain(&self, at_most: Duration) -> Vec<(RequestId, UserId)> {
        self.is_draining.store(true, Ordering::Relaxed);
        let left = self.queue.send(Drain { deadline: Instant::now() + at_most }).await.unwrap_or_default();
        // An actor that is gone has nothing to write.
        let _ = self.reconciler.send(reconciler::Flush).await;
        if let Ok(limits) = self.slack.send(KeepLimits).await {
            let (state, clock) = self.state.clone();
            // Without it the next start begins its minute anew, as after a crash.
            let _ = actix::spawn(async move { handover::write(&*state, limits, clock).await }).await;
        }
        left
    }
}

fn keepers(config: &Config, files: Files, outside: &Outside, restarts: &Restarts, log: &Logger) -> Keepers {
    let recorder = outside.recorder.clone();
    let of_recorder = log.new(o!("actor" => "metrics_recorder"));
    let metrics_recorder = supervision::start("metrics_recorder", restarts, |_| {
        MetricsRecorder::new(recorder.clone(), files.metrics.clone(), of_recorder)
    });
    let exporter = Exporter::new(ExporterParts {
        config: config.export,
        store: outside.stores.export.clone(),
        logs: files.logs,
        metrics: files.metrics,
        metrics_recorder: metrics_recorder.clone(),
        clock: outside.clock,
        recorder,
        log: log.new(o!("actor" => "exporter")),
    });
    Keepers { metrics_recorder, exporter: supervision::start("exporter", restarts, |_| exporter) }
}

async fn read_team(state: &dyn Storage, log: &Logger) -> anyhow::Result<Option<TeamId>> {
    let Some(object) = state.get(&Key::workspace(), 256).await? else { return Ok(None) };
    let id = std::str::from_utf8(&object.bytes).map(str::trim).unwrap_or_default();
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) {
        warn!(log, "the noted workspace is damaged: it is learnt anew";
            "todo" => "none, unless SLACK_BOT_TOKEN is of another workspace by now");
        return Ok(None);
    }
    Ok(Some(TeamId(id.to_owned())))
}
