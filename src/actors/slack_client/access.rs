//! Calls that tell who somebody is, and one that ends what he allowed.

use actix::{Handler, Message, ResponseActFuture};

use crate::{
    domain::{Cause, RequestId, TeamId},
    slack::{Identity, MemberPage, Method, SlackError, Token},
};

use super::{Caller, Known, SlackClient, reading};

/// `auth.test` of somebody's token: whose it is.
#[derive(Debug, Message)]
#[rtype(result = "Result<Identity, SlackError>")]
pub struct TestToken {
    /// The token.
    pub token: Token,
    /// Names the call in the log.
    pub request: RequestId,
}

/// One page of `admin.users.list`, with the admin token. Refused if there is none.
#[derive(Debug, Message)]
#[rtype(result = "Result<MemberPage, SlackError>")]
pub struct ListAdministered {
    /// The workspace.
    pub team: TeamId,
    /// Where the page begins; `None` for the first.
    pub cursor: Option<String>,
    /// Names the call in the log.
    pub request: RequestId,
}

/// `auth.revoke`: the token dies. One that a setting has is left alone.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SlackError>")]
pub struct RevokeToken {
    /// The token.
    pub token: Token,
    /// Names the call in the log.
    pub request: RequestId,
}

/// Somebody waits for the answer, as for that to an event.
fn caller(request: RequestId) -> Caller {
    Caller { request, cause: Cause::Event }
}

impl Handler<TestToken> for SlackClient {
    type Result = ResponseActFuture<Self, Result<Identity, SlackError>>;

    fn handle(&mut self, TestToken { token, request }: TestToken, _ctx: &mut Self::Context) -> Self::Result {
        self.make(reading(Method::AuthTest, caller(request)), Some(token.clone()), move |api| {
            Box::pin(async move { api.auth_test(&token).await })
        })
    }
}

impl Handler<ListAdministered> for SlackClient {
    type Result = ResponseActFuture<Self, Result<MemberPage, SlackError>>;

    fn handle(&mut self, list: ListAdministered, _ctx: &mut Self::Context) -> Self::Result {
        let admin = match (&self.parts.admin, &self.admin) {
            (Some(_), Known::Dead(code)) => Err(SlackError::DeadToken(code.clone())),
            (Some(admin), _) => Ok(admin.clone()),
            (None, _) => Err(SlackError::Refused("no_admin_token".into())),
        };
        let admin = match admin {
            Ok(admin) => admin,
            Err(error) => return Box::pin(actix::fut::ready(Err(error))),
        };
        self.make(reading(Method::AdminUsersList, caller(list.request)), Some(admin.clone()), move |api| {
            Box::pin(async move { api.admin_users_list(&admin, &list.team, list.cursor).await })
        })
    }
}

impl Handler<RevokeToken> for SlackClient {
    type Result = ResponseActFuture<Self, Result<(), SlackError>>;

    fn handle(
        &mut self,
        RevokeToken { token, request }: RevokeToken,
        _ctx: &mut Self::Context,
    ) -> Self::Result {
        if token == self.parts.bot || Some(&token) == self.parts.admin.as_ref() {
            return Box::pin(actix::fut::ready(Ok(())));
        }
        self.make(reading(Method::AuthRevoke, caller(request)), Some(token.clone()), move |api| {
            Box::pin(async move { api.auth_revoke(&token).await })
        })
    }
}
