//! Roles, assumed through STS.

use std::{rc::Rc, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use rusoto_core::{Client, HttpClient, Region};
use rusoto_credential::{AwsCredentials, StaticProvider};
use rusoto_sts::{
    AssumeRoleRequest, AssumeRoleWithWebIdentityRequest, Credentials as Given, Sts as _, StsClient,
};

use crate::{config::Role, storage::StorageError};

use super::{
    attempts::{ANSWER_WITHIN, Call, Failure, answered, tried},
    credentials::{Credentials, Keys, Source},
};

/// How long a session lives, in seconds: the least that every role allows.
const SESSION: i64 = 3600;

/// STS of a region.
#[derive(Clone)]
pub struct Sts {
    /// Sends the requests.
    pub http: Arc<HttpClient>,
    /// Where it is.
    pub region: Region,
}

impl Sts {
    /// Exchanges a web identity, which is not signed, for a role's credentials.
    ///
    /// # Errors
    /// As STS fails.
    pub async fn by_web_identity(&self, token: &str, arn: &str, session: &str) -> Result<Keys, StorageError> {
        let client =
            StsClient::new_with_client(Client::new_not_signing(self.http.clone()), self.region.clone());
        let call = Call {
            operation: "AssumeRoleWithWebIdentity",
            about: arn,
            identity: "the web identity",
            remedy: "correct AWS_ROLE_ARN or the role's trust policy",
        };
        let attempt = async || {
            let request = AssumeRoleWithWebIdentityRequest {
                role_arn: arn.to_owned(),
                role_session_name: session.to_owned(),
                web_identity_token: token.to_owned(),
                ..AssumeRoleWithWebIdentityRequest::default()
            };
            let given = answered(ANSWER_WITHIN, client.assume_role_with_web_identity(request)).await?;
            keys(given.map_err(|error| call.failed(error))?.credentials)
        };
        tried(attempt, async || {}).await.map_err(Failure::into_error)
    }

    async fn assume(&self, base: &AwsCredentials, role: &Role, session: &str) -> Result<Keys, Failure> {
        let provider = StaticProvider::from(base.clone());
        let client =
            StsClient::new_with_client(Client::new_with(provider, self.http.clone()), self.region.clone());
        let remedy = format!("correct {} or the role's trust policy", role.setting);
        let call = Call {
            operation: "AssumeRole",
            about: &role.arn,
            identity: "the base credentials",
            remedy: &remedy,
        };
        let request = AssumeRoleRequest {
            role_arn: role.arn.clone(),
            role_session_name: session.to_owned(),
            duration_seconds: Some(SESSION),
            ..AssumeRoleRequest::default()
        };
        let given = answered(ANSWER_WITHIN, client.assume_role(request)).await?;
        keys(given.map_err(|error| call.failed(error))?.credentials)
    }
}

/// A role's session, named so that the records of AWS tell who acted.
pub struct Assumed {
    /// Where it is assumed.
    pub sts: Sts,
    /// Who assumes it.
    pub base: Rc<Credentials>,
    /// Which one.
    pub role: Role,
    /// The session's name.
    pub session: String,
}

#[async_trait(?Send)]
impl Source for Assumed {
    async fn fetch(&self) -> Result<Keys, StorageError> {
        let attempt = async || {
            let base = self.base.get().await?;
            let assumed = self.sts.assume(&base, &self.role, &self.session).await;
            if matches!(assumed, Err(Failure::Outdated(_))) {
                self.base.drop_outdated(&base).await;
            }
            assumed
        };
        tried(attempt, async || {}).await.map_err(Failure::into_error)
    }
}

fn keys(given: Option<Given>) -> Result<Keys, Failure> {
    let given = given.ok_or_else(|| Failure::Passing("STS gave no credentials".into()))?;
    keys_of(given.access_key_id, given.secret_access_key, Some(given.session_token), Some(&given.expiration))
        .map_err(Failure::Certain)
}

/// Credentials of their parts, the end as RFC 3339 has it.
///
/// # Errors
/// When the end is no time.
pub fn keys_of(
    id: String,
    secret: String,
    token: Option<String>,
    ends: Option<&str>,
) -> Result<Keys, StorageError> {
    let until: Option<SystemTime> = ends
        .map(humantime::parse_rfc3339)
        .transpose()
        .map_err(|_| StorageError::Unavailable("credentials came whose end is no time".into()))?;
    Ok(Keys { credentials: AwsCredentials::new(id, secret, token, None), until })
}
