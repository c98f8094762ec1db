//! Credentials of the container (ECS, Fargate, EKS) and of the machine (EC2, by IMDSv2), asked for over plain HTTP.

use std::time::Duration;

use serde::Deserialize;
use url::{Host, Url};

use crate::{config::AwsVariables, storage::StorageError};

use super::{credentials::Keys, sts::keys_of};

const WITHIN: Duration = Duration::from_secs(2);
/// No answer is larger, in bytes.
const AT_MOST: usize = 64 * 1024;
/// Where a container's relative address is, and where EC2's service is.
const CONTAINER: &str = "http://169.254.170.2";
const EC2: &str = "http://169.254.169.254";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<String>,
}

/// Asks the container's service, if the variables name one.
pub async fn of_container(variables: &AwsVariables) -> Option<Result<Keys, StorageError>> {
    let relative = variables.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    let address = match (relative, variables.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
        (Some(path), _) => format!("{CONTAINER}{path}"),
        (None, Some(full)) if may_be_asked(full) => full.to_owned(),
        (None, Some(_)) => {
            let why = "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor on this machine";
            return Some(Err(StorageError::Denied(why.into())));
        }
        (None, None) => return None,
    };
    let token = match variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        // It is replaced from time to time.
        Some(path) => match std::fs::read_to_string(path) {
            Ok(token) => Some(token.trim_end().to_owned()),
            Err(error) => {
                let why = format!("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE cannot be read: {error}");
                return Some(Err(StorageError::Denied(why)));
            }
        },
        None => variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(str::to_owned),
    };
    let header = token.as_deref().map(|token| ("authorization", token));
    Some(ask("GET", &address, header).await.and_then(|text| read(&text)))
}

/// Asks EC2's service for the machine's role, by its second version: first for a session, then within it.
///
/// # Errors
/// [`StorageError::Unavailable`] when it does not answer as it should.
pub async fn of_machine(variables: &AwsVariables) -> Result<Keys, StorageError> {
    let root = variables.get("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or(EC2).trim_end_matches('/');
    let lifetime = ("x-aws-ec2-metadata-token-ttl-seconds", "60");
    let token = ask("PUT", &format!("{root}/latest/api/token"), Some(lifetime)).await?;
    let session = Some(("x-aws-ec2-metadata-token", token.as_str()));
    let roles = format!("{root}/latest/meta-data/iam/security-credentials/");
    let role = ask("GET", &roles, session).await?;
    let role = role.lines().next().unwrap_or_default();
    read(&ask("GET", &format!("{roles}{role}"), session).await?)
}

/// Credentials are sent in the clear only within this machine or its link.
fn may_be_asked(address: &str) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    let is_near = match url.host() {
        Some(Host::Ipv4(at)) => at.is_loopback() || at.is_link_local(),
        Some(Host::Ipv6(at)) => at.is_loopback() || at.is_unique_local(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_near)
}

async fn ask(method: &str, address: &str, header: Option<(&str, &str)>) -> Result<String, StorageError> {
    let unavailable =
        |why: String| StorageError::Unavailable(format!("the credentials' service {address}: {why}"));
    let client = awc::Client::builder().disable_redirects().timeout(WITHIN).finish();
    let method = if method == "PUT" { awc::http::Method::PUT } else { awc::http::Method::GET };
    let mut request = client.request(method, address);
    if let Some(header) = header {
        request = request.insert_header(header);
    }
    let mut answer = request.send().await.map_err(|error| unavailable(error.to_string()))?;
    let status = answer.status();
    let body = tokio::time::timeout(WITHIN, answer.body().limit(AT_MOST)).await;
    let body = body.map_err(|_| unavailable("no whole answer in time".into()))?;
    let body = body.map_err(|error| unavailable(error.to_string()))?;
    if !status.is_success() {
        return Err(unavailable(format!("answered {}", status.as_u16())));
    }
    String::from_utf8(body.to_vec()).map_err(|_| unavailable("answered no text".into()))
}

fn read(text: &str) -> Result<Keys, StorageError> {
    let answer: Answer = serde_json::from_str(text)
        .map_err(|_| StorageError::Unavailable("the credentials' service answered no credentials".into()))?;
    keys_of(answer.access_key_id, answer.secret_access_key, answer.token, answer.expiration.as_deref())
}
