//! Sign in with Slack: the one call that tells who it was.

use actix::{Handler, Message, ResponseActFuture};

use crate::{
    domain::{Cause, RequestId},
    slack::{IdToken, Method, SlackError},
};

use super::{Caller, SlackClient, reading};

/// `openid.connect.token`: a code for who signed in.
#[derive(Debug, Message)]
#[rtype(result = "Result<IdToken, SlackError>")]
pub struct ExchangeSignIn {
    /// What Slack gave to the browser.
    pub code: String,
    /// The address that was named when the code was asked for.
    pub redirect_uri: String,
    /// Names the call in the log.
    pub request: RequestId,
}

impl Handler<ExchangeSignIn> for SlackClient {
    type Result = ResponseActFuture<Self, Result<IdToken, SlackError>>;

    fn handle(&mut self, exchange: ExchangeSignIn, _ctx: &mut Self::Context) -> Self::Result {
        let Some(client) = self.parts.client.clone() else {
            return Box::pin(actix::fut::ready(Err(SlackError::Refused("no_client_configured".into()))));
        };
        let caller = Caller { request: exchange.request, cause: Cause::Event };
        self.make(reading(Method::OpenidConnectToken, caller), None, move |api| {
            Box::pin(async move {
                let by = (client.id.as_str(), &client.secret);
                api.openid_connect_token(by, exchange.code, exchange.redirect_uri).await
            })
        })
    }
}
