//! Two processes of the service on one folder.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use awc::Client;
use futures_util::future::join_all;
use serde_json::{Value, json};
use statusinator::{
    clock::Clock,
    demo::{Server, SimulatedSlack},
};

use crate::harness::{SECRET, TEAM, user};

/// So many members are onboarded through each process at once.
const EACH: usize = 200;

pub struct Process {
    pub child: Child,
    pub base: String,
    /// What opens the operator's page.
    page: String,
    /// What it wrote to stdout.
    lines: Arc<Mutex<Vec<String>>>,
    reading: Option<JoinHandle<()>>,
}

impl Process {
    fn start(folder: &Path, name: &str, slack: &Server, bot: &str) -> Self {
        Self::start_with(folder, name, slack, bot, &[])
    }

    /// Starts the service on the store in `folder`, with the data folder `name` beside it.
    pub fn start_with(
        folder: &Path,
        name: &str,
        slack: &Server,
        bot: &str,
        settings: &[(&str, &str)],
    ) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_statusinator"))
            .arg("serve")
            .current_dir(folder)
            .env_clear()
            .envs([("SLACK_SIGNING_SECRET", SECRET), ("SLACK_BOT_TOKEN", bot)])
            .envs([("SLACK_API_URL", slack.api_url().as_str()), ("STATUSINATOR_BIND", "127.0.0.1:0")])
            .envs([("STATUSINATOR_DATA_DIR", name), ("STATUSINATOR_STORE", "file:store")])
            .env("STATUSINATOR_LOG_FORMAT", "json")
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let written = Arc::new(Mutex::new(Vec::new()));
        let listening = lines.find_map(|line| {
            let line = line.unwrap();
            let parsed: Value = serde_json::from_str(&line).unwrap();
            written.lock().unwrap().push(line);
            (parsed["msg"] == "listening").then(|| parsed["address"].as_str().unwrap().to_owned())
        });
        // What it says from here on is read as it comes, so that it never waits for a reader.
        let more = written.clone();
        let reading = std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| more.lock().unwrap().push(line))
        });
        let mut errors = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let page = errors.find_map(|line| Some(line.split_once("the operator's page: ")?.1.to_owned()));
        std::thread::spawn(move || errors.for_each(|line| eprintln!("{line}")));
        let base = format!("http://{}", listening.unwrap());
        Self { child, base, page: page.unwrap(), lines: written, reading: Some(reading) }
    }

    /// What it wrote to stdout so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end; answers all that it wrote to stdout.
    pub fn ended(mut self) -> Vec<String> {
        self.child.wait().unwrap();
        self.reading.take().unwrap().join().unwrap();
        self.lines()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[actix::test]
async fn two_processes_on_one_folder_lose_no_onboarding() {
    let slack = SimulatedSlack::new(TEAM, false, Clock::System);
    slack.lock().add(&user("UBOSS"), "Boss");
    slack.lock().people.get_mut(&user("UBOSS")).unwrap().is_owner = true;
    let (token, bot) = (slack.user_token(&user("UBOSS")), slack.bot_token());
    let server = Server::start(&slack, |_| {}).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let processes = ["one", "two"].map(|name| Process::start(folder.path(), name, &server, &bot));
    let client = Client::builder()
        .timeout(Duration::from_secs(60))
        .add_default_header(("Authorization", format!("Bearer {token}")))
        .finish();
    let knows_its_workspace = async |process: &Process| {
        while client.get(format!("{}/onboard", process.base)).send().await.unwrap().status() != 200 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    for process in &processes {
        tokio::time::timeout(Duration::from_secs(60), knows_its_workspace(process)).await.unwrap();
    }
    let onboarding = (0..2 * EACH).map(|n| {
        let users = json!({ format!("U{n}"): { "default": { "name": format!("{n}") } } });
        let sent = client.post(format!("{}/onboard", processes[n % 2].base)).send_json(&users);
        async move { sent.await.unwrap().status().as_u16() }
    });

    let answered = join_all(onboarding).await;

    assert!(answered.iter().all(|status| *status == 200), "{answered:?}");
    let file: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("store/users.json")).unwrap()).unwrap();
    let users = file["users"].as_object().unwrap();
    assert_eq!(users.len(), 2 * EACH);
    assert!((0..2 * EACH).all(|n| users[&format!("U{n}")]["default"] == json!({ "name": format!("{n}") })));
    server.stop().await;
}

#[actix::test]
async fn the_link_to_the_page_is_printed_and_opens_it_but_is_not_logged() {
    let slack = SimulatedSlack::new(TEAM, false, Clock::System);
    let server = Server::start(&slack, |_| {}).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), "one", &server, &slack.bot_token());
    assert!(process.page.starts_with(&format!("{}/?key=", process.base)), "{}", process.page);

    let client = Client::builder().disable_redirects().finish();
    let opened = client.get(&process.page).send().await.unwrap();

    assert_eq!(opened.status(), 303);
    let key = process.page.split_once('=').unwrap().1;
    let logged = || -> String {
        let files = std::fs::read_dir(folder.path().join("one/logs")).unwrap();
        files.filter_map(|file| std::fs::read_to_string(file.unwrap().path()).ok()).collect()
    };
    let written = tokio::time::timeout(Duration::from_secs(60), async {
        while !logged().contains("listening") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(written.await.is_ok(), "{}", logged());
    assert!(!logged().contains(key), "{}", logged());
}
