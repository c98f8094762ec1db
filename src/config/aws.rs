//! The settings of a store in a bucket.

use std::{collections::BTreeMap, fmt};

use url::Url;

/// The variables that AWS's own tools find credentials by; they are read from the environment and `.env`.
pub const AWS_VARIABLES: [&str; 15] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    // Where the profiles lie, unless a variable above says.
    "HOME",
];

/// A bucket, and how to get at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketConfig {
    /// Its name.
    pub bucket: String,
    /// The region that it is in.
    pub region: String,
    /// Where S3 is, if it is not AWS's own.
    pub s3_endpoint: Option<Url>,
    /// Where STS is, if it is not AWS's own.
    pub sts_endpoint: Option<Url>,
    /// The roles in which it is read, written and exported to.
    pub roles: Roles,
    /// What the credentials are found by.
    pub variables: AwsVariables,
}

/// The roles to assume; without one, the plain credentials are used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles {
    /// For reading.
    pub read: Option<Role>,
    /// For onboarding and the vault.
    pub write: Option<Role>,
    /// For exporting logs and metrics.
    pub export: Option<Role>,
}

/// One role, and the setting that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// The setting, for whoever must correct it.
    pub setting: &'static str,
}

/// Texts of [`AWS_VARIABLES`] that are set. Some are secrets: none is shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AwsVariables(pub BTreeMap<String, String>);

impl AwsVariables {
    /// A variable's text.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl fmt::Debug for AwsVariables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
