//! Why a call of `/onboard` was not done.

use actix::MailboxError;
use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde_json::json;

use crate::{
    actors::{gatekeeper::Denied, registrar::Unfinished, storage_helper::UsersError},
    http::error::ApiError,
    presets::Problem,
    storage::StorageError,
};

/// A call that was not done.
#[derive(Debug, thiserror::Error)]
pub enum OnboardError {
    /// 401.
    #[error("an administrator's Slack token is wanted, as Authorization: Bearer")]
    NoToken,
    /// 401, 403, 429 or 503.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// As for any request.
    #[error(transparent)]
    Request(#[from] ApiError),
    /// 400.
    #[error("the body is not JSON")]
    NotJson,
    /// 422.
    #[error("nothing was changed: correct the problems and send it again")]
    Problems(Vec<Problem>),
    /// 503.
    #[error("too many pictures are being made; send it again in a few seconds")]
    Busy,
    /// 503.
    #[error("nothing was changed: {0}; repair it or restore a version of it")]
    UsersFile(String),
    /// 503.
    #[error("the store does not answer as it should: {0}; send it again later")]
    Store(StorageError),
    /// 503.
    #[error("{0}; send it again later")]
    Unfinished(Unfinished),
}

impl OnboardError {
    /// 422 with one problem, of the whole request.
    pub fn problem(message: impl Into<String>) -> Self {
        Self::Problems(vec![Problem { path: String::new(), message: message.into() }])
    }

    /// The stable name in bodies.
    fn code(&self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::Denied(denied) => match denied {
                Denied::DeadToken => "dead_token",
                Denied::AnotherWorkspace => "another_workspace",
                Denied::Bot => "bot_token",
                Denied::NotAdministrator => "not_administrator",
                Denied::TooMany { .. } => "too_many_tokens",
                Denied::Unavailable(_) => "slack_unavailable",
            },
            Self::Request(error) => error.code(),
            Self::NotJson => "not_json",
            Self::Problems(_) => "problems",
            Self::Busy => "busy",
            Self::UsersFile(_) => "users_json_damaged",
            Self::Store(_) => "store_unavailable",
            Self::Unfinished(_) => "unfinished",
        }
    }
}

impl From<MailboxError> for OnboardError {
    fn from(error: MailboxError) -> Self {
        Self::Request(error.into())
    }
}

impl From<StorageError> for OnboardError {
    fn from(error: StorageError) -> Self {
        Self::Store(error)
    }
}

impl From<UsersError> for OnboardError {
    fn from(error: UsersError) -> Self {
        match error {
            UsersError::Broken(_) => Self::UsersFile(error.to_string()),
            UsersError::Store(error) => Self::Store(error),
        }
    }
}

impl From<Unfinished> for OnboardError {
    fn from(unfinished: Unfinished) -> Self {
        match unfinished {
            Unfinished::Presets(error) => error.into(),
            Unfinished::Token(_) | Unfinished::Store(_) => Self::Unfinished(unfinished),
        }
    }
}

impl ResponseError for OnboardError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::Denied(Denied::DeadToken) => StatusCode::UNAUTHORIZED,
            Self::Denied(Denied::AnotherWorkspace | Denied::Bot | Denied::NotAdministrator) => {
                StatusCode::FORBIDDEN
            }
            Self::Denied(Denied::TooMany { .. }) => StatusCode::TOO_MANY_REQUESTS,
            Self::Request(error) => error.status_code(),
            Self::NotJson => StatusCode::BAD_REQUEST,
            Self::Problems(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Denied(Denied::Unavailable(_))
            | Self::Busy
            | Self::UsersFile(_)
            | Self::Store(_)
            | Self::Unfinished(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if self.status_code() == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if let Self::Denied(Denied::TooMany { retry_after }) = self {
            response.insert_header((header::RETRY_AFTER, retry_after.as_secs().to_string()));
        }
        let problems: &[Problem] = if let Self::Problems(problems) = self { problems } else { &[] };
        response.json(json!({ "error": self.code(), "message": self.to_string(), "problems": problems }))
    }
}
