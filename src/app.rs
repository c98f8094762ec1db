//! Builds the service, runs it, and stops it in order.

use std::{
    fs::File,
    io::{self, Write as _},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::ExitCode,
    rc::Rc,
    time::Duration,
};

use actix_web::{App as WebApp, HttpServer, dev::ServerHandle, web::Data};
use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use slog::{Logger, info, warn};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};
use url::Url;

use crate::{
    actors::{exporter::Export, overseer::Fatal},
    clock::Clock,
    config::{Config, StoreConfig},
    http::{self, HttpState, session::PageKey},
    logging::{LogHandle, Logs, escape},
    metrics::Recorder,
    service::{Files, Outside, Service},
    slack::{HttpTransport, Transport},
    spool::{Kind, Spool},
    storage::{LocalStorage, Storage, Stores, trial, trial::Unfit},
    vault::{self, Vault},
};

/// HTTP workers; one would do for what Slack sends, two keep `/readyz` quick meanwhile.
const HTTP_WORKERS: usize = 2;
/// What a stop may take beyond the drain timeout: files are flushed, connections closed.
const CLOSE_WITHIN: Duration = Duration::from_secs(4);
/// The wait between two trials of a store that does not answer.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Why the service did not run, or no longer does: what the exit status tells apart.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A setting is wrong: exit status 2.
    #[error("{0}")]
    Misconfigured(String),
    /// Anything else: exit status 1.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
}

impl AppError {
    /// The process's exit status.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Misconfigured(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::FAILURE,
        }
    }
}

/// The built service: it listens, and accepts events once [`App::run`] runs it.
pub struct App {
    service: Service,
    server: actix_web::dev::Server,
    handle: ServerHandle,
    bound: SocketAddr,
    page_link: Option<SecretString>,
    drain_timeout: Duration,
    fatal: mpsc::UnboundedReceiver<Fatal>,
    log: Logger,
    // The data folder is this process's as long as the lock is held.
    _lock: File,
}

impl App {
    /// Opens the folders, starts the actors and binds the address. `logs` are the files of the log, if it has any.
    ///
    /// # Errors
    /// [`AppError::Misconfigured`] when a setting turns out to be wrong, [`AppError::Failed`] otherwise.
    pub async fn build(config: &Config, log: &Logger, logs: Option<LogHandle>) -> Result<Self, AppError> {
        let lock = own(&config.data_dir)?;
        let files = files(config, logs)?;
        // Before any actor runs: whoever cannot listen shall not begin to work.
        let listener = bind(config.bind)?;
        let clock = Clock::System;
        let recorder = Recorder::new(config.metrics_disabled.clone(), clock);
        let outside = outside(config, recorder.clone(), clock, log).await?;
        let (on_fatal, fatal) = mpsc::unbounded_channel();
        if matches!(config.store, StoreConfig::Bucket(_)) {
            actix::spawn(refuse_unfit(outside.stores.write.clone(), on_fatal.clone(), log.clone()));
        }
        let service = Service::start(config, outside, Some(files), on_fatal, log).await?;
        let state = Data::new(HttpState::new(config, &service, recorder, clock, log));
        let (server, bound) = serve_http(listener, config.bind, state.clone())?;
        let page_link = state.entrance.key.as_ref().map(|key| page_link(config, bound, key));
        info!(log, "listening"; "address" => %bound, "version" => env!("CARGO_PKG_VERSION"));
        let handle = server.handle();
        let (drain_timeout, log) = (config.drain_timeout, log.clone());
        Ok(Self { service, server, handle, bound, page_link, drain_timeout, fatal, log, _lock: lock })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.bound
    }

    /// What opens the operator's page where nobody can sign in. It holds a key, so it must not be logged.
    pub fn page_link(&self) -> Option<&SecretString> {
        self.page_link.as_ref()
    }

