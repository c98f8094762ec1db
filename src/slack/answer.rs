//! What Slack's answers mean: success, or which kind of failure.

use std::time::Duration;

use serde::Deserialize;

use crate::logging::escape;

use super::Reply;

/// Errors that say that the token is dead; all methods share them (<https://docs.slack.dev/apis/web-api>).
const DEAD: [&str; 4] = ["invalid_auth", "account_inactive", "token_revoked", "token_expired"];
/// Errors that are worth another try.
const LATER: [&str; 5] =
    ["request_timeout", "service_unavailable", "fatal_error", "internal_error", "team_added_to_org"];
/// No `Retry-After` is believed beyond this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// `"ok": true`; the body is to be read.
    Ok,
    /// 429, or 200 with `ratelimited`; `Retry-After`, where there is one.
    RateLimited(Option<Duration>),
    /// The token is dead.
    DeadToken(String),
    /// No for good.
    Refused(String),
    /// Another try may do.
    Later(String),
}

#[derive(Deserialize)]
struct Verdict {
    ok: bool,
    error: Option<String>,
}

/// Tells what an answer means. Slack says most failures with HTTP 200 and `"ok": false`.
pub fn classify(reply: &Reply) -> Answer {
    let retry_after = reply.retry_after.as_deref().and_then(parse_retry_after);
    if reply.status == 429 {
        return Answer::RateLimited(retry_after);
    }
    if reply.status >= 500 {
        return Answer::Later(format!("HTTP {}", reply.status));
    }
    let Ok(verdict) = serde_json::from_slice::<Verdict>(&reply.body) else {
        return Answer::Later(format!("HTTP {} without the JSON that slack answers", reply.status));
    };
    if verdict.ok && reply.status == 200 {
        return Answer::Ok;
    }
    let code = escape(&verdict.error.unwrap_or_else(|| format!("HTTP {}", reply.status)));
    match code.as_str() {
        "ratelimited" => Answer::RateLimited(retry_after),
        dead if DEAD.contains(&dead) => Answer::DeadToken(code),
        later if LATER.contains(&later) => Answer::Later(code),
        _ => Answer::Refused(code),
    }
}

/// Whole seconds, as Slack sends them; anything else counts as absent.
pub fn parse_retry_after(text: &str) -> Option<Duration> {
    let seconds = text.trim().parse::<u64>().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, retry_after: Option<&str>, body: &'static str) -> Reply {
        Reply { status, retry_after: retry_after.map(str::to_owned), body: body.into(), ..Reply::default() }
    }

    #[test]
    fn every_kind_of_answer_is_told_apart() {
        let later = |text: &str| Answer::Later(text.into());
        let without = |status| later(&format!("HTTP {status} without the JSON that slack answers"));
        for (status, body, meant) in [
            (200, r#"{"ok":true}"#, Answer::Ok),
            (200, r#"{"ok":false,"error":"ratelimited"}"#, Answer::RateLimited(None)),
            (200, r#"{"ok":false,"error":"invalid_auth"}"#, Answer::DeadToken("invalid_auth".into())),
            (200, r#"{"ok":false,"error":"internal_error"}"#, later("internal_error")),
            (200, r#"{"ok":false,"error":"name_not_allowed"}"#, Answer::Refused("name_not_allowed".into())),
            (200, r#"{"ok":false}"#, Answer::Refused("HTTP 200".into())),
            (403, r#"{"ok":false,"error":"access_denied"}"#, Answer::Refused("access_denied".into())),
            (503, r#"{"ok":true}"#, later("HTTP 503")),
            (200, "<html>", without(200)),
            (302, "", without(302)),
            (429, "", Answer::RateLimited(None)),
        ] {
            assert_eq!(classify(&reply(status, None, body)), meant, "{status} {body}");
        }
    }

    #[test]
    fn retry_after_is_whole_seconds_or_absent() {
        for (text, seconds) in [("30", Some(30)), (" 1 ", Some(1)), ("0", Some(0)), ("999999999", Some(3600))]
        {
            assert_eq!(parse_retry_after(text).map(|it| it.as_secs()), seconds, "{text}");
        }
        for text in ["", "-1", "1.5", "soon", "99999999999999999999999"] {
            assert_eq!(parse_retry_after(text), None, "{text}");
        }
        assert_eq!(classify(&reply(429, Some("7"), "")), Answer::RateLimited(Some(Duration::from_secs(7))));
    }
}
