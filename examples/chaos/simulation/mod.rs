//! Simulated lives of the service: real actors on paused time, a simulated Slack and a store in memory, in one thread.
//!
//! A seed decides every step and every fault, and repeats exactly. After the faults stop, every onboarded profile must
//! become what its preset says within a bounded number of passes, nothing may be written after that, and Slack must not
//! have refused a call for its limits.
//!
//! [`run`] lives one life. `world` starts and ends the service, `furnish` prepares what it finds, `steps` are what
//! happens to it, `delivery` is Slack's way of sending events, `mortal` ends a life in the middle of something.

mod delivery;
mod furnish;
mod mortal;
mod steps;
mod world;

pub use world::run;
