//! Slack's rate limits, kept ahead of time over sliding windows: plain rules over `now`.
//!
//! Slack counts calls when they arrive, we know when they begin and end: a call holds its slot until 60 s after its
//! end, so that Slack can never see more than the limit in any minute. Who must wait keeps a place in line, and is
//! told when its turn comes, those before it counted.

pub mod kept;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use crate::{
    clock::Instant,
    domain::{Cause, RequestId, UserId},
};

use super::{Fingerprint, Method};

/// Slack's minute.
const WINDOW: Duration = Duration::from_secs(if cfg!(feature = "unlimited") { 0 } else { 60 });
/// A place in line lapses when its turn came and nobody asked for so long.
const LAPSE: Duration = Duration::from_secs(15);
/// Writes of one member's profile in a minute, names and pictures together, and the members whose profiles one token
/// may write (<https://docs.slack.dev/apis/web-api/rate-limits#profile_updates>).
const WRITES_A_MEMBER: usize = 10;
const MEMBERS_A_TOKEN: usize = 30;
/// The wait after `ratelimited` without a `Retry-After`: it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A call that is to be made.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The method.
    pub method: Method,
    /// For which request; it keeps its place in line by it.
    pub request: RequestId,
    /// Events go before looks, looks before passes.
    pub cause: Cause,
    /// For writes of a profile: whose, and with which token.
    pub write: Option<(UserId, Fingerprint)>,
}

/// The answer to an [`Ask`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Go; the slot is to be given back by [`Limits::ended`].
    Now(Slot),
    /// Ask again then.
    Wait {
        /// When.
        until: Instant,
        /// Whether Slack itself said `ratelimited`.
        slack_said: bool,
    },
}

/// Names a call that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u64);

/// One call in a window.
#[derive(Debug, Clone)]
struct Used {
    slot: Slot,
    method: Method,
    by_pass: bool,
    write: Option<(UserId, Fingerprint)>,
    /// `None` while the call is under way.
    ended: Option<Instant>,
}

impl Used {
    /// When it no longer counts. A call under way counts for its deadline and a minute more at the most.
    fn frees(&self, now: Instant) -> Instant {
        self.ended.unwrap_or(now) + WINDOW
    }
}

#[derive(Debug, Clone, Copy)]
struct Place {
    cause: Cause,
    arrival: u64,
    turn: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Pause {
    until: Instant,
    in_a_row: u32,
}

/// The windows, the lines and the pauses.
#[derive(Debug, Default)]
pub struct Limits {
    used: Vec<Used>,
    lines: BTreeMap<Method, HashMap<RequestId, Place>>,
    pauses: HashMap<Method, Pause>,
    counter: u64,
}

impl Limits {
    /// Asks whether a call may be made now.
    pub fn ask(&mut self, ask: &Ask, now: Instant) -> Turn {
        self.forget_old(now);
        if let Some(until) = self.paused(ask.method, now) {
            return Turn::Wait { until, slack_said: true };
        }
        let until = self.earliest(ask, now);
        if until > now {
            self.keep_place(ask, until);
            return Turn::Wait { until, slack_said: false };
        }
        self.lines.entry(ask.method).or_default().remove(&ask.request);
        self.counter += 1;
        let slot = Slot(self.counter);
        let by_pass = ask.cause == Cause::Pass;
        self.used.push(Used { slot, method: ask.method, by_pass, write: ask.write.clone(), ended: None });
        Turn::Now(slot)
    }

    /// The call ended.
    pub fn ended(&mut self, slot: Slot, now: Instant) {
        if let Some(used) = self.used.iter_mut().find(|used| used.slot == slot) {
            used.ended = Some(now);
        }
    }

    /// No call is under way any more: those that were count as ended now.
    pub fn all_ended(&mut self, now: Instant) {
        for used in &mut self.used {
            used.ended.get_or_insert(now);
        }
    }

    /// Slack said `ratelimited`: the method rests for so long, or for a while that grows with each repetition.
    pub fn pause(&mut self, method: Method, retry_after: Option<Duration>, now: Instant) -> Duration {
        let in_a_row = self.pauses.get(&method).map_or(0, |pause| pause.in_a_row);
        let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(in_a_row)).min(LONGEST_PAUSE);
        // Of two calls that were under way, one may have been told to wait longer.
        let said = now + retry_after.unwrap_or(doubled);
        let until = self.paused(method, now).map_or(said, |earlier| earlier.max(said));
        self.pauses.insert(method, Pause { until, in_a_row: in_a_row + 1 });
        until.duration_since(now)
    }

