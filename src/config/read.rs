//! Makes a [`Config`] of the settings' texts, and finds everything that is wrong with them.

mod bucket;
mod export;

use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};

use secrecy::SecretString;
use slog::Level;
use url::{Host, Url};

use crate::{metrics::Metric, slack::Token, vault};

use super::{
    Access, AwsVariables, BucketConfig, ClientConfig, Config, LogConfig, LogFormat, NameField, QueueConfig,
    SlackConfig, VaultKey,
    settings::SETTINGS,
    sources::{Sources, Texts, Wrong},
};

/// Reads every setting.
///
/// # Errors
/// All that is wrong, at once.
pub fn read(sources: &Sources) -> Result<Config, Vec<Wrong>> {
    let mut wrong = Vec::new();
    let texts = sources.texts(&mut wrong);
    let aws = AwsVariables(sources.aws());
    let mut reader = Reader { texts, aws, wrong };
    match reader.config() {
        Some(config) if reader.wrong.is_empty() => Ok(config),
        _ => Err(reader.wrong),
    }
}

/// Reads where the service listens. What else is wrong is not the business of who only asks it something.
///
/// # Errors
/// When that setting is wrong.
pub fn read_bind(sources: &Sources) -> Result<SocketAddr, Vec<Wrong>> {
    let mut reader = Reader { texts: sources.texts(&mut Vec::new()), ..Reader::default() };
    reader.bind().ok_or(reader.wrong)
}

/// Reads where the service is and who asks it.
///
/// # Errors
/// All that is wrong with these settings and with `.env`.
pub fn read_access(sources: &Sources) -> Result<Access, Vec<Wrong>> {
    let mut wrong = Vec::new();
    let texts = sources.texts(&mut wrong);
    wrong.retain(|wrong| wrong.name.starts_with("SLACK_ADMIN_TOKEN") || wrong.name.starts_with(".env"));
    let mut reader = Reader { texts, wrong, ..Reader::default() };
    match reader.access() {
        Some(access) if reader.wrong.is_empty() => Ok(access),
        _ => Err(reader.wrong),
    }
}

/// Reads how a bucket of this name is reached with the caller's own credentials.
///
/// # Errors
/// All that is wrong with these settings.
pub fn read_bucket(sources: &Sources, bucket: &str) -> Result<BucketConfig, Vec<Wrong>> {
    let texts = sources.texts(&mut Vec::new());
    let mut reader = Reader { texts, aws: AwsVariables(sources.aws()), ..Reader::default() };
    reader.plain_bucket(bucket).ok_or(reader.wrong)
}

#[derive(Default)]
struct Reader {
    texts: Texts,
    aws: AwsVariables,
    wrong: Vec<Wrong>,
}

impl Reader {
    /// `None` when something is wrong; then it is noted. Every setting is looked at all the same.
    fn config(&mut self) -> Option<Config> {
        let bind = self.bind();
        let data_dir = self.parse("STATUSINATOR_DATA_DIR", "a folder's path", |text| {
            (!text.is_empty()).then(|| std::path::PathBuf::from(text))
        });
        let store = self.store(data_dir.clone());
        let public_url = self.public_url();
        let slack = self.slack(public_url.is_some());
        let vault_keys = self.vault_keys();
        let queue = self.queue();
        let reconcile_interval =
            self.duration("STATUSINATOR_RECONCILE_INTERVAL", "0s, or 1s to 24h", |duration| {
                duration.is_zero() || (1..=24 * 3600).contains(&duration.as_secs())
            });
        let export = self.export(store.as_ref());
        let log = self.log();
        let metrics_disabled = self.metrics_disabled();
        let drain_timeout =
            self.duration("STATUSINATOR_DRAIN_TIMEOUT", "0s to 10m", |duration| duration.as_secs() <= 600);
        Some(Config {
            bind: bind?,
            public_url,
            data_dir: data_dir?,
            store: store?,
            slack: slack?,
            vault_keys: vault_keys?,
            queue: queue?,
            reconcile_interval: Some(reconcile_interval?).filter(|interval| !interval.is_zero()),
            log: log?,
            metrics_disabled: metrics_disabled?,
            export: export?,
            drain_timeout: drain_timeout?,
        })
    }

