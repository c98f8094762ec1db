//! A simulated workspace's state: members, profiles, tokens, consents. Time is passed in; nothing is random.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{clock::Instant, domain::UserId};

use super::{calls::Call, faults::Fault, limits::Windows};

/// A member of the workspace.
#[derive(Debug, Clone)]
pub struct Person {
    /// His id.
    pub id: UserId,
    /// His user name, which nothing changes.
    pub name: String,
    /// His profile's names.
    pub display_name: String,
    /// His real name.
    pub real_name: String,
    /// `:emoji:`, or empty.
    pub status_emoji: String,
    /// The status's text.
    pub status_text: String,
    /// When the status ends (unix seconds); 0 for never.
    pub status_expiration: u64,
    /// Changes with each picture; begins with `g` until he has one of his own.
    pub avatar_hash: String,
    /// His picture, if he has one of his own.
    pub photo: Option<Bytes>,
    /// Whether he is an administrator.
    pub is_admin: bool,
    /// Whether he is an owner, too.
    pub is_owner: bool,
    /// Whether his account was closed.
    pub deleted: bool,
    /// Whether he is a bot.
    pub is_bot: bool,
    /// When his user object changed last, unix seconds.
    pub updated: u64,
}

/// A token that the workspace gave out.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Whose.
    pub owner: UserId,
    /// Whether it is the app's bot's.
    pub is_bot: bool,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The error that it is answered with, once it is dead.
    pub dead: Option<&'static str>,
}

/// A code that waits to be made a token.
#[derive(Debug, Clone)]
pub struct Code {
    /// Who allowed it.
    pub user: UserId,
    /// What he allowed.
    pub scopes: Vec<String>,
    /// Where he was sent back to.
    pub redirect_uri: String,
    /// Of a sign-in: what the app sent along.
    pub nonce: Option<String>,
    /// When.
    pub at: Instant,
}

/// The app's registration.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The client id.
    pub client_id: String,
    /// The client secret.
    pub client_secret: String,
    /// Addresses that browsers may be sent back to: these, or below them.
    pub redirect_urls: Vec<String>,
    /// Who issues id tokens: the origin of this Slack.
    pub issuer: String,
}

/// Everything that the simulated Slack knows.
#[derive(Debug)]
pub struct Workspace {
    /// The workspace's id.
    pub team: String,
    /// Whether an administrator's token may set others' names.
    pub paid_plan: bool,
    /// Whether it is on an Enterprise plan, where administrators' tokens may list members as administrators see them.
    pub enterprise: bool,
    /// The members by id.
    pub people: BTreeMap<UserId, Person>,
    /// What was given out, by the token's text.
    pub grants: BTreeMap<String, Grant>,
    /// Codes that wait.
    pub codes: BTreeMap<String, Code>,
    /// The app.
    pub app: Registration,
    /// The limits as Slack keeps them.
    pub windows: Windows,
    /// How many calls are held, and how often they were let go.
    pub held: (usize, u64),
    /// Faults that wait for their call.
    pub faults: Vec<Fault>,
    /// Every call that came.
    pub calls: Vec<Call>,
    /// What real Slack would have refused for a fault of the caller's.
    pub violations: Vec<String>,
    /// Events that wait to be delivered.
    pub outbox: VecDeque<Value>,
    counter: u64,
}

impl Workspace {
    /// An empty workspace with its app, on a paid plan or not.
    pub fn new(team: &str, paid_plan: bool) -> Self {
        Self {
            team: team.to_owned(),
            paid_plan,
            enterprise: false,
            people: BTreeMap::new(),
            grants: BTreeMap::new(),
            codes: BTreeMap::new(),
            app: Registration {
                client_id: "1000.2000".into(),
                client_secret: "simulated-client-secret".into(),
                redirect_urls: Vec::new(),
                issuer: "https://slack.com".into(),
            },
            windows: Windows::default(),
            held: (0, 0),
            faults: Vec::new(),
            calls: Vec::new(),
            violations: Vec::new(),
            outbox: VecDeque::new(),
            counter: 0,
        }
    }

    /// The next number of a sequence that all names are made of.
    pub fn number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Adds a member without a status and with a picture that Slack made up.
    pub fn add(&mut self, id: &UserId, display_name: &str) {
        let n = self.number();
        let person = Person {
            id: id.clone(),
            name: id.as_str().to_lowercase(),
            display_name: display_name.to_owned(),
            real_name: display_name.to_owned(),
            status_emoji: String::new(),
            status_text: String::new(),
            status_expiration: 0,
            avatar_hash: format!("g{n:011x}"),
            photo: None,
            is_admin: false,
            is_owner: false,
            deleted: false,
            is_bot: false,
            updated: 1_700_000_000,
        };
        self.people.insert(id.clone(), person);
    }

    /// Gives out a token.
    pub fn grant(&mut self, owner: &UserId, is_bot: bool, scopes: &[&str]) -> String {
        let kind = if is_bot { "xoxb" } else { "xoxp" };
        let token = format!("{kind}-simulated-{}", self.number());
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        self.grants.insert(token.clone(), Grant { owner: owner.clone(), is_bot, scopes, dead: None });
        token
    }

