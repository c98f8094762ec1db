//! What the configured tokens can do: learnt by `auth.test`, at most a minute apart until all are known to work.

use std::time::{Duration, UNIX_EPOCH};

use actix::{ActorFutureExt as _, AsyncContext as _, Context, WrapFuture as _};
use slog::{error, info};

use crate::{
    clock::Instant,
    domain::{Cause, RequestId},
    logging::escape,
    metrics::Metric,
    slack::{
        Identity, Method, SKEW_AT_MOST, SlackError, Token,
        limits::{Ask, Turn},
    },
};

use super::{Admin, Known, Misconfigured, SlackClient, Standing, TokenRevived, WorkspaceKnown};

/// The wait between two tries of `auth.test` while a token is dead or unknown.
const TEST_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// A dead admin token is tried again so often.
const ADMIN_TEST_AGAIN_AFTER: Duration = Duration::from_secs(15 * 60);

impl SlackClient {
    pub(super) fn standing(&self) -> Standing {
        let admin = match (&self.admin, &self.parts.admin) {
            (Known::Works(identity), Some(token)) => {
                Some(Admin { owner: identity.user.clone(), token: token.clone() })
            }
            _ => None,
        };
        Standing { bot_works: !matches!(self.bot, Known::Dead(_)), admin }
    }

    /// The first round of tests is over.
    pub(super) fn settle(&mut self) {
        self.is_settled = true;
        for waiting in std::mem::take(&mut self.waiting) {
            // Who asked may have gone.
            let _ = waiting.send(self.standing());
        }
    }

    pub(super) fn note_dead(&mut self, token: Option<&Token>, code: &str, ctx: &mut Context<Self>) {
        if token == Some(&self.parts.bot) && !matches!(self.bot, Known::Dead(_)) {
            self.bot = Known::Dead(code.to_owned());
            error!(self.parts.log, "the bot token is dead: nothing is called but auth.test, once a minute";
                "error" => escape(code), "todo" => "install the app again and set SLACK_BOT_TOKEN");
            self.test_later(ctx);
        }
        if token.is_some() && token == self.parts.admin.as_ref() && !matches!(self.admin, Known::Dead(_)) {
            self.admin = Known::Dead(code.to_owned());
            self.admin_tested = Some(Instant::now());
            error!(self.parts.log, "the admin token is dead: it is not used"; "error" => escape(code),
                "todo" => "set another SLACK_ADMIN_TOKEN");
            self.test_later(ctx);
        }
    }

