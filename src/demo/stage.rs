//! Sets the demo up: the simulated Slack and the service, in one process, on a temporary folder.

use std::{net::TcpListener, path::Path, time::Duration};

use anyhow::{Context as _, ensure};
use awc::Client;
use slog::Logger;
use tempfile::TempDir;
use tokio::signal;
use url::Url;

use crate::{
    app::{App, AppError},
    clock::Clock,
    config::{
        ClientConfig, Config, ExportConfig, LogConfig, LogFormat, NameField, QueueConfig, SlackConfig,
        StoreConfig,
    },
    domain::UserId,
    logging::{self, LogHandle, Logs},
    slack::Token,
    spool::{Kind, Spool},
};

use super::{
    Delivery, Server, SimulatedSlack,
    page::{self, Watch},
    scenario,
    seed::{self, RESIDENTS},
    slack::USER_SCOPES,
};

const SIGNING_SECRET: &str = "simulated-signing-secret";
/// How often statuses that end are looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(1);
/// Bytes of logs, and of metrics, that are kept.
const DISK_LIMIT: u64 = 64 * 1024 * 1024;

/// The demo's parts, once the service runs.
pub struct Stage {
    /// The simulated Slack.
    pub slack: SimulatedSlack,
    /// Where the service listens.
    pub base: String,
    client: Client,
}

impl Stage {
    /// Goes a member's way through consent, as his browser would.
    ///
    /// # Errors
    /// When the service does not answer as it should.
    pub async fn authorise(&self, user: &UserId) -> anyhow::Result<()> {
        authorise(&self.slack, &self.base, &self.client, user).await
    }
}

/// Goes a member's way through consent at the service that listens at `base`. The client must not follow redirections.
///
/// # Errors
/// When the service does not answer as it should.
pub async fn authorise(
    slack: &SimulatedSlack,
    base: &str,
    client: &Client,
    user: &UserId,
) -> anyhow::Result<()> {
    let install = format!("{base}/slack/install");
    let answer = client.get(install).send().await.map_err(|error| anyhow::anyhow!("{error}"))?;
    let header =
        |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let location: Url = header("location").context("no redirection to the consent page")?.parse()?;
    let cookie = header("set-cookie").context("no cookie")?;
    let find =
        |name: &str| location.query_pairs().find(|(key, _)| key == name).map(|(_, text)| text.into_owned());
    let redirect_uri = find("redirect_uri").context("no redirect_uri")?;
    let code =
        slack.allow(user, &USER_SCOPES.map(str::to_owned), &redirect_uri).context("refused by slack")?;
    let mut back: Url = redirect_uri.parse()?;
    back.query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", &find("state").context("no state")?);
    let cookie = cookie.split(';').next().unwrap_or_default();
    let answer = client.get(back.as_str()).insert_header(("Cookie", cookie)).send().await;
    let answer = answer.map_err(|error| anyhow::anyhow!("{error}"))?;
    ensure!(answer.status().is_success(), "consent ended with {}", answer.status());
    Ok(())
}

/// Runs the demo until it is interrupted, or plays the scenario once.
///
/// # Errors
/// When it cannot be set up; with `once`, also when a profile did not end as its preset says.
pub async fn run(once: bool) -> Result<(), AppError> {
    let folder =
        tempfile::Builder::new().prefix("statusinator-demo-").tempdir().context("a temporary folder")?;
    if once {
        return play(&folder, &logging::silent()).await;
    }
    let spool = Spool::open(folder.path(), Kind::Logs, DISK_LIMIT).context("a log file")?;
    let logs = logging::start(LogConfig { level: slog::Level::Info, format: LogFormat::Term }, spool);
    show(&folder, &logs).await
}

async fn play(folder: &TempDir, log: &Logger) -> Result<(), AppError> {
    let slack = workspace()?;
    let server = Server::start(&slack, |_| {}).context("the simulated Slack")?;
    let (app, stage) = build(folder.path(), &slack, &server, log, None).await?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = actix::spawn(app.run(stopped, std::future::pending::<()>()));
    let played = scenario::play(&stage).await;
    // It runs until it is told; when it ended by itself, that is what is told below.
    let _ = stop.send(());
    running.await.context("the service broke off")??;
    server.stop().await;
    Ok(played?)
}

