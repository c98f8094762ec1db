//! Reads `users.json` into the cache. A reading takes a while: what it brings late must not undo what is known since.

use std::{collections::BTreeSet, sync::Arc};

use actix::{
    ActorFutureExt as _, AsyncContext as _, Context, Handler, Message, ResponseActFuture, WrapFuture as _,
};
use slog::{error, info};

use crate::{
    actors::{
        reconciler::{LookAt, decided::Named},
        storage_helper::{ReadUsers, UsersError, UsersRead},
    },
    clock::Instant,
    domain::{Presets, UserId, Users},
    logging::escape,
    metrics::{Metric, State},
};

use super::{ASK_AT_MOST_EVERY, EventListener};

/// Asks for another reading of `users.json`, if it changed. Answers once that is done, however it went.
#[derive(Debug, Default, Message)]
#[rtype(result = "()")]
pub struct Rehydrate {
    /// Members whom an administrator named: they are looked at once the cache holds what he wrote.
    pub named: Vec<UserId>,
}

/// Drops a member from the cache at once. `users.json` no longer has him.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Forget(pub UserId);

/// The readings so far, numbered as they began.
#[derive(Debug, Default)]
pub(super) struct Readings {
    begun: u64,
    /// The youngest of those that were taken in.
    taken: u64,
    /// Those up to this one may still have a member who was forgotten.
    void: u64,
    /// What was read may have been lost on its way here: the next one must bring all.
    may_lack: bool,
    /// Who was named, and the first reading that must have what was written then.
    named: Vec<(UserId, u64)>,
}

impl Readings {
    /// A reading under way was cut short.
    pub(super) fn interrupted(&mut self) {
        self.may_lack = true;
    }

    /// Those who were named before this reading began.
    fn named_before(&mut self, number: u64) -> BTreeSet<UserId> {
        self.named.extract_if(.., |(_, from)| *from <= number).map(|(user, _)| user).collect()
    }
}

impl EventListener {
    /// Reads `users.json`, if it changed or all the same, then takes in what it says.
    pub(super) fn read_users(&mut self, anew: bool) -> ResponseActFuture<Self, ()> {
        self.asked = Some(Instant::now());
        self.parts.directory.asks_the_store();
        self.readings.begun += 1;
        let number = self.readings.begun;
        let anew = anew || std::mem::take(&mut self.readings.may_lack);
        let read = self.parts.storage.send(ReadUsers { anew }).into_actor(self);
        Box::pin(read.then(move |read, listener, ctx| {
            match read {
                Ok(Ok(UsersRead::Unchanged)) => listener.unchanged_since(number),
                Ok(Ok(UsersRead::Changed { .. })) if number <= listener.readings.void => {
                    return listener.read_users(true);
                }
                Ok(Ok(UsersRead::Changed { users, .. })) => listener.take_in(users, number),
                Ok(Err(error)) => {
                    listener.readings.may_lack |= anew;
                    listener.could_not_read(&error, ctx);
                }
                Err(_) => {
                    listener.readings.interrupted();
                    listener.ask_later(ctx);
                }
            }
            Box::pin(actix::fut::ready(()))
        }))
    }

    fn take_in(&mut self, users: Arc<Users>, number: u64) {
        if number < self.readings.taken {
            return;
        }
        self.readings.taken = number;
        if self.users.as_ref() == Some(&users) {
            return self.unchanged_since(number);
        }
        let before = self.users.replace(users.clone());
        self.parts.recorder.level(Metric::OnboardedUsers, users.len() as u64);
        self.recovered();
        self.publish();
        info!(self.log, "users.json read"; "onboarded" => users.len());
        let named = self.readings.named_before(number);
        if let Some(before) = before {
            let differs = |(user, presets): &(&UserId, &Presets)| before.get(*user) != Some(*presets);
            let differing = users.iter().filter(differs).map(|(user, _)| user.clone());
            let users = differing.filter(|user| !named.contains(user)).collect();
            self.parts.reconciler.do_send(LookAt { users });
        }
        self.tell_named(named);
    }

    fn unchanged_since(&mut self, number: u64) {
        self.recovered();
        let named = self.readings.named_before(number);
        self.tell_named(named);
    }

    fn tell_named(&self, named: BTreeSet<UserId>) {
        if !named.is_empty() {
            self.parts.reconciler.do_send(Named { users: named });
        }
    }

    fn recovered(&mut self) {
        self.parts.recorder.state(State::UsersFileBroken, 0);
        if self.problem.take().is_some() {
            info!(self.log, "users.json can be read again");
        }
    }

    /// Keeps the last good reading and asks again in 5 s.
    fn could_not_read(&mut self, error: &UsersError, ctx: &mut Context<Self>) {
        let kept = if self.users.is_some() { "the last good version is kept" } else { "nobody is known yet" };
        let todo = match error {
            UsersError::Broken(_) => "repair it or restore a version of it",
            UsersError::Store(_) => "see that STATUSINATOR_STORE can be read",
        };
        let problem = format!("users.json cannot be read: {error}; {kept}; {todo}");
        if self.problem.as_ref() != Some(&problem) {
            error!(self.log, "users.json cannot be read"; "error" => escape(&error.to_string()), "kept" => kept, "todo" => todo);
        }
        self.problem = Some(problem);
        self.parts.recorder.state(State::UsersFileBroken, 1);
        self.ask_later(ctx);
    }

    /// A miss or a failure makes one reading, at the earliest 5 s after the last.
    pub(super) fn ask_later(&mut self, ctx: &mut Context<Self>) {
        if self.will_ask {
            return;
        }
        self.will_ask = true;
        let due = self.asked.map_or_else(Instant::now, |asked| asked + ASK_AT_MOST_EVERY);
        ctx.run_later(due.saturating_duration_since(Instant::now()), |listener, ctx| {
            listener.will_ask = false;
            let reading = listener.read_users(false);
            ctx.spawn(reading);
        });
    }
}

impl Handler<Rehydrate> for EventListener {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, Rehydrate { named }: Rehydrate, _ctx: &mut Self::Context) -> Self::Result {
        let next = self.readings.begun + 1;
        self.readings.named.extend(named.into_iter().map(|user| (user, next)));
        self.read_users(false)
    }
}

impl Handler<Forget> for EventListener {
    type Result = ();

    fn handle(&mut self, Forget(user): Forget, ctx: &mut Self::Context) {
        self.readings.void = self.readings.begun;
        self.readings.named.retain(|(named, _)| *named != user);
        if let Some(users) = self.users.as_mut().filter(|users| users.contains_key(&user)) {
            Arc::make_mut(users).remove(&user);
            self.parts.recorder.level(Metric::OnboardedUsers, users.len() as u64);
            self.publish();
        }
        // Somebody may have onboarded him anew meanwhile.
        let reading = self.read_users(true);
        ctx.spawn(reading);
    }
}