    /// Sets a member's picture; answers its hash.
    pub fn set_photo(&mut self, user: &UserId, photo: Bytes, unix_now: u64) -> String {
        let hash = format!("{:012x}", 0xa000_0000_0000 + self.number());
        if let Some(person) = self.people.get_mut(user) {
            person.photo = Some(photo);
            person.avatar_hash.clone_from(&hash);
        }
        self.changed(user, unix_now);
        hash
    }

    /// A member's user object changed: everybody who listens hears of it.
    pub fn changed(&mut self, user: &UserId, unix_now: u64) {
        if let Some(person) = self.people.get_mut(user) {
            person.updated = unix_now;
            let event = json!({ "type": "user_change", "user": person.object(&self.team), "cache_ts": unix_now,
                "event_ts": format!("{unix_now}.{:06}", self.counter % 1_000_000) });
            self.announce(event, unix_now);
        }
    }

    /// Wraps an event and puts it into the outbox.
    pub fn announce(&mut self, event: Value, unix_now: u64) {
        let event_id = format!("Ev{:09X}", self.number());
        self.outbox.push_back(json!({
            "token": "deprecated", "team_id": self.team, "api_app_id": "A0SIMULATED", "event": event,
            "type": "event_callback", "event_id": event_id, "event_time": unix_now, "is_ext_shared_channel": false,
            "authorizations": [{ "enterprise_id": null, "team_id": self.team, "user_id": "UBOT", "is_bot": true,
                "is_enterprise_install": false }],
        }));
    }

    /// Statuses that end do so; answers whose.
    pub fn expire(&mut self, unix_now: u64) -> Vec<UserId> {
        let ended = |person: &&Person| person.status_expiration != 0 && person.status_expiration <= unix_now;
        let users: Vec<UserId> = self.people.values().filter(ended).map(|person| person.id.clone()).collect();
        for user in &users {
            self.set_status(user, "", "", 0, unix_now);
        }
        users
    }

    /// A member sets his status. As Slack does, a text without an emoji gets one.
    pub fn set_status(&mut self, user: &UserId, emoji: &str, text: &str, expiration: u64, unix_now: u64) {
        if let Some(person) = self.people.get_mut(user) {
            let emoji = if emoji.is_empty() && !text.is_empty() { ":speech_balloon:" } else { emoji };
            emoji.clone_into(&mut person.status_emoji);
            text.clone_into(&mut person.status_text);
            person.status_expiration = expiration;
        }
        self.changed(user, unix_now);
    }

    /// Tokens of these members die, and everybody who listens hears of it.
    pub fn revoke(&mut self, users: &[UserId], unix_now: u64) {
        for grant in self.grants.values_mut().filter(|grant| !grant.is_bot && users.contains(&grant.owner)) {
            grant.dead = Some("token_revoked");
        }
        self.announce_revoked(users, unix_now);
    }

    /// Tells everybody who listens that tokens of these members are dead.
    pub fn announce_revoked(&mut self, users: &[UserId], unix_now: u64) {
        let users: Vec<&str> = users.iter().map(UserId::as_str).collect();
        let event = json!({ "type": "tokens_revoked", "tokens": { "oauth": users, "bot": [] },
            "event_ts": format!("{unix_now}.000001") });
        self.announce(event, unix_now);
    }
}

impl Person {
    /// The profile as Slack's methods show it: all the usual fields, most of them empty.
    pub fn profile(&self) -> Value {
        let image = |size: u32| format!("https://avatars.invalid/{}_{size}.png", self.avatar_hash);
        let mut profile = json!({
            "title": "", "phone": "", "skype": "",
            "real_name": self.real_name, "real_name_normalized": self.real_name,
            "display_name": self.display_name, "display_name_normalized": self.display_name,
            "fields": self.fields(), "status_text": self.status_text, "status_text_canonical": "",
            "status_emoji": self.status_emoji, "status_emoji_display_info": [],
            "status_expiration": self.status_expiration, "avatar_hash": self.avatar_hash,
            "first_name": "", "last_name": "", "huddle_state": "default_unset", "huddle_state_expiration_ts": 0,
        });
        for size in [24, 32, 48, 72, 192, 512] {
            profile[format!("image_{size}")] = json!(image(size));
        }
        if self.photo.is_some() {
            profile["is_custom_image"] = json!(true);
            profile["image_1024"] = json!(image(1024));
        }
        profile
    }

    /// Real Slack sends an object, a list or null.
    fn fields(&self) -> Value {
        match self.id.as_str().len() % 3 {
            0 => json!({}),
            1 => json!([]),
            _ => Value::Null,
        }
    }

    /// The user object of events, `users.info` and `users.list`.
    pub fn object(&self, team: &str) -> Value {
        let mut profile = self.profile();
        profile["team"] = json!(team);
        let mut user = json!({
            "id": self.id.as_str(), "team_id": team, "name": self.name, "deleted": self.deleted, "profile": profile,
            "is_bot": self.is_bot, "is_app_user": false, "updated": self.updated,
        });
        if !self.deleted && !self.is_bot {
            user["color"] = json!("9f69e7");
            user["real_name"] = json!(self.real_name);
            user["tz"] = json!("Europe/Berlin");
            user["tz_offset"] = json!(3600);
            user["is_admin"] = json!(self.is_admin || self.is_owner);
            user["is_owner"] = json!(self.is_owner);
            user["is_primary_owner"] = json!(false);
            user["is_restricted"] = json!(false);
        }
        user
    }
}
