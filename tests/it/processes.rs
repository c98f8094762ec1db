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
    demo::{Delivery, Server, SimulatedSlack, stage::authorise},
};

use crate::{
    harness::{SECRET, TEAM, user},
    s3_server::{BUCKET, KEY, S3Server},
};

/// So many members are onboarded through each process at once.
const EACH: usize = 200;

pub struct Process {
    pub child: Child,
    pub base: String,
    /// What opens the operator's page, where nobody can sign in.
    page: Option<String>,
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
        let can_sign_in = settings.iter().any(|(name, _)| *name == "SLACK_CLIENT_ID");
        let page = (!can_sign_in).then(|| {
            errors.find_map(|line| Some(line.split_once("the operator's page: ")?.1.to_owned())).unwrap()
        });
        std::thread::spawn(move || errors.for_each(|line| eprintln!("{line}")));
        let base = format!("http://{}", listening.unwrap());
        Self { child, base, page, lines: written, reading: Some(reading) }
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

/// Settings of a store in this bucket.
pub fn on_bucket(store: &S3Server) -> Vec<(&'static str, String)> {
    vec![
        ("STATUSINATOR_STORE", format!("s3://{BUCKET}")),
        ("AWS_REGION", "eu-central-1".into()),
        ("AWS_ENDPOINT_URL_S3", format!("http://{}", store.address)),
        ("AWS_ACCESS_KEY_ID", KEY.into()),
        ("AWS_SECRET_ACCESS_KEY", "test-secret".into()),
    ]
}

/// Two processes on one store, and as many onboardings through each at once as the store is to bear; answers
/// `users.json`, which `read` gets.
async fn both_onboard(folder: &Path, settings: &[(&str, String)], read: impl Fn() -> Vec<u8>) {
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let slack = SimulatedSlack::new(TEAM, false, Clock::System);
    slack.lock().add(&user("UBOSS"), "Boss");
    slack.lock().people.get_mut(&user("UBOSS")).unwrap().is_owner = true;
    let (token, bot) = (slack.user_token(&user("UBOSS")), slack.bot_token());
    let server = Server::start(&slack, |_| {}).unwrap();
    let processes = ["one", "two"].map(|name| Process::start_with(folder, name, &server, &bot, &settings));
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
    let file: Value = serde_json::from_slice(&read()).unwrap();
    let users = file["users"].as_object().unwrap();
    assert_eq!(users.len(), 2 * EACH);
    assert!((0..2 * EACH).all(|n| users[&format!("U{n}")]["default"] == json!({ "name": format!("{n}") })));
    server.stop().await;
}

#[actix::test]
async fn two_processes_on_one_folder_lose_no_onboarding() {
    let folder = tempfile::tempdir().unwrap();

    both_onboard(folder.path(), &[], || std::fs::read(folder.path().join("store/users.json")).unwrap()).await;
}

#[actix::test]
async fn two_processes_on_one_bucket_lose_no_onboarding() {
    let (folder, store) = (tempfile::tempdir().unwrap(), S3Server::start());

    both_onboard(folder.path(), &on_bucket(&store), || store.lock().objects["users.json"].to_vec()).await;
}

/// Puts every file below the folder into the bucket.
fn copy_into(store: &S3Server, folder: &Path, name: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let (path, part) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        let name = format!("{name}{}", part.to_str().unwrap());
        if path.is_dir() {
            copy_into(store, &path, &format!("{name}/"));
        } else {
            store.lock().objects.insert(name, std::fs::read(path).unwrap().into());
        }
    }
}

#[actix::test]
async fn a_folder_that_is_copied_into_a_bucket_is_a_store_with_pictures_and_tokens() {
    let slack = SimulatedSlack::new(TEAM, false, Clock::System);
    let (folder, store) = (tempfile::tempdir().unwrap(), S3Server::start());
    for id in ["UBOSS", "U1"] {
        slack.lock().add(&user(id), id);
    }
    slack.lock().people.get_mut(&user("UBOSS")).unwrap().is_owner = true;
    let (token, bot) = (slack.user_token(&user("UBOSS")), slack.bot_token());
    let server = Server::start(&slack, |_| {}).unwrap();
    let bind = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let base = format!("http://{bind}");
    slack.lock().app.redirect_urls = vec![format!("{base}/slack/oauth/callback")];
    let app = slack.lock().app.clone();
    let settings = [
        ("STATUSINATOR_BIND", bind.to_string()),
        ("STATUSINATOR_PUBLIC_URL", base.clone()),
        ("STATUSINATOR_VAULT_KEY", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=".into()),
        ("SLACK_CLIENT_ID", app.client_id),
        ("SLACK_CLIENT_SECRET", app.client_secret),
    ];
    let start = |name: &str, more: &[(&str, String)]| {
        let settings: Vec<(&str, &str)> =
            settings.iter().chain(more).map(|(name, text)| (*name, text.as_str())).collect();
        Process::start_with(folder.path(), name, &server, &bot, &settings)
    };
    let client = Client::builder().timeout(Duration::from_secs(60)).disable_redirects().finish();
    let onboard = async |path: &str, kind: &str, body: Vec<u8>| -> Value {
        let sent =
            client.post(format!("{base}{path}")).bearer_auth(&token).content_type(kind).send_body(body);
        let mut answer = sent.await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.json().await.unwrap()
    };
    let process = start("before", &[]);
    until_ready(&client, &base).await;
    let picture =
        onboard("/onboard/U1/pictures", "image/png", statusinator::demo::pictures::square(7).to_vec()).await
            ["picture"]
            .clone();
    let presets = json!({ "U1": { ":a:": { "name": "A", "picture": picture } } });
    onboard("/onboard", "application/json", presets.to_string().into()).await;
    authorise(&slack, &base, &client, &user("U1")).await.unwrap();
    process.signal("-TERM");
    process.ended();

    copy_into(&store, &folder.path().join("store"), "");
    let _process = start("after", &on_bucket(&store));
    until_ready(&client, &base).await;
    slack.set_status(&user("U1"), ":a:", "", 0);
    let delivery = Delivery::to(format!("{base}/slack/events"), SECRET);
    for event in slack.take_events() {
        delivery.deliver(&client, &event).await;
    }

    let changed = tokio::time::timeout(Duration::from_secs(60), async {
        while slack.name(&user("U1")) != "A" || slack.photo(&user("U1")).is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(changed.await.is_ok(), "{:#?}", slack.calls());
    server.stop().await;
}

async fn until_ready(client: &Client, base: &str) {
    let ready = tokio::time::timeout(Duration::from_secs(60), async {
        while client.get(format!("{base}/readyz")).send().await.map_or(0, |answer| answer.status().as_u16())
            != 200
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(ready.await.is_ok(), "it never became ready");
}

#[actix::test]
async fn the_link_to_the_page_is_printed_and_opens_it_but_is_not_logged() {
    let slack = SimulatedSlack::new(TEAM, false, Clock::System);
    let server = Server::start(&slack, |_| {}).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), "one", &server, &slack.bot_token());
    let page = process.page.clone().unwrap();
    assert!(page.starts_with(&format!("{}/?key=", process.base)), "{page}");

    let client = Client::builder().disable_redirects().finish();
    let opened = client.get(&page).send().await.unwrap();

    assert_eq!(opened.status(), 303);
    let key = page.split_once('=').unwrap().1;
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
