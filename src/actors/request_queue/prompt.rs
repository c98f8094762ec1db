//! Prompts the listener to read `users.json` after members were onboarded: once no request is on standby, before dead
//! letters move, and at the latest after a minute.

use std::time::Duration;

use actix::{ActorFutureExt as _, AsyncContext as _, Context, Handler, Message, WrapFuture as _};

use crate::{actors::event_listener::reading::Rehydrate, clock::Instant, domain::UserId};

use super::RequestQueue;

/// How long requests on standby may keep the listener from being prompted.
const AT_THE_LATEST: Duration = Duration::from_secs(60);

/// Announces that `users.json` has new presets of these members.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Onboarded {
    /// Whose.
    pub users: Vec<UserId>,
}

/// A prompt that waits or is under way.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    named: Vec<UserId>,
    /// When it must be given; `None` if none waits.
    latest: Option<Instant>,
    is_under_way: bool,
}

impl Prompt {
    /// When it must be given at the latest.
    pub(super) fn due(&self) -> Option<Instant> {
        self.latest
    }

    /// Who was to tell that it is done is gone.
    pub(super) fn interrupted(&mut self) {
        self.is_under_way = false;
    }
}

impl RequestQueue {
    /// Prompts the listener if that is due. Whether dead letters must wait for it.
    pub(super) fn prompt(&mut self, ctx: &mut Context<Self>) -> bool {
        let is_empty = self.backlog.depths().standby == 0;
        let is_due = self.prompt.latest.is_some_and(|latest| is_empty || latest <= Instant::now());
        if is_due {
            self.prompt.latest = None;
            self.prompt.is_under_way = true;
            let named = std::mem::take(&mut self.prompt.named);
            let prompted = self.parts.listener.send(Rehydrate { named }).into_actor(self);
            // However it went: a reading that failed is repeated by the listener itself.
            ctx.spawn(prompted.map(|_, queue, ctx| {
                queue.prompt.is_under_way = false;
                queue.go_on(ctx);
            }));
        }
        self.prompt.is_under_way
    }
}

impl Handler<Onboarded> for RequestQueue {
    type Result = ();

    fn handle(&mut self, Onboarded { users }: Onboarded, ctx: &mut Self::Context) {
        self.prompt.named.extend(users);
        self.prompt.latest.get_or_insert(Instant::now() + AT_THE_LATEST);
        self.go_on(ctx);
    }
}
