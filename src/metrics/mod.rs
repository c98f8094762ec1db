//! What is measured, and how it is written.

pub mod csv_file;
pub mod metric_name;
pub mod recorder;

pub use csv_file::CsvFile;
pub use metric_name::Metric;
pub use recorder::{Recorder, Sample};
