//! Reads what Slack's answers hold: only what we need, lenient about everything else.
//!
//! Any field may be missing, `null`, or of another kind than documented: it then counts as absent. Only a member's id
//! must be there.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use crate::domain::{Emoji, TeamId};

use super::{Consent, IdToken, Identity, Member, MemberPage, Profile, Reply, SlackError, Token};

/// A value of the expected kind, or nothing.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawProfile {
    #[serde(deserialize_with = "lenient")]
    display_name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    real_name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    status_emoji: Option<String>,
    #[serde(deserialize_with = "lenient")]
    status_expiration: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    avatar_hash: Option<String>,
}

impl From<RawProfile> for Profile {
    fn from(raw: RawProfile) -> Self {
        Self {
            display_name: raw.display_name.unwrap_or_default(),
            real_name: raw.real_name.unwrap_or_default(),
            status_emoji: raw.status_emoji.map(|emoji| Emoji::new(&emoji)),
            status_expiration: raw.status_expiration.unwrap_or_default(),
            avatar_hash: raw.avatar_hash.filter(|hash| !hash.is_empty()),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawMember {
    #[serde(deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    team_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    deleted: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    is_active: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    is_bot: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    is_admin: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    is_owner: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    is_primary_owner: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    profile: Option<RawProfile>,
}

impl RawMember {
    fn member(self) -> Option<Member> {
        let is = |flag: Option<bool>| flag.unwrap_or_default();
        Some(Member {
            id: self.id?.parse().ok()?,
            team: self.team_id.map(TeamId),
            deleted: is(self.deleted) || self.is_active == Some(false),
            is_bot: is(self.is_bot),
            is_administrator: is(self.is_admin) || is(self.is_owner) || is(self.is_primary_owner),
            profile: self.profile.unwrap_or_default().into(),
        })
    }
}

fn body<T: DeserializeOwned>(reply: &Reply) -> Result<T, SlackError> {
    serde_json::from_slice(&reply.body)
        .map_err(|_| SlackError::Unavailable("the answer lacks what it should hold".into()))
}

/// `profile` of `users.profile.get`, `users.profile.set` and `users.setPhoto`; `None` if it is not there.
pub fn profile(reply: &Reply) -> Result<Option<Profile>, SlackError> {
    #[derive(Deserialize)]
    struct Raw {
        #[serde(default, deserialize_with = "lenient")]
        profile: Option<RawProfile>,
    }
    Ok(body::<Raw>(reply)?.profile.map(Profile::from))
}

/// `user` of `users.info`.
pub fn member(reply: &Reply) -> Result<Member, SlackError> {
    #[derive(Deserialize)]
    struct Raw {
        user: RawMember,
    }
    let member = body::<Raw>(reply)?.user.member();
    member.ok_or_else(|| SlackError::Unavailable("the answer has no user id".into()))
}

/// `members` of `users.list` or `users` of `admin.users.list`, and `response_metadata.next_cursor`.
pub fn member_page(reply: &Reply) -> Result<MemberPage, SlackError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Metadata {
        next_cursor: Option<String>,
    }
    #[derive(Deserialize)]
    struct Raw {
        #[serde(alias = "users")]
        members: Vec<RawMember>,
        #[serde(default, deserialize_with = "lenient")]
        response_metadata: Option<Metadata>,
    }
    let raw: Raw = body(reply)?;
    let next =
        raw.response_metadata.and_then(|metadata| metadata.next_cursor).filter(|cursor| !cursor.is_empty());
    Ok(MemberPage { members: raw.members.into_iter().filter_map(RawMember::member).collect(), next })
}

/// What `auth.test` tells, with its headers.
pub fn identity(reply: &Reply) -> Result<Identity, SlackError> {
    #[derive(Deserialize)]
    struct Raw {
        team_id: String,
        user_id: String,
        #[serde(default, deserialize_with = "lenient")]
        bot_id: Option<String>,
        #[serde(default, deserialize_with = "lenient")]
        is_enterprise_install: Option<bool>,
    }
    let raw: Raw = body(reply)?;
    let scopes = reply.scopes.iter().flat_map(|scopes| scopes.split(','));
    Ok(Identity {
        team: TeamId(raw.team_id),
        user: raw.user_id.parse().map_err(|_| SlackError::Unavailable("the answer has no user id".into()))?,
        is_bot: raw.bot_id.is_some(),
        is_org_wide: raw.is_enterprise_install.unwrap_or_default(),
        scopes: scopes.map(|scope| scope.trim().to_owned()).filter(|scope| !scope.is_empty()).collect(),
        date: reply.time(),
    })
}

/// The member's part of what `oauth.v2.access` gives.
pub fn consent(reply: &Reply) -> Result<Consent, SlackError> {
    #[derive(Deserialize)]
    struct Team {
        id: String,
    }
    #[derive(Deserialize)]
    struct Authed {
        id: String,
        #[serde(default)]
        scope: String,
        access_token: String,
    }
    #[derive(Deserialize)]
    struct Raw {
        team: Option<Team>,
        authed_user: Authed,
        #[serde(default)]
        is_enterprise_install: bool,
    }
    let refused = |why: &str| SlackError::Refused(why.to_owned());
    let raw: Raw = serde_json::from_slice(&reply.body).map_err(|_| refused("no_user_token"))?;
    if raw.is_enterprise_install {
        return Err(refused("org_wide_install"));
    }
    if raw.authed_user.access_token.starts_with("xoxe.") {
        return Err(refused("token_rotation"));
    }
    Ok(Consent {
        user: raw.authed_user.id.parse().map_err(|_| refused("no_user_id"))?,
        team: TeamId(raw.team.ok_or_else(|| refused("no_team"))?.id),
        token: Token::new(raw.authed_user.access_token),
        scopes: raw.authed_user.scope.split(',').map(str::to_owned).collect(),
    })
}

/// `id_token` of `openid.connect.token`.
pub fn id_token(reply: &Reply) -> Result<IdToken, SlackError> {
    #[derive(Deserialize)]
    struct Raw {
        id_token: String,
    }
    let unreadable = |_| SlackError::Unavailable("the answer has no id token that can be read".into());
    IdToken::read(&body::<Raw>(reply)?.id_token).map_err(unreadable)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn reply(body: &'static str) -> Reply {
        Reply { status: 200, body: body.into(), ..Reply::default() }
    }

    #[test]
    fn fields_of_any_shape_do_not_stop_a_profile() {
        for fields in ["{}", "[]", "null", "7"] {
            let body = format!(
                r#"{{"ok":true,"profile":{{"fields":{fields},"status_emoji":":tada:","status_expiration":"x","avatar_hash":""}}}}"#
            );
            let read =
                profile(&Reply { status: 200, body: body.into(), ..Reply::default() }).unwrap().unwrap();
            assert_eq!(read.status_emoji, Some(Emoji::new("tada")));
            assert_eq!((read.status_expiration, read.avatar_hash), (0, None));
        }
        assert_eq!(profile(&reply(r#"{"ok":true,"profile":{}}"#)).unwrap().unwrap().status_emoji, None);
        assert_eq!(profile(&reply(r#"{"ok":true}"#)).unwrap(), None);
    }

    #[test]
    fn the_documented_answers_are_read() {
        let list = include_str!("../../tests/fixtures/api-docs/users.list.success.json");
        let page = member_page(&reply(list)).unwrap();
        assert_eq!(page.next.as_deref(), Some("dXNlcjpVMEc5V0ZYTlo="));
        assert_eq!(page.members[0].profile.status_emoji, Some(Emoji::new("books")));
        assert_eq!(page.members[1].profile.status_emoji, None);
        assert!(page.members[0].is_administrator);

        let administered = include_str!("../../tests/fixtures/api-docs/admin.users.list.success.json");
        let page = member_page(&reply(administered)).unwrap();
        assert_eq!((page.members[0].id.as_str(), page.members[0].deleted), ("W0L3P31SP", false));
        assert_eq!((page.members[0].is_administrator, page.next), (false, None));

        let info = include_str!("../../tests/fixtures/api-docs/users.info.success.json");
        assert_eq!(member(&reply(info)).unwrap().id.as_str(), "W012A3CDE");

        let test = include_str!("../../tests/fixtures/api-docs/auth.test.success_with_bot_token.json");
        let who =
            identity(&Reply { date: Some("Tue, 24 Nov 2026 14:00:00 GMT".into()), ..reply(test) }).unwrap();
        assert!(who.is_bot && who.team.0 == "T0G9PQBBK");
        assert_eq!(who.date, Some(1_795_528_800));

        let access = include_str!("../../tests/fixtures/api-docs/oauth.v2.access.success.json");
        let given = consent(&reply(access)).unwrap();
        assert_eq!((given.user.as_str(), given.token.expose()), ("U1234", "xoxp-1234"));
    }

    #[test]
    fn a_rotating_or_org_wide_token_is_refused() {
        let rotating =
            include_str!("../../tests/fixtures/api-docs/oauth.v2.access.success_with_token_rotation.json");
        assert_eq!(consent(&reply(rotating)).unwrap_err(), SlackError::Refused("token_rotation".into()));
        let org = r#"{"ok":true,"team":null,"is_enterprise_install":true,"authed_user":{"id":"U1","access_token":"xoxp-1"}}"#;
        assert_eq!(consent(&reply(org)).unwrap_err(), SlackError::Refused("org_wide_install".into()));
        let bot_only = r#"{"ok":true,"team":{"id":"T1"},"authed_user":{"id":"U1"}}"#;
        assert_eq!(consent(&reply(bot_only)).unwrap_err(), SlackError::Refused("no_user_token".into()));
    }
}
