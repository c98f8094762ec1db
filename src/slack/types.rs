//! What Slack's answers hold, as far as we read it.

use crate::domain::{Emoji, TeamId, UserId};

use super::Token;

/// A clock that is further off Slack's, in seconds, will soon make every signature look stale (300 s).
pub const SKEW_AT_MOST: u64 = 150;

/// A member's profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// The display name; empty when he has none.
    pub display_name: String,
    /// The real name.
    pub real_name: String,
    /// The status emoji; `None` when the answer did not tell.
    pub status_emoji: Option<Emoji>,
    /// When the status ends (unix seconds); 0 for never.
    pub status_expiration: u64,
    /// Changes with every new picture.
    pub avatar_hash: Option<String>,
}

/// A member as `users.list`, `users.info` and `admin.users.list` show him; the last without his profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// His id.
    pub id: UserId,
    /// His workspace, where told.
    pub team: Option<TeamId>,
    /// Whether his account was closed.
    pub deleted: bool,
    /// Whether he is a bot.
    pub is_bot: bool,
    /// Whether he is an admin, an owner or the primary owner.
    pub is_administrator: bool,
    /// His profile.
    pub profile: Profile,
}

/// One page of `users.list` or `admin.users.list`.
#[derive(Debug, Clone, Default)]
pub struct MemberPage {
    /// The members on it whose ids are well formed.
    pub members: Vec<Member>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<String>,
}

/// Whose token it is, as `auth.test` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The workspace.
    pub team: TeamId,
    /// The token's owner (for a bot token, the bot's user).
    pub user: UserId,
    /// Whether it is a bot's token.
    pub is_bot: bool,
    /// Whether the app is installed on a whole organisation.
    pub is_org_wide: bool,
    /// `x-oauth-scopes`, split.
    pub scopes: Vec<String>,
    /// The `Date` header, unix seconds.
    pub date: Option<u64>,
}

impl Identity {
    /// What makes the token unfit for its setting; of an admin token, `team` is the bot token's workspace.
    pub fn unfit(&self, setting: &str, team: Option<&TeamId>) -> Option<String> {
        if self.is_org_wide {
            return Some(format!(
                "{setting} is an organisation's token; one process serves one workspace: install the app on it"
            ));
        }
        match team {
            Some(team) if self.team != *team => Some(format!(
                "{setting} belongs to workspace {}, SLACK_BOT_TOKEN to {team}; set two of one workspace",
                self.team
            )),
            Some(_) if self.is_bot => Some(format!("{setting} is a bot's token; a member's is wanted")),
            _ => None,
        }
    }

    /// Whether the token has this scope.
    pub fn may(&self, scope: &str) -> bool {
        self.scopes.iter().any(|granted| granted == scope)
    }

    /// How many seconds a clock that shows `now` (unix seconds) is off Slack's.
    pub fn skew(&self, now: u64) -> Option<u64> {
        self.date.map(|date| date.abs_diff(now))
    }
}

/// What `oauth.v2.access` gave for a code.
#[derive(Debug, Clone)]
pub struct Consent {
    /// Who authorised.
    pub user: UserId,
    /// In which workspace.
    pub team: TeamId,
    /// His token.
    pub token: Token,
    /// The scopes he granted.
    pub scopes: Vec<String>,
}
