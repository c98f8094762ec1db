//! One simulated world, in which the service starts, crashes, stops and starts again.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use slog::{Logger, debug};
use statusinator::{
    actors::overseer::Fatal,
    chance,
    clock::{Clock, Instant},
    config::{QueueConfig, VaultKey},
    demo::SimulatedSlack,
    metrics::{Metric, Recorder},
    service::{Outside, Service},
    slack::Token,
    storage::{Key, MemoryStorage, Storage as _, Stores},
    vault::Vault,
};
use tokio::{sync::mpsc, task::LocalSet};

use super::mortal::{Gate, Living, Mortal};
use crate::truth::Truth;

const STEPS: usize = 120;
/// The regular passes' interval.
const INTERVAL: Duration = Duration::from_secs(15 * 60);
/// After the faults stop, so many passes may be needed at the most.
const PASSES: u32 = 8;
/// So long everything must stay as it is once it is right, in passes.
const QUIET: u32 = 2;
/// A crash in the middle of something comes at the latest after so long.
const CRASH_WITHIN: Duration = Duration::from_secs(60);

/// What a seed's life came to.
#[derive(Debug, Default, Clone)]
pub struct Outcome {
    /// What did not hold, if something did not.
    pub failure: Option<String>,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Passes until every profile was right.
    pub passes: u32,
    /// Simulated time, in seconds.
    pub simulated_s: u64,
    /// Calls of Slack.
    pub calls: usize,
}

/// Lives the life of a seed.
pub fn run(seed: u64, log: &Logger) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without I/O");
    let outside = Rc::new(LocalSet::new());
    let life = outside.run_until(async {
        chance::seed(seed);
        let mut world = World::new(seed, outside.clone(), log.clone());
        world.live().await;
        world.outcome()
    });
    runtime.block_on(life)
}

pub struct World {
    pub rng: SmallRng,
    pub truth: Truth,
    pub store: MemoryStorage,
    pub state: MemoryStorage,
    pub store_faults: Rc<Cell<f64>>,
    pub counts: Rc<RefCell<BTreeMap<&'static str, u64>>>,
    pub clock: Clock,
    pub bot: Token,
    pub queue: QueueConfig,
    pub interval: Option<Duration>,
    /// What goes on while no service lives: Slack's deliveries.
    pub outside: Rc<LocalSet>,
    pub living: Living,
    /// An ordered stop wrote down what counts towards Slack's limits.
    keeps_limits: bool,
    began: Instant,
    failure: Option<String>,
    passes: u32,
    pub log: Logger,
}

/// The service between two crashes.
struct Life {
    tasks: LocalSet,
    service: Service,
    gate: Rc<Gate>,
    fatal: mpsc::UnboundedReceiver<Fatal>,
}

