//! Requests that go on later, found by their member and by their time: there may be thousands.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use crate::{clock::Instant, domain::UserId, request::Request};

use super::Status;

/// A request that goes on later.
#[derive(Debug)]
pub(super) struct PutOff {
    /// When.
    pub(super) until: Instant,
    /// The request.
    pub(super) request: Request,
    /// What it knows of the member's status.
    pub(super) status: Status,
}

/// At most one for each member.
#[derive(Debug, Default)]
pub(super) struct PutOffs {
    by_member: BTreeMap<UserId, PutOff>,
    by_time: BTreeMap<Instant, BTreeSet<UserId>>,
}

impl PutOffs {
    pub(super) fn insert(&mut self, put_off: PutOff) {
        let user = put_off.request.user.clone();
        self.remove(&user);
        self.by_time.entry(put_off.until).or_default().insert(user.clone());
        self.by_member.insert(user, put_off);
    }

    pub(super) fn remove(&mut self, user: &UserId) -> Option<PutOff> {
        let put_off = self.by_member.remove(user)?;
        if let Some(users) = self.by_time.get_mut(&put_off.until) {
            users.remove(user);
            if users.is_empty() {
                self.by_time.remove(&put_off.until);
            }
        }
        Some(put_off)
    }

    /// Keeps those of which this is true.
    pub(super) fn retain(&mut self, is_kept: impl Fn(&PutOff) -> bool) {
        let dropped = self.by_member.iter().filter(|(_, put_off)| !is_kept(put_off));
        let dropped: Vec<UserId> = dropped.map(|(user, _)| user.clone()).collect();
        for user in dropped {
            self.remove(&user);
        }
    }

    pub(super) fn get(&self, user: &UserId) -> Option<&PutOff> {
        self.by_member.get(user)
    }

    pub(super) fn len(&self) -> usize {
        self.by_member.len()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &PutOff> {
        self.by_member.values()
    }

    /// Whose is due, the longest overdue first.
    pub(super) fn due(&self, now: Instant) -> impl Iterator<Item = &UserId> {
        self.by_time.range(..=now).flat_map(|(_, users)| users)
    }

    /// When the next one comes due.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let later = self.by_time.range((Bound::Excluded(now), Bound::Unbounded));
        later.map(|(until, _)| *until).next()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{Cause, RequestId};

    fn put_off(id: &str, until: Instant) -> PutOff {
        let request = Request::new(RequestId::random(), id.parse().unwrap(), None, Cause::Look);
        PutOff { until, request, status: Status::Reading }
    }

    #[test]
    fn they_come_due_in_the_order_of_their_times_and_one_a_member() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut put_offs = PutOffs::default();
        for (id, seconds) in [("U1", 9), ("U2", 3), ("U3", 3), ("U1", 2), ("U4", 5)] {
            put_offs.insert(put_off(id, at(seconds)));
        }

        let due = |put_offs: &PutOffs, seconds| -> Vec<String> {
            put_offs.due(at(seconds)).map(ToString::to_string).collect()
        };
        assert_eq!(
            (due(&put_offs, 1).len(), due(&put_offs, 3)),
            (0, ["U1", "U2", "U3"].map(str::to_owned).to_vec())
        );
        assert_eq!((put_offs.next_due(now), put_offs.next_due(at(3))), (Some(at(2)), Some(at(5))));
        assert_eq!(put_offs.remove(&"U1".parse().unwrap()).unwrap().until, at(2));
        put_offs.retain(|put_off| put_off.request.user.as_str() != "U2");
        assert_eq!((due(&put_offs, 9), put_offs.len()), (vec!["U3".into(), "U4".into()], 2));
        assert_eq!(put_offs.next_due(at(5)), None);
    }
}
