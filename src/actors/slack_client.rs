//! Makes all calls of Slack's Web API, within Slack's limits.
//!
//! Receives one message a method; [`Withdraw`] when a request gives up its place; [`AskStanding`].
//! Announces [`WorkspaceKnown`] and [`BotRevived`].

use actix::Message;

use crate::{
    clock::Instant,
    config::NameField,
    domain::{Cause, RequestId, TeamId, UserId},
    pictures::Picture,
    slack::{Consent, Member, MemberPage, Profile, SlackError, Token},
};

/// On whose behalf a call is made: decides its place when calls must wait for a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The request; its calls keep their place in line by it.
    pub request: RequestId,
    /// Events go before looks, looks before passes.
    pub cause: Cause,
}

/// `users.profile.get` of a member, with the bot token.
#[derive(Debug, Message)]
#[rtype(result = "Result<Profile, SlackError>")]
pub struct GetProfile {
    /// Whose profile.
    pub user: UserId,
    /// For whom the call is made.
    pub caller: Caller,
}

/// `users.profile.set` of one name.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SlackError>")]
pub struct SetName {
    /// Whose name.
    pub user: UserId,
    /// The name to set.
    pub name: String,
    /// Which of his names.
    pub field: NameField,
    /// With which token.
    pub token: Token,
    /// For whom the call is made.
    pub caller: Caller,
}

/// `users.setPhoto`. Answers the new `avatar_hash`, where Slack tells it.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<String>, SlackError>")]
pub struct SetPhoto {
    /// Whose picture: the token's owner.
    pub user: UserId,
    /// His own token.
    pub token: Token,
    /// The picture.
    pub picture: Picture,
    /// For whom the call is made.
    pub caller: Caller,
}

/// `users.info` of a member, with the bot token.
#[derive(Debug, Message)]
#[rtype(result = "Result<Member, SlackError>")]
pub struct GetMember {
    /// Whose.
    pub user: UserId,
    /// For whom the call is made.
    pub caller: Caller,
}

/// One page of `users.list`, with the bot token.
#[derive(Debug, Message)]
#[rtype(result = "Result<MemberPage, SlackError>")]
pub struct ListMembers {
    /// Where the page begins; `None` for the first.
    pub cursor: Option<String>,
    /// For whom the call is made.
    pub caller: Caller,
}

/// `oauth.v2.access`: a code for a member's token.
#[derive(Debug, Message)]
#[rtype(result = "Result<Consent, SlackError>")]
pub struct ExchangeCode {
    /// What Slack gave to the browser.
    pub code: String,
    /// The address that was named when the code was asked for.
    pub redirect_uri: String,
}

/// Gives up every place in line that a request holds.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Withdraw {
    /// The request that ended or was replaced.
    pub request: RequestId,
}

/// Asks what the configured tokens can do now.
#[derive(Debug, Message)]
#[rtype(result = "Standing")]
pub struct AskStanding;

/// What the configured tokens can do now.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Whether the bot token works, as far as is known.
    pub bot_works: bool,
    /// The admin token, if one is configured and works.
    pub admin: Option<Admin>,
}

/// A working admin token.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Whose token it is.
    pub owner: UserId,
    /// The token.
    pub token: Token,
}

/// Announces the workspace that the bot token belongs to.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct WorkspaceKnown {
    /// The workspace.
    pub team: TeamId,
}

/// Announces that a bot token that was dead works again.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct BotRevived;

/// Until when a method is paused; for the page and `/readyz`.
#[derive(Debug, Clone)]
pub struct Paused {
    /// The method's name.
    pub method: &'static str,
    /// When it may be called again.
    pub until: Instant,
}
