//! A real application and a simulated Slack, on loopback, for one test.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use actix::Addr;
use awc::Client;
use bytes::Bytes;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use statusinator::{
    actors::Observe,
    app::App,
    clock::Clock,
    config::{
        ClientConfig, Config, ExportConfig, LogConfig, LogFormat, NameField, QueueConfig, SlackConfig,
        StoreConfig,
    },
    demo::{Answered, Delivery, Server, SimulatedSlack, pictures},
    domain::{UserId, Users},
    logging::{self, Lines},
    metrics::Metric,
    service::Service,
    slack::Token,
};
use tempfile::TempDir;
use tokio::sync::oneshot;
use uuid::Uuid;

pub const SECRET: &str = "signing-secret";
pub const TEAM: &str = "T0TEST";
/// Where the service says that it can be reached; nobody listens there.
const PUBLIC: &str = "http://127.0.0.1:9";

pub fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

/// What a test can choose before the application starts.
pub struct Setup {
    pub queue: QueueConfig,
    pub paid_plan: bool,
    pub has_admin: bool,
    pub has_client: bool,
    /// Where it listens and says that it can be reached; any free port, and elsewhere, if not told.
    pub address: Option<SocketAddr>,
    pub interval: Option<Duration>,
    pub folder: TempDir,
    /// Another application's store, instead of one of its own.
    pub store: Option<PathBuf>,
    pub users: Value,
    pub members: Vec<String>,
    pub authorised: Vec<String>,
    pub drain_timeout: Duration,
    pub metrics_disabled: BTreeSet<Metric>,
    pub slack: SimulatedSlack,
}

impl Setup {
    pub fn new() -> Self {
        Self {
            queue: QueueConfig { capacity: 10, dead_letter_capacity: 10, workers: 4 },
            paid_plan: false,
            has_admin: false,
            has_client: true,
            address: None,
            interval: None,
            folder: tempfile::tempdir().unwrap(),
            store: None,
            users: json!({}),
            members: Vec::new(),
            authorised: Vec::new(),
            drain_timeout: Duration::from_secs(5),
            metrics_disabled: BTreeSet::new(),
            slack: SimulatedSlack::new(TEAM, false, Clock::System),
        }
    }

    /// A member with these presets, who authorised the app.
    pub fn member(mut self, id: &str, presets: Value) -> Self {
        self.authorised.push(id.to_owned());
        self.stranger_to_the_app(id, presets)
    }

    /// A member with these presets, who did not authorise the app.
    pub fn stranger_to_the_app(mut self, id: &str, presets: Value) -> Self {
        self.users[id] = presets;
        self.members.push(id.to_owned());
        self
    }

    pub fn queue(mut self, capacity: usize, dead_letter_capacity: usize, workers: usize) -> Self {
        self.queue = QueueConfig { capacity, dead_letter_capacity, workers };
        self
    }

    pub fn admin(mut self, paid_plan: bool) -> Self {
        self.has_admin = true;
        self.paid_plan = paid_plan;
        self
    }

    /// Nobody can authorise or sign in.
    pub fn without_client(mut self) -> Self {
        self.has_client = false;
        self
    }

    /// A picture in the store, as a link for a preset.
    pub fn picture(&self, id: &str, hue: u16) -> String {
        let uuid = Uuid::from_u128(u128::from(hue) + 1);
        let folder = self.folder.path().join("store").join(id);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{uuid}.png")), pictures::square(hue)).unwrap();
        format!("file:///anywhere/{id}/{uuid}.png")
    }

    pub async fn start(self) -> TestApp {
        let authorised = self.authorised.clone();
        let app = self.start_unready().await;
        app.ready().await;
        for id in &authorised {
            app.authorise(id).await;
        }
        app.settle().await;
        app
    }

