//! Keeps actors alive: one that stops or panics is restarted with its fields and its mailbox.
//!
//! actix's own `Supervisor` restarts an actor that stops, but a panic unwinds through it and leaves the
//! address dead. This one polls the same context under `catch_unwind`, so that both end as a restart.
//! A restart cancels the actor's timers and `ResponseActFuture`s, and loses the message at hand (its sender
//! gets a `MailboxError`); then `restarting` and `started` run.
//!
//! More than [`STORM`] restarts within [`STORM_WINDOW`], of all actors together, are a storm: the process
//! shall end, and whatever runs it starts it anew.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use actix::{Actor, Addr, Context, Supervised, dev::ContextFut};
use slog::{Logger, error};

use crate::clock::Instant;

/// So many restarts are borne within the window; one more is a storm.
pub const STORM: usize = 5;
/// How long a restart counts towards a storm.
pub const STORM_WINDOW: Duration = Duration::from_secs(10);

type Listener = Box<dyn Fn(&'static str)>;

/// Counts the restarts of all actors, and tells who listens.
#[derive(Clone)]
pub struct Restarts(Rc<RefCell<Inner>>);

struct Inner {
    counts: BTreeMap<&'static str, u64>,
    recent: VecDeque<Instant>,
    on_restart: Option<Rc<Listener>>,
    on_storm: Rc<dyn Fn()>,
    sabotaged: BTreeSet<&'static str>,
    log: Logger,
}

impl Restarts {
    /// Nothing has restarted yet. `on_storm` runs when restarts come too fast.
    pub fn new(on_storm: impl Fn() + 'static, log: &Logger) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            counts: BTreeMap::new(),
            recent: VecDeque::new(),
            on_restart: None,
            on_storm: Rc::new(on_storm),
            sabotaged: BTreeSet::new(),
            log: log.clone(),
        })))
    }

    /// Calls `listener` with the actor's name after each restart.
    pub fn on_restart(&self, listener: impl Fn(&'static str) + 'static) {
        self.0.borrow_mut().on_restart = Some(Rc::new(Box::new(listener)));
    }

    /// Makes the actor (or the next `request`) panic when it is next polled: for simulations and tests, which must
    /// see that everything bears it.
    pub fn sabotage(&self, actor: &'static str) {
        self.0.borrow_mut().sabotaged.insert(actor);
    }

    /// Panics if that was asked for.
    pub(super) fn suffer(&self, actor: &'static str) {
        let is_sabotaged = self.0.borrow_mut().sabotaged.remove(actor);
        if is_sabotaged {
            std::panic::resume_unwind(Box::new("sabotaged"));
        }
    }

    /// Restarts by actor's name; actors that never restarted are not in it.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.borrow().counts.clone()
    }

    /// Notes a restart of the actor, because of what `cause` says.
    pub fn note(&self, actor: &'static str, cause: &str) {
        let mut inner = self.0.borrow_mut();
        *inner.counts.entry(actor).or_default() += 1;
        let now = Instant::now();
        inner.recent.push_back(now);
        while inner.recent.front().is_some_and(|at| now.duration_since(*at) > STORM_WINDOW) {
            inner.recent.pop_front();
        }
        error!(inner.log, "actor restarted"; "actor" => actor, "cause" => crate::logging::escape(cause),
            "restarts" => inner.counts.get(actor).copied().unwrap_or_default());
        let storm = (inner.recent.len() > STORM).then(|| inner.on_storm.clone());
        let listener = inner.on_restart.clone();
        drop(inner);
        if let Some(listener) = listener {
            listener(actor);
        }
        if let Some(on_storm) = storm {
            on_storm();
        }
    }

    fn give_up(&self, actor: &'static str, cause: &str) {
        let inner = self.0.borrow();
        error!(inner.log, "actor cannot be restarted"; "actor" => actor, "cause" => crate::logging::escape(cause));
        let on_storm = inner.on_storm.clone();
        drop(inner);
        on_storm();
    }
}

/// Starts an actor on this thread under supervision. `build` gets its context, and with it its address.
pub fn start<A>(name: &'static str, restarts: &Restarts, build: impl FnOnce(&mut Context<A>) -> A) -> Addr<A>
where
    A: Actor<Context = Context<A>> + Supervised,
{
    let mut ctx = Context::new();
    let actor = build(&mut ctx);
    start_in(ctx, actor, name, restarts)
}

/// Starts an actor whose context was made before, so that others could be given its address.
pub fn start_in<A>(ctx: Context<A>, actor: A, name: &'static str, restarts: &Restarts) -> Addr<A>
where
    A: Actor<Context = Context<A>> + Supervised,
{
    let running = ctx.into_future(actor);
    let addr = running.address();
    actix::spawn(Supervisor { running, name, restarts: restarts.clone() });
    addr
}

struct Supervisor<A>
where
    A: Actor<Context = Context<A>> + Supervised,
{
    running: ContextFut<A, Context<A>>,
    name: &'static str,
    restarts: Restarts,
}

impl<A> Future for Supervisor<A>
where
    A: Actor<Context = Context<A>> + Supervised + Unpin,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            let polled = catch_unwind(AssertUnwindSafe(|| {
                this.restarts.suffer(this.name);
                Pin::new(&mut this.running).poll(task)
            }));
            let cause = match polled {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(())) => "stopped".to_owned(),
                Err(panic) => panic_text(panic.as_ref()),
            };
            // What `restarting` does could panic as well; then the next poll would meet a half-made context,
            // so that is the end of the process.
            let restarted = catch_unwind(AssertUnwindSafe(|| this.running.restart()));
            match restarted {
                Ok(true) => this.restarts.note(this.name, &cause),
                Ok(false) => return Poll::Ready(()),
                Err(panic) => {
                    this.restarts.give_up(this.name, &panic_text(panic.as_ref()));
                    return Poll::Ready(());
                }
            }
        }
    }
}