    /// The running actors.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Serves until `shutdown` is over, then drains and stops. If `hurry` is over meanwhile, it stops at once.
    ///
    /// # Errors
    /// When a setting turned out to be wrong, when actors restarted too often, and when it had to stop at once.
    pub async fn run(mut self, shutdown: impl Future, hurry: impl Future) -> Result<(), AppError> {
        let serving = actix::spawn(self.server);
        let fatal = tokio::select! {
            _ = shutdown => None,
            fatal = self.fatal.recv() => fatal,
            _ = serving => return Err(AppError::Failed(anyhow::anyhow!("the HTTP server ended"))),
        };
        match fatal {
            None => {}
            Some(Fatal::Misconfigured(why)) => return Err(AppError::Misconfigured(why)),
            Some(Fatal::RestartStorm) => {
                return Err(AppError::Failed(anyhow::anyhow!(
                    "actors restart too often; the process ends, to begin anew"
                )));
            }
        }
        let stopped = stop(&self.service, self.handle, self.drain_timeout, &self.log);
        tokio::select! {
            () = stopped => Ok(()),
            _ = hurry => Err(AppError::Failed(anyhow::anyhow!("stopped at once by a second signal"))),
        }
    }
}

/// Accepts no more, drains, writes what is open, closes connections.
async fn stop(service: &Service, server: ServerHandle, drain_timeout: Duration, log: &Logger) {
    info!(log, "stopping: no event is accepted any more"; "drain_timeout_s" => drain_timeout.as_secs());
    let left = service.drain(drain_timeout).await;
    for (request, user) in &left {
        warn!(log, "request not finished; the next start's pass makes it good";
            "request" => request.to_string(), "user" => user.to_string());
    }
    let close = async {
        server.stop(false).await;
        // The last line, before the files that hold it are exported.
        info!(log, "stopped"; "unfinished" => left.len());
        if let Some(keepers) = &service.keepers {
            // An actor that is gone exports nothing; the next start does.
            let _ = keepers.exporter.send(Export).await;
        }
    };
    if tokio::time::timeout(CLOSE_WITHIN, close).await.is_err() {
        warn!(log, "the last logs and metrics were not exported in time; the next start exports them");
    }
}

/// The files of logs and metrics; what an earlier process left of them waits for its export.
fn files(config: &Config, logs: Option<LogHandle>) -> Result<Files, AppError> {
    let open = || -> io::Result<Files> {
        let metrics = Spool::open(&config.data_dir, Kind::Metrics, config.export.disk_limit)?;
        metrics.adopt()?;
        if let Some(logs) = &logs {
            logs.spool.adopt()?;
        }
        Ok(Files { logs, metrics })
    };
    Ok(open()
        .with_context(|| format!("STATUSINATOR_DATA_DIR {} cannot be used", config.data_dir.display()))?)
}

