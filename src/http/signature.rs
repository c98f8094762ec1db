//! Verifies that a request comes from Slack (<https://docs.slack.dev/authentication/verifying-requests-from-slack>).

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// How far a request's timestamp may be off, either way, in seconds.
const SKEW_AT_MOST: u64 = 300;

/// Tells that a signature is missing, stale or wrong.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request signature is missing, stale or wrong")]
pub struct BadSignature;

/// Verifies `X-Slack-Signature` over the raw body, in constant time. `unix_now` is the time of day.
///
/// # Errors
/// [`BadSignature`] when a header is missing, the timestamp is over 300 s off, or the signature is another.
pub fn verify(
    secret: &str,
    timestamp: Option<&str>,
    signature: Option<&str>,
    body: &[u8],
    unix_now: u64,
) -> Result<(), BadSignature> {
    let (timestamp, signature) = (timestamp.ok_or(BadSignature)?, signature.ok_or(BadSignature)?);
    let at: u64 = timestamp.parse().map_err(|_| BadSignature)?;
    if at.abs_diff(unix_now) > SKEW_AT_MOST {
        return Err(BadSignature);
    }
    let signature = signature.strip_prefix("v0=").and_then(decode).ok_or(BadSignature)?;
    mac(secret, timestamp, body).ok_or(BadSignature)?.verify_slice(&signature).map_err(|_| BadSignature)
}

/// Signs a body as Slack does: the simulated Slack and the tests need it.
pub fn sign(secret: &str, timestamp: u64, body: &[u8]) -> String {
    let digest = mac(secret, &timestamp.to_string(), body).map(|mac| mac.finalize().into_bytes());
    let hex: String = digest.iter().flatten().map(|byte| format!("{byte:02x}")).collect();
    format!("v0={hex}")
}

fn mac(secret: &str, timestamp: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    // A key of any length will do, so this is always there.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(b"v0:");
    mac.update(timestamp.as_bytes());
    mac.update(b":");
    mac.update(body);
    Some(mac)
}

/// 64 lower-case hex digits.
fn decode(hex: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    if hex.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SECRET: &str = "shhh";
    const NOW: u64 = 1_700_000_000;

    fn check(at: u64, body: &[u8], signed: &[u8]) -> Result<(), BadSignature> {
        let signature = sign(SECRET, at, signed);
        verify(SECRET, Some(&at.to_string()), Some(&signature), body, NOW)
    }

    #[test]
    fn the_published_vector_verifies() {
        let vector: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/fixtures/signing/v0-vector.json")).unwrap();
        let text = |key: &str| vector[key].as_str().unwrap();
        let verified = |body: &str| {
            verify(
                text("signing_secret"),
                Some(text("x_slack_request_timestamp")),
                Some(text("x_slack_signature")),
                body.as_bytes(),
                1_531_420_618 + 300,
            )
        };

        assert_eq!(verified(text("raw_body")), Ok(()));
        assert_eq!(verified(&text("raw_body").replace("roadrunner", "coyote")), Err(BadSignature));
    }

    #[test]
    fn a_timestamp_may_be_300_s_off_either_way_and_no_more() {
        assert_eq!(check(NOW - 300, b"x", b"x"), Ok(()));
        assert_eq!(check(NOW + 300, b"x", b"x"), Ok(()));
        assert_eq!(check(NOW - 301, b"x", b"x"), Err(BadSignature));
        assert_eq!(check(NOW + 301, b"x", b"x"), Err(BadSignature));
    }

    #[test]
    fn anything_but_the_right_signature_is_refused() {
        let (at, good) = (NOW.to_string(), sign(SECRET, NOW, b"body"));
        let refused = [
            (None, Some(good.clone())),
            (Some(at.clone()), None),
            (Some("soon".into()), Some(good.clone())),
            (Some("-1".into()), Some(good.clone())),
            (Some(at.clone()), Some(good.replace("v0=", "v1="))),
            (Some(at.clone()), Some(good[..66].into())),
            (Some(at.clone()), Some(format!("{good}0"))),
            (Some(at.clone()), Some(good.to_uppercase())),
            (Some(at.clone()), Some(format!("v0={}", "é".repeat(32)))),
            (Some(at.clone()), Some(sign("other", NOW, b"body"))),
        ];
        for (timestamp, signature) in refused {
            let verified = verify(SECRET, timestamp.as_deref(), signature.as_deref(), b"body", NOW);
            assert_eq!(verified, Err(BadSignature), "{timestamp:?} {signature:?}");
        }
        assert_eq!(check(NOW, b"changed", b"body"), Err(BadSignature));
        assert_eq!(verify(SECRET, Some(&at), Some(&good), b"body", NOW), Ok(()));
    }
}