    /// Starts it without waiting until it is ready, and nobody has authorised.
    pub async fn start_unready(self) -> TestApp {
        self.slack.lock().paid_plan = self.paid_plan;
        for id in &self.members {
            self.slack.lock().add(&user(id), &format!("{id} by birth"));
        }
        let admin = self.has_admin.then(|| {
            self.slack.lock().add(&user("UADMIN"), "Admin");
            self.slack.lock().people.get_mut(&user("UADMIN")).unwrap().is_owner = true;
            self.slack.user_token(&user("UADMIN"))
        });
        let bot = self.slack.bot_token();
        let server = Server::start(&self.slack, |_| {}).unwrap();
        let data_dir = self.folder.path().to_owned();
        if self.store.is_none() {
            write_users(&data_dir, &self.users);
        }
        let store = self.store.unwrap_or_else(|| data_dir.join("store"));
        let plain = plain_config(&bot);
        let config = Config {
            bind: self.address.unwrap_or_else(|| "127.0.0.1:0".parse().unwrap()),
            public_url: Some(
                self.address.map_or_else(|| PUBLIC.to_owned(), |at| format!("http://{at}")).parse().unwrap(),
            ),
            store: StoreConfig::Folder(store),
            data_dir,
            slack: SlackConfig {
                api_url: server.api_url().parse().unwrap(),
                admin_token: admin.map(Token::new),
                client: plain.slack.client.filter(|_| self.has_client),
                ..plain.slack
            },
            queue: self.queue,
            reconcile_interval: self.interval,
            metrics_disabled: self.metrics_disabled,
            drain_timeout: self.drain_timeout,
            ..plain
        };
        TestApp::run(config, self.slack, server, self.folder).await
    }
}

fn write_users(data_dir: &std::path::Path, users: &Value) {
    let store = data_dir.join("store");
    std::fs::create_dir_all(&store).unwrap();
    let text = json!({ "lastUpdatedAt": "1700000000", "users": users }).to_string();
    // As a careful editor does: whole, or not at all.
    std::fs::write(store.join("users.new"), text).unwrap();
    std::fs::rename(store.join("users.new"), store.join("users.json")).unwrap();
}

/// Settings as most tests have them.
pub fn plain_config(bot_token: &str) -> Config {
    Config {
        bind: "127.0.0.1:0".parse().unwrap(),
        public_url: Some("http://127.0.0.1:9".parse().unwrap()),
        store: StoreConfig::Folder("/nowhere".into()),
        data_dir: "/nowhere".into(),
        slack: SlackConfig {
            api_url: "http://127.0.0.1:9/api/".parse().unwrap(),
            signing_secret: SECRET.into(),
            bot_token: Token::new(bot_token),
            admin_token: None,
            client: Some(ClientConfig {
                id: "1000.2000".into(),
                secret: Token::new("simulated-client-secret"),
            }),
            name_field: NameField::DisplayName,
        },
        vault_keys: Vec::new(),
        queue: QueueConfig { capacity: 10, dead_letter_capacity: 10, workers: 4 },
        reconcile_interval: None,
        log: LogConfig { level: slog::Level::Debug, format: LogFormat::Json },
        metrics_disabled: Default::default(),
        export: ExportConfig { interval: Duration::from_secs(3_600), retention: None, disk_limit: 1 << 26 },
        drain_timeout: Duration::from_secs(5),
    }
}

/// The running application.
pub struct TestApp {
    pub slack: SimulatedSlack,
    pub server: Server,
    pub service: Service,
    pub lines: Lines,
    pub client: Client,
    pub config: Config,
    pub base: String,
    pub page_link: Option<String>,
    folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    running: tokio::task::JoinHandle<Result<(), statusinator::app::AppError>>,
}

