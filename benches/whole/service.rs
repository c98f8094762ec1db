//! The service as its users start it, beside a simulated Slack without limits, on a store that is made for a scene.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use serde_json::{Value, json};
use statusinator::{
    clock::Clock,
    demo::{Server, SimulatedSlack, pictures, stage::authorise},
    domain::UserId,
    slack::Token,
    storage::Key,
};
use tempfile::TempDir;
use uuid::Uuid;

use super::{
    load::{SECRET, TEAM},
    process::{Process, free_address},
};

/// The service and what it lives with.
pub struct Service {
    pub process: Process,
    pub slack: SimulatedSlack,
    pub administrators_token: Token,
    _folder: TempDir,
    pub base: String,
    _server: Server,
}

/// So many members with presets for four emoji each.
pub fn many(count: usize) -> Value {
    let one = |n: usize| {
        let preset = |emoji: &str| {
            let uuid = Uuid::new_v5(&Uuid::NAMESPACE_OID, emoji.as_bytes());
            json!({ "name": format!("Member {n} {emoji}"), "picture": format!("file:///store/U{n}/{uuid}.png") })
        };
        let presets = [":palm_tree:", ":pager:", ":sandwich:", "default"].map(|emoji| (emoji, preset(emoji)));
        (format!("U{n}"), Value::from_iter(presets))
    };
    Value::from_iter((0..count).map(one))
}

/// A few members with names alone for two emoji, and with pictures for two others.
pub fn busy(count: usize, store: &std::path::Path) -> Value {
    let one = |n: usize| {
        let user: UserId = format!("U{n}").parse().unwrap();
        let picture = |hue: u16| {
            let key = Key::picture(&user, Uuid::new_v5(&Uuid::NAMESPACE_OID, &hue.to_be_bytes()));
            fs::create_dir_all(store.join(user.as_str())).unwrap();
            fs::write(store.join(key.as_str()), pictures::square(hue)).unwrap();
            format!("file:///store/{key}")
        };
        let presets: BTreeMap<&str, Value> = BTreeMap::from([
            (":n1:", json!({ "name": format!("{n} one") })),
            (":n2:", json!({ "name": format!("{n} two") })),
            (":p1:", json!({ "name": format!("{n} three"), "picture": picture(10) })),
            (":p2:", json!({ "name": format!("{n} four"), "picture": picture(200) })),
        ]);
        (user.as_str().to_owned(), json!(presets))
    };
    Value::from_iter((0..count).map(one))
}

impl Service {
    /// Starts it; `users` makes what `users.json` says, and `members` exist at Slack.
    pub async fn start(members: usize, users: impl FnOnce(&std::path::Path) -> Value) -> Self {
        Self::start_with(members, users, "").await
    }

    /// The same, without these metrics.
    pub async fn start_with(
        members: usize,
        users: impl FnOnce(&std::path::Path) -> Value,
        metrics_disabled: &str,
    ) -> Self {
        let slack = SimulatedSlack::new(TEAM, true, Clock::System);
        slack.lock().windows.are_off = true;
        for n in 0..members {
            slack.lock().add(&format!("U{n}").parse().unwrap(), "Member");
        }
        let boss: UserId = "UBOSS".parse().unwrap();
        slack.lock().add(&boss, "Boss");
        slack.lock().people.get_mut(&boss).unwrap().is_owner = true;
        let administrators_token = Token::new(slack.user_token(&boss));
        let server = Server::start(&slack, |_| {}).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        fs::create_dir(&store).unwrap();
        let users = json!({ "lastUpdatedAt": "1", "users": users(&store) });
        fs::write(store.join("users.json"), users.to_string()).unwrap();
        let address = free_address();
        let base = format!("http://{address}");
        slack.lock().app.redirect_urls = vec![format!("{base}/slack/oauth/callback")];
        let app = slack.lock().app.clone();
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_statusinator"));
        let mut command = Command::new(binary);
        command.arg("serve").current_dir(folder.path()).env_clear().envs([
            ("STATUSINATOR_BIND", address.to_string()),
            ("STATUSINATOR_PUBLIC_URL", base.clone()),
            ("STATUSINATOR_STORE", "file:store".into()),
            ("STATUSINATOR_QUEUE_CAPACITY", "10000".into()),
            ("SLACK_SIGNING_SECRET", SECRET.into()),
            ("SLACK_BOT_TOKEN", slack.bot_token()),
            ("SLACK_ADMIN_TOKEN", administrators_token.expose().to_owned()),
            ("SLACK_API_URL", server.api_url()),
            ("SLACK_CLIENT_ID", app.client_id),
            ("SLACK_CLIENT_SECRET", app.client_secret),
            ("STATUSINATOR_METRICS_DISABLED", metrics_disabled.to_owned()),
        ]);
        let process = Process::start(&mut command, address, "readyz").await;
        Self { process, slack, administrators_token, _folder: folder, base, _server: server }
    }

    /// Lets every member authorise the app.
    pub async fn authorise_all(&self, members: usize) {
        let client = awc::Client::builder().disable_redirects().finish();
        for n in 0..members {
            let user = format!("U{n}").parse().unwrap();
            authorise(&self.slack, &self.base, &client, &user).await.unwrap();
        }
    }

    /// The sum and the count of a histogram of `/metrics`, in seconds.
    pub async fn histogram(&self, name: &str) -> (f64, f64) {
        let client = awc::Client::new();
        let mut answer = client.get(format!("{}/metrics", self.base)).send().await.unwrap();
        let text = String::from_utf8(answer.body().limit(1 << 22).await.unwrap().to_vec()).unwrap();
        let of = |end: &str| -> f64 {
            let series = format!("statusinator_{name}_seconds_{end} ");
            text.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
        };
        (of("sum"), of("count"))
    }
}
