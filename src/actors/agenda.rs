//! When who is to be looked at: plain rules over `now`.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use crate::{clock::Instant, domain::UserId};

/// A pass begins at the earliest so long after the last one began (or the interval, if that is shorter).
const BETWEEN_PASSES: Duration = Duration::from_secs(30);
/// Passes because of events that Slack left out are at least so far apart.
const BETWEEN_LEFT_OUT: Duration = Duration::from_secs(5 * 60);
/// A status that ends is looked at so long after its end.
const AFTER_EXPIRATION: Duration = Duration::from_secs(10);
/// The first repetition of a look, and the longest wait between two.
pub const FIRST_REPETITION: Duration = Duration::from_secs(60);
const LAST_REPETITION: Duration = Duration::from_secs(15 * 60);

/// The wait before the n-th repetition, from 1: 1, 2, 4… minutes, at most 15.
pub fn repetition(n: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(n.saturating_sub(1));
    FIRST_REPETITION.saturating_mul(doubled).min(LAST_REPETITION)
}

/// Decides when a pass begins.
#[derive(Debug)]
pub struct PassClock {
    interval: Option<Duration>,
    last_began: Option<Instant>,
    is_wanted: bool,
    is_running: bool,
    left_out: Option<Instant>,
    last_left_out: Option<Instant>,
}

impl PassClock {
    /// Nothing asked for a pass yet. `interval` is the time between passes.
    pub fn new(interval: Option<Duration>) -> Self {
        let (last_began, left_out, last_left_out) = (None, None, None);
        Self { interval, last_began, is_wanted: false, is_running: false, left_out, last_left_out }
    }

    /// Something asks for a pass. During a pass, another one comes after it.
    pub fn want(&mut self) {
        self.is_wanted = true;
    }

    /// Slack left out events until then.
    pub fn left_out_until(&mut self, until: Instant) {
        let earliest = self.last_left_out.map_or(until, |last| until.max(last + BETWEEN_LEFT_OUT));
        self.left_out = Some(self.left_out.map_or(earliest, |due| due.max(earliest)));
    }

    /// When the next pass begins, if nothing else happens.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        if self.is_running {
            return None;
        }
        let gap = self.interval.map_or(BETWEEN_PASSES, |interval| interval.min(BETWEEN_PASSES));
        let earliest = self.last_began.map_or(now, |began| began + gap);
        let wanted = self.is_wanted.then_some(earliest);
        let left_out = self.left_out.map(|due| due.max(earliest));
        let regular = self.last_began.zip(self.interval).map(|(began, interval)| began + interval);
        [wanted, left_out, regular].into_iter().flatten().min()
    }

    /// A pass begins.
    pub fn begin(&mut self, now: Instant) {
        self.is_running = true;
        self.is_wanted = false;
        self.last_began = Some(now);
        if self.left_out.take_if(|due| *due <= now).is_some() {
            self.last_left_out = Some(now);
        }
    }

    /// No pass can begin yet; who can tell when asks again.
    pub fn give_up(&mut self) {
        self.is_wanted = false;
        self.left_out = None;
    }

    /// The pass is over, or was cut short and is wanted anew.
    pub fn end(&mut self, is_complete: bool) {
        self.is_running = false;
        self.is_wanted |= !is_complete;
    }

    /// Whether a pass is under way.
    pub fn is_running(&self) -> bool {
        self.is_running
    }

    /// When the last pass began.
    pub fn last_began(&self) -> Option<Instant> {
        self.last_began
    }
}

/// Why a member is to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// His status ends.
    Expires,
    /// A part failed.
    Failed,
}

/// Looks that are due at a time.
#[derive(Debug, Default)]
pub struct Looks {
    by_time: BTreeSet<(Instant, UserId, Why)>,
    by_member: HashMap<(UserId, Why), Instant>,
    /// The end of each member's status, and how often he was looked at after it.
    expirations: HashMap<UserId, (u64, u32)>,
}

impl Looks {
    /// Looks at a member then, instead of when it was planned before for the same reason.
    pub fn plan(&mut self, user: &UserId, why: Why, at: Instant) {
        self.cancel(user, why);
        self.by_member.insert((user.clone(), why), at);
        self.by_time.insert((at, user.clone(), why));
    }

    /// The reason is gone.
    pub fn cancel(&mut self, user: &UserId, why: Why) {
        if let Some(at) = self.by_member.remove(&(user.clone(), why)) {
            self.by_time.remove(&(at, user.clone(), why));
        }
    }