impl TestApp {
    pub async fn run(config: Config, slack: SimulatedSlack, server: Server, folder: TempDir) -> Self {
        let (log, lines) = logging::captured();
        let app = App::build(&config, &log, None).await.unwrap();
        let base = format!("http://{}", app.address());
        slack.lock().app.redirect_urls =
            ["slack/oauth/callback", "signin/callback"].map(|path| config.public(path)).into();
        let page_link = app.page_link().map(|link| link.expose_secret().to_owned());
        let service = app.service().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = actix::spawn(app.run(
            async {
                let _ = stopped.await;
            },
            std::future::pending::<()>(),
        ));
        let client = Client::builder().timeout(Duration::from_secs(20)).disable_redirects().finish();
        Self {
            slack,
            server,
            service,
            lines,
            client,
            config,
            base,
            page_link,
            folder,
            stop: Some(stop),
            running,
        }
    }

    /// Waits until `condition` holds; a test fails when that takes too long, not when it takes long.
    pub async fn until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let waited = tokio::time::timeout(Duration::from_secs(60), async {
            while !condition().await {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        if waited.await.is_err() {
            panic!("waited for: {what}\n{:#?}\n{:#?}", self.lines.all(), self.slack.calls());
        }
    }

    pub async fn ready(&self) {
        self.until("ready", async || self.get("/readyz").await.0 == 200).await;
    }

    /// Waits until no request is waiting, worked on or put off, and no pass is under way.
    pub async fn settle(&self) {
        self.until("settled", async || {
            // In this order: what the reconciler was told has then reached the queue.
            let reconciler = self.observe(&self.service.reconciler).await;
            let queue = self.depths().await;
            let idle =
                ["standby", "dead_letters", "working", "put_off", "looks"].iter().all(|key| queue[*key] == 0);
            idle && reconciler["pass_running"] == false && reconciler["last_pass_began_seconds_ago"].is_u64()
        })
        .await;
    }

    pub async fn depths(&self) -> Value {
        self.observe(&self.service.queue).await
    }

    pub async fn observe<A>(&self, actor: &Addr<A>) -> Value
    where
        A: actix::Actor<Context = actix::Context<A>> + actix::Handler<Observe>,
    {
        actor.send(Observe).await.unwrap().snapshot
    }

    pub fn delivery(&self) -> Delivery {
        Delivery::to(format!("{}/slack/events", self.base), SECRET)
    }

    /// Delivers what is in Slack's outbox, in order; answers what came back for the last.
    pub async fn deliver(&self) -> Answered {
        let mut last = Answered::default();
        for event in self.slack.take_events() {
            last = self.delivery().once(&self.client, &event, None).await;
        }
        last
    }

    /// A member sets his status, and the event is delivered once.
    pub async fn status(&self, id: &str, emoji: &str) -> Answered {
        self.slack.take_events();
        self.slack.set_status(&user(id), emoji, "", 0);
        self.deliver().await
    }

    /// The same, but Slack says that it is a redelivery.
    pub async fn status_again(&self, id: &str, emoji: &str) -> Answered {
        self.slack.take_events();
        self.slack.set_status(&user(id), emoji, "", 0);
        let event = self.slack.take_events().remove(0);
        self.delivery().once(&self.client, &event, Some((1, "http_error"))).await
    }

    pub async fn event(&self, event: &Value) -> Answered {
        self.delivery().once(&self.client, event, None).await
    }

    /// Lets a member authorise the app, without a browser.
    pub async fn authorise(&self, id: &str) {
        let (status, _) = self.consent(id, "users.profile:write").await;
        assert_eq!(status, 200);
    }

    /// Goes the way of a browser from `/slack/install` to the callback; answers its status and page.
    pub async fn consent(&self, id: &str, scopes: &str) -> (u16, String) {
        let (location, cookie) = self.install().await;
        let find = |name: &str| location.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        let scopes: Vec<String> = scopes.split(',').map(str::to_owned).collect();
        let code = self.slack.allow(&user(id), &scopes, &find("redirect_uri")).unwrap();
        self.callback(&format!("code={code}&state={}", find("state")), Some(&cookie)).await
    }

    /// `GET /slack/install`: where it sends the browser, and the cookie.
    pub async fn install(&self) -> (url::Url, String) {
        let answer = self.client.get(format!("{}/slack/install", self.base)).send().await.unwrap();
        assert_eq!(answer.status(), 302);
        let text = |name: &str| answer.headers().get(name).unwrap().to_str().unwrap().to_owned();
        let cookie = text("set-cookie").split(';').next().unwrap().to_owned();
        (text("location").parse().unwrap(), cookie)
    }

    pub async fn callback(&self, query: &str, cookie: Option<&str>) -> (u16, String) {
        let mut request = self.client.get(format!("{}/slack/oauth/callback?{query}", self.base));
        if let Some(cookie) = cookie {
            request = request.insert_header(("cookie", cookie));
        }
        let mut answer = request.send().await.unwrap();
        (answer.status().as_u16(), String::from_utf8(answer.body().await.unwrap().to_vec()).unwrap())
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        let Ok(mut answer) = self.client.get(format!("{}{path}", self.base)).send().await else {
            return (0, Value::Null);
        };
        let body = answer.body().await.unwrap_or_default();
        (answer.status().as_u16(), serde_json::from_slice(&body).unwrap_or_default())
    }

    pub async fn problems(&self) -> Vec<String> {
        serde_json::from_value(self.get("/readyz").await.1["problems"].clone()).unwrap_or_default()
    }

    /// What `/metrics` shows, by series: `name{label="value"}`.
    pub async fn metrics(&self) -> BTreeMap<String, f64> {
        let mut answer = self.client.get(format!("{}/metrics", self.base)).send().await.unwrap();
        assert_eq!(answer.headers().get("content-type").unwrap(), "text/plain; version=0.0.4");
        let text = String::from_utf8(answer.body().await.unwrap().to_vec()).unwrap();
        let series = text.lines().filter(|line| !line.starts_with('#'));
        series
            .map(|line| line.rsplit_once(' ').unwrap())
            .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
            .collect()
    }

    /// The rows of all CSV files of samples.
    pub fn samples(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.config.data_dir.join("metrics")).into_iter().flatten();
        let text: String = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
        text.lines().map(str::to_owned).collect()
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Replaces `users.json`, as another process would.
    pub fn write_users(&self, users: &Value) {
        write_users(self.folder.path(), users);
    }

    pub fn onboarded(&self) -> Users {
        self.service.directory.load().users.as_deref().cloned().unwrap_or_default()
    }

    pub fn name(&self, id: &str) -> String {
        self.slack.name(&user(id))
    }

    pub fn photo(&self, id: &str) -> Option<Bytes> {
        self.slack.photo(&user(id))
    }

    /// Lines with this message.
    pub fn said(&self, msg: &str) -> Vec<Value> {
        self.lines.all().into_iter().filter(|line| line["msg"] == msg).collect()
    }

    /// Stops the application and starts it anew on the same folder.
    pub async fn restart(mut self) -> Self {
        self.stop.take().unwrap().send(()).unwrap();
        self.running.await.unwrap().unwrap();
        let app = Self::run(self.config, self.slack, self.server, self.folder).await;
        app.ready().await;
        app
    }

    /// Tells it to stop, and does not wait.
    pub fn begin_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until it has stopped as it was told.
    pub async fn ended(&mut self) {
        (&mut self.running).await.unwrap().unwrap();
    }

    /// Ends the test with work left undone.
    pub async fn end_hard(self) {
        assert_eq!(self.slack.violations(), Vec::<String>::new());
        self.running.abort();
    }

    /// Stops, and fails on calls that real Slack would have refused and on requests left behind.
    pub async fn finish(mut self) {
        self.settle().await;
        assert_eq!(self.slack.violations(), Vec::<String>::new());
        self.begin_stop();
        self.ended().await;
        for line in self.lines.all() {
            let text = line.to_string();
            for secret in [SECRET, "xoxp-", "xoxb-", "simulated-client-secret"] {
                assert!(!text.contains(secret), "a secret is logged: {text}");
            }
        }
        self.server.stop().await;
    }
}
