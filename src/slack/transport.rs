//! How a call reaches Slack: over HTTP with awc, or in process when Slack is simulated.

use actix_web::http::header::HttpDate;
use async_trait::async_trait;
use bytes::Bytes;

use crate::clock::unix;

use super::{Method, Token};

/// One call of the Web API.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method called.
    pub method: Method,
    /// Who calls.
    pub auth: Auth,
    /// The arguments.
    pub body: Body,
}

/// How a call identifies its caller.
#[derive(Debug, Clone)]
pub enum Auth {
    /// `Authorization: Bearer …`.
    Bearer(Token),
    /// `Authorization: Basic …` with the app's client id and secret.
    Basic {
        /// The client id.
        id: String,
        /// The client secret.
        secret: Token,
    },
}

/// A call's arguments, in the encoding that its method wants.
#[derive(Debug, Clone)]
pub enum Body {
    /// In the query string of a GET.
    Query(Vec<(&'static str, String)>),
    /// As a form of a POST.
    Form(Vec<(&'static str, String)>),
    /// As JSON of a POST.
    Json(serde_json::Value),
    /// As the file part `image` of a multipart POST.
    Image {
        /// The file's bytes.
        bytes: Bytes,
        /// `image/png`, `image/jpeg` or `image/gif`.
        content_type: &'static str,
    },
}

/// What came back: the status, the headers that we read, the whole body.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, as sent.
    pub retry_after: Option<String>,
    /// `x-oauth-scopes`, as sent.
    pub scopes: Option<String>,
    /// `Date`, as sent.
    pub date: Option<String>,
    /// The body, read to its end.
    pub body: Bytes,
}

impl Reply {
    /// The time that it tells, unix seconds.
    pub fn time(&self) -> Option<u64> {
        let date: HttpDate = self.date.as_deref()?.parse().ok()?;
        Some(unix(date.into()))
    }
}

/// No answer came, or not a whole one: whether Slack did what was asked is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no answer: {0}")]
pub struct NoAnswer(pub String);

/// Carries calls to Slack. Implementations set no deadline: [`super::WebApi`] does.
#[async_trait(?Send)]
pub trait Transport {
    /// Sends the call and reads the whole answer.
    ///
    /// # Errors
    /// [`NoAnswer`] when the answer did not come whole.
    async fn call(&self, call: Call) -> Result<Reply, NoAnswer>;
}
