//! The methods we call, with what Slack says of each.

use std::time::Duration;

/// A method of the Web API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// `auth.test`: whose token it is (<https://docs.slack.dev/reference/methods/auth.test>).
    AuthTest,
    /// `users.profile.get` (<https://docs.slack.dev/reference/methods/users.profile.get>).
    UsersProfileGet,
    /// `users.profile.set` (<https://docs.slack.dev/reference/methods/users.profile.set>).
    UsersProfileSet,
    /// `users.setPhoto` (<https://docs.slack.dev/reference/methods/users.setPhoto>).
    UsersSetPhoto,
    /// `users.info` (<https://docs.slack.dev/reference/methods/users.info>).
    UsersInfo,
    /// `users.list` (<https://docs.slack.dev/reference/methods/users.list>).
    UsersList,
    /// `admin.users.list`, on Enterprise only (<https://docs.slack.dev/reference/methods/admin.users.list>).
    AdminUsersList,
    /// `auth.revoke` (<https://docs.slack.dev/reference/methods/auth.revoke>).
    AuthRevoke,
    /// `oauth.v2.access` (<https://docs.slack.dev/reference/methods/oauth.v2.access>).
    OauthV2Access,
    /// `openid.connect.token` (<https://docs.slack.dev/reference/methods/openid.connect.token>).
    OpenidConnectToken,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::AuthTest,
        Self::UsersProfileGet,
        Self::UsersProfileSet,
        Self::UsersSetPhoto,
        Self::UsersInfo,
        Self::UsersList,
        Self::AdminUsersList,
        Self::AuthRevoke,
        Self::OauthV2Access,
        Self::OpenidConnectToken,
    ];

    /// The method's name in Slack's documentation and in the URL.
    pub fn name(self) -> &'static str {
        match self {
            Self::AuthTest => "auth.test",
            Self::UsersProfileGet => "users.profile.get",
            Self::UsersProfileSet => "users.profile.set",
            Self::UsersSetPhoto => "users.setPhoto",
            Self::UsersInfo => "users.info",
            Self::UsersList => "users.list",
            Self::AdminUsersList => "admin.users.list",
            Self::AuthRevoke => "auth.revoke",
            Self::OauthV2Access => "oauth.v2.access",
            Self::OpenidConnectToken => "openid.connect.token",
        }
    }

    /// How many calls a minute all tokens of the app may make in a workspace. `auth.test` is only said to allow
    /// hundreds (<https://docs.slack.dev/apis/web-api/rate-limits>).
    pub fn calls_a_minute(self) -> usize {
        match self {
            Self::UsersSetPhoto | Self::UsersList => 20,
            Self::UsersProfileSet | Self::AuthRevoke => 50,
            Self::UsersProfileGet
            | Self::UsersInfo
            | Self::AdminUsersList
            | Self::AuthTest
            | Self::OpenidConnectToken => 100,
            Self::OauthV2Access => 600,
        }
    }

    /// Whether a call changes nothing.
    pub fn is_read(self) -> bool {
        matches!(
            self,
            Self::UsersProfileGet | Self::UsersInfo | Self::UsersList | Self::AdminUsersList | Self::AuthTest
        )
    }

    /// Whether the app's client calls it, with no token: a dead one does not matter.
    pub fn is_the_clients(self) -> bool {
        matches!(self, Self::OauthV2Access | Self::OpenidConnectToken)
    }

    /// How long an answer may take, its body included.
    pub fn deadline(self) -> Duration {
        match self {
            Self::UsersSetPhoto => Duration::from_secs(30),
            _ => Duration::from_secs(10),
        }
    }
}
