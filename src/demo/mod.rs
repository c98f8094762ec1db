//! A simulated Slack workspace, its page, and the demo that runs the service against it.
//!
//! The tests use the same workspace: [`SimulatedSlack`] is the handle on it, [`Server`] speaks HTTP, [`Delivery`] sends
//! its events. [`workspace`] holds the state, [`web_api`] the methods, [`limits`] and [`faults`] what gets into a
//! call's way. [`run`] is the demo: [`stage`] sets it up, [`page`] shows it, [`scenario`] plays it in the terminal.

mod access;
pub mod calls;
pub mod consent;
pub mod delivery;
pub mod faults;
pub mod limits;
pub mod page;
pub mod pictures;
pub mod scenario;
pub mod seed;
pub mod server;
pub mod sign_in;
pub mod slack;
pub mod stage;
pub mod transport;
pub mod web_api;
pub mod workspace;
mod writes;

pub use delivery::{Answered, Delivery};
pub use faults::{Effect, Fault};
pub use server::Server;
pub use slack::SimulatedSlack;
pub use stage::run;
