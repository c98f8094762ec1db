//! A simulated Slack workspace, its page, and the demo that runs the service against it.
//!
//! The tests use the same workspace: [`SimulatedSlack`] is the handle on it, [`Server`] speaks HTTP, [`Delivery`] sends
//! its events. [`workspace`] holds the state, [`web_api`] and [`writes`] the methods, [`limits`] and [`faults`] what
//! gets into a call's way.

pub mod calls;
pub mod consent;
pub mod delivery;
pub mod faults;
pub mod limits;
pub mod pictures;
pub mod server;
pub mod slack;
pub mod transport;
pub mod web_api;
pub mod workspace;
mod writes;

pub use delivery::{Answered, Delivery};
pub use faults::{Effect, Fault};
pub use server::Server;
pub use slack::SimulatedSlack;
use crate::app::AppError;
/// stub
pub async fn run(_once: bool) -> Result<(), AppError> { Ok(()) }
