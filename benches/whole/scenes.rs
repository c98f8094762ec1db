//! What is measured, and the table's parts.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::json;
use statusinator::clock;

use super::{
    load::{Answers, Connection, Pace, SECRET, event, quantile, request, run},
    process::{Process, free_address},
    service::{Service, busy, many},
};

/// Slack sends 30,000 events an hour at the most; this is six hundred times as many.
const RATE: f64 = 5_000.0;
/// So often those are measured that are compared closely.
const TURNS: usize = 3;
const WARM_UP: Duration = Duration::from_secs(1);
const MEMBERS: usize = 32;
const CHANGES: usize = 1_000;
/// After so long nothing is worked on any more.
const SETTLED: Duration = Duration::from_secs(3);

fn row(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}

fn head(cells: &[&str]) {
    println!();
    row(&cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>());
    row(&cells.iter().map(|_| "---".to_owned()).collect::<Vec<_>>());
}

fn ms(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1_000.0)
}

/// A load, and what it cost the server for each event, in microseconds of the processor.
async fn cost(process: &Process, users: &[String], pace: Pace, time: Duration) -> (Answers, f64) {
    let before = process.cpu();
    let answers = run(process.address, users, pace, time).await;
    let cpu = (process.cpu() - before) / answers.latencies.len() as f64 * 1e6;
    (answers, cpu)
}

