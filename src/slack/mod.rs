//! Slack's Web API: one function a method, its types, its errors, and its rate limits as data.

pub mod answer;
pub mod api;
pub mod error;
pub mod http;
pub mod id_token;
pub mod limits;
pub mod methods;
pub mod parse;
pub mod token;
pub mod transport;
pub mod types;

pub use api::{CallError, WebApi};
pub use error::SlackError;
pub use http::HttpTransport;
pub use id_token::IdToken;
pub use methods::Method;
pub use token::{Fingerprint, Token};
pub use transport::{Body, Call, NoAnswer, Reply, Transport};
pub use types::{Consent, Identity, Member, MemberPage, Profile, SKEW_AT_MOST};
