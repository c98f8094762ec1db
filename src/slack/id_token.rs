//! The id token that `openid.connect.token` gives: who signed in, to which app, in which workspace.
//!
//! Slack signs it, but it comes straight from Slack's token endpoint over TLS, which already tells who wrote it: then
//! the signature need not be checked (OpenID Connect Core 1.0, 3.1.3.7, rule 6). Every claim that matters is
//! (<https://docs.slack.dev/reference/methods/openid.connect.token>).

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::domain::{TeamId, UserId};

/// How far this machine's clock may be behind the truth about a token's end.
const LEEWAY: Duration = Duration::from_secs(60);

/// What an id token claims, as far as we read it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct IdToken {
    iss: String,
    aud: Audience,
    azp: Option<String>,
    exp: f64,
    nonce: Option<String>,
    #[serde(rename = "https://slack.com/team_id")]
    team: String,
    #[serde(rename = "https://slack.com/user_id")]
    user: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// What a good id token claims.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Who must have issued it: the origin of Slack's pages.
    pub issuer: &'a str,
    /// For whom: the app's client id.
    pub client_id: &'a str,
    /// The workspace served.
    pub team: &'a TeamId,
    /// What was sent along when the sign-in began.
    pub nonce: &'a str,
}

/// Why an id token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotBelieved {
    /// It is no token at all, or lacks a claim.
    #[error("it cannot be read")]
    Unreadable,
    /// Somebody else issued it.
    #[error("another issuer")]
    Issuer,
    /// It was issued for another app.
    #[error("another audience")]
    Audience,
    /// Its time is over.
    #[error("it has expired; see this machine's clock")]
    Expired,
    /// It belongs to another sign-in.
    #[error("another nonce")]
    Nonce,
    /// He signed in to another workspace.
    #[error("another workspace")]
    AnotherWorkspace,
}

impl IdToken {
    /// Reads the claims of a signed token: header, claims and signature with dots between, in base64.
    ///
    /// # Errors
    /// [`NotBelieved::Unreadable`].
    pub fn read(token: &str) -> Result<Self, NotBelieved> {
        let mut parts = token.split('.');
        let (Some(_header), Some(claims), Some(_signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotBelieved::Unreadable);
        };
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| NotBelieved::Unreadable)?;
        serde_json::from_slice(&claims).map_err(|_| NotBelieved::Unreadable)
    }

    /// Who signed in, if every claim is as expected.
    ///
    /// # Errors
    /// The first claim that is not.
    pub fn check(&self, expected: Expected<'_>, unix_now: u64) -> Result<UserId, NotBelieved> {
        let is_for_us = match &self.aud {
            Audience::One(audience) => audience == expected.client_id,
            Audience::Many(audiences) => matches!(audiences.as_slice(), [one] if one == expected.client_id),
        };
        if self.iss != expected.issuer {
            return Err(NotBelieved::Issuer);
        }
        if !is_for_us || self.azp.as_ref().is_some_and(|party| party != expected.client_id) {
            return Err(NotBelieved::Audience);
        }
        if self.exp + LEEWAY.as_secs_f64() <= unix_now as f64 {
            return Err(NotBelieved::Expired);
        }
        if self.nonce.as_deref() != Some(expected.nonce) {
            return Err(NotBelieved::Nonce);
        }
        if self.team != expected.team.0 {
            return Err(NotBelieved::AnotherWorkspace);
        }
        self.user.parse().map_err(|_| NotBelieved::Unreadable)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: u64 = 1_626_874_700;

    /// The payload that Slack documents.
    fn claims() -> Value {
        json!({ "iss": "https://slack.com", "sub": "U0R7MFMJM", "aud": "25259531569.11152291", "exp": 1_626_874_955,
            "iat": 1_626_874_655, "auth_time": 1_626_874_655, "nonce": "abcd", "at_hash": "tUbyWGBHe0V32FJEupkgVQ",
            "https://slack.com/team_id": "T0RR", "https://slack.com/user_id": "U0JM", "email": "bront@slack-corp.com",
            "email_verified": true, "locale": "en-US", "name": "brent" })
    }

    fn signed(claims: &Value) -> String {
        format!("eyJhbGciOiJSUzI1NiJ9.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    fn check(claims: &Value, now: u64) -> Result<UserId, NotBelieved> {
        let team = TeamId("T0RR".into());
        let (issuer, client_id) = ("https://slack.com", "25259531569.11152291");
        IdToken::read(&signed(claims))?.check(Expected { issuer, client_id, team: &team, nonce: "abcd" }, now)
    }

    fn with(key: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[key] = value;
        claims
    }

    #[test]
    fn the_documented_token_tells_who_signed_in() {
        assert_eq!(check(&claims(), NOW).unwrap().as_str(), "U0JM");
        let list = with("aud", json!(["25259531569.11152291"]));
        assert_eq!(check(&list, NOW).unwrap().as_str(), "U0JM");
    }

    #[test]
    fn any_other_claim_is_not_believed() {
        let cases = [
            ("iss", json!("https://slack.com.evil.example"), NotBelieved::Issuer),
            ("aud", json!("another.app"), NotBelieved::Audience),
            ("aud", json!(["25259531569.11152291", "another.app"]), NotBelieved::Audience),
            ("aud", json!([]), NotBelieved::Audience),
            ("azp", json!("another.app"), NotBelieved::Audience),
            ("nonce", json!("another"), NotBelieved::Nonce),
            ("nonce", Value::Null, NotBelieved::Nonce),
            ("https://slack.com/team_id", json!("T0OTHER"), NotBelieved::AnotherWorkspace),
            ("https://slack.com/user_id", json!("../U1"), NotBelieved::Unreadable),
            ("https://slack.com/user_id", Value::Null, NotBelieved::Unreadable),
            ("exp", json!("later"), NotBelieved::Unreadable),
        ];
        for (key, value, why) in cases {
            assert_eq!(check(&with(key, value.clone()), NOW), Err(why), "{key}: {value}");
        }
    }

    #[test]
    fn a_token_is_good_until_a_minute_after_its_end() {
        let end = 1_626_874_955;

        assert!(check(&claims(), end + 59).is_ok());
        assert_eq!(check(&claims(), end + 60), Err(NotBelieved::Expired));
    }

    #[test]
    fn what_is_no_token_cannot_be_read() {
        let whole = signed(&claims());
        let cut = &whole[..whole.len() / 2];
        for text in ["", "..", "a.b", "a.!.c", &format!("{whole}.more"), cut, "a.e30.c"] {
            assert_eq!(IdToken::read(text), Err(NotBelieved::Unreadable), "{text}");
        }
    }
}