    /// Slack answered the method as usual.
    pub fn answered(&mut self, method: Method, now: Instant) {
        if self.paused(method, now).is_none() {
            self.pauses.remove(&method);
        }
    }

    /// Until when a method rests because Slack said so.
    pub fn paused(&self, method: Method, now: Instant) -> Option<Instant> {
        self.pauses.get(&method).map(|pause| pause.until).filter(|until| *until > now)
    }

    /// Methods that rest, and until when.
    pub fn pauses(&self, now: Instant) -> Vec<(Method, Instant)> {
        self.pauses
            .iter()
            .filter(|(_, pause)| pause.until > now)
            .map(|(method, pause)| (*method, pause.until))
            .collect()
    }

    /// Calls under way.
    pub fn under_way(&self) -> usize {
        self.used.iter().filter(|used| used.ended.is_none()).count()
    }

    /// Gives up a request's places in line.
    pub fn withdraw(&mut self, request: RequestId) {
        for line in self.lines.values_mut() {
            line.remove(&request);
        }
    }

    fn forget_old(&mut self, now: Instant) {
        self.used.retain(|used| used.ended.is_none_or(|ended| ended + WINDOW > now));
        for line in self.lines.values_mut() {
            line.retain(|_, place| place.turn + LAPSE > now);
        }
    }

    /// When a call may be made, if all before it in line go first.
    fn earliest(&self, ask: &Ask, now: Instant) -> Instant {
        let ahead = self.ahead(ask);
        let of_method = self.used.iter().filter(|used| used.method == ask.method);
        let mut until =
            free_at(of_method.clone().map(|used| used.frees(now)), ask.method.calls_a_minute(), ahead, now);
        if ask.cause == Cause::Pass && ask.method.is_read() {
            let by_passes = of_method.filter(|used| used.by_pass).map(|used| used.frees(now));
            until = until.max(free_at(by_passes, ask.method.calls_a_minute() / 2, 0, now));
        }
        if let Some((user, token)) = &ask.write {
            until = until.max(self.write_free_at(user, token, now));
        }
        until
    }

    fn write_free_at(&self, user: &UserId, token: &Fingerprint, now: Instant) -> Instant {
        let writes = self.used.iter().filter_map(|used| {
            let (of, by) = used.write.as_ref()?;
            Some((of, by, used.frees(now)))
        });
        // Slack documents this limit for one token; counted over all tokens it holds for each of them.
        let of_member = writes.clone().filter(|(of, ..)| *of == user).map(|(.., frees)| frees);
        let mut others: BTreeMap<&UserId, Instant> = BTreeMap::new();
        for (of, _, frees) in writes.filter(|(of, by, _)| *of != user && *by == token) {
            let last = others.entry(of).or_insert(frees);
            *last = frees.max(*last);
        }
        let member = free_at(of_member, WRITES_A_MEMBER, 0, now);
        member.max(free_at(others.into_values(), MEMBERS_A_TOKEN, 0, now))
    }

    /// How many go before this call.
    fn ahead(&self, ask: &Ask) -> usize {
        let Some(line) = self.lines.get(&ask.method) else { return 0 };
        let own = line.get(&ask.request).map_or((ask.cause, u64::MAX), |place| (place.cause, place.arrival));
        line.iter()
            .filter(|(request, place)| **request != ask.request && (place.cause, place.arrival) < own)
            .count()
    }

    fn keep_place(&mut self, ask: &Ask, turn: Instant) {
        self.counter += 1;
        let arrival = self.counter;
        let line = self.lines.entry(ask.method).or_default();
        line.entry(ask.request).or_insert(Place { cause: ask.cause, arrival, turn }).turn = turn;
    }
}

