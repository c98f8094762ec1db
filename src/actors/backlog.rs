//! The rules of the request queue, free of actix so that they are tested as plain code.
//!
//! A member has at most one request waiting, in either queue; at most one being worked on or put off. The
//! requests that wait in the dead letter queue lie with [`super::dead_letter::DeadLetter`]; who they belong to
//! is known here, because here alone it is decided what becomes of an event.

mod put_off;

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::{
    clock::Instant,
    config::QueueConfig,
    domain::{Cause, Emoji, RequestId, UserId},
    request::{Cancel, Reading, Request},
};

use put_off::{PutOff, PutOffs};

/// What becomes of an event of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The emoji is the newest known.
    Unchanged,
    /// It is on standby.
    Queued,
    /// It is on standby, in place of an older one of the member.
    Replaced,
    /// It goes to the dead letter queue.
    Diverted,
    /// No room on standby; Slack shall deliver it again.
    Busy,
    /// No room at all.
    Overloaded,
}

/// The rules, and the state they work on.
#[derive(Debug)]
pub struct Backlog {
    config: QueueConfig,
    standby: VecDeque<Request>,
    /// What lies in the dead letter queue, oldest first.
    dead_letters: VecDeque<Held>,
    working: BTreeMap<UserId, Working>,
    put_off: PutOffs,
    looks: BTreeMap<(Cause, u64), Request>,
    looked_at: HashMap<UserId, (Cause, u64)>,
    arrivals: u64,
    /// Requests that were dropped while they waited, and were not reported yet.
    withdrawn: Vec<RequestId>,
    /// The emoji last read of each member, and when that call began.
    read: HashMap<UserId, (Instant, Emoji)>,
}

/// What is known here of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    request: RequestId,
    user: UserId,
    emoji: Emoji,
}

impl Held {
    /// What is to be known of this request.
    pub fn of(request: &Request) -> Self {
        let emoji = request.hint.clone().unwrap_or_else(|| Emoji::new(""));
        Self { request: request.id, user: request.user.clone(), emoji }
    }
}

/// A request that has a worker.
#[derive(Debug)]
pub struct Working {
    /// The request as it began.
    pub request: Request,
    /// Stops it from making further calls.
    pub cancel: Cancel,
    status: Status,
}

/// What a request knows of the member's status.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Status {
    /// The reading is under way.
    Reading,
    /// What it answered.
    Read(Emoji),
}

/// How much waits and is worked on; for `/readyz` and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Depths {
    /// Standby requests.
    pub standby: usize,
    /// Requests in the dead letter queue.
    pub dead_letters: usize,
    /// Requests being worked on.
    pub working: usize,
    /// Requests that wait for a limit.
    pub put_off: usize,
    /// Looks that wait for an idle worker.
    pub looks: usize,
}

impl Backlog {
    /// Empty queues of these sizes.
    pub fn new(config: QueueConfig) -> Self {
        Self {
            config,
            standby: VecDeque::new(),
            dead_letters: VecDeque::new(),
            working: BTreeMap::new(),
            put_off: PutOffs::default(),
            looks: BTreeMap::new(),
            looked_at: HashMap::new(),
            arrivals: 0,
            withdrawn: Vec::new(),
            read: HashMap::new(),
        }
    }

    /// How much waits and is worked on.
    pub fn depths(&self) -> Depths {
        Depths {
            standby: self.standby.len(),
            dead_letters: self.dead_letters.len(),
            working: self.working.len(),
            put_off: self.put_off.len(),
            looks: self.looks.len(),
        }
    }

    /// The newest known emoji of a member; none while his status is being read.
    pub fn newest_known(&self, user: &UserId) -> Option<&Emoji> {
        if let Some(request) = self.standby.iter().find(|request| request.user == *user) {
            return request.hint.as_ref();
        }
        if let Some(held) = self.dead_letters.iter().find(|held| held.user == *user) {
            return Some(&held.emoji);
        }
        let going_on = self.working.get(user).map(|working| &working.status);
        match going_on.or_else(|| self.put_off.get(user).map(|put_off| &put_off.status)) {
            Some(Status::Reading) => None,
            Some(Status::Read(emoji)) => Some(emoji),
            None => self.read.get(user).map(|(_, emoji)| emoji),
        }
    }

