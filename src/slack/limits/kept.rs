//! What of the limits outlives an ordered stop: the calls of the last minute, and methods that rest because Slack said so.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{clock::Instant, domain::UserId};

use super::{super::Fingerprint, Limits, Method, Pause, Slot, Used, WINDOW};

/// The limits as of one moment, in milliseconds before and after it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    calls: Vec<Call>,
    pauses: Vec<Rest>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Call {
    method: String,
    by_pass: bool,
    write: Option<(UserId, Fingerprint)>,
    frees_in_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Rest {
    method: String,
    ends_in_ms: u64,
    in_a_row: u32,
}

fn method(name: &str) -> Option<Method> {
    Method::ALL.into_iter().find(|method| method.name() == name)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Limits {
    /// What counts now, and until when.
    pub fn keep(&self, now: Instant) -> Kept {
        let calls = self.used.iter().map(|used| Call {
            method: used.method.name().to_owned(),
            by_pass: used.by_pass,
            write: used.write.clone(),
            frees_in_ms: millis(used.frees(now).saturating_duration_since(now)),
        });
        let pauses = self.pauses.iter().map(|(method, pause)| Rest {
            method: method.name().to_owned(),
            ends_in_ms: millis(pause.until.saturating_duration_since(now)),
            in_a_row: pause.in_a_row,
        });
        Kept { calls: calls.collect(), pauses: pauses.collect() }
    }

    /// Goes on from what was kept so long ago; what no longer counts is left out.
    pub fn resumed(kept: Kept, ago: Duration, now: Instant) -> Self {
        let mut limits = Self::default();
        let left = |ms: u64| {
            Some(Duration::from_millis(ms).min(LONGEST).saturating_sub(ago)).filter(|left| !left.is_zero())
        };
        for call in kept.calls {
            let (Some(method), Some(left)) = (method(&call.method), left(call.frees_in_ms)) else { continue };
            limits.counter += 1;
            // It ended so long before now that it still counts for what is left; sooner than now if the clock allows it.
            let ended = (now + left).checked_sub(WINDOW).unwrap_or(now);
            let (slot, by_pass, write) = (Slot(limits.counter), call.by_pass, call.write);
            limits.used.push(Used { slot, method, by_pass, write, ended: Some(ended) });
        }
        for rest in kept.pauses {
            if let (Some(method), Some(left)) = (method(&rest.method), left(rest.ends_in_ms)) {
                limits.pauses.insert(method, Pause { until: now + left, in_a_row: rest.in_a_row });
            }
        }
        limits
    }
}

/// Nothing counts for longer: a file that says so is damaged, or the clock was set.
const LONGEST: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        domain::{Cause, RequestId},
        slack::{
            Token,
            limits::{Ask, Turn},
        },
    };

    fn photo(user: &str) -> Ask {
        let write = Some((user.parse().unwrap(), Token::new(user).fingerprint()));
        Ask { method: Method::UsersSetPhoto, request: RequestId::random(), cause: Cause::Event, write }
    }

    #[test]
    fn calls_of_before_count_for_the_rest_of_their_minute() {
        let (mut limits, now) = (Limits::default(), Instant::now());
        for n in 0..20 {
            let Turn::Now(slot) = limits.ask(&photo(&format!("U{n}")), now) else {
                unreachable!("twenty may")
            };
            limits.ended(slot, now);
        }
        let text = serde_json::to_string(&limits.keep(now)).unwrap();
        let kept: Kept = serde_json::from_str(&text).unwrap();
        let later = now + Duration::from_secs(10);

        let mut resumed = Limits::resumed(kept.clone(), Duration::from_secs(10), later);
        let turn = resumed.ask(&photo("U99"), later);
        assert_eq!(turn, Turn::Wait { until: now + WINDOW, slack_said: false });
        let mut after_all = Limits::resumed(kept, WINDOW, now + WINDOW);
        assert!(matches!(after_all.ask(&photo("U99"), now + WINDOW), Turn::Now(_)));
    }

    #[test]
    fn a_method_that_rests_goes_on_resting() {
        let (mut limits, now) = (Limits::default(), Instant::now());
        limits.pause(Method::UsersProfileSet, Some(Duration::from_secs(40)), now);

        let resumed = Limits::resumed(limits.keep(now), Duration::from_secs(5), now);

        assert_eq!(resumed.paused(Method::UsersProfileSet, now), Some(now + Duration::from_secs(35)));
    }
}