async fn show(folder: &TempDir, logs: &Logs) -> Result<(), AppError> {
    let slack = workspace()?;
    let watch = Watch::default();
    let routes = page::routes(&watch);
    let server = Server::start(&slack, routes).context("the simulated Slack")?;
    let user_token = slack.user_token(&RESIDENTS[0].user()?);
    let (app, stage) = build(folder.path(), &slack, &server, &logs.log, Some(logs.handle.clone())).await?;
    watch.set_service(stage.base.clone());
    let begin = async {
        for resident in RESIDENTS.iter().filter(|resident| resident.has_authorised) {
            stage.authorise(&resident.user()?).await?;
        }
        let bot_token = app_token(&slack);
        println!(
            "\nThe demo runs; nothing leaves this machine. Ctrl-C ends it.\n\n  Page        http://{}/\n  Service     {}/ (sign in as {})\n  \
             Web API     {}\n  Bot token   {bot_token}\n  User token  {user_token}\n",
            server.address,
            stage.base,
            RESIDENTS[0].name,
            server.api_url(),
        );
        anyhow::Ok(())
    };
    let running = app.run(
        async {
            if let Err(error) = begin.await {
                eprintln!("statusinator: {error:#}");
                return;
            }
            // Without signals the demo ends at once, which is better than never.
            let _ = signal::ctrl_c().await;
        },
        async {
            // The first one ended the wait above.
            let _ = signal::ctrl_c().await;
        },
    );
    running.await?;
    server.stop().await;
    Ok(())
}

fn workspace() -> anyhow::Result<SimulatedSlack> {
    let slack = SimulatedSlack::new("T0DEMO", false, Clock::System);
    for resident in &RESIDENTS {
        slack.lock().add(&resident.user()?, resident.name);
    }
    if let Some(owner) = slack.lock().people.get_mut(&RESIDENTS[0].user()?) {
        owner.is_owner = true;
    }
    Ok(slack)
}

fn app_token(slack: &SimulatedSlack) -> String {
    let workspace = slack.lock();
    workspace
        .grants
        .iter()
        .find(|(_, grant)| grant.is_bot)
        .map(|(token, _)| token.clone())
        .unwrap_or_default()
}

/// Builds the service on the folder, with events on their way to it.
async fn build(
    folder: &Path,
    slack: &SimulatedSlack,
    server: &Server,
    log: &Logger,
    logs: Option<LogHandle>,
) -> Result<(App, Stage), AppError> {
    let store = folder.join("store");
    std::fs::create_dir_all(&store).context("the demo's store")?;
    seed::furnish(&store)?;
    // The public address must be known before the service binds it, so a free port is looked for first.
    let bind = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).context("a free port")?;
    let base = format!("http://{bind}");
    slack.lock().app.redirect_urls =
        ["slack/oauth/callback", "signin/callback"].map(|path| format!("{base}/{path}")).into();
    let app = slack.lock().app.clone();
    let config = Config {
        bind,
        public_url: Some(base.parse().context("the service's address")?),
        data_dir: folder.to_owned(),
        store: StoreConfig::Folder(store),
        slack: SlackConfig {
            api_url: server.api_url().parse().context("the simulated Slack's address")?,
            signing_secret: SIGNING_SECRET.into(),
            bot_token: Token::new(slack.bot_token()),
            admin_token: None,
            client: Some(ClientConfig { id: app.client_id, secret: Token::new(app.client_secret) }),
            name_field: NameField::DisplayName,
        },
        vault_keys: Vec::new(),
        queue: QueueConfig { capacity: 10, dead_letter_capacity: 10, workers: 4 },
        reconcile_interval: Some(Duration::from_secs(900)),
        log: LogConfig { level: slog::Level::Info, format: LogFormat::Term },
        metrics_disabled: Default::default(),
        export: ExportConfig {
            interval: Duration::from_secs(3_600),
            retention: Some(Duration::from_secs(90 * 86_400)),
            disk_limit: DISK_LIMIT,
        },
        drain_timeout: Duration::from_secs(5),
    };
    let app = App::build(&config, log, logs).await?;
    let delivery = Delivery::to(format!("{base}/slack/events"), SIGNING_SECRET);
    actix::spawn(delivery.run(slack.clone()));
    let expiring = slack.clone();
    actix::spawn(async move {
        loop {
            tokio::time::sleep(EXPIRE_EVERY).await;
            expiring.expire();
        }
    });
    let client = Client::builder().disable_redirects().finish();
    Ok((app, Stage { slack: slack.clone(), base, client }))
}