    /// Decides what becomes of an event, and puts its request on standby if that is its place.
    /// On [`Verdict::Diverted`] the caller hands the request to the dead letter queue.
    pub fn admit(&mut self, request: &Request, is_retry: bool) -> Verdict {
        if request.hint.is_some() && self.newest_known(&request.user) == request.hint.as_ref() {
            return Verdict::Unchanged;
        }
        let verdict = self.place(&request.user, is_retry);
        match verdict {
            Verdict::Queued | Verdict::Replaced => {
                let older = self.standby.iter().position(|waiting| waiting.user == request.user);
                self.withdrawn.extend(older.and_then(|at| self.standby.remove(at)).map(|older| older.id));
                self.standby.push_back(request.clone());
            }
            Verdict::Diverted => {
                self.dead_letters.retain(|held| held.user != request.user);
                self.dead_letters.push_back(Held::of(request));
            }
            Verdict::Unchanged | Verdict::Busy | Verdict::Overloaded => return verdict,
        }
        self.drop_put_off(&request.user);
        self.drop_look(&request.user);
        verdict
    }

    /// The throttling table.
    fn place(&self, user: &UserId, is_retry: bool) -> Verdict {
        if self.standby.iter().any(|request| request.user == *user) {
            return Verdict::Replaced;
        }
        if self.has_dead_letter(user) {
            return Verdict::Diverted;
        }
        if self.standby.len() < self.config.capacity {
            return Verdict::Queued;
        }
        match (self.dead_letters.len() < self.config.dead_letter_capacity, is_retry) {
            (true, true) => Verdict::Diverted,
            (true, false) => Verdict::Busy,
            (false, _) => Verdict::Overloaded,
        }
    }

    fn has_dead_letter(&self, user: &UserId) -> bool {
        self.dead_letters.iter().any(|held| held.user == *user)
    }

    /// Takes note that the dead letter queue does not have what was meant for it.
    pub fn not_diverted(&mut self, user: &UserId) {
        self.dead_letters.retain(|held| held.user != *user);
    }

    /// How many dead letters should move into the empty request queue now.
    pub fn room_for_dead_letters(&self) -> usize {
        if self.standby.is_empty() { self.dead_letters.len().min(self.config.capacity) } else { 0 }
    }

    /// Puts dead letters on standby, oldest first. `left` are those that the dead letter queue still has.
    pub fn refill(&mut self, moved: Vec<Request>, left: Vec<Held>) {
        self.standby.extend(moved);
        self.dead_letters = left.into();
    }

    /// Adds a look at a member, unless a request that waits stands for it, or one that is put off stands for a pass.
    pub fn add_look(&mut self, request: Request) {
        let waits = self.standby.iter().any(|waiting| waiting.user == request.user)
            || self.has_dead_letter(&request.user);
        let is_pass = request.cause == Cause::Pass;
        if waits || (is_pass && self.put_off.get(&request.user).is_some()) {
            return;
        }
        if let Some(place) = self.looked_at.get(&request.user) {
            if place.0 <= request.cause {
                return;
            }
            self.drop_look(&request.user.clone());
        }
        self.drop_put_off(&request.user);
        self.arrivals += 1;
        let place = (request.cause, self.arrivals);
        self.looked_at.insert(request.user.clone(), place);
        self.looks.insert(place, request);
    }

    fn drop_put_off(&mut self, user: &UserId) {
        let dropped = self.put_off.remove(user).map(|put_off| put_off.request.id);
        self.withdrawn.extend(dropped);
    }

    /// Requests that were dropped while they waited, since this was last asked: a newer one stands for each, or its
    /// member was forgotten.
    pub fn take_withdrawn(&mut self) -> Vec<RequestId> {
        std::mem::take(&mut self.withdrawn)
    }

    fn drop_look(&mut self, user: &UserId) {
        if let Some(place) = self.looked_at.remove(user) {
            self.looks.remove(&place);
        }
    }

    /// Drops every look that waits: a stop lets only what was accepted go on.
    pub fn drop_looks(&mut self) {
        self.looks.clear();
        self.looked_at.clear();
        self.put_off.retain(|put_off| put_off.request.cause == Cause::Event);
    }

    /// Gives a worker, if one is idle, the next request whose member is free: what was put off and is due, then
    /// standby, then (with nothing on standby) looks, then what a pass found.
    pub fn take(&mut self, now: Instant) -> Option<(Request, Cancel)> {
        if self.working.len() >= self.config.workers {
            return None;
        }
        let request = self.take_due(now).or_else(|| self.take_standby()).or_else(|| self.take_look())?;
        let cancel = Cancel::default();
        let working = Working { request: request.clone(), cancel: cancel.clone(), status: Status::Reading };
        self.working.insert(request.user.clone(), working);
        Some((request, cancel))
    }