    fn access(&mut self) -> Option<Access> {
        let url = self.public_url();
        if self.text("STATUSINATOR_PUBLIC_URL").is_none() {
            self.fail("STATUSINATOR_PUBLIC_URL", "is required; or give --url");
        }
        let token = self.required("SLACK_ADMIN_TOKEN");
        let token = token.and_then(|token| self.token("SLACK_ADMIN_TOKEN", token));
        let name_field = self.name_field();
        Some(Access { url: url?, token: token?, name_field: name_field? })
    }

    fn bind(&mut self) -> Option<SocketAddr> {
        self.parse("STATUSINATOR_BIND", "an address and a port, such as 127.0.0.1:3000", |text| {
            text.parse().ok()
        })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    fn fail(&mut self, name: &str, problem: impl Into<String>) {
        self.wrong.push(Wrong::new(name, problem));
    }

    /// Parses a setting that has a value or a default.
    fn parse<T>(
        &mut self,
        name: &'static str,
        allowed: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?.to_owned();
        let parsed = parse(&text);
        if parsed.is_none() {
            let is_secret = SETTINGS.iter().any(|setting| setting.variable == name && setting.is_secret);
            let shown = if is_secret { "its value".to_owned() } else { format!("{text:?}") };
            self.fail(name, format!("{shown} is wrong; allowed: {allowed}"));
        }
        parsed
    }

    fn number(&mut self, name: &'static str, range: RangeInclusive<usize>) -> Option<usize> {
        let allowed = format!("{} to {}", range.start(), range.end());
        self.parse(name, &allowed, |text| text.parse().ok().filter(|number| range.contains(number)))
    }

    fn duration(
        &mut self,
        name: &'static str,
        allowed: &str,
        fits: impl Fn(Duration) -> bool,
    ) -> Option<Duration> {
        self.parse(name, allowed, |text| {
            humantime::parse_duration(text).ok().filter(|duration| fits(*duration))
        })
    }

    fn public_url(&mut self) -> Option<Url> {
        self.parse(
            "STATUSINATOR_PUBLIC_URL",
            "an https address, or http on loopback, without query",
            public_address,
        )
    }

    fn slack(&mut self, has_public_url: bool) -> Option<SlackConfig> {
        let api_url = self.parse("SLACK_API_URL", "an http or https address", |text| {
            let with_slash = if text.ends_with('/') { text.to_owned() } else { format!("{text}/") };
            Url::parse(&with_slash)
                .ok()
                .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        });
        let signing_secret = self.required("SLACK_SIGNING_SECRET").map(SecretString::from);
        let bot_token =
            self.required("SLACK_BOT_TOKEN").and_then(|token| self.token("SLACK_BOT_TOKEN", token));
        let admin_token = match self.text("SLACK_ADMIN_TOKEN").map(str::to_owned) {
            Some(token) => self.token("SLACK_ADMIN_TOKEN", token).map(Some),
            None => Some(None),
        };
        let client = self.client(has_public_url);
        let name_field = self.name_field();
        Some(SlackConfig {
            api_url: api_url?,
            signing_secret: signing_secret?,
            bot_token: bot_token?,
            admin_token: admin_token?,
            client: client?,
            name_field: name_field?,
        })
    }

    fn name_field(&mut self) -> Option<NameField> {
        self.parse("STATUSINATOR_NAME_FIELD", "display_name or real_name", |text| match text {
            "display_name" => Some(NameField::DisplayName),
            "real_name" => Some(NameField::RealName),
            _ => None,
        })
    }

    fn required(&mut self, name: &'static str) -> Option<String> {
        let text = self.text(name).map(str::to_owned);
        let is_known_wrong = self.wrong.iter().any(|wrong| wrong.name.starts_with(name));
        if text.is_none() && !is_known_wrong {
            self.fail(name, "is required");
        }
        text
    }

    /// Tokens that end after some hours cannot be a setting.
    fn token(&mut self, name: &'static str, token: String) -> Option<Token> {
        if token.starts_with("xoxe.") {
            self.fail(
                name,
                "is a rotating token (xoxe.…), which a setting cannot refresh; switch token rotation off",
            );
            return None;
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.fail(name, "has characters that no token has");
            return None;
        }
        Some(Token::new(token))
    }

    fn client(&mut self, has_public_url: bool) -> Option<Option<ClientConfig>> {
        let id = self.text("SLACK_CLIENT_ID").map(str::to_owned);
        let secret = self.text("SLACK_CLIENT_SECRET").map(str::to_owned);
        if id.is_some() && !has_public_url && self.text("STATUSINATOR_PUBLIC_URL").is_none() {
            self.fail("STATUSINATOR_PUBLIC_URL", "is required with SLACK_CLIENT_ID");
        }
        match (id, secret) {
            (None, None) => Some(None),
            (Some(_), None) => {
                self.required("SLACK_CLIENT_SECRET");
                None
            }
            (None, Some(_)) => {
                self.fail("SLACK_CLIENT_ID", "is required with SLACK_CLIENT_SECRET");
                None
            }
            (Some(id), Some(secret)) => Some(Some(ClientConfig { id, secret: Token::new(secret) })),
        }
    }

    fn vault_keys(&mut self) -> Option<Vec<VaultKey>> {
        if self.text("STATUSINATOR_VAULT_KEY").is_none() {
            return Some(Vec::new());
        }
        self.parse("STATUSINATOR_VAULT_KEY", "32 bytes in base64; several with commas", |text| {
            text.split(',').map(|key| vault::parse_key(key).ok()).collect()
        })
    }

    fn queue(&mut self) -> Option<QueueConfig> {
        let capacity = self.number("STATUSINATOR_QUEUE_CAPACITY", 1..=10_000);
        let dead_letter_capacity = self.number("STATUSINATOR_DEAD_LETTER_CAPACITY", 1..=10_000);
        let workers = self.number("STATUSINATOR_WORKERS", 1..=64);
        Some(QueueConfig {
            capacity: capacity?,
            dead_letter_capacity: dead_letter_capacity?,
            workers: workers?,
        })
    }

    fn log(&mut self) -> Option<LogConfig> {
        let level =
            self.parse("STATUSINATOR_LOG_LEVEL", "trace, debug, info, warn or error", |text| match text {
                "trace" => Some(Level::Trace),
                "debug" => Some(Level::Debug),
                "info" => Some(Level::Info),
                "warn" => Some(Level::Warning),
                "error" => Some(Level::Error),
                _ => None,
            });
        let format = self.parse("STATUSINATOR_LOG_FORMAT", "term or json", |text| match text {
            "term" => Some(LogFormat::Term),
            "json" => Some(LogFormat::Json),
            _ => None,
        });
        Some(LogConfig { level: level?, format: format? })
    }

    fn metrics_disabled(&mut self) -> Option<std::collections::BTreeSet<Metric>> {
        if self.text("STATUSINATOR_METRICS_DISABLED").is_none() {
            return Some(Default::default());
        }
        let names = Metric::ALL.map(Metric::name).join(", ");
        self.parse("STATUSINATOR_METRICS_DISABLED", &format!("with commas: {names}"), |text| {
            text.split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(|name| name.parse().ok())
                .collect()
        })
    }
}

/// An address at which Slack and browsers can reach the service safely.
pub fn public_address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    (is_safe && url.query().is_none() && url.fragment().is_none() && url.username().is_empty()).then_some(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::StoreConfig;

    fn with(pairs: &[(&str, &str)]) -> Result<Config, Vec<Wrong>> {
        let needed = [("SLACK_SIGNING_SECRET", "shhh"), ("SLACK_BOT_TOKEN", "xoxb-1")];
        let pairs = needed.iter().chain(pairs);
        let environment = pairs.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        read(&Sources { environment, ..Sources::default() })
    }

    fn names(wrong: Vec<Wrong>) -> Vec<String> {
        wrong.into_iter().map(|wrong| wrong.name).collect()
    }

    #[test]
    fn the_defaults_are_as_documented() {
        let config = with(&[]).unwrap();

        assert_eq!(config.bind.to_string(), "127.0.0.1:3000");
        assert_eq!(config.store, StoreConfig::Folder("./data/store".into()));
        assert_eq!(config.queue, QueueConfig { capacity: 10, dead_letter_capacity: 10, workers: 4 });
        assert_eq!(config.reconcile_interval, Some(Duration::from_secs(900)));
        assert_eq!(config.drain_timeout, Duration::from_secs(25));
        let export = config.export;
        assert_eq!((export.interval.as_secs(), export.disk_limit), (3_600, 256 * 1024 * 1024));
        assert_eq!(export.retention, Some(Duration::from_secs(90 * 86_400)));
        assert_eq!(config.slack.api_url.as_str(), "https://slack.com/api/");
    }

    #[test]
    fn every_wrong_setting_is_named_at_once() {
        let wrong = [
            ("STATUSINATOR_BIND", "nowhere"),
            ("STATUSINATOR_PUBLIC_URL", "http://example.com"),
            ("STATUSINATOR_STORE", "ftp://x"),
            ("SLACK_ADMIN_TOKEN", "xoxe.xoxp-1"),
            ("SLACK_API_URL", "ftp://slack"),
            ("STATUSINATOR_VAULT_KEY", "c2hvcnQ="),
            ("STATUSINATOR_QUEUE_CAPACITY", "0"),
            ("STATUSINATOR_DEAD_LETTER_CAPACITY", "10001"),
            ("STATUSINATOR_WORKERS", "65"),
            ("STATUSINATOR_RECONCILE_INTERVAL", "500ms"),
            ("STATUSINATOR_NAME_FIELD", "nickname"),
            ("STATUSINATOR_LOG_LEVEL", "loud"),
            ("STATUSINATOR_LOG_FORMAT", "xml"),
            ("STATUSINATOR_METRICS_DISABLED", "nonsense"),
            ("STATUSINATOR_EXPORT_INTERVAL", "25h"),
            ("STATUSINATOR_EXPORT_RETENTION", "0s"),
            ("STATUSINATOR_DISK_LIMIT", "1023KiB"),
            ("STATUSINATOR_DRAIN_TIMEOUT", "11m"),
        ];

        let found = with(&wrong).unwrap_err();

        let text = found.iter().map(Wrong::to_string).collect::<Vec<_>>().join("\n");
        assert!(!text.contains("c2hvcnQ") && !text.contains("xoxp-1"), "{text}");
        assert!(text.contains("\"nowhere\"") && text.contains("1 to 10000"), "{text}");
        let mut expected: Vec<_> = wrong.iter().map(|(name, _)| (*name).to_owned()).collect();
        let mut found = names(found);
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_client_needs_both_halves_and_a_public_address() {
        let missing = ["STATUSINATOR_PUBLIC_URL", "SLACK_CLIENT_SECRET"];
        assert_eq!(names(with(&[("SLACK_CLIENT_ID", "1")]).unwrap_err()), missing);
        assert_eq!(names(with(&[("SLACK_CLIENT_SECRET", "1")]).unwrap_err()), ["SLACK_CLIENT_ID"]);
        let both = [("SLACK_CLIENT_ID", "1"), ("SLACK_CLIENT_SECRET", "2")];
        assert_eq!(names(with(&both).unwrap_err()), ["STATUSINATOR_PUBLIC_URL"]);
        let all = [both[0], both[1], ("STATUSINATOR_PUBLIC_URL", "http://127.0.0.1:3000")];
        assert_eq!(with(&all).unwrap().install_link().unwrap(), "http://127.0.0.1:3000/slack/install");
    }

    #[test]
    fn what_is_required_is_asked_for() {
        assert_eq!(
            names(read(&Sources::default()).unwrap_err()),
            ["SLACK_SIGNING_SECRET", "SLACK_BOT_TOKEN"]
        );
    }
}
