//! An actor for tests, which hears everything and does nothing about it.

use actix::{Actor, Context, Handler, Message};

/// The actor.
pub struct Deaf;

impl Actor for Deaf {
    type Context = Context<Self>;
}

impl<M: Message<Result = ()>> Handler<M> for Deaf {
    type Result = ();
    fn handle(&mut self, _: M, _: &mut Self::Context) {}
}
