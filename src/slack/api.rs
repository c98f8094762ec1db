//! The Web API: builds calls, keeps their deadlines, tells success from the kinds of failure.

use std::{rc::Rc, time::Duration};

use serde_json::json;

use crate::{
    config::NameField,
    domain::{TeamId, UserId},
    pictures::Picture,
};

use super::{
    Body, Call, Consent, IdToken, Identity, Member, MemberPage, Method, Profile, Reply, SlackError, Token,
    Transport,
    answer::{Answer, classify},
    parse,
    transport::Auth,
};

/// How many members a page of `users.list` has; Slack advises no more
/// (<https://docs.slack.dev/reference/methods/users.list>).
const MEMBERS_A_PAGE: usize = 200;
/// How many a page of `admin.users.list` has at the most
/// (<https://docs.slack.dev/reference/methods/admin.users.list>).
const ADMINISTERED_A_PAGE: usize = 100;

/// How a call failed, before the caller's clock makes a [`SlackError`] of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// Slack said `ratelimited`, and for how long, where it said so.
    RateLimited(Option<Duration>),
    /// Any other failure.
    Failed(SlackError),
}

impl From<SlackError> for CallError {
    fn from(error: SlackError) -> Self {
        Self::Failed(error)
    }
}

/// The Web API over a transport.
#[derive(Clone)]
pub struct WebApi {
    transport: Rc<dyn Transport>,
}

impl WebApi {
    /// Calls over this transport.
    pub fn new(transport: Rc<dyn Transport>) -> Self {
        Self { transport }
    }

    /// Makes a call within its method's deadline, its answer's body included.
    async fn call(&self, method: Method, auth: Auth, body: Body) -> Result<Reply, CallError> {
        let deadline = method.deadline();
        let unavailable = |why: String| CallError::Failed(SlackError::Unavailable(why));
        let answered = tokio::time::timeout(deadline, self.transport.call(Call { method, auth, body })).await;
        let reply = answered
            .map_err(|_| unavailable(format!("no answer within {} s", deadline.as_secs())))?
            .map_err(|error| unavailable(error.to_string()))?;
        match classify(&reply) {
            Answer::Ok => Ok(reply),
            Answer::RateLimited(retry_after) => Err(CallError::RateLimited(retry_after)),
            Answer::DeadToken(code) => Err(SlackError::DeadToken(code).into()),
            Answer::Refused(code) => Err(SlackError::Refused(code).into()),
            Answer::Later(why) => Err(unavailable(why)),
        }
    }

