//! What reaches the simulated Web API, and what it answered.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{clock::Instant, domain::UserId};

/// A call as it arrives: nothing of it is understood yet.
#[derive(Debug, Clone, Default)]
pub struct ApiRequest {
    /// The method's name, from the path.
    pub method: String,
    /// The HTTP verb.
    pub verb: String,
    /// The query string's arguments.
    pub query: Vec<(String, String)>,
    /// `Authorization`.
    pub authorization: Option<String>,
    /// `Content-Type`, without parameters, in lower case.
    pub content_type: String,
    /// The arguments of a form.
    pub form: Vec<(String, String)>,
    /// A JSON body.
    pub json: Option<Value>,
    /// The file of a multipart body.
    pub file: Option<FilePart>,
}

/// The file part of a multipart body.
#[derive(Debug, Clone)]
pub struct FilePart {
    /// The part's name.
    pub name: String,
    /// The file's name; Slack wants one.
    pub file_name: Option<String>,
    /// The part's type.
    pub content_type: Option<String>,
    /// The file.
    pub bytes: Bytes,
}

impl ApiRequest {
    /// An argument, from wherever the call has it.
    pub fn argument(&self, name: &str) -> Option<String> {
        let of_list = |list: &[(String, String)]| {
            list.iter().find(|(key, _)| key == name).map(|(_, text)| text.clone())
        };
        let of_json = || self.json.as_ref()?.get(name)?.as_str().map(str::to_owned);
        of_list(&self.query).or_else(|| of_list(&self.form)).or_else(of_json)
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct ApiResponse {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// `x-oauth-scopes`.
    pub scopes: Option<String>,
    /// The body.
    pub body: Bytes,
}

impl ApiResponse {
    /// 200 with this JSON.
    pub fn json(body: &Value) -> Self {
        Self { status: 200, retry_after: None, scopes: None, body: body.to_string().into() }
    }

    /// 200 with `"ok": false`.
    pub fn error(code: &str) -> Self {
        Self::json(&json!({ "ok": false, "error": code }))
    }

    /// 429.
    pub fn rate_limited(retry_after: Option<u64>) -> Self {
        Self { status: 429, retry_after, ..Self::error("ratelimited") }
    }
}

/// A call that came, for tests and the demo's page to look at.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: String,
    /// Whose token it had, if it had one that is known.
    pub by: Option<UserId>,
    /// Whom it was about.
    pub user: Option<UserId>,
    /// When it arrived.
    pub at: Instant,
    /// The HTTP status of its answer; 0 when it got none.
    pub status: u16,
    /// The error in its answer.
    pub error: Option<String>,
}
