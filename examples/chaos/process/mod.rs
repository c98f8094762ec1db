//! Lives of the real binary: over HTTP, against a simulated Slack that listens on a socket, in real time.
//!
//! Connections are refused, answers are cut, the process is killed and started again. When the faults stop, every
//! profile must become what its preset says. Chance decides the steps; the machine's own timing is not repeated.
//!
//! [`run`] lives one life; [`kill_with_full_queues`] measures how soon everything is right after the worst moment.

pub mod binary;
mod full_queues;
mod life;

pub use full_queues::kill_with_full_queues;
pub use life::run;
