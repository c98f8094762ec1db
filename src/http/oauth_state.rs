//! Consents that were begun: each has a state that is used once, by the browser that began, within ten minutes.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// How long a state lives. Slack's code lives as long
/// (<https://docs.slack.dev/authentication/installing-with-oauth>).
pub const LIFETIME: Duration = Duration::from_secs(600);
/// So many may be open; the oldest are dropped.
const AT_MOST: usize = 10_000;

/// The states that are open.
#[derive(Debug, Default)]
pub struct States(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    states: HashMap<String, Instant>,
    oldest_first: VecDeque<String>,
}

impl States {
    /// Begins a consent. The state goes to Slack and into the browser's cookie.
    pub fn begin(&self, now: Instant) -> String {
        let state = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.oldest_first.len() >= AT_MOST
            && let Some(oldest) = open.oldest_first.pop_front()
        {
            open.states.remove(&oldest);
        }
        open.states.insert(state.clone(), now);
        open.oldest_first.push_back(state.clone());
        state
    }

    /// Ends a consent: whether the state is open, is this browser's, and is not too old. It is not open again after.
    pub fn end(&self, state: &str, cookie: Option<&str>, now: Instant) -> bool {
        // Comparing digests takes the same time wherever two texts differ.
        let is_this_browsers = cookie.is_some_and(|cookie| Sha256::digest(cookie) == Sha256::digest(state));
        if !is_this_browsers {
            return false;
        }
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = open.states.remove(state);
        open.oldest_first.retain(|known| known != state);
        begun.is_some_and(|begun| now.saturating_duration_since(begun) < LIFETIME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_good_once_in_the_browser_that_began_within_ten_minutes() {
        let (states, now) = (States::default(), Instant::now());
        let state = states.begin(now);

        assert!(!states.end(&state, None, now), "without the cookie");
        assert!(!states.end(&state, Some("another"), now), "in another browser");
        assert!(states.end(&state, Some(&state), now + LIFETIME - Duration::from_secs(1)));
        assert!(!states.end(&state, Some(&state), now), "a second time");
        let old = states.begin(now);
        assert!(!states.end(&old, Some(&old), now + LIFETIME), "too late");
        assert!(!states.end("made-up", Some("made-up"), now), "never begun");
    }

    #[test]
    fn no_more_states_are_open_than_allowed() {
        let (states, now) = (States::default(), Instant::now());
        let first = states.begin(now);
        for _ in 0..AT_MOST {
            states.begin(now);
        }

        assert!(!states.end(&first, Some(&first), now));
    }
}
