//! What many onboarded members cost: `cargo run --release --example onboarding -- 10000`.
//!
//! Runs the service against a simulated Slack in the same process, onboards so many members over HTTP, and prints the
//! size of `users.json`, the time of one more onboarding and of reading the file anew, and the process's memory.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use awc::Client;
use serde_json::{Map, Value, json};
use statusinator::{
    actors::event_listener::reading::Rehydrate,
    app::App,
    clock::Clock,
    config::{Config, ExportConfig, LogConfig, LogFormat, NameField, QueueConfig, SlackConfig, StoreConfig},
    demo::{Server, SimulatedSlack},
    domain::UserId,
    logging,
    service::Service,
    slack::Token,
};
use tokio::sync::oneshot;

/// Members posted at once: their presets are well below what one call may hold.
const AT_ONCE: usize = 5_000;
/// So many single onboardings and readings are measured.
const TIMES: usize = 21;
/// How long the process is watched at the end.
const AFTERWARDS: Duration = Duration::from_secs(5);
/// How long the service may take for one thing.
const PATIENCE: Duration = Duration::from_secs(120);

#[actix::main]
async fn main() -> anyhow::Result<()> {
    let members =
        std::env::args().nth(1).map_or(Ok(10_000), |text| text.parse()).context("how many members?")?;
    let folder = tempfile::tempdir()?;
    let slack = SimulatedSlack::new("T0MANY", false, Clock::System);
    let boss: UserId = "UBOSS".parse()?;
    let token = administrator(&slack, &boss)?;
    let server = Server::start(&slack, |_| {})?;
    let config = config(folder.path(), &server, &slack)?;
    let app = App::build(&config, &logging::silent(), None).await?;
    let (service, base) = (app.service().clone(), format!("http://{}", app.address()));
    let (stop, stopped) = oneshot::channel::<()>();
    let running = actix::spawn(app.run(stopped, std::future::pending::<()>()));
    let client =
        Client::builder().timeout(PATIENCE).add_default_header(("Authorization", format!("Bearer {token}")));
    let run =
        Run { client: client.finish(), base, service, users_json: folder.path().join("store/users.json") };
    run.measure(members).await?;
    // It runs until it is told; how it ends is told below.
    let _ = stop.send(());
    running.await??;
    server.stop().await;
    Ok(())
}

fn administrator(slack: &SimulatedSlack, boss: &UserId) -> anyhow::Result<String> {
    let mut workspace = slack.lock();
    workspace.add(boss, "Boss");
    workspace.people.get_mut(boss).context("who was just added")?.is_owner = true;
    Ok(workspace.grant(boss, false, &[]))
}

fn config(folder: &Path, server: &Server, slack: &SimulatedSlack) -> anyhow::Result<Config> {
    Ok(Config {
        bind: "127.0.0.1:0".parse()?,
        public_url: None,
        data_dir: folder.to_owned(),
        store: StoreConfig::Folder(folder.join("store")),
        slack: SlackConfig {
            api_url: server.api_url().parse()?,
            signing_secret: "signing-secret".into(),
            bot_token: Token::new(slack.bot_token()),
            admin_token: None,
            client: None,
            name_field: NameField::DisplayName,
        },
        vault_keys: Vec::new(),
        queue: QueueConfig { capacity: 10, dead_letter_capacity: 10, workers: 4 },
        reconcile_interval: None,
        log: LogConfig { level: slog::Level::Info, format: LogFormat::Json },
        metrics_disabled: Default::default(),
        export: ExportConfig { interval: Duration::from_secs(3_600), retention: None, disk_limit: 1 << 26 },
        drain_timeout: Duration::from_secs(1),
    })
}

struct Run {
    client: Client,
    base: String,
    service: Service,
    users_json: std::path::PathBuf,
}

impl Run {
    async fn measure(&self, members: usize) -> anyhow::Result<()> {
        self.until("ready", || self.service.directory.load().team.is_some()).await?;
        self.onboard(0..1).await?;
        let idle = memory("VmRSS")?;
        let began = Instant::now();
        for from in (0..members).step_by(AT_ONCE) {
            self.onboard(from..(from + AT_ONCE).min(members)).await?;
        }
        println!("{members} members onboarded in {} ms", began.elapsed().as_millis());
        self.until("in the cache", || self.onboarded() == members).await?;
        println!("users.json has {} KiB", fs::metadata(&self.users_json)?.len() / 1024);
        let mut one_more = Vec::new();
        for n in 0..TIMES {
            one_more.push(timed(self.onboard(members + n..members + n + 1)).await?);
        }
        println!("one more onboarding: {} ms (median)", median(one_more).as_millis());
        let mut readings = Vec::new();
        for _ in 0..TIMES {
            self.rewrite()?;
            readings
                .push(timed(async { Ok(self.service.listener.send(Rehydrate::default()).await?) }).await?);
        }
        println!("reading users.json anew: {} ms (median)", median(readings).as_millis());
        println!(
            "memory: {idle} MiB with one member, {} MiB now, {} MiB at its peak",
            memory("VmRSS")?,
            memory("VmHWM")?
        );
        let before = cpu_time()?;
        tokio::time::sleep(AFTERWARDS).await;
        let busy = (cpu_time()? - before).as_millis();
        println!(
            "in the {} s after that, while the looks wait for slack's limits: {busy} ms of CPU",
            AFTERWARDS.as_secs()
        );
        Ok(())
    }

    async fn onboard(&self, members: std::ops::Range<usize>) -> anyhow::Result<()> {
        let users: Map<String, Value> = members.map(|n| (format!("U{n:09}"), presets(n))).collect();
        let sent = self.client.post(format!("{}/onboard", self.base)).send_json(&users).await;
        let mut answer = sent.map_err(|error| anyhow::anyhow!("{error}"))?;
        let body = answer.body().limit(64 << 20).await?;
        ensure!(answer.status().is_success(), "{}: {}", answer.status(), String::from_utf8_lossy(&body));
        Ok(())
    }

    fn onboarded(&self) -> usize {
        self.service.directory.load().users.as_ref().map_or(0, |users| users.len())
    }

    /// The same content as another version, as another process would write it.
    fn rewrite(&self) -> anyhow::Result<()> {
        let new = self.users_json.with_extension("new");
        fs::copy(&self.users_json, &new)?;
        Ok(fs::rename(new, &self.users_json)?)
    }

    async fn until(&self, what: &str, condition: impl Fn() -> bool) -> anyhow::Result<()> {
        let began = Instant::now();
        while !condition() {
            ensure!(began.elapsed() < PATIENCE, "waited for: {what}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }
}

/// Four presets, as a diligent member has them.
fn presets(n: usize) -> Value {
    json!({
        "default": { "name": format!("Member {n} of many") },
        ":palm_tree:": { "name": format!("Member {n} (on holiday until Monday)") },
        ":fork_and_knife:": { "name": format!("Member {n} (at lunch)") },
        ":headphones:": { "name": format!("Member {n} (deep work)") },
    })
}

async fn timed(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<Duration> {
    let began = Instant::now();
    work.await?;
    Ok(began.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The CPU time that the process has taken (proc_pid_stat(5)); the kernel's tick is 10 ms.
fn cpu_time() -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |n: usize| anyhow::Ok(fields.get(n).context("no such field")?.parse::<u64>()?);
    Ok(Duration::from_millis(10 * (ticks(11)? + ticks(12)?)))
}

/// A line of /proc/self/status, in MiB.
fn memory(name: &str) -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib: u64 = line.context("no such line")?.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024)
}
