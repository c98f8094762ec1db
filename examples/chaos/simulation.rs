//! One simulated life of the service: real actors on paused time, a simulated Slack and a store in memory, in one thread.
//!
//! A seed decides every step and every fault, and repeats exactly. After the faults stop, every onboarded profile must
//! become what its preset says within a bounded number of passes, and Slack must not have refused a call for its limits.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng, seq::IndexedRandom as _};
use serde_json::{Value, json};
use slog::Logger;
use statusinator::{
    actors::{
        event_listener::{Answer, Receive, Revoke, Revoked},
        reconciler::Authorised,
        storage_helper::PutToken,
    },
    chance,
    clock::{Clock, Instant},
    config::{
        ClientConfig, Config, LogConfig, LogFormat, NameField, QueueConfig, SlackConfig, StoreConfig,
        VaultKey,
    },
    demo::{Effect, Fault, SimulatedSlack, pictures},
    domain::{Emoji, Preset, Presets, RequestId, UserId},
    metrics::Recorder,
    service::{Outside, Service},
    slack::Token,
    storage::{Key, MemoryStorage, Storage as _, StoreFault, Stores},
    vault::Vault,
};
use tokio::{sync::mpsc, task::LocalSet};
use uuid::Uuid;

const ACTORS: [&str; 9] = [
    "event_listener",
    "request_queue",
    "dead_letter",
    "storage_helper",
    "slack_client",
    "gatekeeper",
    "registrar",
    "reconciler",
    "overseer",
];
const EMOJI: [&str; 6] = ["", ":a:", ":b:", ":c:", ":a::skin-tone-4:", ":unknown:"];
const STEPS: usize = 120;
/// The regular passes' interval.
const INTERVAL: Duration = Duration::from_secs(15 * 60);
/// After the faults stop, so many passes may be needed at the most.
const PASSES: u32 = 8;

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

/// A rule that is broken on purpose, to see that the simulation notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Broken {
    /// Nothing is broken.
    #[default]
    Nothing,
    /// Neither an interval nor a refused event makes a pass.
    NoPasses,
}

/// Lives the life of a seed.
pub fn run(seed: u64, broken: Broken, log: &Logger) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without I/O");
    runtime.block_on(async {
        chance::seed(seed);
        let mut world = World::new(seed, broken, log.clone());
        world.live().await;
        world.outcome()
    })
}

/// A status, and what the presets want for it. A change by hand stays as long as it was made under the same wish; when
/// the wish changed and came back, the service may have seen that or not.
type Wish = (Emoji, Option<Preset>);

/// What a member did by hand, and what became of his consent.
#[derive(Debug, Default, Clone)]
struct Story {
    name_by_hand: Option<(String, Wish)>,
    photo_by_hand: Option<(Bytes, Wish)>,
    /// The token that he gave us last still lives.
    token: Option<Token>,
    /// He took his consent back, and perhaps nobody heard.
    revoked: bool,
}

struct World {
    rng: SmallRng,
    broken: Broken,
    slack: SimulatedSlack,
    store: MemoryStorage,
    state: MemoryStorage,
    store_faults: Rc<Cell<f64>>,
    counts: Rc<RefCell<BTreeMap<&'static str, u64>>>,
    clock: Clock,
    began: Instant,
    bot: Token,
    admin: Option<Token>,
    queue: QueueConfig,
    members: Vec<UserId>,
    presets: BTreeMap<UserId, Value>,
    stories: BTreeMap<UserId, Story>,
    failure: Option<String>,
    passes: u32,
    log: Logger,
}

/// The service between two crashes.
struct Life {
    tasks: LocalSet,
    service: Service,
}

fn picture(user: &UserId, hue: u16) -> (Key, String) {
    let uuid = Uuid::new_v5(&Uuid::NAMESPACE_OID, &hue.to_be_bytes());
    (Key::picture(user, uuid), format!("file:///somewhere/{user}/{uuid}.png"))
}

thread_local! {
    /// Encoding a picture costs more than a whole life.
    static PICTURES: RefCell<BTreeMap<u16, Bytes>> = const { RefCell::new(BTreeMap::new()) };
}

