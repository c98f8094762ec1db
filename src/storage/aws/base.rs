//! The first credentials, found where AWS's own tools look for them, in their order.

use std::{path::PathBuf, time::SystemTime};

use async_trait::async_trait;
use rusoto_credential::{ProfileProvider, ProvideAwsCredentials as _};

use crate::{clock, config::AwsVariables, storage::StorageError};

use super::{
    credentials::{Keys, Source},
    metadata,
    sts::{Sts, keys_of},
};

/// Variables, profile, web identity, container, machine.
pub struct Base {
    /// What was set.
    pub variables: AwsVariables,
    /// Where a web identity is exchanged.
    pub sts: Sts,
}

#[async_trait(?Send)]
impl Source for Base {
    async fn fetch(&self) -> Result<Keys, StorageError> {
        if let Some(found) = self.set()? {
            return Ok(found);
        }
        if let Some(found) = self.profile().await {
            return found;
        }
        if let Some(found) = self.web_identity().await {
            return found;
        }
        if let Some(found) = metadata::of_container(&self.variables).await {
            return found;
        }
        let none = "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or give the machine a role";
        if self
            .variables
            .get("AWS_EC2_METADATA_DISABLED")
            .is_some_and(|text| text.eq_ignore_ascii_case("true"))
        {
            return Err(StorageError::Denied(none.into()));
        }
        let found = metadata::of_machine(&self.variables).await;
        found.map_err(|error| StorageError::Unavailable(format!("{none} ({error})")))
    }
}

impl Base {
    fn set(&self) -> Result<Option<Keys>, StorageError> {
        let text = |name| self.variables.get(name).map(str::to_owned);
        match (text("AWS_ACCESS_KEY_ID"), text("AWS_SECRET_ACCESS_KEY")) {
            (Some(id), Some(secret)) => keys_of(id, secret, text("AWS_SESSION_TOKEN"), None).map(Some),
            (None, None) => Ok(None),
            _ => Err(StorageError::Denied(
                "one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set; set both or none".into(),
            )),
        }
    }

    /// A profile that was named must be there; the default one may be missing.
    async fn profile(&self) -> Option<Result<Keys, StorageError>> {
        let (name, file) =
            (self.variables.get("AWS_PROFILE"), self.variables.get("AWS_SHARED_CREDENTIALS_FILE"));
        let in_home = || Some(PathBuf::from(self.variables.get("HOME")?).join(".aws/credentials"));
        let path = file.map(PathBuf::from).or_else(in_home)?;
        let provider = ProfileProvider::with_configuration(path, name.unwrap_or("default"));
        match provider.credentials().await {
            Ok(credentials) => {
                let ends =
                    credentials.expires_at().map(|at| u64::try_from(at.timestamp()).unwrap_or_default());
                let until = ends.map(|ends| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(ends));
                Some(Ok(Keys { credentials, until }))
            }
            Err(_) if name.is_none() && file.is_none() => None,
            Err(error) => Some(Err(StorageError::Denied(format!(
                "the profile that AWS_PROFILE or AWS_SHARED_CREDENTIALS_FILE names has no credentials: {error}"
            )))),
        }
    }

    async fn web_identity(&self) -> Option<Result<Keys, StorageError>> {
        let file = self.variables.get("AWS_WEB_IDENTITY_TOKEN_FILE")?;
        let arn = self.variables.get("AWS_ROLE_ARN")?;
        let session = self.variables.get("AWS_ROLE_SESSION_NAME");
        let session =
            session.map_or_else(|| format!("statusinator-{}", clock::unix(SystemTime::now())), str::to_owned);
        // It is replaced from time to time.
        match std::fs::read_to_string(file) {
            Ok(token) => Some(self.sts.by_web_identity(token.trim_end(), arn, &session).await),
            Err(error) => {
                let why = format!("AWS_WEB_IDENTITY_TOKEN_FILE cannot be read: {error}");
                Some(Err(StorageError::Denied(why)))
            }
        }
    }
}
