//! The methods we call, with what Slack says of each.

/// A method of the Web API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// `auth.test`.
    AuthTest,
    /// `users.profile.get`.
    UsersProfileGet,
    /// `users.profile.set`.
    UsersProfileSet,
    /// `users.setPhoto`.
    UsersSetPhoto,
    /// `users.info`.
    UsersInfo,
    /// `users.list`.
    UsersList,
    /// `oauth.v2.access`.
    OauthV2Access,
}

impl Method {
    /// The method's name in Slack's documentation and in the URL.
    pub fn name(self) -> &'static str {
        match self {
            Self::AuthTest => "auth.test",
            Self::UsersProfileGet => "users.profile.get",
            Self::UsersProfileSet => "users.profile.set",
            Self::UsersSetPhoto => "users.setPhoto",
            Self::UsersInfo => "users.info",
            Self::UsersList => "users.list",
            Self::OauthV2Access => "oauth.v2.access",
        }
    }
}
