//! What is measured, and how it is written.

pub mod metric_name;
pub mod recorder;

pub use metric_name::Metric;
pub use recorder::Recorder;
