//! Samples as rows of an append-only CSV file: `metric_name,timestamp,value,units`.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::recorder::Sample;

/// An open file of samples.
pub struct CsvFile {
    path: PathBuf,
    writer: csv::Writer<File>,
}

impl CsvFile {
    /// Opens a file of its own for this process, below the folder, which is created if it is not there.
    ///
    /// # Errors
    /// When the folder or the file cannot be made.
    pub fn create(folder: &Path, unix_now: u64) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let path = folder.join(format!("metrics-{unix_now}-{}.csv", std::process::id()));
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        let is_new = file.metadata()?.len() == 0;
        let mut writer = csv::Writer::from_writer(file);
        if is_new {
            writer.write_record(["metric_name", "timestamp", "value", "units"])?;
            writer.flush()?;
        }
        Ok(Self { path, writer })
    }

    /// Appends the samples.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn append(&mut self, samples: &[Sample]) -> io::Result<()> {
        for sample in samples {
            let (at, value) = (sample.at.to_string(), shortest(sample.value));
            self.writer.write_record([sample.metric.name(), &at, &value, sample.metric.units()])?;
        }
        self.writer.flush()
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// At most three decimals, and no zeros at the end.
fn shortest(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::metrics::Metric;

    #[test]
    fn rows_are_as_documented_and_the_header_stands_once() {
        let folder = tempfile::tempdir().unwrap();
        let rows = [
            Sample { metric: Metric::RequestLifecycleDuration, at: 17, value: 500.0 },
            Sample { metric: Metric::S3FetchLatency, at: 18, value: 0.231_4 },
        ];
        CsvFile::create(folder.path(), 1).unwrap().append(&rows[..1]).unwrap();

        let mut again = CsvFile::create(folder.path(), 1).unwrap();
        again.append(&rows[1..]).unwrap();

        assert_eq!(
            std::fs::read_to_string(again.path()).unwrap(),
            "metric_name,timestamp,value,units\nrequest_lifecycle_duration,17,500,ms\ns3_fetch_latency,18,0.231,ms\n"
        );
    }
}
