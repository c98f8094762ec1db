//! Files that wait for their export: one that is being written, and closed ones, in one folder of bounded size.
//!
//! A closed file bears the name of the object that it becomes, so however often it is put, it becomes one object:
//! `2026-11-25-210000-<host>-<uuid>.jsonl` becomes `exports/logs/2026/11/25/210000-<host>-<uuid>.jsonl.gz`.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use uuid::Uuid;

use crate::storage::{Key, stores};

/// A file is closed at the latest when it has so many bytes, so that it can be packed in memory.
const PIECE_AT_MOST: u64 = 16 * 1024 * 1024;

/// What the files hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Log lines.
    Logs,
    /// Samples.
    Metrics,
}

impl Kind {
    /// The folder's name, here and in the store.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Metrics => "metrics",
        }
    }

    /// How the files' names end.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Logs => ".jsonl",
            Self::Metrics => ".csv",
        }
    }

    /// The name of the file that is being written.
    pub fn open_name(self) -> &'static str {
        match self {
            Self::Logs => "statusinator.jsonl",
            Self::Metrics => "statusinator.csv",
        }
    }

    /// What stands at the beginning of each file.
    fn header(self) -> &'static str {
        match self {
            Self::Logs => "",
            Self::Metrics => "metric_name,timestamp,value,units\n",
        }
    }
}

/// A closed file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Closed {
    /// Its name, which begins with when it was closed: the oldest file comes first.
    name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// The object that it becomes.
    pub key: Key,
    /// Its size in bytes.
    pub bytes: u64,
}

/// What was dropped because there was no room for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Files.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// The folder; its clones write to the same file, from any thread.
#[derive(Debug, Clone)]
pub struct Spool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    kind: Kind,
    folder: PathBuf,
    limit: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: Option<(File, u64)>,
    dropped: Dropped,
}

