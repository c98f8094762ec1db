//! Calls of AWS under a deadline, tried again where that may help, and what their answers mean to an operator.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use rusoto_core::{RusotoError, request::BufferedHttpResponse};

use crate::{chance, storage::StorageError};

/// How long an answer may take to begin, and how long its body may pause.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(4);
/// A call is tried so many times.
const TRIES: u32 = 3;
/// The pause before the second try; the third waits twice as long.
const PAUSE: Duration = Duration::from_millis(100);

/// How one try failed.
#[derive(Debug)]
pub enum Failure {
    /// Another try may not fail. What the try did is not known.
    Passing(String),
    /// The credentials have ended, or were replaced: others may do.
    Outdated(String),
    /// Another try would end the same way.
    Certain(StorageError),
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Certain(error)
    }
}

impl Failure {
    /// What the caller hears once no other try is made.
    pub fn into_error(self) -> StorageError {
        match self {
            Self::Passing(why) => StorageError::Unavailable(why),
            Self::Outdated(why) => StorageError::Denied(why),
            Self::Certain(error) => error,
        }
    }
}

/// Tries until it succeeds, fails for good, or the tries are used up. `renew` drops the credentials that ended.
///
/// # Errors
/// How the last try failed.
pub async fn tried<T>(
    attempt: impl AsyncFn() -> Result<T, Failure>,
    renew: impl AsyncFn(),
) -> Result<T, Failure> {
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match attempt().await {
            Err(Failure::Passing(_)) => tokio::time::sleep(pause.mul_f64(chance::jitter())).await,
            Err(Failure::Outdated(_)) => renew().await,
            done => return done,
        }
        pause *= 2;
    }
    attempt().await
}

/// Waits for an answer. rusoto has no deadline, and panics when a header of the answer is not ASCII.
///
/// # Errors
/// [`Failure::Passing`] when there is none in time, or none that rusoto can read.
pub async fn answered<T>(deadline: Duration, call: impl Future<Output = T>) -> Result<T, Failure> {
    let guarded = AssertUnwindSafe(call).catch_unwind();
    match tokio::time::timeout(deadline, guarded).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_panic)) => Err(Failure::Passing("the answer cannot be read: a header is malformed".into())),
        Err(_late) => Err(Failure::Passing(format!("no answer within {} s", deadline.as_secs()))),
    }
}

/// What is said about a call that failed.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The operation, as AWS names it.
    pub operation: &'a str,
    /// What it was about: the object's name, the role's ARN.
    pub about: &'a str,
    /// As whom: the role, or the plain credentials.
    pub identity: &'a str,
    /// What must be corrected when it is denied.
    pub remedy: &'a str,
}

impl Call<'_> {
    /// What rusoto's error means, beyond the kinds that the caller looks for.
    pub fn failed<E: std::fmt::Display>(&self, error: RusotoError<E>) -> Failure {
        match error {
            RusotoError::Unknown(answer) => self.answer(&answer),
            RusotoError::HttpDispatch(error) => Failure::Passing(format!("no answer: {error}")),
            RusotoError::Service(error) => self.denied(&error.to_string()),
            RusotoError::Credentials(error) => self.denied(&error.to_string()),
            RusotoError::Validation(why) | RusotoError::ParseError(why) => {
                Failure::Passing(format!("the answer cannot be read: {why}"))
            }
            RusotoError::Blocking => Failure::Passing("the call broke off".into()),
        }
    }

    /// What an answer that is no success means.
    pub fn answer(&self, answer: &BufferedHttpResponse) -> Failure {
        let body = answer.body_as_str();
        let code = element(body, "Code").unwrap_or_default();
        let status = answer.status.as_u16();
        let denied = |why: String| Failure::Certain(StorageError::Denied(why));
        match (status, code) {
            (_, "NoSuchBucket") => no_such_bucket(),
            (_, "ExpiredToken" | "ExpiredTokenException" | "InvalidToken" | "TokenRefreshRequired") => {
                Failure::Outdated(format!(
                    "the credentials have ended ({code}); renew them, AWS_SESSION_TOKEN too"
                ))
            }
            (_, "InvalidAccessKeyId" | "InvalidClientTokenId" | "SignatureDoesNotMatch") => {
                Failure::Outdated(format!(
                    "the access key or its secret is wrong ({code}); correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                ))
            }
            (_, "RequestTimeTooSkewed" | "RequestExpired") => {
                denied(format!("this machine's clock is wrong ({code}); set it, by NTP"))
            }
            (
                _,
                "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException",
            ) => denied(format!("the bucket is in another region ({code}); correct AWS_REGION")),
            (_, "NoSuchKey") | (409 | 412, _) => Failure::Certain(StorageError::PreconditionFailed),
            (408 | 429 | 500 | 502..=599, _) | (_, "RequestTimeout") => {
                Failure::Passing(format!("{} answered {status} {code}", self.operation))
            }
            _ => {
                let message = element(body, "Message").unwrap_or_default();
                self.denied(if code.is_empty() { message } else { code })
            }
        }
    }

    fn denied(&self, why: &str) -> Failure {
        let Self { operation, about, identity, remedy } = self;
        let why = crate::logging::escape(why);
        Failure::Certain(StorageError::Denied(format!(
            "{why} for {operation} {about} as {identity}; {remedy}"
        )))
    }
}

/// What it means that there is no bucket.
pub fn no_such_bucket() -> Failure {
    let why = "there is no such bucket (NoSuchBucket); correct STATUSINATOR_STORE";
    Failure::Certain(StorageError::Denied(why.into()))
}

/// The text of the first such element of an error's XML.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}
