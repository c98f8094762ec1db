//! Tries the tokens, and this machine's clock against Slack's.

use std::{cell::Cell, rc::Rc};

use async_trait::async_trait;

use crate::{
    clock::Clock,
    commands::manifest::BOT_SCOPES,
    config::SlackConfig,
    domain::TeamId,
    http::oauth::USER_SCOPE,
    slack::{Call, CallError, Identity, NoAnswer, Reply, SKEW_AT_MOST, SlackError, Token, Transport, WebApi},
};

use super::Finding;

const BOT: &str = "SLACK_BOT_TOKEN";
const ADMIN: &str = "SLACK_ADMIN_TOKEN";
/// What lists the administrators of an Enterprise organisation.
const LISTS_ADMINISTRATORS: &str = "admin.users:read";

/// What was found of both tokens and of the clock.
pub async fn check(transport: impl Transport + 'static, config: &SlackConfig) -> Vec<Finding> {
    let timed = Rc::new(Timed { transport, skew: Cell::new(None) });
    let api = WebApi::new(timed.clone());
    let bot = api.auth_test(&config.bot_token).await;
    let found = bot.as_ref().map_err(|error| trouble(error, BOT)).and_then(bot_token);
    let team = bot.ok().map(|bot| bot.team);
    let admin = admin(&api, config.admin_token.as_ref(), team.as_ref()).await;
    vec![Finding::new(BOT, found), Finding::new(ADMIN, admin), Finding::new("clock", clock(timed.skew.get()))]
}

/// Notes how far off this machine's clock is, in seconds, by whatever Slack answers: also a refusal has a `Date`.
struct Timed<T> {
    transport: T,
    skew: Cell<Option<u64>>,
}

#[async_trait(?Send)]
impl<T: Transport> Transport for Timed<T> {
    async fn call(&self, call: Call) -> Result<Reply, NoAnswer> {
        let reply = self.transport.call(call).await?;
        let skew = reply.time().map(|time| time.abs_diff(Clock::System.unix()));
        self.skew.set(skew.or(self.skew.get()));
        Ok(reply)
    }
}

fn bot_token(bot: &Identity) -> Result<String, String> {
    if let Some(why) = bot.unfit(BOT, None) {
        return Err(why);
    }
    if !bot.is_bot {
        return Err("it is a member's token; set the bot token of the app's installation (xoxb-…)".into());
    }
    let missing: Vec<&str> = BOT_SCOPES.into_iter().filter(|scope| !bot.may(scope)).collect();
    if !missing.is_empty() {
        return Err(format!(
            "it lacks {}; add that to the app's bot token scopes, install the app again, and set the new token",
            missing.join(" and ")
        ));
    }
    Ok(format!("works in workspace {} with {}", bot.team, BOT_SCOPES.join(" and ")))
}

async fn admin(api: &WebApi, token: Option<&Token>, team: Option<&TeamId>) -> Result<String, String> {
    let Some(token) = token else {
        return Ok("not set: only members who authorise are changed".into());
    };
    let admin = api.auth_test(token).await.map_err(|error| trouble(&error, ADMIN))?;
    if let Some(why) = admin.unfit(ADMIN, Some(team.unwrap_or(&admin.team))) {
        return Err(why);
    }
    if !admin.may(USER_SCOPE) {
        return Err(format!(
            "it lacks {USER_SCOPE}; add that to the app's user token scopes, authorise again as the administrator, and \
             set the new token"
        ));
    }
    let lists = if admin.may(LISTS_ADMINISTRATORS) { " and " } else { ", without " };
    Ok(format!("works, as {}, with {USER_SCOPE}{lists}{LISTS_ADMINISTRATORS} (Enterprise only)", admin.user))
}

fn clock(skew: Option<u64>) -> Result<String, String> {
    match skew {
        None => {
            Err("not compared: no answer told the time; see that SLACK_API_URL is Slack's and can be reached from here".into())
        }
        Some(skew) if skew > SKEW_AT_MOST => Err(format!(
            "{skew} s off Slack's; at 300 s every event is refused: set this machine's clock, by NTP"
        )),
        Some(skew) => Ok(format!("{skew} s off Slack's")),
    }
}

fn trouble(error: &CallError, setting: &str) -> String {
    match error {
        CallError::RateLimited(_) => "Slack limits auth.test just now; try again in a minute".into(),
        CallError::Failed(SlackError::DeadToken(code)) => {
            format!("Slack does not know it any more ({code}); install the app again and set {setting} anew")
        }
        CallError::Failed(SlackError::Refused(code)) => {
            format!("Slack refuses it ({code}); set {setting} anew")
        }
        CallError::Failed(error) => format!("{error}; see that SLACK_API_URL can be reached from here"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn identity(is_bot: bool, scopes: &[&str]) -> Identity {
        Identity {
            team: TeamId("T1".into()),
            user: "U1".parse().unwrap(),
            is_bot,
            is_org_wide: false,
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            date: Some(1_000),
        }
    }

    #[test]
    fn a_bot_token_needs_its_scopes() {
        let all = bot_token(&identity(true, &["users:read", "users.profile:read", "chat:write"]));
        assert_eq!(all.unwrap(), "works in workspace T1 with users:read and users.profile:read");

        let why = bot_token(&identity(true, &["users:read"])).unwrap_err();
        assert!(why.starts_with("it lacks users.profile:read; add"), "{why}");
    }

    #[test]
    fn a_members_token_is_no_bot_token_nor_is_an_organisations() {
        assert!(bot_token(&identity(false, &BOT_SCOPES)).unwrap_err().contains("a member's token"));

        let whole = Identity { is_org_wide: true, ..identity(true, &BOT_SCOPES) };
        assert!(bot_token(&whole).unwrap_err().contains("one process serves one workspace"));
    }

    #[test]
    fn a_clock_may_be_150_s_off() {
        assert_eq!(clock(Some(150)).unwrap(), "150 s off Slack's");
        assert!(clock(Some(151)).unwrap_err().contains("151 s off"));
        assert!(clock(None).unwrap_err().contains("SLACK_API_URL"));
    }
}
