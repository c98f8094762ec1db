//! What is measured and counted, and how it is written and shown.

pub mod count;
pub mod csv_rows;
pub mod history;
pub mod metric_name;
pub mod recorder;
pub mod registry;

pub use count::Count;
pub use history::{History, Spread, While};
pub use metric_name::Metric;
pub use recorder::{Recorder, Sample};
pub use registry::{Registry, State};
