//! `statusinator metrics report`: percentiles of every metric, and a plot, from the service's own files and exports.

pub mod drawing;
pub mod samples;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use url::Url;

use crate::{
    app::AppError,
    clock::Clock,
    config::BucketConfig,
    metrics::csv_rows::shortest,
    storage::{aws, stores},
};

use drawing::{draw, quantile, time};
use samples::Samples;

/// What to report on, and where the plot goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportOptions {
    /// Files, folders, or objects of a bucket.
    pub inputs: Vec<Input>,
    /// Where the plot is written.
    pub svg: PathBuf,
}

/// Where samples are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file, or a folder of files.
    Path(PathBuf),
    /// The objects of a bucket whose names begin with `prefix`.
    Bucket {
        /// The bucket.
        bucket: String,
        /// The beginning of the names.
        prefix: String,
    },
}

impl Input {
    /// Takes `s3://BUCKET/PREFIX`; anything else is a path.
    ///
    /// # Errors
    /// Says what is wrong with an address that begins with `s3:`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with("s3:") {
            return Ok(Self::Path(text.into()));
        }
        let wrong = || "allowed: s3://BUCKET/ and the beginning of the objects' names".to_owned();
        let url = Url::parse(text).map_err(|_| wrong())?;
        let bucket = url.host_str().filter(|_| text.starts_with("s3://")).ok_or_else(wrong)?;
        Ok(Self::Bucket { bucket: bucket.to_owned(), prefix: url.path().trim_start_matches('/').to_owned() })
    }
}

/// Reads the samples, prints their percentiles and writes the plot. `open` makes the settings of a bucket of this name.
///
/// # Errors
/// [`AppError::Misconfigured`] when a file is not there or a setting is wrong, [`AppError::Failed`] when the rest fails, or
/// there is no sample.
pub async fn report(
    options: &ReportOptions,
    open: impl Fn(&str) -> Result<BucketConfig, AppError>,
) -> Result<(), AppError> {
    let mut samples = Samples::default();
    for input in &options.inputs {
        match input {
            Input::Path(path) => samples.read_path(path).map_err(|error| cannot_be_read(path, &error))?,
            Input::Bucket { bucket, prefix } => {
                let config = open(bucket)?;
                let stores = aws::open(&config, &stores::host(), Clock::System).context("the bucket")?;
                samples
                    .read_store(&*stores.read, prefix)
                    .await
                    .with_context(|| format!("s3://{bucket}/{prefix} cannot be read"))?;
            }
        }
    }
    if let Some(first) = &samples.first_passed_over {
        eprintln!("statusinator: rows that are no samples: {}; the first is {first}", samples.passed_over);
    }
    if samples.series.is_empty() {
        let asked = "no samples there: name files of <data dir>/metrics/, or exports/metrics/ of the store";
        return Err(AppError::Failed(anyhow::anyhow!(asked)));
    }
    let svg = options.svg.display();
    fs::write(&options.svg, draw(&samples)).with_context(|| format!("{svg} cannot be written"))?;
    // Who reads it may have seen enough.
    let _ = write!(std::io::stdout(), "{}\nThe plot is in {svg}.\n", table(&samples));
    Ok(())
}

fn cannot_be_read(path: &Path, error: &std::io::Error) -> AppError {
    AppError::Misconfigured(format!("{} cannot be read: {error}", path.display()))
}

/// A line for each metric.
fn table(samples: &Samples) -> String {
    let (first, last) = samples.span();
    let files = if samples.files == 1 { "file" } else { "files" };
    let mut text = format!("{} to {} UTC, from {} {files}\n\n", time(first), time(last), samples.files);
    let head = ["metric", "units", "samples", "min", "p50", "p90", "p95", "p99", "max"].map(str::to_owned);
    let mut lines = vec![head];
    for (series, rows) in &samples.series {
        let mut values: Vec<f64> = rows.iter().map(|(_, value)| *value).collect();
        values.sort_by(f64::total_cmp);
        let [min, p50, p90, p95, p99, max] =
            [0.0, 0.5, 0.9, 0.95, 0.99, 1.0].map(|part| shortest(quantile(&values, part)));
        let (name, units) = (series.name.clone(), series.units.clone());
        lines.push([name, units, values.len().to_string(), min, p50, p90, p95, p99, max]);
    }
    let widths: [usize; 9] =
        std::array::from_fn(|n| lines.iter().map(|line| line[n].len()).max().unwrap_or_default());
    for line in &lines {
        let cells = line.iter().zip(widths).enumerate().map(|(n, (cell, width))| match n {
            0 | 1 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use samples::Series;

    #[test]
    fn an_address_in_a_bucket_is_told_from_a_path() {
        let bucket = Input::Bucket { bucket: "b".into(), prefix: "exports/metrics/2026/".into() };
        assert_eq!(Input::parse("s3://b/exports/metrics/2026/"), Ok(bucket));
        assert_eq!(Input::parse("data/metrics"), Ok(Input::Path("data/metrics".into())));
        assert!(Input::parse("s3:b").is_err());
    }

    #[test]
    fn a_metric_is_a_line_of_percentiles() {
        let mut samples = Samples { files: 1, ..Samples::default() };
        let series = Series { name: "slack_api_latency".into(), units: "ms".into() };
        samples.series.insert(series, (1..=200).map(|n| (1_700_000_000 + n, n as f64 / 2.0)).collect());

        let text = table(&samples);

        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "2023-11-14 22:13:21 to 2023-11-14 22:16:40 UTC, from 1 file");
        let cells: Vec<&str> = lines[3].split_whitespace().collect();
        assert_eq!(cells, ["slack_api_latency", "ms", "200", "0.5", "50", "90", "95", "99", "100"]);
    }
}
