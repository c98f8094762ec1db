//! The service's binary, set up as its users do: by environment variables and a folder.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use awc::Client;
use serde_json::Value;
use statusinator::{
    demo::{Delivery, Server, SimulatedSlack, stage},
    domain::UserId,
};
use tempfile::TempDir;

use crate::truth::{HUES, Truth, picture, square};

const SECRET: &str = "signing-secret";
/// How long it may take to start, and to become right.
const PATIENCE: Duration = Duration::from_secs(150);
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The binary, the folder it works in, and the Slack that it calls.
pub struct Binary {
    pub client: Client,
    pub slack: SimulatedSlack,
    server: Server,
    path: PathBuf,
    folder: TempDir,
    address: SocketAddr,
    variables: Vec<(&'static str, String)>,
    is_loud: bool,
    child: Option<Child>,
}

impl Drop for Binary {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Binary {
    /// Furnishes the folder. `more` are further settings.
    pub fn new(path: &Path, truth: &Truth, is_loud: bool, more: &[(&'static str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // The public address must be known before the service binds it, so a free port is looked for first.
        let address =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
        let slack = truth.slack.clone();
        let server = Server::start(&slack, |_| {}).expect("a free port");
        slack.lock().app.redirect_urls = vec![format!("http://{address}/slack/oauth/callback")];
        let app = slack.lock().app.clone();
        let mut variables = vec![
            ("STATUSINATOR_BIND", address.to_string()),
            ("STATUSINATOR_PUBLIC_URL", format!("http://{address}")),
            ("STATUSINATOR_DATA_DIR", folder.path().join("data").display().to_string()),
            ("STATUSINATOR_LOG_LEVEL", "debug".to_owned()),
            ("SLACK_API_URL", server.api_url()),
            ("SLACK_SIGNING_SECRET", SECRET.to_owned()),
            ("SLACK_BOT_TOKEN", slack.bot_token()),
            ("SLACK_CLIENT_ID", app.client_id),
            ("SLACK_CLIENT_SECRET", app.client_secret),
        ];
        variables.extend(truth.admin.iter().map(|admin| ("SLACK_ADMIN_TOKEN", admin.expose().to_owned())));
        variables.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let client = Client::builder().timeout(Duration::from_secs(5)).disable_redirects().finish();
        let path = path.to_owned();
        let it = Self { client, slack, server, path, folder, address, variables, is_loud, child: None };
        it.put_pictures(truth);
        it.put_users(truth);
        it
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("data/store")
    }

    fn put_pictures(&self, truth: &Truth) {
        for member in &truth.members {
            for hue in HUES {
                let file = self.store().join(picture(member, hue).0.as_str());
                std::fs::create_dir_all(file.parent().expect("a folder")).expect("a new folder");
                std::fs::write(file, square(hue)).expect("a new file");
            }
        }
    }

    /// Writes `users.json` as a careful editor does: whole, or not at all.
    pub fn put_users(&self, truth: &Truth) {
        std::fs::write(self.store().join("users.new"), truth.users_json()).expect("a new file");
        std::fs::rename(self.store().join("users.new"), self.store().join("users.json")).expect("a rename");
    }

    /// Has a member authorise the app, as his browser would.
    pub async fn authorise(&self, truth: &mut Truth, member: &UserId) -> Result<(), String> {
        let base = self.base();
        let consent = stage::authorise(&self.slack, &base, &self.client, member);
        consent.await.map_err(|error| format!("{member} cannot authorise: {error:#}"))?;
        truth.take_token(member);
        Ok(())
    }

    /// Where it listens.
    fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How Slack's events get to it.
    pub fn delivery(&self) -> Delivery {
        Delivery::to(format!("{}/slack/events", self.base()), SECRET)
    }

    /// Starts the process.
    pub fn spawn(&mut self) {
        let stdout = || if self.is_loud { Stdio::inherit() } else { Stdio::null() };
        let mut command = Command::new(&self.path);
        command.arg("serve").env_clear().envs(self.variables.iter().cloned()).current_dir(self.folder.path());
        self.child =
            Some(command.stdin(Stdio::null()).stdout(stdout()).stderr(stdout()).spawn().expect("the binary"));
    }

    /// Starts the process and waits until it is ready.
    pub async fn start(&mut self) -> Result<(), String> {
        self.spawn();
        self.until("the service is ready", async || self.readyz().await.0 == 200).await
    }

    /// Kills the process at once, as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        self.forget_calls();
    }

    /// Tells the process to stop.
    pub fn signal(&self) {
        let child = self.child.as_ref().expect("it was started");
        let told = Command::new("kill").arg(child.id().to_string()).status();
        assert!(told.expect("kill is there").success());
    }

    /// Waits for the process's end.
    pub fn ended(&mut self) -> ExitStatus {
        let ended = self.child.take().expect("it was started").wait().expect("a child");
        self.forget_calls();
        ended
    }

    /// Slack's limits are not kept ahead of time for the first minute after a crash.
    fn forget_calls(&self) {
        self.slack.lock().windows = Default::default();
    }

    /// Slack's connections are refused for so long.
    pub async fn refuse_connections(&mut self, duration: Duration) {
        self.server.stop().await;
        tokio::time::sleep(duration).await;
        self.server = Server::start_at(self.server.address, &self.slack, |_| {}).expect("its own port");
    }

    /// `GET /readyz`: status and body.
    pub async fn readyz(&self) -> (u16, Value) {
        let Ok(mut answer) = self.client.get(format!("{}/readyz", self.base())).send().await else {
            return (0, Value::Null);
        };
        let body = answer.body().await.unwrap_or_default();
        (answer.status().as_u16(), serde_json::from_slice(&body).unwrap_or_default())
    }

    /// How many requests are worked on, on standby, dead letters.
    pub async fn depths(&self) -> [u64; 3] {
        let queue = self.readyz().await.1["actors"]["request_queue"].take();
        ["working", "standby", "dead_letters"].map(|depth| queue[depth].as_u64().unwrap_or(u64::MAX))
    }

    /// Waits until something is so.
    pub async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) -> Result<(), String> {
        let waiting = async {
            while !holds().await {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.map_err(|_| format!("after {} s it is not so that {what}", PATIENCE.as_secs()))
    }
}