/// When one more call fits under a limit, if `ahead` others go first: each slot that is in use comes free at its
/// time, and one that is used again then comes free a minute later.
fn free_at(frees: impl Iterator<Item = Instant>, limit: usize, ahead: usize, now: Instant) -> Instant {
    let mut frees: Vec<Instant> = frees.collect();
    let free = limit.saturating_sub(frees.len());
    if ahead < free {
        return now;
    }
    frees.sort_unstable_by_key(|at| Reverse(*at));
    frees.truncate(limit);
    frees.reverse();
    let turn = ahead - free;
    // Slots that are free now are taken by those ahead, and come free a minute from now.
    frees.extend(std::iter::repeat_n(now + WINDOW, free));
    let rounds = u32::try_from(turn / limit.max(1)).unwrap_or(u32::MAX);
    frees.get(turn % limit.max(1)).map_or(now + WINDOW, |at| *at) + WINDOW.saturating_mul(rounds)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::slack::Token;

    fn ask(method: Method, cause: Cause, user: usize) -> Ask {
        let write = matches!(method, Method::UsersSetPhoto | Method::UsersProfileSet)
            .then(|| (format!("U{user}").parse().unwrap(), Token::new("t").fingerprint()));
        Ask { method, request: RequestId::random(), cause, write }
    }

    fn go(limits: &mut Limits, ask: &Ask, now: Instant) -> bool {
        match limits.ask(ask, now) {
            Turn::Now(slot) => {
                limits.ended(slot, now);
                true
            }
            Turn::Wait { .. } => false,
        }
    }

    #[test]
    fn the_twenty_first_picture_waits_for_the_first_slot() {
        let mut limits = Limits::default();
        let now = Instant::now();
        for n in 0..20 {
            assert!(go(&mut limits, &ask(Method::UsersSetPhoto, Cause::Event, n), now));
        }

        let late = ask(Method::UsersSetPhoto, Cause::Event, 20);

        assert_eq!(limits.ask(&late, now), Turn::Wait { until: now + WINDOW, slack_said: false });
        assert!(go(&mut limits, &late, now + WINDOW));
    }

    #[test]
    fn a_hundred_waiting_pictures_are_told_twenty_a_minute() {
        let mut limits = Limits::default();
        let now = Instant::now();
        let turns =
            (0..100).map(|n| match limits.ask(&ask(Method::UsersSetPhoto, Cause::Event, n % 7), now) {
                Turn::Now(slot) => {
                    limits.ended(slot, now);
                    0
                }
                Turn::Wait { until, .. } => until.duration_since(now).as_secs() / 60,
            });

        let turns: Vec<u64> = turns.collect();

        for minute in 0..5 {
            assert_eq!(turns.iter().filter(|turn| **turn == minute).count(), 20, "{turns:?}");
        }
    }

    #[test]
    fn events_go_before_looks_and_looks_before_passes() {
        let mut limits = Limits::default();
        let now = Instant::now();
        for n in 0..20 {
            go(&mut limits, &ask(Method::UsersSetPhoto, Cause::Event, n), now);
        }
        let [pass, look, event] =
            [Cause::Pass, Cause::Look, Cause::Event].map(|cause| ask(Method::UsersSetPhoto, cause, 50));
        for waiting in [&pass, &look, &event] {
            assert!(!go(&mut limits, waiting, now));
        }

        let later = now + WINDOW;
        for n in 0..18 {
            assert!(
                go(
                    &mut limits,
                    &ask(Method::UsersSetPhoto, Cause::Event, n),
                    later - Duration::from_millis(0)
                ) || n >= 17
            );
        }

        assert!(!go(&mut limits, &pass, later));
        assert!(go(&mut limits, &event, later));
        assert!(go(&mut limits, &look, later));
    }

    #[test]
    fn a_place_that_nobody_claims_lapses() {
        let mut limits = Limits::default();
        let now = Instant::now();
        for n in 0..20 {
            go(&mut limits, &ask(Method::UsersSetPhoto, Cause::Event, n), now);
        }
        for n in 0..20 {
            assert!(!go(&mut limits, &ask(Method::UsersSetPhoto, Cause::Event, n), now));
        }

        let late = ask(Method::UsersSetPhoto, Cause::Pass, 40);

        assert!(!go(&mut limits, &late, now + WINDOW));
        assert!(go(&mut limits, &late, now + WINDOW + LAPSE));
    }

    #[test]
    fn reads_of_passes_take_half_of_a_limit() {
        let mut limits = Limits::default();
        let now = Instant::now();

        let of_passes =
            (0..100).filter(|n| go(&mut limits, &ask(Method::UsersProfileGet, Cause::Pass, *n), now)).count();
        let of_events = (0..100)
            .filter(|n| go(&mut limits, &ask(Method::UsersProfileGet, Cause::Event, *n), now))
            .count();

        assert_eq!((of_passes, of_events), (50, 50));
    }

    #[test]
    fn one_token_writes_thirty_members_a_minute_and_each_ten_times() {
        let mut limits = Limits::default();
        let now = Instant::now();

        let members =
            (0..40).filter(|n| go(&mut limits, &ask(Method::UsersProfileSet, Cause::Event, *n), now)).count();
        let of_one =
            (0..20).filter(|_| go(&mut limits, &ask(Method::UsersProfileSet, Cause::Event, 0), now)).count();

        assert_eq!((members, of_one), (30, 9));
    }

    #[test]
    fn a_members_ten_writes_are_counted_over_all_tokens() {
        let mut limits = Limits::default();
        let now = Instant::now();
        let write = |token: &str| Ask {
            write: Some(("U1".parse().unwrap(), Token::new(token).fingerprint())),
            ..ask(Method::UsersProfileSet, Cause::Event, 1)
        };

        let written = (0..20).filter(|n| go(&mut limits, &write(["own", "admin"][n % 2]), now)).count();

        assert_eq!(written, WRITES_A_MEMBER);
    }

    #[test]
    fn slack_is_left_alone_as_long_as_it_says_and_longer_each_time_when_it_does_not() {
        let mut limits = Limits::default();
        let now = Instant::now();
        let call = ask(Method::UsersProfileSet, Cause::Event, 1);
        limits.pause(Method::UsersProfileSet, Some(Duration::from_secs(7)), now);
        assert_eq!(
            limits.ask(&call, now),
            Turn::Wait { until: now + Duration::from_secs(7), slack_said: true }
        );
        assert!(go(&mut limits, &ask(Method::UsersSetPhoto, Cause::Event, 1), now), "another method goes on");
        limits.answered(Method::UsersProfileSet, now + Duration::from_secs(8));

        let waits: Vec<u64> =
            (0..6).map(|_| limits.pause(Method::UsersProfileSet, None, now).as_secs()).collect();

        assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
    }

    #[test]
    fn a_shorter_wait_does_not_end_a_longer_one() {
        let (mut limits, now) = (Limits::default(), Instant::now());
        let seconds = Duration::from_secs;

        assert_eq!(limits.pause(Method::UsersProfileSet, Some(seconds(14)), now), seconds(14));
        assert_eq!(limits.pause(Method::UsersProfileSet, Some(seconds(10)), now + seconds(1)), seconds(13));

        assert_eq!(limits.paused(Method::UsersProfileSet, now), Some(now + seconds(14)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
        /// Callers come at random and ask again when they are told; Slack may see a call anywhere between its begin
        /// and its end.
        #[test]
        fn no_minute_ever_holds_more_than_the_limit(
            arrivals in prop::collection::vec((0_u64..120_000, 0_usize..3, 0_usize..45, 0_u64..2_000), 1..200)
        ) {
            let start = Instant::now();
            let mut limits = Limits::default();
            let mut todo: BTreeMap<(Instant, usize), (Ask, u64)> = BTreeMap::new();
            for (n, (at, cause, user, lasts)) in arrivals.iter().enumerate() {
                let cause = [Cause::Event, Cause::Look, Cause::Pass][*cause];
                todo.insert((start + Duration::from_millis(*at), n), (ask(Method::UsersProfileSet, cause, *user), *lasts));
            }
            let mut ends: BTreeMap<(Instant, Slot), ()> = BTreeMap::new();
            let mut calls: Vec<(Instant, Instant, UserId)> = Vec::new();
            while let Some(((now, n), (call, lasts))) = todo.pop_first() {
                while let Some(((at, slot), ())) = ends.first_key_value().map(|(k, ())| (*k, ())) {
                    if at > now { break; }
                    ends.pop_first();
                    limits.ended(slot, at);
                }
                match limits.ask(&call, now) {
                    Turn::Now(slot) => {
                        let end = now + Duration::from_millis(lasts);
                        ends.insert((end, slot), ());
                        calls.push((now, end, call.write.unwrap().0));
                    }
                    Turn::Wait { until, .. } => {
                        prop_assert!(until > now);
                        todo.insert((until, n), (call, lasts));
                    }
                }
            }
            prop_assert_eq!(calls.len(), arrivals.len());
            for (begin, _, user) in &calls {
                // All calls that Slack may have seen in the minute up to this call's begin.
                let seen: Vec<_> = calls.iter().filter(|(b, e, _)| b <= begin && *e + WINDOW > *begin).collect();
                prop_assert!(seen.len() <= 50);
                prop_assert!(seen.iter().filter(|(_, _, u)| u == user).count() <= 10);
                let members: std::collections::BTreeSet<_> = seen.iter().map(|(_, _, u)| u).collect();
                prop_assert!(members.len() <= 30);
            }
        }
    }
}