impl World {
    fn new(seed: u64, outside: Rc<LocalSet>, log: Logger) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let clock = Clock::simulated();
        let slack = SimulatedSlack::new("T0CHAOS", rng.random_bool(0.5), clock);
        // With many of them, passes read pages.
        let members = if rng.random_bool(0.05) { 55 } else { rng.random_range(2..7) };
        let truth = Truth::new(slack, members, rng.random_bool(0.5));
        let bot = Token::new(truth.slack.bot_token());
        let mut size = |most| rng.random_range(1..=most);
        let queue = QueueConfig { capacity: size(3), dead_letter_capacity: size(3), workers: size(3) };
        let interval = rng.random_bool(0.75).then_some(INTERVAL);
        Self {
            rng,
            truth,
            store: MemoryStorage::default(),
            state: MemoryStorage::default(),
            store_faults: Rc::default(),
            counts: Rc::default(),
            clock,
            bot,
            queue,
            interval,
            outside,
            living: Living::default(),
            keeps_limits: false,
            began: Instant::now(),
            failure: None,
            passes: 0,
            log,
        }
    }

    /// Counts a fault, or another thing that befalls the service.
    pub fn count(&self, kind: &'static str) {
        debug!(self.log, "it befalls"; "kind" => kind);
        *self.counts.borrow_mut().entry(kind).or_default() += 1;
    }

    async fn live(&mut self) {
        self.furnish().await;
        let mut life = self.start().await;
        let mut left = STEPS;
        while left > 0 {
            let steps = self.rng.random_range(10..60).min(left);
            left -= self.steps(&mut life, steps).await;
            if left > 0 {
                self.end(life).await;
                life = self.start_again().await;
            }
        }
        self.truth.slack.lock().faults.clear();
        self.store_faults.set(0.0);
        self.converge(life).await;
    }

    /// Takes so many steps, or fewer if the process must end meanwhile. Answers how many it took.
    async fn steps(&mut self, life: &mut Life, steps: usize) -> usize {
        let (service, fatal) = (life.service.clone(), &mut life.fatal);
        let lived = async {
            for step in 1..=steps {
                self.step(&service).await;
                let pause = self.pause();
                tokio::time::sleep(pause).await;
                if fatal.try_recv().is_ok() {
                    self.count("restart storm");
                    return step;
                }
            }
            steps
        };
        life.tasks.run_until(lived).await
    }

    /// Mostly moments, now and then minutes.
    fn pause(&mut self) -> Duration {
        match self.rng.random_range(0..10) {
            0..5 => Duration::from_millis(self.rng.random_range(0..50)),
            5..8 => Duration::from_secs(self.rng.random_range(0..20)),
            _ => Duration::from_secs(self.rng.random_range(0..600)),
        }
    }

    /// Starts the service; as a container's runtime does, again until it starts.
    async fn start(&mut self) -> Life {
        loop {
            let tasks = LocalSet::new();
            let gate = Rc::new(Gate::default());
            let outside = Outside {
                transport: Rc::new(self.mortal(self.truth.slack.clone(), &gate)),
                stores: Stores::one(Rc::new(self.mortal(self.store.clone(), &gate))),
                state: Rc::new(self.mortal(self.state.clone(), &gate)),
                vault: Some(Vault::new(vec![VaultKey([7; 32])])),
                clock: self.clock,
                recorder: Recorder::new(Metric::ALL.into(), self.clock),
            };
            let (on_fatal, fatal) = mpsc::unbounded_channel();
            let (config, log) = (self.config(), self.log.clone());
            let started = tasks.run_until(async {
                let starting = tokio::task::spawn_local(async move {
                    Service::start(&config, outside, None, on_fatal, &log).await
                });
                starting.await
            });
            if let Ok(Ok(service)) = started.await {
                *self.living.borrow_mut() = Some(service.clone());
                return Life { tasks, service, gate, fatal };
            }
            // Nothing but a start is going on, so nothing else changes: the disk is mended now.
            self.store_faults.set(0.0);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    fn mortal<T>(&self, inner: T, gate: &Rc<Gate>) -> Mortal<T> {
        Mortal { inner, gate: gate.clone(), log: self.log.clone() }
    }

    /// A crash between any two things that the service does to the outside, or an ordered stop.
    async fn end(&mut self, life: Life) {
        let Life { tasks, service, gate, .. } = life;
        if self.rng.random_bool(0.7) {
            self.count("crash");
            gate.shut_after(self.rng.random_range(0..40));
            let shut = tokio::time::timeout(CRASH_WITHIN, gate.shut());
            // If nothing happens for so long, it crashes idle.
            let _ = tasks.run_until(shut).await;
        } else {
            self.count("stop");
            let before = self.kept_limits().await;
            tasks.run_until(async { service.drain(Duration::from_secs(25)).await }).await;
            self.keeps_limits = self.kept_limits().await != before;
        }
        *self.living.borrow_mut() = None;
    }

    /// What the state folder has of Slack's limits.
    async fn kept_limits(&mut self) -> Option<Bytes> {
        let rate = self.store_faults.replace(0.0);
        let object = self.state.get(&Key::limits(), 1 << 20).await.expect("no fault now");
        self.store_faults.set(rate);
        object.map(|object| object.bytes)
    }

    async fn start_again(&mut self) -> Life {
        // Slack's limits are not kept ahead of time for the first minute after a crash, or a stop that could not write.
        if !std::mem::take(&mut self.keeps_limits) {
            self.truth.slack.lock().windows = Default::default();
        }
        let away = self.pause();
        tokio::time::sleep(away).await;
        self.truth.expire();
        self.start().await
    }

    /// Every profile becomes what its preset says within a bounded number of passes, and stays so.
    async fn converge(&mut self, life: Life) {
        let Life { tasks, .. } = life;
        for pass in 0..=PASSES {
            self.truth.expire();
            self.tell_or_forget();
            let wrong = self.truth.wrong();
            if wrong.is_empty() {
                self.passes = pass;
                break;
            }
            if pass == PASSES {
                self.failure = Some(format!("after {PASSES} passes: {}", wrong.join("; ")));
                break;
            }
            tasks.run_until(tokio::time::sleep(INTERVAL)).await;
        }
        if self.failure.is_none() {
            self.failure = self.stay_quiet(&tasks).await;
        }
        let violations = self.truth.slack.violations();
        if self.failure.is_none() && !violations.is_empty() {
            self.failure = Some(format!("slack would have refused: {}", violations.join("; ")));
        }
    }

    /// What Slack has to tell by now is lost: passes must find it; without regular passes it is told.
    fn tell_or_forget(&mut self) {
        if self.interval.is_some() {
            self.truth.slack.take_events();
        } else {
            self.deliver();
        }
    }

    /// What is right needs no write any more.
    async fn stay_quiet(&mut self, tasks: &LocalSet) -> Option<String> {
        // What is under way may end: a try that was interrupted, a call whose answer was lost.
        tasks.run_until(tokio::time::sleep(INTERVAL)).await;
        let before = self.truth.writes();
        tasks.run_until(tokio::time::sleep(INTERVAL * QUIET)).await;
        let (more, wrong) = (self.truth.writes() - before, self.truth.wrong());
        if more > 0 {
            return Some(format!("{more} writes although everything was as it should be"));
        }
        (!wrong.is_empty()).then(|| format!("it was right and is no more: {}", wrong.join("; ")))
    }

    fn outcome(&self) -> Outcome {
        Outcome {
            failure: self.failure.clone(),
            faults: self.counts.borrow().clone(),
            passes: self.passes,
            simulated_s: self.began.elapsed().as_secs(),
            calls: self.truth.slack.calls().len(),
        }
    }
}
