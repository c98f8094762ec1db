//! Remembers the events that were accepted, so that one delivered twice is one request.
//!
//! Slack repeats an event's `event_id` with each delivery, for up to a day
//! (<https://docs.slack.dev/apis/events-api#retries>).

use std::{
    collections::{HashSet, VecDeque},
    rc::Rc,
    time::Duration,
};

use crate::clock::Instant;

/// How long an event is remembered.
const FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How many events are remembered; the oldest go first.
const AT_MOST: usize = 65_536;

/// The events accepted of late.
#[derive(Debug, Default)]
pub struct RecentEvents {
    known: HashSet<Rc<str>>,
    oldest_first: VecDeque<(Instant, Rc<str>)>,
}

impl RecentEvents {
    /// Whether the event was accepted before.
    pub fn has(&mut self, event_id: &str, now: Instant) -> bool {
        self.forget_old(now);
        self.known.contains(event_id)
    }

    /// Remembers an accepted event.
    pub fn remember(&mut self, event_id: &str, now: Instant) {
        self.forget_old(now);
        let event_id: Rc<str> = event_id.into();
        if self.known.insert(event_id.clone()) {
            self.oldest_first.push_back((now, event_id));
        }
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some((at, _)) = self.oldest_first.front() {
            if self.oldest_first.len() <= AT_MOST && now.saturating_duration_since(*at) < FOR {
                return;
            }
            if let Some((_, event_id)) = self.oldest_first.pop_front() {
                self.known.remove(&event_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_remembered_for_a_day() {
        let mut recent = RecentEvents::default();
        let now = Instant::now();
        recent.remember("Ev1", now);

        assert!(recent.has("Ev1", now + FOR - Duration::from_secs(1)));
        assert!(!recent.has("Ev2", now));
        assert!(!recent.has("Ev1", now + FOR));
        assert!(recent.is_empty());
    }

    #[test]
    fn no_more_events_are_remembered_than_allowed() {
        let mut recent = RecentEvents::default();
        let now = Instant::now();
        for n in 0..AT_MOST + 10 {
            recent.remember(&format!("Ev{n}"), now);
        }

        assert!(!recent.has("Ev0", now));
        assert!(recent.has("Ev100", now));
        assert!(recent.len() <= AT_MOST);
    }
}