    fn test_later(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.will_test, true) {
            return;
        }
        ctx.run_later(TEST_AGAIN_AFTER, |client, ctx| {
            client.will_test = false;
            client.test(ctx);
        });
    }

    /// Asks Slack whose the tokens are, as far as that is to be asked now; comes back until all are known to work.
    pub(super) fn test(&mut self, ctx: &mut Context<Self>) {
        if !matches!(self.bot, Known::Works(_)) {
            let bot = self.parts.bot.clone();
            self.test_token(bot, ctx, Self::bot_tested);
            return;
        }
        let is_due = match &self.admin {
            Known::Works(_) => false,
            Known::Nothing => true,
            Known::Dead(_) => self.admin_tested.is_none_or(|at| at.elapsed() >= ADMIN_TEST_AGAIN_AFTER),
        };
        match self.parts.admin.clone() {
            Some(admin) if is_due => {
                self.admin_tested = Some(Instant::now());
                self.test_token(admin, ctx, Self::admin_tested);
            }
            Some(_) if !matches!(self.admin, Known::Works(_)) => self.test_later(ctx),
            _ => self.settle(),
        }
    }

    fn test_token(
        &mut self,
        token: Token,
        ctx: &mut Context<Self>,
        then: fn(&mut Self, Result<Identity, SlackError>, &mut Context<Self>),
    ) {
        let ask =
            Ask { method: Method::AuthTest, request: RequestId::random(), cause: Cause::Event, write: None };
        let Turn::Now(slot) = self.limits.ask(&ask, Instant::now()) else { return self.test_later(ctx) };
        let (api, began) = (self.api.clone(), Instant::now());
        let calling = async move { api.auth_test(&token).await }.into_actor(self);
        ctx.spawn(calling.map(move |called, client, ctx| {
            client.limits.ended(slot, Instant::now());
            client.parts.recorder.took(Metric::SlackApiLatency, began.elapsed());
            let identity = client.note(&ask, None, called, ctx);
            then(client, identity, ctx);
        }));
    }

    fn bot_tested(&mut self, identity: Result<Identity, SlackError>, ctx: &mut Context<Self>) {
        let was_dead = matches!(self.bot, Known::Dead(_));
        if identity.is_err() {
            self.settle();
        }
        match identity {
            Ok(identity) => {
                if let Some(why) = identity.unfit("SLACK_BOT_TOKEN", None) {
                    return self.parts.on_misconfigured.do_send(Misconfigured { why });
                }
                self.skew = identity.skew(self.parts.clock.unix());
                self.trouble = None;
                self.parts.on_workspace.do_send(WorkspaceKnown { team: identity.team.clone() });
                self.bot = Known::Works(identity);
                if was_dead {
                    info!(self.parts.log, "the bot token works again");
                    self.parts.on_revived.do_send(TokenRevived);
                }
                self.test(ctx);
            }
            Err(SlackError::DeadToken(code)) => {
                let bot = self.parts.bot.clone();
                self.note_dead(Some(&bot), &code, ctx);
                self.test_later(ctx);
            }
            Err(error) => {
                if self.trouble.is_none() {
                    error!(self.parts.log, "slack cannot be reached to learn the workspace, tried again each minute";
                        "error" => escape(&error.to_string()), "todo" => "see that SLACK_API_URL can be reached from here");
                }
                self.trouble =
                    Some(format!("slack does not answer auth.test: {error}; it is tried again each minute"));
                self.test_later(ctx);
            }
        }
    }

    fn admin_tested(&mut self, identity: Result<Identity, SlackError>, ctx: &mut Context<Self>) {
        match identity {
            Ok(identity) => {
                let team = match &self.bot {
                    Known::Works(bot) => Some(&bot.team),
                    _ => None,
                };
                if let Some(why) = identity.unfit("SLACK_ADMIN_TOKEN", team) {
                    return self.parts.on_misconfigured.do_send(Misconfigured { why });
                }
                self.admin = Known::Works(identity);
                if self.is_settled {
                    // Names that were skipped without it can be set now.
                    self.parts.on_revived.do_send(TokenRevived);
                }
            }
            Err(SlackError::DeadToken(code)) => {
                let admin = self.parts.admin.clone();
                self.note_dead(admin.as_ref(), &code, ctx);
                self.test_later(ctx);
            }
            Err(_) => self.test_later(ctx),
        }
        self.settle();
    }

    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self.trouble.iter().cloned().collect();
        if let Known::Dead(code) = &self.bot {
            problems
                .push(format!("SLACK_BOT_TOKEN is dead ({code}): nothing is called; install the app again"));
        }
        if let Known::Dead(code) = &self.admin {
            problems.push(format!("SLACK_ADMIN_TOKEN is dead ({code}): it is not used; set another"));
        }
        if let Some(skew) = self.skew.filter(|skew| *skew > SKEW_AT_MOST) {
            problems.push(format!(
                "this machine's clock is {skew} s off Slack's: signatures fail at 300 s; set the clock"
            ));
        }
        let (now, unix) = (Instant::now(), self.parts.clock.unix());
        problems.extend(self.limits.pauses(now).into_iter().map(|(method, until)| {
            let until = UNIX_EPOCH + Duration::from_secs(unix + (until - now).as_secs() + 1);
            let (method, until) = (method.name(), humantime::format_rfc3339_seconds(until));
            format!("Slack limits {method} until {until}; nothing: what needs it waits and goes on by itself")
        }));
        problems
    }
}
