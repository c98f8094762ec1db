//! What happens to the service in a life: members change things, and everything fails now and then.

use std::time::Duration;

use rand::{RngExt as _, seq::IndexedRandom as _};
use slog::debug;
use statusinator::{
    actors::{event_listener::reading::Rehydrate, reconciler::Authorised, storage_helper::PutToken},
    clock::Instant,
    demo::{Effect, Fault},
    domain::{RequestId, UserId},
    service::Service,
    slack::Token,
};

use super::world::World;
use crate::truth::EMOJI;

/// Who may panic: the actors, and the life of a request.
const ACTORS: [&str; 10] = [
    "request",
    "event_listener",
    "request_queue",
    "dead_letter",
    "storage_helper",
    "slack_client",
    "gatekeeper",
    "registrar",
    "reconciler",
    "overseer",
];
/// What only the bot's token is used for: what Slack says of that token concerns no member's consent.
const READS: [&str; 3] = ["users.profile.get", "users.list", "auth.test"];
const WRITES: [&str; 2] = ["users.profile.set", "users.setPhoto"];

impl World {
    pub async fn step(&mut self, service: &Service) {
        self.truth.expire();
        let member = self.truth.anybody(&mut self.rng);
        match self.rng.random_range(0..100) {
            0..38 => self.change_status(&member),
            38..40 => self.burst().await,
            40..45 => self.rename_by_hand(&member),
            45..50 => self.change_photo_by_hand(&member),
            50..55 => {
                self.truth.choose_presets(&member, &mut self.rng);
                self.write_users().await;
                // As `/onboard` does; who edits the file waits for a miss or a pass.
                if self.interval.is_none() || self.rng.random_bool(0.5) {
                    service.listener.do_send(Rehydrate::default());
                }
            }
            55..65 => self.authorise(&member, service).await,
            65..67 => self.revoke(&member),
            67..85 => self.befall_slack(),
            85..90 => {
                let rates = [0.0, 0.05, 0.3, 1.0];
                self.store_faults.set(*rates.choose(&mut self.rng).expect("rates"));
            }
            90..94 => {
                self.count("actor panics");
                service.restarts.sabotage(ACTORS.choose(&mut self.rng).expect("actors"));
            }
            _ => {}
        }
        self.deliver();
    }

    fn change_status(&mut self, member: &UserId) {
        let emoji = *EMOJI.choose(&mut self.rng).expect("emoji");
        let ends = !emoji.is_empty() && self.rng.random_bool(0.2);
        let ends = if ends { self.clock.unix() + self.rng.random_range(1..1200) } else { 0 };
        debug!(self.log, "a member changes his status"; "user" => member.as_str(), "emoji" => emoji, "ends" => ends);
        self.truth.set_status(member, emoji, ends);
    }

    /// Many changes within a moment, of everybody.
    async fn burst(&mut self) {
        self.count("burst");
        for _ in 0..self.rng.random_range(5..40) {
            let member = self.truth.anybody(&mut self.rng);
            self.change_status(&member);
            self.deliver();
            if self.rng.random_bool(0.5) {
                tokio::time::sleep(Duration::from_millis(self.rng.random_range(1..30))).await;
            }
        }
    }

    fn rename_by_hand(&mut self, member: &UserId) {
        let name = format!("by hand {}", self.rng.random_range(0..1000));
        debug!(self.log, "a member changes his name"; "user" => member.as_str(), "name" => &name);
        self.truth.rename_by_hand(member, &name);
    }

    fn change_photo_by_hand(&mut self, member: &UserId) {
        debug!(self.log, "a member changes his picture"; "user" => member.as_str());
        self.truth.change_photo_by_hand(member);
    }

    async fn authorise(&mut self, member: &UserId, service: &Service) {
        // Slack tells of revoked tokens by the second: within that one nobody can say which token is meant.
        let revoked = self.truth.story(member).revoked;
        if revoked.is_some_and(|at| at.elapsed() < Duration::from_secs(3)) {
            return;
        }
        let token = Token::new(self.truth.slack.user_token(member));
        let request = RequestId::random();
        let put = PutToken { user: member.clone(), token: token.clone(), request };
        if let Ok(Ok(())) = service.storage.send(put).await {
            service.reconciler.do_send(Authorised { user: member.clone(), request });
            let story = self.truth.story(member);
            story.token = Some(token);
            story.revoked = None;
            debug!(self.log, "a member authorises"; "user" => member.as_str());
        }
    }

    fn revoke(&mut self, member: &UserId) {
        self.count("consent revoked");
        debug!(self.log, "a member takes his consent back"; "user" => member.as_str());
        self.truth.slack.revoke(member);
        let story = self.truth.story(member);
        story.revoked = Some(Instant::now());
        story.token = None;
    }

    fn befall_slack(&mut self) {
        let seconds = Duration::from_secs(self.rng.random_range(0..40));
        let (kind, effect) = match self.rng.random_range(0..12) {
            0 => ("http 503", Effect::Status(503)),
            1 => ("internal_error", Effect::Error("internal_error".into())),
            2 => ("429", Effect::RateLimited(Some(self.rng.random_range(1..40)))),
            3 => ("200 ratelimited", Effect::Error("ratelimited".into())),
            4 => ("garbage", Effect::Garbage("<html>".into())),
            5 => ("slow", Effect::Delay(seconds)),
            6 => ("slow body", Effect::SlowBody(seconds)),
            7 => ("answer lost", Effect::LostAnswer),
            8 => ("cut", Effect::Cut),
            9 => ("hang", Effect::Hang),
            10 => ("dead bot token", Effect::Error("invalid_auth".into())),
            _ => ("transport panics", Effect::Panic),
        };
        let is_of_bot = kind == "dead bot token" || self.rng.random_bool(0.5);
        let methods: &[&str] = if is_of_bot { &READS } else { &WRITES };
        let method = methods.choose(&mut self.rng).expect("methods");
        let times = if self.rng.random_bool(0.2) { 12 } else { 1 };
        self.count(kind);
        debug!(self.log, "slack will fail"; "method" => *method, "times" => times, "how" => kind);
        self.truth.slack.inject(Fault::next(method, times, effect));
    }
}