fn square(hue: u16) -> Bytes {
    PICTURES.with_borrow_mut(|known| known.entry(hue).or_insert_with(|| pictures::square(hue)).clone())
}

impl World {
    fn new(seed: u64, broken: Broken, log: Logger) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let clock = Clock::simulated();
        let slack = SimulatedSlack::new("T0CHAOS", rng.random_bool(0.5), clock);
        let members: Vec<UserId> =
            (0..rng.random_range(2..7)).map(|n| format!("U{n}").parse().expect("an id")).collect();
        for member in &members {
            slack.lock().add(member, &format!("{member} by birth"));
        }
        let bot = Token::new(slack.bot_token());
        let admin = rng.random_bool(0.5).then(|| {
            let owner = members[0].clone();
            slack.lock().people.get_mut(&owner).expect("a member").is_owner = true;
            Token::new(slack.user_token(&owner))
        });
        let mut size = |most| rng.random_range(1..=most);
        let queue = QueueConfig { capacity: size(3), dead_letter_capacity: size(3), workers: size(3) };
        let stories = members.iter().map(|member| (member.clone(), Story::default())).collect();
        Self {
            rng,
            broken,
            slack,
            store: MemoryStorage::default(),
            state: MemoryStorage::default(),
            store_faults: Rc::default(),
            counts: Rc::default(),
            clock,
            began: Instant::now(),
            bot,
            admin,
            queue,
            members,
            presets: BTreeMap::new(),
            stories,
            failure: None,
            passes: 0,
            log,
        }
    }

    fn count(&self, kind: &'static str) {
        *self.counts.borrow_mut().entry(kind).or_default() += 1;
    }

    async fn live(&mut self) {
        self.furnish().await;
        let mut life = self.start().await;
        let mut left = STEPS;
        while left > 0 {
            let steps = self.rng.random_range(10..60).min(left);
            left -= steps;
            let tasks = std::mem::take(&mut life.tasks);
            let service = life.service.clone();
            tasks
                .run_until(async {
                    for _ in 0..steps {
                        self.step(&service).await;
                        let pause = self.pause();
                        tokio::time::sleep(pause).await;
                    }
                })
                .await;
            life.tasks = tasks;
            if left > 0 {
                life = self.end_and_start(life).await;
            }
        }
        self.stop_faults();
        let Life { tasks, service } = life;
        let life = Life { tasks, service };
        self.converge(life).await;
    }

    /// Mostly moments, now and then minutes.
    fn pause(&mut self) -> Duration {
        match self.rng.random_range(0..10) {
            0..5 => Duration::from_millis(self.rng.random_range(0..50)),
            5..8 => Duration::from_secs(self.rng.random_range(0..20)),
            _ => Duration::from_secs(self.rng.random_range(0..600)),
        }
    }

    async fn furnish(&mut self) {
        for member in self.members.clone() {
            for hue in [0, 90, 180] {
                let (key, _) = picture(&member, hue);
                self.store.put(&key, square(hue), None).await.expect("no fault yet");
            }
            self.choose_presets(&member);
        }
        self.write_users().await;
        let (counts, rate) = (self.counts.clone(), self.store_faults.clone());
        let rng = RefCell::new(SmallRng::seed_from_u64(self.rng.random()));
        let fault = Rc::new(move |_: &'static str, _: &Key| {
            let mut rng = rng.borrow_mut();
            if !rng.random_bool(rate.get()) {
                return None;
            }
            let (kind, fault) = match rng.random_range(0..10) {
                0 => ("store panics", StoreFault::Panic),
                1..5 => ("store answer lost", StoreFault::After),
                _ => ("store error", StoreFault::Before),
            };
            *counts.borrow_mut().entry(kind).or_default() += 1;
            Some(fault)
        });
        for storage in [&self.store, &self.state] {
            let fault = fault.clone();
            storage.fail_when(move |operation, key| fault(operation, key));
        }
    }

    fn choose_presets(&mut self, member: &UserId) {
        let mut presets = json!({});
        for key in ["default", ":a:", ":b:", ":c:"] {
            if self.rng.random_bool(0.3) {
                continue;
            }
            let (has_name, has_picture) = match self.rng.random_range(0..4) {
                0 => (true, false),
                1 => (false, true),
                _ => (true, true),
            };
            let mut preset = json!({});
            if has_name {
                preset["name"] = json!(format!("{member} {key} {}", self.rng.random_range(0..3)));
            }
            if has_picture {
                let hue = *[0, 90, 180].choose(&mut self.rng).expect("three");
                preset["picture"] = json!(picture(member, hue).1);
            }
            presets[key] = preset;
        }
        self.presets.insert(member.clone(), presets);
    }

    async fn write_users(&mut self) {
        let users: BTreeMap<&str, &Value> =
            self.presets.iter().map(|(user, presets)| (user.as_str(), presets)).collect();
        let text = json!({ "lastUpdatedAt": "1", "users": users }).to_string();
        // An administrator writes until it is written.
        let rate = self.store_faults.replace(0.0);
        self.store.put(&Key::users(), text.into(), None).await.expect("no fault now");
        self.store_faults.set(rate);
    }

    fn config(&self) -> Config {
        Config {
            bind: "127.0.0.1:0".parse().expect("an address"),
            public_url: "http://127.0.0.1:1".parse().ok(),
            data_dir: "/nowhere".into(),
            store: StoreConfig::Folder("/nowhere".into()),
            slack: SlackConfig {
                api_url: "http://127.0.0.1:1/".parse().expect("an address"),
                signing_secret: "secret".into(),
                bot_token: self.bot.clone(),
                admin_token: self.admin.clone(),
                client: Some(ClientConfig { id: "1".into(), secret: Token::new("2") }),
                name_field: NameField::DisplayName,
            },
            vault_keys: Vec::new(),
            queue: self.queue,
            reconcile_interval: (self.broken != Broken::NoPasses).then_some(INTERVAL),
            log: LogConfig { level: slog::Level::Debug, format: LogFormat::Json },
            metrics_disabled: BTreeSet::new(),
            drain_timeout: Duration::from_secs(25),
        }
    }

    /// Starts the service; as a container's runtime does, again until it starts.
    async fn start(&mut self) -> Life {
        loop {
            let tasks = LocalSet::new();
            let outside = Outside {
                transport: Rc::new(self.slack.clone()),
                stores: Stores::one(Rc::new(self.store.clone())),
                state: Rc::new(self.state.clone()),
                vault: Some(Vault::new(vec![VaultKey([7; 32])])),
                clock: self.clock,
                recorder: Recorder::new(statusinator::metrics::Metric::ALL.into(), self.clock),
            };
            let (on_fatal, _) = mpsc::unbounded_channel();
            let config = self.config();
            let log = self.log.clone();
            let started = tasks.run_until(async {
                let starting = tokio::task::spawn_local(async move {
                    Service::start(&config, outside, None, on_fatal, &log).await
                });
                starting.await
            });
            if let Ok(Ok(service)) = started.await {
                return Life { tasks, service };
            }
            // Nothing but a start is going on, so nothing else changes: the disk is mended now.
            self.store_faults.set(0.0);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// A crash at whatever everything waits for, or an ordered stop; then a new start.
    async fn end_and_start(&mut self, life: Life) -> Life {
        if self.rng.random_bool(0.7) {
            self.count("crash");
            drop(life);
            // Slack's limits are not kept ahead of time for the first minute after a crash.
            self.slack.lock().windows = Default::default();
        } else {
            self.count("stop");
            let Life { tasks, service } = life;
            tasks.run_until(async { service.drain(Duration::from_secs(25)).await }).await;
            self.slack.lock().windows = Default::default();
        }
        let away = self.pause();
        tokio::time::sleep(away).await;
        self.slack.expire();
        self.start().await
    }

    async fn step(&mut self, service: &Service) {
        self.slack.expire();
        let member = self.members.choose(&mut self.rng).expect("members").clone();
        match self.rng.random_range(0..100) {
            0..40 => {
                let emoji = *EMOJI.choose(&mut self.rng).expect("emoji");
                let ends = if self.rng.random_bool(0.2) {
                    self.clock.unix() + self.rng.random_range(1..1200)
                } else {
                    0
                };
                self.slack.set_status(&member, emoji, "", if emoji.is_empty() { 0 } else { ends });
            }
            40..45 => {
                let name = format!("by hand {}", self.rng.random_range(0..1000));
                self.slack.set_name_by_hand(&member, &name);
                let wish = self.wish(&member);
                self.story(&member).name_by_hand = Some((name, wish));
            }
            45..50 => {
                let photo = square(300);
                self.slack.set_photo_by_hand(&member, photo.clone());
                let wish = self.wish(&member);
                self.story(&member).photo_by_hand = Some((photo, wish));
            }
            50..55 => {
                self.choose_presets(&member);
                self.write_users().await;
            }
            55..65 => self.authorise(&member, service).await,
            65..67 => {
                self.slack.revoke(&member);
                let story = self.story(&member);
                story.revoked = true;
                story.token = None;
            }
            67..85 => self.befall_slack(),
            85..90 => {
                let rates = [0.0, 0.05, 0.3, 1.0];
                self.store_faults.set(*rates.choose(&mut self.rng).expect("rates"));
            }
            90..94 => {
                self.count("actor panics");
                service.restarts.sabotage(ACTORS.choose(&mut self.rng).expect("actors"));
            }
            _ => {}
        }
        self.deliver(service);
    }

    fn story(&mut self, member: &UserId) -> &mut Story {
        self.stories.entry(member.clone()).or_default()
    }

    fn wish(&self, member: &UserId) -> Wish {
        let emoji = Emoji::new(&self.slack.person(member).expect("a member").status_emoji);
        let presets: Presets =
            serde_json::from_value(self.presets[member].clone()).expect("presets as they were written");
        let preset = presets.for_emoji(&emoji).cloned();
        (emoji, preset)
    }

    async fn authorise(&mut self, member: &UserId, service: &Service) {
        let token = Token::new(self.slack.user_token(member));
        let request = RequestId::random();
        let put = PutToken { user: member.clone(), token: token.clone(), request };
        if let Ok(Ok(())) = service.storage.send(put).await {
            service.reconciler.do_send(Authorised { user: member.clone(), request });
            let story = self.story(member);
            story.token = Some(token);
            story.revoked = false;
        }
    }

    fn befall_slack(&mut self) {
        let methods = ["users.profile.get", "users.profile.set", "users.setPhoto", "users.list", "auth.test"];
        let seconds = Duration::from_secs(self.rng.random_range(0..40));
        let (kind, effect) = match self.rng.random_range(0..9) {
            0 => ("http 503", Effect::Status(503)),
            1 => ("internal_error", Effect::Error("internal_error".into())),
            2 => ("429", Effect::RateLimited(Some(self.rng.random_range(1..40)))),
            3 => ("200 ratelimited", Effect::Error("ratelimited".into())),
            4 => ("garbage", Effect::Garbage("<html>".into())),
            5 => ("slow", Effect::Delay(seconds)),
            6 => ("answer lost", Effect::LostAnswer),
            7 => ("hang", Effect::Hang),
            _ => ("transport panics", Effect::Panic),
        };
        self.count(kind);
        let method = methods.choose(&mut self.rng).expect("methods");
        let times = if self.rng.random_bool(0.2) { 12 } else { 1 };
        self.slack.inject(Fault::next(method, times, effect));
    }

    /// Events go to the service as Slack sends them, or are lost, doubled, late and out of order.
    fn deliver(&mut self, service: &Service) {
        for event in self.slack.take_events() {
            if self.rng.random_bool(0.1) {
                self.count("event lost");
                continue;
            }
            let doubled = self.rng.random_bool(0.1);
            if doubled {
                self.count("event doubled");
            }
            for _ in 0..=usize::from(doubled) {
                let late = if self.rng.random_bool(0.2) { self.rng.random_range(0..5_000) } else { 0 };
                let (service, event) = (service.clone(), event.clone());
                tokio::task::spawn_local(async move {
                    tokio::time::sleep(Duration::from_millis(late)).await;
                    deliver(&service, &event).await;
                });
            }
        }
    }

    fn stop_faults(&mut self) {
        self.slack.lock().faults.clear();
        self.store_faults.set(0.0);
    }

    /// Every profile becomes what its preset says, within a bounded number of passes.
    async fn converge(&mut self, life: Life) {
        let Life { tasks, .. } = life;
        for pass in 0..=PASSES {
            self.slack.expire();
            // Whatever Slack has to tell by now is lost: passes must find it.
            self.slack.take_events();
            let wrong = self.wrong();
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
        let violations = self.slack.violations();
        if self.failure.is_none() && !violations.is_empty() {
            self.failure = Some(format!("slack would have refused: {}", violations.join("; ")));
        }
    }

    /// What is not as its preset says.
    fn wrong(&self) -> Vec<String> {
        self.members.iter().flat_map(|member| self.wrong_of(member)).collect()
    }

    fn wrong_of(&self, member: &UserId) -> Vec<String> {
        let (Some(person), story) = (self.slack.person(member), &self.stories[member]) else {
            return Vec::new();
        };
        let wish = self.wish(member);
        let (emoji, Some(preset)) = wish.clone() else { return Vec::new() };
        let is_admins = self.admin.is_some() && *member == self.members[0];
        let may_own = (story.token.is_some() || is_admins) && !story.revoked;
        let may_name = may_own || (self.admin.is_some() && self.slack.lock().paid_plan && !story.revoked);
        let mut wrong = Vec::new();
        if let Some(name) = preset.name.as_ref().filter(|_| may_name) {
            let by_hand = story.name_by_hand == Some((person.display_name.clone(), wish.clone()));
            if person.display_name != *name && !by_hand {
                wrong
                    .push(format!("{member} with {emoji} is called {:?}, not {name:?}", person.display_name));
            }
        }
        if let Some(link) = preset.picture.as_ref().filter(|_| may_own) {
            let hue = [0, 90, 180].into_iter().find(|hue| picture(member, *hue).1 == *link);
            let by_hand =
                person.photo.clone().is_some_and(|photo| story.photo_by_hand == Some((photo, wish)));
            if person.photo != hue.map(square) && !by_hand {
                wrong.push(format!("{member} with {emoji} shows another picture than {link}"));
            }
        }
        wrong
    }

    fn outcome(&self) -> Outcome {
        Outcome {
            failure: self.failure.clone(),
            faults: self.counts.borrow().clone(),
            passes: self.passes,
            simulated_s: self.began.elapsed().as_secs(),
            calls: self.slack.calls().len(),
        }
    }
}

/// Delivers an event until it is answered 200, no more deliveries are wanted, or Slack's tries are used up.
async fn deliver(service: &Service, event: &Value) {
    let waits = [Duration::from_millis(50), Duration::from_secs(60), Duration::from_secs(300)];
    for (n, wait) in std::iter::once(None).chain(waits.map(Some)).enumerate() {
        if let Some(wait) = wait {
            tokio::time::sleep(wait).await;
        }
        match post(service, event, n > 0).await {
            Some(Answer::Busy) | None => {}
            Some(_) => return,
        }
    }
}

/// What the HTTP edge does with a verified event.
async fn post(service: &Service, event: &Value, is_retry: bool) -> Option<Answer> {
    let inner = &event["event"];
    let request = RequestId::random();
    if inner["type"] == "tokens_revoked" {
        let named = inner["tokens"]["oauth"].as_array().into_iter().flatten();
        let users = named.filter_map(|id| id.as_str()?.parse().ok()).collect();
        let at =
            std::time::UNIX_EPOCH + Duration::from_secs(event["event_time"].as_u64().unwrap_or_default());
        let revoke = Revoke { request, whose: Revoked::Members(users), event_time: at };
        return service.listener.send(revoke).await.ok().map(|()| Answer::Queued);
    }
    let profile = &inner["user"]["profile"];
    let receive = Receive {
        request,
        event_id: event["event_id"].as_str().map(str::to_owned),
        user: inner["user"]["id"].as_str()?.parse().ok()?,
        emoji: profile["status_emoji"].as_str().map(Emoji::new),
        expiration: profile["status_expiration"].as_u64(),
        is_retry,
        received: Instant::now(),
    };
    service.listener.send(receive).await.ok()
}
