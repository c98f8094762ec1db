//! Samples read back from what MetricsRecorder wrote: CSV, plain or gzipped, from files, folders or a bucket.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use csv::{ReaderBuilder, StringRecord};
use flate2::read::MultiGzDecoder;

use crate::storage::{Key, Storage};

/// No export has so many bytes.
const EXPORT_AT_MOST: u64 = 64 * 1024 * 1024;

/// What was measured, in which units.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// The metric's name.
    pub name: String,
    /// Its units.
    pub units: String,
}

/// Samples by series: unix seconds and value, in the order in which they were read.
#[derive(Debug, Default)]
pub struct Samples {
    /// The samples.
    pub series: BTreeMap<Series, Vec<(u64, f64)>>,
    /// How many files were read.
    pub files: usize,
    /// Rows that are no samples.
    pub passed_over: usize,
    /// Where the first of them is, and what is wrong with it.
    pub first_passed_over: Option<String>,
}

impl Samples {
    /// Reads a file, or all `.csv` and `.csv.gz` files below a folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_path(&mut self, path: &Path) -> io::Result<()> {
        if !path.is_dir() {
            return self.read(&path.display().to_string(), fs::File::open(path)?);
        }
        let entries: io::Result<Vec<PathBuf>> =
            fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect();
        let mut paths = entries?;
        paths.sort();
        paths.retain(|path| path.is_dir() || is_csv(&path.to_string_lossy()));
        paths.iter().try_for_each(|path| self.read_path(path))
    }

    /// Reads an object, or all `.csv` and `.csv.gz` objects whose names begin so.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn read_store(&mut self, store: &dyn Storage, prefix: &str) -> anyhow::Result<()> {
        let keys = store.list(prefix).await?.into_iter().filter(|key: &Key| is_csv(key.as_str()));
        for key in keys {
            // Removed meanwhile, when it is not there.
            let Some(object) = store.get(&key, EXPORT_AT_MOST).await? else { continue };
            self.read(key.as_str(), &object.bytes[..])?;
        }
        Ok(())
    }

    /// When the first and the last sample were taken, unix seconds.
    pub fn span(&self) -> (u64, u64) {
        let times = self.series.values().flatten().map(|(at, _)| *at);
        times.fold((u64::MAX, 0), |(first, last), at| (first.min(at), last.max(at)))
    }

    fn read(&mut self, name: &str, mut file: impl Read) -> io::Result<()> {
        let mut begin = Vec::new();
        file.by_ref().take(2).read_to_end(&mut begin)?;
        let is_packed = begin == [0x1f, 0x8b];
        let whole = io::Cursor::new(begin).chain(file);
        let text: Box<dyn Read> =
            if is_packed { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) };
        let mut reader =
            ReaderBuilder::new().has_headers(false).flexible(true).quoting(false).from_reader(text);
        let mut row = StringRecord::new();
        loop {
            match reader.read_record(&mut row) {
                Ok(false) => break,
                Ok(true) if row.get(0) == Some("metric_name") => {}
                Ok(true) => match sample(&row) {
                    Some((series, sample)) => self.series.entry(series).or_default().push(sample),
                    None => self.pass_over(name, &row),
                },
                Err(error) if error.is_io_error() => {
                    return Err(io::Error::other(format!("{name} is damaged: {error}")));
                }
                Err(_) => self.pass_over(name, &row),
            }
        }
        self.files += 1;
        Ok(())
    }

    fn pass_over(&mut self, name: &str, row: &StringRecord) {
        self.passed_over += 1;
        let line = row.position().map(csv::Position::line).unwrap_or_default();
        self.first_passed_over
            .get_or_insert_with(|| format!("{name}, line {line}: not metric_name,timestamp,value,units"));
    }
}

fn is_csv(name: &str) -> bool {
    name.ends_with(".csv") || name.ends_with(".csv.gz")
}

fn sample(row: &StringRecord) -> Option<(Series, (u64, f64))> {
    let [name, at, value, units] = row.iter().collect::<Vec<_>>()[..] else { return None };
    let is_plain =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let value = value.parse().ok().filter(|value: &f64| value.is_finite())?;
    let series = Series { name: name.to_owned(), units: units.to_owned() };
    (is_plain(name) && is_plain(units)).then_some((series, (at.parse().ok()?, value)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use flate2::{Compression, write::GzEncoder};

    use super::*;
    use crate::storage::MemoryStorage;

    const ROWS: &str =
        "metric_name,timestamp,value,units\nslack_api_latency,17,1.5,ms\nonboarded_users,18,3,count\n";

    fn packed(text: &str) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        io::Write::write_all(&mut packed, text.as_bytes()).unwrap();
        packed.finish().unwrap()
    }

    fn counts(samples: &Samples) -> Vec<(&str, usize)> {
        samples.series.iter().map(|(series, rows)| (series.name.as_str(), rows.len())).collect()
    }

    #[test]
    fn a_folders_files_are_read_plain_and_packed() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("day")).unwrap();
        fs::write(folder.path().join("a.csv"), ROWS).unwrap();
        fs::write(folder.path().join("day/b.csv.gz"), packed(ROWS)).unwrap();
        fs::write(folder.path().join("notes.txt"), "not samples").unwrap();
        let mut samples = Samples::default();

        samples.read_path(folder.path()).unwrap();

        assert_eq!(counts(&samples), [("onboarded_users", 2), ("slack_api_latency", 2)]);
        assert_eq!((samples.files, samples.passed_over), (2, 0));
    }

    #[actix::test]
    async fn exports_in_a_store_are_read_by_the_beginning_of_their_names() {
        let store = MemoryStorage::default();
        let names = [
            "exports/metrics/2026/11/a.csv.gz",
            "exports/metrics/2026/12/b.csv.gz",
            "exports/logs/c.jsonl.gz",
        ];
        for name in names {
            store.put(&Key::parse(name).unwrap(), packed(ROWS).into(), None).await.unwrap();
        }
        let mut samples = Samples::default();

        samples.read_store(&store, "exports/metrics/2026/11/").await.unwrap();

        assert_eq!(
            (samples.files, counts(&samples)),
            (1, vec![("onboarded_users", 1), ("slack_api_latency", 1)])
        );
    }

    #[test]
    fn rows_that_are_no_samples_are_counted_and_the_first_is_told() {
        let mut samples = Samples::default();

        let text = format!("{ROWS}slack_api_latency,17,NaN,ms\nx\nslack_api_latency,17,1");
        samples.read("file.csv", text.as_bytes()).unwrap();

        assert_eq!(samples.passed_over, 3);
        assert!(samples.first_passed_over.unwrap().starts_with("file.csv, line 4"));
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        let mut cut = packed(ROWS);
        cut.truncate(cut.len() / 2);

        assert!(Samples::default().read("file.csv.gz", &cut[..]).is_err());
    }
}
