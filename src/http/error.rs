//! What an HTTP caller may learn of a failure, as JSON: `{"error":"<stable code>","message":"<what to do>"}`.

use actix::MailboxError;
use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use serde_json::json;

/// A request that was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// 413.
    #[error("the body is larger than is allowed here")]
    TooLarge,
    /// 400.
    #[error("the body did not arrive whole")]
    CutOff,
    /// 401.
    #[error(
        "the request signature is missing, stale or wrong; see SLACK_SIGNING_SECRET and this machine's clock"
    )]
    BadSignature,
    /// 400.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// 503: deliver it again.
    #[error("the service is stopping; deliver the event again")]
    Draining,
    /// 503: deliver it again.
    #[error("the request queue is full; deliver the event again")]
    Busy,
    /// 503 with `X-Slack-No-Retry: 1`.
    #[error("both queues are full; the event's member is looked at by a pass")]
    Overloaded,
    /// 503: deliver it again.
    #[error("the service does not answer in time; deliver the event again")]
    Unanswered,
    /// 404.
    #[error("there is nothing here")]
    NotFound,
    /// 405.
    #[error("another method is allowed here")]
    WrongMethod,
}

impl ApiError {
    /// The stable name in bodies and logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::CutOff => "cut_off",
            Self::BadSignature => "bad_signature",
            Self::NotAnObject => "not_an_object",
            Self::Draining => "draining",
            Self::Busy => "busy",
            Self::Overloaded => "overloaded",
            Self::Unanswered => "unanswered",
            Self::NotFound => "not_found",
            Self::WrongMethod => "wrong_method",
        }
    }
}

impl From<MailboxError> for ApiError {
    fn from(_: MailboxError) -> Self {
        Self::Unanswered
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::CutOff | Self::NotAnObject => StatusCode::BAD_REQUEST,
            Self::BadSignature => StatusCode::UNAUTHORIZED,
            Self::Draining | Self::Busy | Self::Overloaded | Self::Unanswered => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if *self == Self::Overloaded {
            // Slack then does not deliver this event again (https://docs.slack.dev/apis/events-api#retries-off).
            response.insert_header(("X-Slack-No-Retry", "1"));
        }
        response.json(json!({ "error": self.code(), "message": self.to_string() }))
    }
}

/// Answers an unknown path.
pub async fn not_found() -> ApiError {
    ApiError::NotFound
}

/// Answers a known path with another method than those allowed.
pub async fn wrong_method(allowed: String) -> HttpResponse {
    let mut response = ApiError::WrongMethod.error_response();
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

impl actix_web::Responder for ApiError {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.error_response()
    }
}