fn peers() -> Vec<(&'static str, Command)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
    let peer = |name: &'static str, program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder.join(name));
        program.exists().then_some((name, command))
    };
    let node = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .map(|path| path.join("node"))
        .find(|path| path.exists())
        .filter(|_| folder.join("bolt-js/node_modules").exists());
    [
        peer("slack-morphism", &folder.join("slack-morphism/target/release/peer-slack-morphism"), &[]),
        node.and_then(|node| peer("bolt-js", &node, &["index.js"])),
        peer("bolt-python", &folder.join("bolt-python/.venv/bin/python"), &["app.py"]),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Events of members whom nobody onboarded: the service, the floor, and the peers.
pub async fn receive(time: Duration) {
    head(&[
        "receives events that need nothing",
        "events/s",
        "CPU µs an event",
        "ratio to the floor",
        "p50, p99 saturated, ms",
        "p50, p99 at 5,000/s, ms",
        "resident idle, loaded, MiB",
    ]);
    let start = async |mut command: Command| {
        let address = free_address();
        command.env("PORT", address.port().to_string()).env("SLACK_SIGNING_SECRET", SECRET);
        Process::start(command.env("WEB_CONCURRENCY", "2"), address, "").await
    };
    let floor = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/release/examples/floor");
    let (floor, service) = (start(Command::new(floor)).await, Service::start(10, |_| many(10)).await);
    // In turns, so that a noisy while of the machine falls on both.
    let (mut floors, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        floors.push(Received::by(&floor, time).await);
        ours.push(Received::by(&service.process, time).await);
    }
    let floors = Received::median(floors);
    floors.row("floor", floors.cpu);
    Received::median(ours).row("**statusinator**", floors.cpu);
    for (name, command) in peers() {
        let peer = start(command).await;
        Received::by(&peer, time).await.row(name, floors.cpu);
    }
}

/// How a server bore the load.
struct Received {
    idle: f64,
    loaded: f64,
    cpu: f64,
    saturated: Answers,
    open: Answers,
}

impl Received {
    async fn by(process: &Process, time: Duration) -> Self {
        let (idle, _) = process.memory();
        run(process.address, &[], Pace::Saturated, WARM_UP).await;
        let (saturated, cpu) = cost(process, &[], Pace::Saturated, time).await;
        let open = run(process.address, &[], Pace::ASecond(RATE), time).await;
        Self { idle, loaded: process.memory().0, cpu, saturated, open }
    }

    /// The turn of the middle cost, with the memory of before all of them.
    fn median(mut turns: Vec<Self>) -> Self {
        let idle = turns[0].idle;
        turns.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
        Self { idle, ..turns.swap_remove(turns.len() / 2) }
    }

    fn row(&self, name: &str, floor: f64) {
        row(&[
            name.to_owned(),
            format!("{:.0}", self.saturated.a_second()),
            format!("{:.1}", self.cpu),
            format!("{:.2}", self.cpu / floor),
            format!("{}, {}", ms(self.saturated.quantile(0.5)), ms(self.saturated.quantile(0.99))),
            format!("{}, {}", ms(self.open.quantile(0.5)), ms(self.open.quantile(0.99))),
            format!("{:.1}, {:.1}", self.idle, self.loaded),
        ]);
    }
}

/// Onboarded members change their status: from the event to the first and to the last call of Slack.
pub async fn change() {
    head(&["changes profiles", "value"]);
    let service = Service::start(MEMBERS, |store| busy(MEMBERS, store)).await;
    service.authorise_all(MEMBERS).await;
    let mut connection = Connection::open(service.process.address).await.unwrap();
    let mut first = Vec::new();
    let (before, calls_before) =
        (service.histogram("request_lifecycle_duration").await, service.histogram("slack_api_latency").await);
    for n in 0..CHANGES {
        let emoji = [":n1:", ":n2:"][n / MEMBERS % 2];
        first.push(until_changed(&service, &mut connection, n % MEMBERS, emoji, n).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    first.sort();
    row(&[
        "event to first call of Slack, idle: p50, p99, ms".into(),
        format!("{}, {}", ms(quantile(&first, 0.5)), ms(quantile(&first, 0.99))),
    ]);
    let (after, calls_after) =
        (service.histogram("request_lifecycle_duration").await, service.histogram("slack_api_latency").await);
    // A name takes two calls, one after the other: what is left is the service's own.
    let own = (after.0 - before.0 - (calls_after.0 - calls_before.0)) / (after.1 - before.1);
    row(&["a request's own time, Slack's calls left out, mean, ms".into(), format!("{:.2}", own * 1_000.0)]);
    let kinds = [("name", [":n1:", ":n2:"], 2_000_000), ("name and picture", [":p1:", ":p2:"], 3_000_000)];
    for (what, emoji, first) in kinds {
        let rate = changed_a_second(&service, emoji, first).await;
        row(&[format!("requests/s to the last call, {what}"), format!("{rate:.0}")]);
    }
}

/// One member changes his status; answers how long it took until Slack was called first.
async fn until_changed(
    service: &Service,
    connection: &mut Connection,
    member: usize,
    emoji: &str,
    n: usize,
) -> Duration {
    let user = format!("U{member}");
    service.slack.set_status(&user.parse().unwrap(), emoji, "", 0);
    service.slack.take_events();
    let (sets, calls) = (service.slack.count("users.profile.set"), service.slack.calls().len());
    let request = request(&event(&user, emoji, 1_000_000 + n));
    let sent = clock::Instant::now();
    connection.send(&request).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while service.slack.count("users.profile.set") == sets {
        assert!(Instant::now() < deadline, "{user} is not changed to {emoji}");
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    service.slack.calls()[calls].at.saturating_duration_since(sent)
}

/// All members change their status at once, several times over.
async fn changed_a_second(service: &Service, emoji: [&str; 2], first: usize) -> f64 {
    const ROUNDS: usize = 10;
    let mut connection = Connection::open(service.process.address).await.unwrap();
    let mut took = Duration::ZERO;
    for round in 0..=ROUNDS {
        let emoji = emoji[round % 2];
        let change = |n: usize| {
            let user = format!("U{n}");
            service.slack.set_status(&user.parse().unwrap(), emoji, "", 0);
            request(&event(&user, emoji, first + round * MEMBERS + n))
        };
        let requests: Vec<Vec<u8>> = (0..MEMBERS).map(change).collect();
        service.slack.take_events();
        let expected = writes(service) + MEMBERS * if emoji.starts_with(":p") { 2 } else { 1 };
        let began = Instant::now();
        for request in &requests {
            connection.send(request).await.unwrap();
        }
        if round == 0 {
            // This one only brings everybody to the same status.
            tokio::time::sleep(SETTLED).await;
            continue;
        }
        while writes(service) < expected {
            assert!(began.elapsed() < Duration::from_secs(60), "{} of {expected} writes", writes(service));
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        took += began.elapsed();
    }
    (MEMBERS * ROUNDS) as f64 / took.as_secs_f64()
}

fn writes(service: &Service) -> usize {
    service.slack.count("users.profile.set") + service.slack.count("users.setPhoto")
}

/// The same with more and more members.
pub async fn grow(time: Duration) {
    head(&[
        "members",
        "start to ready, ms",
        "CPU µs an event that needs nothing",
        "of an onboarded member, delivered again",
        "resident, anonymous at the start, MiB",
        "one more onboarded, ms",
    ]);
    let mut grown = Vec::new();
    for count in [10, 1_000, 100_000] {
        grown.push(Grown::start(count).await);
    }
    // In turns, so that a noisy while of the machine falls on all.
    for _ in 0..TURNS {
        for service in &mut grown {
            service.measure(time).await;
        }
    }
    for service in grown {
        service.row().await;
    }
}

/// A service with so many members.
struct Grown {
    count: usize,
    service: Service,
    memory: (f64, f64),
    /// Some of the members.
    users: Vec<String>,
    /// What an event cost each time, of a stranger and of a member.
    costs: [Vec<f64>; 2],
}

impl Grown {
    async fn start(count: usize) -> Self {
        let some = usize::min(count, 512);
        let service = Service::start(some, |_| many(count)).await;
        let (memory, users) = (service.process.memory(), (0..some).map(|n| format!("U{n}")).collect());
        let it = Self { count, service, memory, users, costs: [Vec::new(), Vec::new()] };
        run(it.service.process.address, &[], Pace::Saturated, WARM_UP).await;
        // The first delivery of each event is worked on; the later ones are known.
        run(it.service.process.address, &it.users, Pace::ASecond(200.0), 3 * WARM_UP).await;
        it
    }

    async fn measure(&mut self, time: Duration) {
        for (users, costs) in [&[][..], &self.users].into_iter().zip(&mut self.costs) {
            costs.push(cost(&self.service.process, users, Pace::Saturated, time).await.1);
        }
    }

    async fn row(self) {
        let median = |mut costs: Vec<f64>| {
            costs.sort_by(f64::total_cmp);
            format!("{:.1}", costs[costs.len() / 2])
        };
        let ([stranger, unchanged], (resident, anonymous)) = (self.costs.map(median), self.memory);
        row(&[
            self.count.to_string(),
            format!("{:.0}", self.service.process.started_in.as_secs_f64() * 1_000.0),
            stranger,
            unchanged,
            format!("{resident:.1}, {anonymous:.1}"),
            ms(onboarding(&self.service).await),
        ]);
    }
}

/// How long it takes to onboard one more member: the median of some.
async fn onboarding(service: &Service) -> Duration {
    let client = awc::Client::builder().timeout(Duration::from_secs(60)).finish();
    let mut took = Vec::new();
    for n in 0..7 {
        let users = json!({ format!("UNEW{n}"): { "default": { "name": "New" } } });
        let sent = client
            .post(format!("{}/onboard", service.base))
            .bearer_auth(service.administrators_token.expose());
        let began = Instant::now();
        let answer = sent.send_json(&users).await.unwrap();
        assert_eq!(answer.status(), 200);
        took.push(began.elapsed());
    }
    took.sort();
    quantile(&took, 0.5)
}

/// What recording costs: the service with every metric and with none, in turns.
pub async fn metrics(time: Duration) {
    head(&["records metrics", "events/s", "CPU µs an event"]);
    let all = statusinator::metrics::Metric::ALL.map(statusinator::metrics::Metric::name).join(",");
    let mut sums = [(0.0, 0.0); 2];
    for _ in 0..TURNS {
        for (n, disabled) in ["", all.as_str()].into_iter().enumerate() {
            let service = Service::start_with(10, |_| many(10), disabled).await;
            run(service.process.address, &[], Pace::Saturated, WARM_UP).await;
            let (answers, cpu) = cost(&service.process, &[], Pace::Saturated, time).await;
            sums[n] = (sums[n].0 + answers.a_second(), sums[n].1 + cpu);
        }
    }
    for (name, (rate, cpu)) in ["all of them", "none"].into_iter().zip(sums) {
        row(&[name.into(), format!("{:.0}", rate / TURNS as f64), format!("{:.1}", cpu / TURNS as f64)]);
    }
    row(&["ratio".into(), format!("{:.2}", sums[0].0 / sums[1].0), format!("{:.2}", sums[0].1 / sums[1].1)]);
}
