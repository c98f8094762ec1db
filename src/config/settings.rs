//! Every setting by name: what `--help` shows and what the README's table must list.

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its environment variable.
    pub variable: &'static str,
    /// What it is for, in one line.
    pub help: &'static str,
    /// What it is when it is not set; `None` for nothing.
    pub default: Option<&'static str>,
    /// A secret has no flag: command lines are visible to others. It may come from the file that `…_FILE` names.
    pub is_secret: bool,
}

impl Setting {
    /// Its flag without the dashes: the variable in kebab-case, without `STATUSINATOR_`.
    pub fn flag(&self) -> String {
        self.variable.trim_start_matches("STATUSINATOR_").to_lowercase().replace('_', "-")
    }
}

const fn plain(variable: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { variable, help, default: Some(default), is_secret: false }
}

const fn unset(variable: &'static str, help: &'static str) -> Setting {
    Setting { variable, help, default: None, is_secret: false }
}

const fn secret(variable: &'static str, help: &'static str) -> Setting {
    Setting { variable, help, default: None, is_secret: true }
}

/// All settings of `serve`.
pub const SETTINGS: [Setting; 29] = [
    plain("STATUSINATOR_BIND", "127.0.0.1:3000", "Address to listen on; port 0 takes any free one"),
    unset(
        "STATUSINATOR_PUBLIC_URL",
        "Where Slack and browsers reach the service: https, or http on loopback",
    ),
    plain("STATUSINATOR_DATA_DIR", "./data", "Folder for logs, metrics, state and, by default, the store"),
    unset(
        "STATUSINATOR_STORE",
        "Where presets, pictures and tokens lie: file:PATH or s3://BUCKET; by default file:<data dir>/store",
    ),
    secret("SLACK_SIGNING_SECRET", "Verifies what Slack sends; required"),
    secret(
        "SLACK_BOT_TOKEN",
        "Reads profiles, lists members, tells who is an administrator (users:read, users.profile:read); required",
    ),
    secret(
        "SLACK_ADMIN_TOKEN",
        "A user token: changes its owner's profile, on a paid plan others' names; on Enterprise, lists administrators",
    ),
    unset("SLACK_CLIENT_ID", "The app's client id: members authorise the app with it"),
    secret("SLACK_CLIENT_SECRET", "The app's client secret"),
    plain("SLACK_API_URL", "https://slack.com/api/", "Root of Slack's Web API"),
    secret(
        "STATUSINATOR_VAULT_KEY",
        "32 bytes in base64 that seal tokens; several with commas, the first one seals",
    ),
    unset("AWS_REGION", "The bucket's region; needed for an s3: store"),
    unset("AWS_ENDPOINT_URL_S3", "Where S3 is, if it is not AWS's own"),
    unset("AWS_ENDPOINT_URL_STS", "Where STS is, if it is not AWS's own"),
    unset(
        "STATUSINATOR_READ_ROLE_ARN",
        "The role in which the bucket is read; without it, the plain credentials",
    ),
    unset("STATUSINATOR_WRITE_ROLE_ARN", "The role in which onboarding and the vault write to the bucket"),
    unset("STATUSINATOR_EXPORT_ROLE_ARN", "The role in which logs and metrics are exported to the bucket"),
    plain("STATUSINATOR_QUEUE_CAPACITY", "10", "Standby requests, 1 to 10000"),
    plain("STATUSINATOR_DEAD_LETTER_CAPACITY", "10", "Requests in the dead letter queue, 1 to 10000"),
    plain("STATUSINATOR_WORKERS", "4", "Requests worked on at once, 1 to 64"),
    plain(
        "STATUSINATOR_RECONCILE_INTERVAL",
        "15m",
        "Time between passes, 1s to 24h; 0s for none but those asked for",
    ),
    plain("STATUSINATOR_NAME_FIELD", "display_name", "Which name is set: display_name or real_name"),
    plain("STATUSINATOR_LOG_LEVEL", "info", "trace, debug, info, warn or error"),
    plain("STATUSINATOR_LOG_FORMAT", "term", "Format of stdout: term or json"),
    unset("STATUSINATOR_METRICS_DISABLED", "Names of metrics that are not recorded, with commas"),
    plain("STATUSINATOR_EXPORT_INTERVAL", "1h", "How often logs and metrics move to the store, 1s to 24h"),
    plain(
        "STATUSINATOR_EXPORT_RETENTION",
        "90d",
        "How long exports stay in a file: store, 1s to 10y; a bucket has its lifecycle rules",
    ),
    plain(
        "STATUSINATOR_DISK_LIMIT",
        "256MiB",
        "For logs not yet exported, and as much for metrics, 1MiB to 1TiB; the oldest are dropped first",
    ),
    plain(
        "STATUSINATOR_DRAIN_TIMEOUT",
        "25s",
        "How long a stop may take to finish accepted requests, 0s to 10m",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_the_variable_in_kebab_case() {
        let flag = |variable| plain(variable, "", "").flag();
        assert_eq!(flag("STATUSINATOR_QUEUE_CAPACITY"), "queue-capacity");
        assert_eq!(flag("SLACK_API_URL"), "slack-api-url");
    }
}
