//! Settings: read from flags, environment and `.env`, all checked at once.
//!
//! [`settings`] lists them, [`sources`] finds each one's text, [`read`] makes a [`Config`] of the texts.

pub mod aws;
pub mod cli;
pub mod read;
pub mod settings;
pub mod sources;

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;
use url::Url;

use crate::{metrics::Metric, slack::Token};

pub use aws::{AwsVariables, BucketConfig, Role, Roles};

/// Every setting of `serve`, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub bind: SocketAddr,
    /// Where Slack and browsers reach the service.
    pub public_url: Option<Url>,
    /// Logs, metrics, state and, by default, the store.
    pub data_dir: PathBuf,
    /// Where presets, pictures and tokens lie.
    pub store: StoreConfig,
    /// How to talk with Slack.
    pub slack: SlackConfig,
    /// The keys of the vault, the sealing one first; empty when none is set.
    pub vault_keys: Vec<VaultKey>,
    /// How much may wait and be worked on.
    pub queue: QueueConfig,
    /// Time between passes; `None`: only when something asks for one.
    pub reconcile_interval: Option<Duration>,
    /// What to log, and how.
    pub log: LogConfig,
    /// Metrics that are not recorded.
    pub metrics_disabled: BTreeSet<Metric>,
    /// What becomes of logs and metrics.
    pub export: ExportConfig,
    /// How long a stop may take to finish accepted requests.
    pub drain_timeout: Duration,
}

impl Config {
    /// Where the vault's key lies if no setting has it; a bucket's tokens need the setting.
    pub fn vault_key_file(&self) -> Option<PathBuf> {
        match self.store {
            StoreConfig::Folder(_) if self.vault_keys.is_empty() => Some(self.data_dir.join("vault.key")),
            _ => None,
        }
    }

    /// Where a member authorises the app; `None` without a client.
    pub fn install_link(&self) -> Option<String> {
        self.slack.client.as_ref()?;
        Some(self.public("slack/install"))
    }

    /// Whether browsers reach the service by https.
    pub fn is_https(&self) -> bool {
        self.public_url.as_ref().is_some_and(|url| url.scheme() == "https")
    }

    /// The public address of a path, which begins without a slash; the path alone when no address is configured.
    pub fn public(&self, path: &str) -> String {
        match &self.public_url {
            Some(url) => format!("{}/{path}", url.as_str().trim_end_matches('/')),
            None => format!("/{path}"),
        }
    }
}

/// What an administrator's command needs to ask the running service for something.
#[derive(Debug, Clone)]
pub struct Access {
    /// Where the service is.
    pub url: Url,
    /// The user token of an administrator.
    pub token: Token,
    /// Which of a member's names the service sets.
    pub name_field: NameField,
}

/// Which store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreConfig {
    /// A folder on this machine.
    Folder(PathBuf),
    /// A bucket in S3.
    Bucket(Box<BucketConfig>),
}

/// 32 bytes that seal tokens.
#[derive(Clone)]
pub struct VaultKey(pub [u8; 32]);

impl std::fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VaultKey(..)")
    }
}

/// How to talk with Slack.
#[derive(Debug, Clone)]
pub struct SlackConfig {
    /// Root of the Web API, with a slash at its end.
    pub api_url: Url,
    /// Verifies what Slack sends.
    pub signing_secret: SecretString,
    /// Reads profiles.
    pub bot_token: Token,
    /// Changes its owner's profile and, on a paid plan, others' names.
    pub admin_token: Option<Token>,
    /// The app's client, with which members authorise.
    pub client: Option<ClientConfig>,
    /// Which of a member's names is set.
    pub name_field: NameField,
}

/// The app's OAuth client.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The client id.
    pub id: String,
    /// The client secret.
    pub secret: Token,
}

/// Which of a member's names is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameField {
    /// The display name, at most 80 characters.
    DisplayName,
    /// The real name, at most 50 characters.
    RealName,
}

/// How much may wait and be worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueConfig {
    /// Standby requests.
    pub capacity: usize,
    /// Requests in the dead letter queue.
    pub dead_letter_capacity: usize,
    /// Requests being worked on at once.
    pub workers: usize,
}

/// What becomes of logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportConfig {
    /// How often they move to the store.
    pub interval: Duration,
    /// How long they stay there; `None`: the store has rules of its own.
    pub retention: Option<Duration>,
    /// Bytes that logs may take on this machine until then, and as many for metrics.
    pub disk_limit: u64,
}

/// What to log, and how.
#[derive(Debug, Clone, Copy)]
pub struct LogConfig {
    /// Nothing below it is logged.
    pub level: slog::Level,
    /// The format of stdout; the file always has JSON lines.
    pub format: LogFormat,
}

/// The format of stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Term,
    /// For machines: JSON lines.
    Json,
}