    fn take_due(&mut self, now: Instant) -> Option<Request> {
        let user = self.put_off.due(now).find(|user| !self.working.contains_key(*user))?.clone();
        self.put_off.remove(&user).map(|put_off| put_off.request)
    }

    fn take_standby(&mut self) -> Option<Request> {
        let free = self.standby.iter().position(|request| !self.working.contains_key(&request.user))?;
        self.standby.remove(free)
    }

    fn take_look(&mut self) -> Option<Request> {
        if !self.standby.is_empty() {
            return None;
        }
        let free = self.looks.iter().find(|(_, request)| !self.working.contains_key(&request.user));
        let place = *free?.0;
        let request = self.looks.remove(&place)?;
        self.looked_at.remove(&request.user);
        Some(request)
    }

    /// Notes how far a request is with reading its member's status.
    pub fn note_reading(&mut self, reading: Reading) {
        let Some(working) = self.working.get_mut(&reading.user).filter(|it| it.request.id == reading.request)
        else {
            return;
        };
        match reading.emoji {
            None => working.status = Status::Reading,
            Some(emoji) => {
                working.status = Status::Read(emoji.clone());
                self.note_read(reading.user, emoji, reading.began);
            }
        }
    }

    /// Notes an emoji that was read by a call which began then.
    pub fn note_read(&mut self, user: UserId, emoji: Emoji, began: Instant) {
        let newest = self.read.get(&user).is_none_or(|(before, _)| *before <= began);
        if newest {
            self.read.insert(user, (began, emoji));
        }
    }

    /// Takes back a worker. With `until`, the request is put off, unless a newer one waits or it was cancelled.
    pub fn finish(&mut self, request: Request, until: Option<Instant>) -> Finished {
        let Some(working) = self.working.remove(&request.user) else { return Finished::Ended };
        let Some(until) = until else { return Finished::Ended };
        let newer = self.standby.iter().any(|waiting| waiting.user == request.user)
            || self.has_dead_letter(&request.user)
            || self.looked_at.contains_key(&request.user);
        if newer || working.cancel.is_cancelled() {
            self.withdrawn.push(request.id);
            return Finished::Replaced;
        }
        let put_off = PutOff { until, request, status: working.status };
        self.put_off.insert(put_off);
        Finished::PutOff
    }

    /// Takes back a worker whose request broke off.
    pub fn lost(&mut self, user: &UserId) -> Option<Request> {
        self.working.remove(user).map(|working| working.request)
    }

    /// When the next request that was put off comes due; what is due already waits for a worker.
    pub fn next_due(&self, now: Instant) -> Option<Instant> {
        self.put_off.next_due(now)
    }

    /// Forgets a member: nothing of his waits any more, and what is worked on makes no further call.
    /// Answers the request that is still being worked on.
    pub fn forget(&mut self, user: &UserId) -> Option<RequestId> {
        self.standby.retain(|request| request.user != *user);
        self.dead_letters.retain(|held| held.user != *user);
        self.drop_put_off(user);
        self.drop_look(user);
        self.read.remove(user);
        let working = self.working.get(user)?;
        working.cancel.cancel();
        Some(working.request.id)
    }

    /// Requests that were accepted and have not ended.
    pub fn unfinished(&self) -> Vec<(RequestId, UserId)> {
        let working = self.working.values().map(|working| &working.request);
        let put_off = self.put_off.values().map(|put_off| &put_off.request);
        let accepted = working.chain(put_off).filter(|request| request.cause == Cause::Event);
        let dead_letters = self.dead_letters.iter().map(|held| (held.request, held.user.clone()));
        let requests = accepted.chain(&self.standby).map(|request| (request.id, request.user.clone()));
        requests.chain(dead_letters).collect()
    }

    /// Whether nothing waits and nothing is worked on, but for what was put off.
    pub fn only_put_off(&self) -> bool {
        self.standby.is_empty()
            && self.dead_letters.is_empty()
            && self.working.is_empty()
            && self.looks.is_empty()
    }
}

/// What became of a request that gave back its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// It is over.
    Ended,
    /// It goes on later.
    PutOff,
    /// It would have gone on later, but a newer one of the member stands for it.
    Replaced,
}

#[cfg(test)]
mod tests;