/// What a panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("without a message"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::cell::Cell;

    use actix::{
        ActorFutureExt as _, AsyncContext as _, Handler, Message, ResponseActFuture, WrapFuture as _,
    };

    use super::*;
    use crate::logging::silent;

    /// How an actor can come to grief.
    #[derive(Debug, Clone, Copy, Message)]
    #[rtype(result = "()")]
    enum Trouble {
        PanicInHandler,
        PanicInFuture,
        PanicInTimer,
        Stop,
    }

    #[derive(Debug, Message)]
    #[rtype(result = "u32")]
    struct Add(u32);

    /// Sums up what it is told; a timer started in `started` counts ticks.
    struct Adder {
        sum: u32,
        starts: Rc<Cell<u32>>,
    }

    impl Actor for Adder {
        type Context = Context<Self>;

        fn started(&mut self, _: &mut Self::Context) {
            self.starts.set(self.starts.get() + 1);
        }
    }

    impl Supervised for Adder {}

    impl Handler<Add> for Adder {
        type Result = u32;

        fn handle(&mut self, Add(n): Add, _: &mut Self::Context) -> u32 {
            self.sum += n;
            self.sum
        }
    }

    impl Handler<Trouble> for Adder {
        type Result = ResponseActFuture<Self, ()>;

        fn handle(&mut self, trouble: Trouble, ctx: &mut Self::Context) -> Self::Result {
            match trouble {
                Trouble::PanicInHandler => panic!("in a handler"),
                Trouble::PanicInFuture => {
                    return Box::pin(async {}.into_actor(self).map(|(), _, _| panic!("in a future")));
                }
                Trouble::PanicInTimer => {
                    ctx.run_later(Duration::ZERO, |_, _| panic!("in a timer"));
                }
                Trouble::Stop => actix::ActorContext::stop(ctx),
            }
            Box::pin(actix::fut::ready(()))
        }
    }

    fn adder(restarts: &Restarts) -> (Addr<Adder>, Rc<Cell<u32>>) {
        let starts = Rc::new(Cell::new(0));
        let of_actor = starts.clone();
        (start("adder", restarts, |_| Adder { sum: 0, starts: of_actor }), starts)
    }

    #[actix::test]
    async fn whatever_happens_fields_mailbox_and_address_live_on() {
        for trouble in [Trouble::PanicInHandler, Trouble::PanicInFuture, Trouble::PanicInTimer, Trouble::Stop]
        {
            let restarts = Restarts::new(|| panic!("no storm"), &silent());
            let (adder, starts) = adder(&restarts);
            assert_eq!(adder.send(Add(2)).await.unwrap(), 2);

            adder.do_send(trouble);
            adder.do_send(Add(3));
            tokio::time::sleep(Duration::from_millis(5)).await;

            assert_eq!(adder.send(Add(4)).await.unwrap(), 9, "{trouble:?}");
            assert_eq!((starts.get(), restarts.counts()["adder"]), (2, 1), "{trouble:?}");
        }
    }

    #[actix::test]
    async fn the_sender_of_the_message_at_hand_hears_that_it_was_lost() {
        let restarts = Restarts::new(|| panic!("no storm"), &silent());
        let (adder, _) = adder(&restarts);

        assert!(adder.send(Trouble::PanicInHandler).await.is_err());
    }

    #[actix::test]
    async fn each_restart_is_told_and_six_in_ten_seconds_are_a_storm() {
        let (storms, told) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (of_restarts, of_listener) = (storms.clone(), told.clone());
        let restarts = Restarts::new(move || of_restarts.set(of_restarts.get() + 1), &silent());
        restarts.on_restart(move |actor| {
            assert_eq!(actor, "adder");
            of_listener.set(of_listener.get() + 1);
        });
        let (adder, _) = adder(&restarts);
        for _ in 0..STORM {
            let _ = adder.send(Trouble::PanicInHandler).await;
        }
        assert_eq!((storms.get(), told.get()), (0, 5));

        let _ = adder.send(Trouble::PanicInHandler).await;
        adder.send(Add(1)).await.unwrap();

        assert_eq!((storms.get(), told.get()), (1, 6));
    }

    #[actix::test]
    async fn restarts_that_are_far_apart_are_no_storm() {
        tokio::time::pause();
        let restarts = Restarts::new(|| panic!("no storm"), &silent());
        let (adder, _) = adder(&restarts);
        for _ in 0..20 {
            let _ = adder.send(Trouble::PanicInHandler).await;
            tokio::time::advance(STORM_WINDOW / 4).await;
        }

        assert_eq!(adder.send(Add(1)).await.unwrap(), 1);
    }
}
