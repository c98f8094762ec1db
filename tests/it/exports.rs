//! Logs and metrics on their way to the store, from the real process, which may be killed at any time.

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use awc::Client;
use flate2::read::GzDecoder;
use serde_json::Value;
use statusinator::{
    clock::Clock,
    demo::{Server, SimulatedSlack},
};

use crate::{
    harness::{SECRET, TEAM},
    processes::Process,
};

/// The files below a folder, in order, but for those that are being written.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'))
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect();
    found.sort();
    found
}

/// The lines in the store, of `logs` or `metrics`.
fn exported(folder: &Path, kind: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for path in files(&folder.join("store/exports").join(kind)) {
        let mut text = String::new();
        GzDecoder::new(fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        lines.extend(text.lines().map(str::to_owned));
    }
    lines
}

/// How often each line is there, but for its time, which stdout and the file each take for themselves.
fn counted(lines: &[String]) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for line in lines {
        let mut line: Value = serde_json::from_str(line).unwrap();
        line.as_object_mut().unwrap().remove("ts");
        *counts.entry(line.to_string()).or_default() += 1;
    }
    counts
}

struct Stage {
    server: Server,
    bot: String,
    folder: tempfile::TempDir,
    client: Client,
}

impl Stage {
    fn new() -> Self {
        let slack = SimulatedSlack::new(TEAM, false, Clock::System);
        let server = Server::start(&slack, |_| {}).unwrap();
        let client = Client::builder().timeout(Duration::from_secs(60)).finish();
        Self { server, bot: slack.bot_token(), folder: tempfile::tempdir().unwrap(), client }
    }

    fn start(&self, settings: &[(&str, &str)]) -> Process {
        Process::start_with(self.folder.path(), "data", &self.server, &self.bot, settings)
    }

    /// Makes the service write so many warnings, and waits until it has.
    async fn warn(&self, process: &Process, count: usize) {
        let warned = || process.lines().iter().filter(|line| line.contains("a request was refused")).count();
        let before = warned();
        for _ in 0..count {
            let sent = self.client.post(format!("{}/slack/events", process.base)).send_body("{}").await;
            assert_eq!(sent.unwrap().status(), 401);
        }
        until("the warnings are written", || warned() == before + count).await;
    }
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "waited for: {what}");
}

#[actix::test]
async fn each_line_gets_into_the_store_once_whatever_is_killed_and_whenever_the_store_is_down() {
    let stage = Stage::new();
    let often = [("STATUSINATOR_EXPORT_INTERVAL", "1s")];
    let exports = stage.folder.path().join("store/exports");
    let mut written = Vec::new();
    const KILLS: i64 = 3;
    for _ in 0..KILLS {
        let mut process = stage.start(&often);
        stage.warn(&process, 40).await;
        process.child.kill().unwrap();
        written.extend(process.ended());
    }
    // A file where the folder should be: whatever is put fails.
    let _ = fs::rename(&exports, stage.folder.path().join("aside"));
    fs::write(&exports, "in the way").unwrap();
    let process = stage.start(&often);
    stage.warn(&process, 40).await;
    until("the failure is told", || process.lines().iter().any(|line| line.contains("cannot be exported")))
        .await;
    stage.warn(&process, 40).await;
    fs::remove_file(&exports).unwrap();
    let _ = fs::rename(stage.folder.path().join("aside"), &exports);
    until("it recovers", || process.lines().iter().any(|line| line.contains("exported again"))).await;
    stage.warn(&process, 40).await;

    process.signal("-TERM");
    written.extend(process.ended());

    let (written, stored) = (counted(&written), counted(&exported(stage.folder.path(), "logs")));
    let twice: Vec<_> =
        stored.iter().filter(|(line, count)| written.get(*line).is_none_or(|n| n < count)).collect();
    assert!(twice.is_empty(), "{twice:#?}");
    // A line is on stdout before it is in the file: a kill may come in between.
    let missing = written.values().sum::<i64>() - stored.values().sum::<i64>();
    assert!((0..=KILLS).contains(&missing), "{missing} lines are missing");
    assert!(written.values().sum::<i64>() > 240);
    let samples = exported(stage.folder.path(), "metrics");
    assert!(samples.iter().any(|row| row.starts_with("onboarded_users,")), "{samples:?}");
    for kind in ["logs", "metrics"] {
        assert_eq!(files(&stage.folder.path().join("data").join(kind)), Vec::<PathBuf>::new());
    }
    stage.server.stop().await;
}

#[actix::test]
async fn exports_are_named_as_documented_and_go_when_they_are_old() {
    let stage = Stage::new();
    let process =
        stage.start(&[("STATUSINATOR_EXPORT_INTERVAL", "1s"), ("STATUSINATOR_EXPORT_RETENTION", "10s")]);
    stage.warn(&process, 1).await;
    let logs = stage.folder.path().join("store/exports/logs");
    let mut first = None;
    until("an export is there", || {
        first = files(&logs).into_iter().next();
        first.is_some()
    })
    .await;
    let first = first.unwrap();

    let name = first.strip_prefix(&logs).unwrap().to_str().unwrap().to_owned();
    let shape: String = name.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert!(shape.starts_with("0000/00/00/000000-") && shape.ends_with(".jsonl.gz"), "{name}");
    until("it is removed", || !first.exists()).await;
    stage.server.stop().await;
}

#[actix::test]
async fn a_reader_of_stdout_that_stops_reading_holds_up_neither_the_file_nor_the_stop() {
    let stage = Stage::new();
    let folder = stage.folder.path().join("deaf");
    fs::create_dir(&folder).unwrap();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_statusinator"))
        .arg("serve")
        .current_dir(&folder)
        .env_clear()
        .envs([("SLACK_SIGNING_SECRET", SECRET), ("SLACK_BOT_TOKEN", &stage.bot)])
        .envs([("SLACK_API_URL", stage.server.api_url()), ("STATUSINATOR_BIND", address.to_string())])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let log = || fs::read_to_string(folder.join("data/logs/statusinator.jsonl")).unwrap_or_default();
    until("it listens", || log().contains("listening")).await;
    // More than a pipe holds, and than wait for the thread that writes.
    let refused = 2_000;
    for _ in 0..refused {
        let sent = stage.client.post(format!("http://{address}/slack/events")).send_body("{}").await;
        assert_eq!(sent.unwrap().status(), 401);
    }
    until("all are in the file", || log().matches("a request was refused").count() == refused).await;

    let stopped = std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(stopped.success());
    until("it ends", || child.try_wait().unwrap().is_some()).await;

    assert_eq!(child.wait().unwrap().code(), Some(0));
    stage.server.stop().await;
}

#[actix::test]
async fn sigusr1_switches_debug_lines_on_and_off() {
    let stage = Stage::new();
    let process = stage.start(&[]);
    let said = |text: &str| process.lines().iter().any(|line| line.contains(text));

    process.signal("-USR1");
    until("they are on", || said("debug lines are on")).await;
    process.signal("-USR1");
    until("they are off", || said("debug lines are off")).await;

    process.signal("-TERM");
    let lines = process.ended();
    assert!(lines.last().unwrap().contains("\"stopped\""), "{lines:#?}");
    stage.server.stop().await;
}