    /// Plans the look after a status's end. `ends` and `unix_now` are unix seconds; 0 is never. A status that still
    /// stands after its end is looked at again after 1, 2, 4… minutes, at most 15.
    pub fn plan_expiration(&mut self, user: &UserId, ends: u64, unix_now: u64, now: Instant) {
        if ends == 0 {
            self.cancel(user, Why::Expires);
            self.expirations.remove(user);
            return;
        }
        let known = self.expirations.get(user).filter(|(known, _)| *known == ends).map(|(_, times)| *times);
        let is_planned = self.by_member.contains_key(&(user.clone(), Why::Expires));
        if known.is_some() && is_planned {
            return;
        }
        let times = known.unwrap_or_default();
        let at = match ends.checked_sub(unix_now) {
            // So far away that no clock reaches it: nothing to plan.
            Some(left) if left > u64::from(u32::MAX) => return,
            Some(left) if left > 0 || times == 0 => now + Duration::from_secs(left) + AFTER_EXPIRATION,
            _ => now + repetition(times.max(1)),
        };
        self.expirations.insert(user.clone(), (ends, times));
        self.plan(user, Why::Expires, at);
    }

    /// Takes out who is due.
    pub fn take_due(&mut self, now: Instant) -> Vec<UserId> {
        let mut due = Vec::new();
        while let Some((at, user, why)) = self.by_time.first().cloned() {
            if at > now {
                break;
            }
            self.cancel(&user, why);
            if let Some((_, times)) = self.expirations.get_mut(&user).filter(|_| why == Why::Expires) {
                *times += 1;
            }
            due.push(user);
        }
        due
    }

    /// Forgets a member.
    pub fn forget(&mut self, user: &UserId) {
        self.cancel(user, Why::Expires);
        self.cancel(user, Why::Failed);
        self.expirations.remove(user);
    }

    /// When the next look is due.
    pub fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, ..)| *at)
    }

    /// How many are planned.
    pub fn len(&self) -> usize {
        self.by_time.len()
    }

    /// Whether none is planned.
    pub fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn passes_are_at_least_30_s_apart_or_the_interval_if_that_is_shorter() {
        let now = Instant::now();
        for (interval, gap) in [(None, 30), (Some(secs(900)), 30), (Some(secs(2)), 2)] {
            let mut clock = PassClock::new(interval);
            clock.want();
            assert_eq!(clock.due(now), Some(now));
            clock.begin(now);
            clock.want();
            assert_eq!(clock.due(now), None, "while one is under way no other begins");

            clock.end(true);

            assert_eq!(clock.due(now), Some(now + secs(gap)));
        }
    }

    #[test]
    fn without_an_interval_only_a_cause_makes_a_pass() {
        let now = Instant::now();
        let mut clock = PassClock::new(None);
        clock.want();
        clock.begin(now);
        clock.end(true);
        assert_eq!(clock.due(now), None);

        let mut regular = PassClock::new(Some(secs(900)));
        regular.begin(now);
        regular.end(true);
        assert_eq!(regular.due(now), Some(now + secs(900)));
    }

    #[test]
    fn events_left_out_make_a_pass_after_their_minute_at_most_once_in_five() {
        let now = Instant::now();
        let mut clock = PassClock::new(None);
        clock.left_out_until(now + secs(60));
        assert_eq!(clock.due(now), Some(now + secs(60)));
        clock.begin(now + secs(60));
        clock.end(true);

        clock.left_out_until(now + secs(120));

        assert_eq!(clock.due(now), Some(now + secs(360)));
    }

    #[test]
    fn a_status_that_outlives_its_end_is_looked_at_ever_more_rarely() {
        let user: UserId = "U1".parse().unwrap();
        let start = Instant::now();
        let mut looks = Looks::default();
        looks.plan_expiration(&user, 1_100, 1_000, start);
        let mut waits = Vec::new();
        let mut now = start;
        for _ in 0..7 {
            let due = looks.next().unwrap();
            waits.push(due.duration_since(now).as_secs());
            now = due;
            assert_eq!(looks.take_due(now), vec![user.clone()]);
            looks.plan_expiration(&user, 1_100, 1_000 + now.duration_since(start).as_secs(), now);
        }

        assert_eq!(waits, [110, 60, 120, 240, 480, 900, 900]);
        looks.plan_expiration(&user, 0, 9_999, now);
        assert!(looks.is_empty());
    }
}