/// Makes the data folder this process's own, for as long as the file lives.
fn own(data_dir: &Path) -> Result<File, AppError> {
    let lock = || -> anyhow::Result<File> {
        private_folder(data_dir)?;
        Ok(File::options().create(true).truncate(false).write(true).open(data_dir.join("lock"))?)
    };
    let file =
        lock().with_context(|| format!("STATUSINATOR_DATA_DIR {} cannot be used", data_dir.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => Err(AppError::Misconfigured(format!(
            "STATUSINATOR_DATA_DIR {} is used by another process; give each its own",
            data_dir.display()
        ))),
    }
}

fn private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

async fn outside(
    config: &Config,
    recorder: Recorder,
    clock: Clock,
    log: &Logger,
) -> Result<Outside, AppError> {
    let stores = Stores::open(&config.store, clock).context("STATUSINATOR_STORE cannot be used")?;
    let state = LocalStorage::open(&config.data_dir.join("state"))
        .with_context(|| format!("STATUSINATOR_DATA_DIR {} cannot be used", config.data_dir.display()))?;
    let state = Rc::new(state);
    let vault = open_vault(config, &*stores.read, log).await?;
    let transport: Rc<dyn Transport> = Rc::new(HttpTransport::new(&config.slack.api_url));
    Ok(Outside { transport, stores, state, vault, clock, recorder })
}

/// Ends the process if the store ignores conditions of writes; tries until it can tell.
async fn refuse_unfit(store: Rc<dyn Storage>, on_fatal: mpsc::UnboundedSender<Fatal>, log: Logger) {
    let mut is_told = false;
    loop {
        let error = match trial::conditions(&*store).await {
            Ok(()) => return,
            Err(Unfit::Untried(error)) => error,
            Err(unfit) => {
                // Nobody hears it when the process ends anyway.
                let _ = on_fatal.send(Fatal::Misconfigured(format!("STATUSINATOR_STORE: {unfit}")));
                return;
            }
        };
        if !std::mem::replace(&mut is_told, true) {
            warn!(log, "the store's conditional writes cannot be tried; tried again each minute";
                "error" => escape(&error.to_string()), "todo" => "run statusinator check with the same settings");
        }
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
}

/// The vault with the configured keys, else with the key file of the data folder.
async fn open_vault(config: &Config, store: &dyn Storage, log: &Logger) -> Result<Option<Vault>, AppError> {
    if !config.vault_keys.is_empty() {
        return Ok(Some(Vault::new(config.vault_keys.clone())));
    }
    let Some(path) = config.vault_key_file() else { return Ok(None) };
    let key =
        vault::key_file(&path, store).await.with_context(|| format!("the vault's key {}", path.display()))?;
    if key.is_none() {
        warn!(log, "tokens lie in the store but their key is gone"; "file" => path.display().to_string(),
            "todo" => "restore the file or set STATUSINATOR_VAULT_KEY; else members authorise again after tokens/ is emptied");
    }
    Ok(key.map(|key| Vault::new(vec![key])))
}

fn bind(address: SocketAddr) -> Result<TcpListener, AppError> {
    TcpListener::bind(address).map_err(|error| {
        AppError::Misconfigured(format!("STATUSINATOR_BIND {address} cannot be bound: {error}"))
    })
}

fn serve_http(
    listener: TcpListener,
    address: SocketAddr,
    state: Data<HttpState>,
) -> Result<(actix_web::dev::Server, SocketAddr), AppError> {
    let server = HttpServer::new(move || WebApp::new().app_data(state.clone()).configure(http::routes))
        .workers(HTTP_WORKERS)
        .disable_signals()
        .shutdown_timeout(CLOSE_WITHIN.as_secs())
        .listen(listener)
        .context("connections cannot be taken")?;
    let bound = server.addrs().first().copied().unwrap_or(address);
    Ok((server.run(), bound))
}

fn page_link(config: &Config, bound: SocketAddr, key: &PageKey) -> SecretString {
    let base = config.public_url.as_ref().map_or_else(|| format!("http://{bound}/"), Url::to_string);
    format!("{}/?key={}", base.trim_end_matches('/'), key.expose()).into()
}

/// Runs the service until SIGTERM or SIGINT; a second signal stops it at once.
///
/// # Errors
/// As [`App::build`] and [`App::run`].
pub async fn serve(config: Config, logs: &Logs) -> Result<(), AppError> {
    let app = App::build(&config, &logs.log, Some(logs.handle.clone())).await?;
    if let Some(link) = app.page_link() {
        // Not through the log, whose files are exported, nor on stdout, where it could get into another line.
        let line = format!("the operator's page: {}\n", link.expose_secret());
        let _ = io::stderr().write_all(line.as_bytes());
    }
    let mut usr1 = signal(SignalKind::user_defined1()).context("signals cannot be heard")?;
    let (log, handle) = (logs.log.clone(), logs.handle.clone());
    actix::spawn(async move {
        while usr1.recv().await.is_some() {
            handle.toggle_debug(&log);
        }
    });
    let mut signals = Signals::new().context("signals cannot be heard")?;
    let mut more = Signals::new().context("signals cannot be heard")?;
    app.run(signals.next(), async {
        more.next().await;
        more.next().await;
    })
    .await
}

struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