    async fn read(
        &self,
        method: Method,
        token: &Token,
        query: Vec<(&'static str, String)>,
    ) -> Result<Reply, CallError> {
        self.call(method, Auth::Bearer(token.clone()), Body::Query(query)).await
    }

    /// `auth.test`: whose token it is.
    ///
    /// # Errors
    /// As every call.
    pub async fn auth_test(&self, token: &Token) -> Result<Identity, CallError> {
        let reply = self.call(Method::AuthTest, Auth::Bearer(token.clone()), Body::Form(Vec::new())).await?;
        Ok(parse::identity(&reply)?)
    }

    /// `users.profile.get` of a member.
    ///
    /// # Errors
    /// As every call.
    pub async fn users_profile_get(&self, token: &Token, user: &UserId) -> Result<Profile, CallError> {
        let reply = self.read(Method::UsersProfileGet, token, vec![("user", user.to_string())]).await?;
        let missing = || SlackError::Unavailable("the answer has no profile".into());
        Ok(parse::profile(&reply)?.ok_or_else(missing)?)
    }

    /// `users.profile.set` of one name. `other` names the member when the token is not his own.
    ///
    /// # Errors
    /// As every call.
    pub async fn users_profile_set(
        &self,
        token: &Token,
        field: NameField,
        name: &str,
        other: Option<&UserId>,
    ) -> Result<(), CallError> {
        let field = match field {
            NameField::DisplayName => "display_name",
            NameField::RealName => "real_name",
        };
        let mut body = json!({ "profile": { field: name } });
        if let Some(user) = other {
            body["user"] = json!(user.as_str());
        }
        self.call(Method::UsersProfileSet, Auth::Bearer(token.clone()), Body::Json(body)).await?;
        Ok(())
    }

    /// `users.setPhoto` of the token's owner. Answers the new `avatar_hash`, where Slack tells it.
    ///
    /// # Errors
    /// As every call.
    pub async fn users_set_photo(
        &self,
        token: &Token,
        picture: &Picture,
    ) -> Result<Option<String>, CallError> {
        let body = Body::Image { bytes: picture.bytes.clone(), content_type: picture.content_type };
        let reply = self.call(Method::UsersSetPhoto, Auth::Bearer(token.clone()), body).await?;
        // The picture is set whether or not the answer says more.
        Ok(parse::profile(&reply).ok().flatten().and_then(|profile| profile.avatar_hash))
    }

    /// `users.info` of a member.
    ///
    /// # Errors
    /// As every call.
    pub async fn users_info(&self, token: &Token, user: &UserId) -> Result<Member, CallError> {
        let reply = self.read(Method::UsersInfo, token, vec![("user", user.to_string())]).await?;
        Ok(parse::member(&reply)?)
    }

    /// One page of `users.list`.
    ///
    /// # Errors
    /// As every call.
    pub async fn users_list(&self, token: &Token, cursor: Option<String>) -> Result<MemberPage, CallError> {
        let mut query = vec![("limit", MEMBERS_A_PAGE.to_string())];
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let reply = self.read(Method::UsersList, token, query).await?;
        Ok(parse::member_page(&reply)?)
    }

    /// One page of `admin.users.list`: the workspace's active members and what they are to it.
    ///
    /// # Errors
    /// As every call.
    pub async fn admin_users_list(
        &self,
        token: &Token,
        team: &TeamId,
        cursor: Option<String>,
    ) -> Result<MemberPage, CallError> {
        let mut form = vec![("team_id", team.0.clone()), ("limit", ADMINISTERED_A_PAGE.to_string())];
        form.extend(cursor.map(|cursor| ("cursor", cursor)));
        let reply = self.call(Method::AdminUsersList, Auth::Bearer(token.clone()), Body::Form(form)).await?;
        Ok(parse::member_page(&reply)?)
    }

    /// `auth.revoke`: the token dies.
    ///
    /// # Errors
    /// As every call.
    pub async fn auth_revoke(&self, token: &Token) -> Result<(), CallError> {
        self.read(Method::AuthRevoke, token, Vec::new()).await?;
        Ok(())
    }

    /// `oauth.v2.access`: a code for a member's token.
    ///
    /// # Errors
    /// As every call.
    pub async fn oauth_v2_access(
        &self,
        (id, secret): (&str, &Token),
        code: String,
        redirect_uri: String,
    ) -> Result<Consent, CallError> {
        let auth = Auth::Basic { id: id.to_owned(), secret: secret.clone() };
        let body = Body::Form(vec![("code", code), ("redirect_uri", redirect_uri)]);
        let reply = self.call(Method::OauthV2Access, auth, body).await?;
        Ok(parse::consent(&reply)?)
    }

    /// `openid.connect.token`: a code for who signed in. The access token that comes with it is not needed.
    ///
    /// # Errors
    /// As every call.
    pub async fn openid_connect_token(
        &self,
        (id, secret): (&str, &Token),
        code: String,
        redirect_uri: String,
    ) -> Result<IdToken, CallError> {
        let auth = Auth::Basic { id: id.to_owned(), secret: secret.clone() };
        let grant_type = ("grant_type", "authorization_code".to_owned());
        let body = Body::Form(vec![grant_type, ("code", code), ("redirect_uri", redirect_uri)]);
        let reply = self.call(Method::OpenidConnectToken, auth, body).await?;
        Ok(parse::id_token(&reply)?)
    }
}
