//! The running service, asked over HTTP.
//!
//! Every call may be made twice without harm, so whatever gets no proper answer is tried again.

use std::time::Duration;

use awc::{
    Client, ClientRequest,
    error::{ConnectError, SendRequestError},
    http::header,
};
use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use url::Url;

use crate::{chance, domain::UserId, presets::Problem, slack::Token, storage::users_file};

use super::difference::Onboarded;

/// How long a call may take: `users.json` may be large, and the pictures of many members are looked up.
const PATIENCE: Duration = Duration::from_secs(120);
/// Waits between the tries, unless the service says how long; give or take a quarter.
const WAITS: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];
/// What the service may ask for at the most.
const WAIT_AT_MOST: Duration = Duration::from_secs(60);

/// Why a call was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The service says no, and would again.
    #[error("the service answered {status}: {message}")]
    Refused {
        /// The answer's status.
        status: u16,
        /// Why, in its words.
        message: String,
        /// What is wrong with the presets sent, if that is why.
        problems: Vec<Problem>,
    },
    /// Nobody listens at the address, or it cannot be reached.
    #[error("the service cannot be reached: {0}")]
    Unreachable(String),
    /// No proper answer, however often it was tried.
    #[error("the service cannot do it now: {0}")]
    Unavailable(String),
}

/// What `POST /onboard` answers.
#[derive(Debug, Deserialize)]
pub struct Written {
    /// What the administrator should know.
    #[serde(default)]
    pub warnings: Vec<Problem>,
}

#[derive(Deserialize)]
struct Uploaded {
    picture: String,
}

/// An answer that says no, as the service words it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    message: Option<String>,
    problems: Vec<Problem>,
}

/// The service, as an administrator reaches it.
pub struct Service<'a> {
    client: Client,
    root: String,
    token: &'a Token,
    on_wait: &'a dyn Fn(String),
}

/// A try that may be made again.
enum Trouble {
    Final(CallError),
    Later { why: String, wait: Option<Duration> },
}

impl<'a> Service<'a> {
    /// The service at an address, with an administrator's token. `on_wait` hears before each further try.
    pub fn new(url: &Url, token: &'a Token, on_wait: &'a dyn Fn(String)) -> Self {
        let client = Client::builder()
            .timeout(PATIENCE)
            .disable_redirects()
            .add_default_header((header::USER_AGENT, concat!("statusinator/", env!("CARGO_PKG_VERSION"))))
            .finish();
        Self { client, root: url.as_str().trim_end_matches('/').to_owned(), token, on_wait }
    }

    /// Everybody who is onboarded, with his presets.
    ///
    /// # Errors
    /// As [`CallError`] says.
    pub async fn onboarded(&self) -> Result<Onboarded, CallError> {
        self.call(|| self.client.get(format!("{}/onboard", self.root)), &Bytes::new()).await
    }

    /// Brings a picture of a member into the store; answers its link.
    ///
    /// # Errors
    /// As [`CallError`] says.
    pub async fn upload(&self, user: &UserId, picture: &Bytes) -> Result<String, CallError> {
        let request = || {
            let request = self.client.post(format!("{}/onboard/{user}/pictures", self.root));
            request.content_type("application/octet-stream")
        };
        let Uploaded { picture } = self.call(request, picture).await?;
        Ok(picture)
    }

    /// Gives members their presets: the body is a JSON object of them.
    ///
    /// # Errors
    /// As [`CallError`] says.
    pub async fn onboard(&self, users: &Bytes) -> Result<Written, CallError> {
        let request = || self.client.post(format!("{}/onboard", self.root)).content_type("application/json");
        self.call(request, users).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        request: impl Fn() -> ClientRequest,
        body: &Bytes,
    ) -> Result<T, CallError> {
        let mut waits = WAITS.iter();
        loop {
            let (why, wait) = match self.attempt(request(), body).await {
                Ok(answer) => return Ok(answer),
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::Later { why, wait }) => (why, wait),
            };
            let Some(next) = waits.next() else { return Err(CallError::Unavailable(why)) };
            let wait = wait.map_or_else(|| next.mul_f64(chance::jitter()), |wait| wait.min(WAIT_AT_MOST));
            (self.on_wait)(format!("{why}; trying again in {} s", wait.as_secs_f64().ceil()));
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt<T: DeserializeOwned>(&self, request: ClientRequest, body: &Bytes) -> Result<T, Trouble> {
        let request = request.bearer_auth(self.token.expose());
        let whole = async {
            let mut answer = request.send_body(body.clone()).await.map_err(unsent)?;
            let status = answer.status().as_u16();
            let wait =
                answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            let limit = usize::try_from(users_file::AT_MOST).unwrap_or(usize::MAX);
            let body = answer.body().limit(limit).await.map_err(|error| later(error.to_string()))?;
            Ok((status, wait.map(Duration::from_secs), body))
        };
        let answered = tokio::time::timeout(PATIENCE, whole).await;
        let (status, wait, body) =
            answered.map_err(|_| later(format!("no answer within {} s", PATIENCE.as_secs())))??;
        understand(status, wait, &body)
    }
}

fn later(why: String) -> Trouble {
    Trouble::Later { why, wait: None }
}

/// Nobody at the address is most likely a wrong address: trying again would only keep the administrator waiting.
fn unsent(error: SendRequestError) -> Trouble {
    match error {
        SendRequestError::Connect(ConnectError::Timeout) => {
            later("the connection is not accepted in time".into())
        }
        SendRequestError::Connect(error) => Trouble::Final(CallError::Unreachable(error.to_string())),
        SendRequestError::Url(error) => Trouble::Final(CallError::Unreachable(error.to_string())),
        error => later(error.to_string()),
    }
}

fn understand<T: DeserializeOwned>(status: u16, wait: Option<Duration>, body: &[u8]) -> Result<T, Trouble> {
    if matches!(status, 200 | 201) {
        return serde_json::from_slice(body).map_err(|error| {
            let message = format!("this is not the service's answer ({error}); is the address right?");
            Trouble::Final(CallError::Refused { status, message, problems: Vec::new() })
        });
    }
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let message = refusal.message.unwrap_or_else(|| "it gives no reason; is the address right?".into());
    if matches!(status, 429 | 502..=504) {
        return Err(Trouble::Later { why: format!("{status}: {message}"), wait });
    }
    Err(Trouble::Final(CallError::Refused { status, message, problems: refusal.problems }))
}
