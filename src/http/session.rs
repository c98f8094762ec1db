//! Who may see the operator's page: sessions in sealed cookies, and the key that is printed at the start.
//!
//! A session is sealed with XChaCha20-Poly1305 under a key that is made at the start and never leaves the process: so
//! nothing that lies on a disk or in a setting lets anybody make one. A restart ends all of them, and signing in again
//! is a click, since Slack remembers its members.

use std::{sync::Mutex, time::Duration};

use actix_web::cookie::{Cookie, SameSite, time};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::domain::UserId;

use super::oauth_state::States;

/// The cookie that holds a session.
pub const COOKIE: &str = "statusinator_session";
/// How long a session lasts.
pub const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);
/// The length of a nonce, in bytes.
const NONCE: usize = 24;
/// Tells a session from anything else that could be sealed.
const PURPOSE: &[u8] = b"statusinator session";

/// Who may see the operator's page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// He signed in with Slack, and was an administrator then.
    Administrator(UserId),
    /// He has the key that was printed at the start.
    KeyHolder,
}

#[derive(Serialize, Deserialize)]
struct Session {
    operator: Operator,
    /// Unix seconds.
    until: u64,
}

/// Seals and opens sessions.
pub struct Sessions(XChaCha20Poly1305);

impl Default for Sessions {
    fn default() -> Self {
        Self(XChaCha20Poly1305::new(&rand::random::<[u8; 32]>().into()))
    }
}

impl Sessions {
    /// A session that begins now, as a cookie's value. `None` only if sealing fails, which it has no reason to.
    pub fn begin(&self, operator: Operator, unix_now: u64) -> Option<String> {
        let session = Session { operator, until: unix_now + LIFETIME.as_secs() };
        let msg = serde_json::to_vec(&session).ok()?;
        let nonce: [u8; NONCE] = rand::random();
        let sealed = self.0.encrypt(&XNonce::from(nonce), Payload { msg: &msg, aad: PURPOSE }).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Whose session a cookie holds, if it is ours and not over.
    pub fn open(&self, cookie: &str, unix_now: u64) -> Option<Operator> {
        let sealed = URL_SAFE_NO_PAD.decode(cookie).ok()?;
        let (nonce, msg) = sealed.split_first_chunk::<NONCE>()?;
        let msg = self.0.decrypt(&XNonce::from(*nonce), Payload { msg, aad: PURPOSE }).ok()?;
        let session: Session = serde_json::from_slice(&msg).ok()?;
        (unix_now < session.until).then_some(session.operator)
    }
}

/// Opens the page where no Slack client is configured, since nobody can sign in there.
pub struct PageKey(SecretString);

impl Default for PageKey {
    fn default() -> Self {
        Self(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()).into())
    }
}

impl PageKey {
    /// The key, to be printed.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether this is the key. Comparing digests takes the same time wherever two texts differ.
    pub fn is(&self, text: &str) -> bool {
        Sha256::digest(text) == Sha256::digest(self.expose())
    }
}

/// The way to the operator's page.
pub struct Entrance {
    /// Sessions that were begun.
    pub sessions: Sessions,
    /// Sign-ins that were begun.
    pub states: States,
    /// The key, where nobody can sign in.
    pub key: Option<PageKey>,
    /// Whether the public address is https, so that cookies may travel there only.
    pub is_https: bool,
    /// When it was last asked in vain whether somebody is still an administrator.
    pub asked_in_vain: Mutex<Option<Instant>>,
}

impl Entrance {
    /// An entrance by sign-in, or by a new key.
    pub fn new(is_by_sign_in: bool, is_https: bool) -> Self {
        Self {
            sessions: Sessions::default(),
            states: States::default(),
            key: (!is_by_sign_in).then(PageKey::default),
            is_https,
            asked_in_vain: Mutex::default(),
        }
    }

    /// The cookie of a session.
    pub fn cookie(&self, value: String) -> Cookie<'static> {
        cookie(COOKIE, "/", value, LIFETIME, self.is_https)
    }
}

/// A cookie that no script reads and no other site's form sends.
pub fn cookie(
    name: &'static str,
    path: &'static str,
    value: String,
    lifetime: Duration,
    is_https: bool,
) -> Cookie<'static> {
    Cookie::build(name, value)
        .path(path)
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(is_https)
        .max_age(time::Duration::seconds(lifetime.as_secs() as i64))
        .finish()
}

/// What the form that ends a session must send along: only a page that was made for this session has it.
pub fn sign_out_token(cookie: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!("sign out {cookie}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn ann() -> Operator {
        Operator::Administrator("U1".parse().unwrap())
    }

    #[test]
    fn a_session_opens_for_twelve_hours() {
        let sessions = Sessions::default();
        let cookie = sessions.begin(ann(), NOW).unwrap();

        assert_eq!(sessions.open(&cookie, NOW), Some(ann()));
        assert_eq!(sessions.open(&cookie, NOW + LIFETIME.as_secs() - 1), Some(ann()));
        assert_eq!(sessions.open(&cookie, NOW + LIFETIME.as_secs()), None);
    }

    #[test]
    fn a_session_tells_nobody_whose_it_is() {
        let cookie = Sessions::default().begin(ann(), NOW).unwrap();

        let bytes = URL_SAFE_NO_PAD.decode(cookie).unwrap();

        assert!(!bytes.windows(2).any(|window| window == b"U1"));
    }

    #[test]
    fn nothing_else_opens() {
        let sessions = Sessions::default();
        let cookie = sessions.begin(Operator::KeyHolder, NOW).unwrap();
        for n in 0..cookie.len() {
            let mut bytes = cookie.clone().into_bytes();
            bytes[n] = if bytes[n] == b'A' { b'Q' } else { b'A' };
            assert_eq!(sessions.open(&String::from_utf8(bytes).unwrap(), NOW), None, "{n}");
            assert_eq!(sessions.open(&cookie[..n], NOW), None);
        }

        let of_another_process = Sessions::default().begin(Operator::KeyHolder, NOW).unwrap();

        assert_eq!(sessions.open(&of_another_process, NOW), None);
    }

    #[test]
    fn only_the_key_itself_is_the_key_and_each_start_makes_another() {
        let key = PageKey::default();

        assert!(key.is(key.expose()));
        assert!(!key.is("") && !key.is(&key.expose()[1..]));
        assert!(!key.is(PageKey::default().expose()));
        assert_eq!(key.expose().len(), 43);
    }
}
