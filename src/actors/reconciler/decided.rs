//! What an administrator decides about members: to look at them anew, or to forget one.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use actix::{ActorFutureExt as _, Handler, Message, ResponseActFuture};

use crate::{applied::Change, clock::Instant, domain::UserId};

use super::Reconciler;

/// So long Slack may take to tell of a token that we revoked ourselves.
const ECHO_WITHIN: Duration = Duration::from_secs(10 * 60);

/// An administrator named these members, and the cache holds what he wrote: they are looked at, and what was refused is
/// tried anew.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Named {
    /// Who.
    pub users: BTreeSet<UserId>,
}

/// Forgets a member: nothing is remembered of him, neither here nor in the state folder. Answers whether that is
/// durable. A token of his that dies within ten minutes died by our hand.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub struct Forget(pub UserId);

/// Who was forgotten, and has not authorised since.
#[derive(Debug, Default)]
pub(super) struct Forgotten(HashMap<UserId, Instant>);

impl Forgotten {
    fn add(&mut self, user: UserId, now: Instant) {
        self.0.retain(|_, at| *at + ECHO_WITHIN > now);
        self.0.insert(user, now);
    }

    /// Whether what was learnt only tells of our own doing. Who authorises is no longer forgotten.
    pub(super) fn is_echo(&mut self, user: &UserId, change: &Change) -> bool {
        match change {
            Change::Withdrew => self.0.get(user).is_some_and(|at| at.elapsed() < ECHO_WITHIN),
            Change::Authorised => {
                self.0.remove(user);
                false
            }
            _ => false,
        }
    }
}

impl Handler<Named> for Reconciler {
    type Result = ();

    fn handle(&mut self, Named { users }: Named, ctx: &mut Self::Context) {
        let directory = self.parts.directory.clone();
        for user in users.into_iter().filter(|user| directory.has(user.as_str())) {
            self.learn(&user, Change::Named, ctx);
            self.look(user);
        }
    }
}

impl Handler<Forget> for Reconciler {
    type Result = ResponseActFuture<Self, bool>;

    fn handle(&mut self, Forget(user): Forget, _ctx: &mut Self::Context) -> Self::Result {
        self.looks.forget(&user);
        self.records.remove(&user);
        self.dirty.insert(user.clone());
        self.forgotten.add(user.clone(), Instant::now());
        Box::pin(self.write_all().map(move |(), it, _| !it.dirty.contains(&user)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[actix::test]
    async fn a_withdrawal_soon_after_he_was_forgotten_is_our_own_doing_until_he_authorises() {
        tokio::time::pause();
        let user: UserId = "U1".parse().unwrap();
        let mut forgotten = Forgotten::default();
        assert!(!forgotten.is_echo(&user, &Change::Withdrew));
        forgotten.add(user.clone(), Instant::now());

        assert!(forgotten.is_echo(&user, &Change::Withdrew));
        assert!(forgotten.is_echo(&user, &Change::Withdrew), "the event may come more than once");
        assert!(!forgotten.is_echo(&user, &Change::Named));
        tokio::time::advance(ECHO_WITHIN).await;
        assert!(!forgotten.is_echo(&user, &Change::Withdrew), "too late");
        forgotten.add(user.clone(), Instant::now());
        forgotten.is_echo(&user, &Change::Authorised);
        assert!(!forgotten.is_echo(&user, &Change::Withdrew), "he authorised since");
    }
}