impl Spool {
    /// Opens the kind's folder below the data folder, which is made if it is not there. No file is touched yet. `limit` is in
    /// bytes, for all files together.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(data_dir: &Path, kind: Kind, limit: u64) -> io::Result<Self> {
        let folder = data_dir.join(kind.folder());
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Self(Arc::new(Shared { kind, folder, limit, state: Mutex::default() })))
    }

    /// What the files hold.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Appends whole lines, or nothing of them.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn append(&self, lines: &[u8]) -> io::Result<()> {
        let mut state = self.0.state();
        let (mut file, length) = match state.open.take() {
            Some(open) => open,
            None => self.0.begin()?,
        };
        if let Err(error) = file.write_all(lines) {
            // Half a line would spoil the next one. If it cannot be cut off, the reader passes over it.
            let _ = file.set_len(length);
            state.open = Some((file, length));
            return Err(error);
        }
        let length = length + lines.len() as u64;
        state.open = Some((file, length));
        if length >= self.0.piece() {
            self.0.close(&mut state)?;
        }
        Ok(())
    }

    /// Closes the file that is being written, if there is one.
    ///
    /// # Errors
    /// When it cannot be renamed, or the folder cannot be read.
    pub fn close(&self) -> io::Result<()> {
        self.0.close(&mut self.0.state())
    }

    /// Closes every file that an earlier process left, as of when it was last written to. The folder must be this
    /// process's own by now.
    ///
    /// # Errors
    /// When the folder cannot be read, or a file cannot be renamed.
    pub fn adopt(&self) -> io::Result<()> {
        let mut state = self.0.state();
        state.open = None;
        for entry in fs::read_dir(&self.0.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !entry.file_type()?.is_file()
                || !name.ends_with(self.0.kind.suffix())
                || self.0.key(&name).is_some()
            {
                continue;
            }
            self.0.rename(&entry.path(), entry.metadata()?.modified()?)?;
        }
        self.0.make_room(&mut state)
    }

    /// The closed files, the oldest first.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn waiting(&self) -> io::Result<Vec<Closed>> {
        self.0.waiting()
    }

    /// What was dropped since this was last asked.
    pub fn take_dropped(&self) -> Dropped {
        std::mem::take(&mut self.0.state().dropped)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Eight pieces are the limit, so that what is dropped is little.
    fn piece(&self) -> u64 {
        (self.limit / 8).min(PIECE_AT_MOST)
    }

    fn begin(&self) -> io::Result<(File, u64)> {
        let path = self.folder.join(self.kind.open_name());
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let mut length = file.metadata()?.len();
        if length == 0 {
            file.write_all(self.kind.header().as_bytes())?;
            length = self.kind.header().len() as u64;
        }
        Ok((file, length))
    }

    fn close(&self, state: &mut State) -> io::Result<()> {
        if state.open.take().is_some() {
            self.rename(&self.folder.join(self.kind.open_name()), SystemTime::now())?;
        }
        self.make_room(state)
    }

    fn rename(&self, path: &Path, closed: SystemTime) -> io::Result<()> {
        let time = humantime::format_rfc3339_seconds(closed).to_string();
        let (day, time) = time.trim_end_matches('Z').split_once('T').unwrap_or_default();
        let (time, host, suffix) = (time.replace(':', ""), plain_host(), self.kind.suffix());
        // Of this version, ids made later sort later: files that were closed in one second are in order as well.
        let name = format!("{day}-{time}-{host}-{}{suffix}", Uuid::now_v7());
        fs::rename(path, self.folder.join(name))
    }

    fn waiting(&self) -> io::Result<Vec<Closed>> {
        let mut closed = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(key) = self.key(&name) {
                closed.push(Closed { name, path: entry.path(), key, bytes: entry.metadata()?.len() });
            }
        }
        closed.sort();
        Ok(closed)
    }

    /// Drops the oldest closed files until another whole piece fits beside the others.
    fn make_room(&self, state: &mut State) -> io::Result<()> {
        let closed = self.waiting()?;
        let mut total: u64 = closed.iter().map(|file| file.bytes).sum();
        for file in closed {
            if total + self.piece() <= self.limit {
                break;
            }
            fs::remove_file(&file.path)?;
            total -= file.bytes;
            state.dropped.files += 1;
            state.dropped.bytes += file.bytes;
        }
        Ok(())
    }

    /// The object that a closed file of this name becomes; `None` if it is no closed file's name.
    fn key(&self, name: &str) -> Option<Key> {
        let rest = name.strip_suffix(self.kind.suffix())?;
        let (day, rest) = (rest.get(..10)?, rest.get(10..)?.strip_prefix('-')?);
        let time = rest.get(..7)?.strip_suffix('-')?;
        let numbers = day.bytes().enumerate().all(|(n, byte)| match n {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        if !numbers || !time.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (folder, day, suffix) = (self.kind.folder(), day.replace('-', "/"), self.kind.suffix());
        Key::parse(&format!("exports/{folder}/{day}/{rest}{suffix}.gz"))
    }
}

/// This machine's name as part of an object's.
fn plain_host() -> String {
    let host = stores::host();
    host.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' }).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MANY: u64 = 1 << 20;

    fn spool(folder: &tempfile::TempDir, kind: Kind, limit: u64) -> Spool {
        Spool::open(folder.path(), kind, limit).unwrap()
    }

    fn contents(spool: &Spool) -> Vec<String> {
        spool.waiting().unwrap().iter().map(|file| fs::read_to_string(&file.path).unwrap()).collect()
    }

    #[test]
    fn a_closed_file_bears_its_objects_name_and_the_next_line_begins_another() {
        let folder = tempfile::tempdir().unwrap();
        let spool = spool(&folder, Kind::Metrics, MANY);
        spool.append(b"a,1,2,ms\n").unwrap();
        spool.close().unwrap();
        spool.close().unwrap();
        spool.append(b"b,1,2,ms\n").unwrap();

        let closed = spool.waiting().unwrap();

        assert_eq!(contents(&spool), ["metric_name,timestamp,value,units\na,1,2,ms\n"]);
        let name = closed[0].path.file_name().unwrap().to_str().unwrap();
        let key = closed[0].key.as_str();
        let (day, rest) = name.split_at(10);
        assert_eq!(key, format!("exports/metrics/{}/{}.gz", day.replace('-', "/"), &rest[1..]));
        assert!(folder.path().join("metrics/statusinator.csv").exists());
    }

    #[test]
    fn what_an_earlier_process_left_is_closed_as_of_its_last_line() {
        let folder = tempfile::tempdir().unwrap();
        spool(&folder, Kind::Logs, MANY).append(b"{\"n\":1}\n").unwrap();
        let left = folder.path().join("logs/statusinator.jsonl");
        let then = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        File::options().append(true).open(&left).unwrap().set_modified(then).unwrap();
        fs::write(folder.path().join("logs/notes.txt"), "not ours").unwrap();
        let spool = spool(&folder, Kind::Logs, MANY);

        spool.adopt().unwrap();
        spool.adopt().unwrap();
        spool.append(b"{\"n\":2}\n").unwrap();

        let closed = spool.waiting().unwrap();
        assert_eq!(contents(&spool), ["{\"n\":1}\n"]);
        assert!(closed[0].key.as_str().starts_with("exports/logs/2023/11/14/221320-"), "{}", closed[0].key);
        assert!(folder.path().join("logs/notes.txt").exists());
    }

    #[test]
    fn the_folder_keeps_to_its_limit_and_the_oldest_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let spool = spool(&folder, Kind::Logs, 800);
        let size = || -> u64 {
            let files = fs::read_dir(folder.path().join("logs")).unwrap();
            files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
        };
        for n in 0..60 {
            spool.append(format!("{n:049}\n").as_bytes()).unwrap();
            assert!(size() <= 800, "{} bytes after line {n}", size());
        }

        let dropped = spool.take_dropped();

        assert_eq!((dropped.files * 100, size() + dropped.bytes), (dropped.bytes, 60 * 50));
        assert_eq!(spool.take_dropped(), Dropped::default());
        assert!(contents(&spool).concat().ends_with(&format!("{:049}\n", 59)));
    }

    #[test]
    fn only_names_of_closed_files_are_taken_for_such() {
        let folder = tempfile::tempdir().unwrap();
        let spool = spool(&folder, Kind::Logs, MANY);
        let names = [
            "statusinator.jsonl",
            "2026-11-25-210000-h-u.csv",
            "2026_11-25-210000-h.jsonl",
            "ä.jsonl",
            "2026-11-25-21000x-h.jsonl",
        ];
        for name in names {
            assert_eq!(spool.0.key(name), None, "{name}");
        }
        assert!(spool.0.key("2026-11-25-210000-h-u.jsonl").is_some());
    }
}
