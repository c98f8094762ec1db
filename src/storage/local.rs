//! A folder as the store.
//!
//! Writes are atomic and durable: a new file is written beside the old one, synced, renamed over it, and the
//! folder synced. Conditional writes hold between processes by an exclusive lock on `.lock` in the root.
//! Symbolic links below the root are not followed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Fetched, Key, Object, Precondition, Storage, StorageError, Version};

/// `O_NOFOLLOW` of Linux: opening a symbolic link fails (open(2)).
const O_NOFOLLOW: i32 = 0o400_000;
/// Files that are being written are named so; they are nobody's objects.
const UNFINISHED: &str = ".unfinished-";
const LOCK: &str = ".lock";

/// The store in a folder of this machine.
#[derive(Debug, Clone)]
pub struct LocalStorage {
    root: Arc<PathBuf>,
}

impl LocalStorage {
    /// Opens the folder, which is created (mode 0700) if it is not there.
    ///
    /// # Errors
    /// [`StorageError`] when the folder cannot be created or read.
    pub fn open(root: &Path) -> Result<Self, StorageError> {
        let open = || -> io::Result<PathBuf> {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(root)?;
            let root = root.canonicalize()?;
            lock_file(&root)?;
            Ok(root)
        };
        let root = open().map_err(|error| failed(&error))?;
        Ok(Self { root: Arc::new(root) })
    }

    /// Whether a folder has what opening it as a store makes in it.
    pub fn is_marked(root: &Path) -> bool {
        root.join(LOCK).exists()
    }

    /// Removes what opening it made, so that its next user may be another one.
    pub fn unmark(root: &Path) {
        // What cannot be removed stays: the next user is told.
        let _ = fs::remove_file(root.join(LOCK));
    }

    /// Runs file operations off the actors' thread.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let root = self.root.clone();
        let done = tokio::task::spawn_blocking(move || work(&root)).await;
        done.unwrap_or_else(|_| Err(StorageError::Unavailable("a file operation broke off".into())))
    }
}

#[async_trait(?Send)]
impl Storage for LocalStorage {
    async fn get(&self, key: &Key, limit: u64) -> Result<Option<Object>, StorageError> {
        let key = key.clone();
        self.blocking(move |root| match open(root, &key)? {
            Some(file) => read(file, limit).map(Some),
            None => Ok(None),
        })
        .await
    }

    async fn get_if_changed(&self, key: &Key, known: &Version, limit: u64) -> Result<Fetched, StorageError> {
        let (key, known) = (key.clone(), known.clone());
        self.blocking(move |root| {
            let Some(file) = open(root, &key)? else { return Ok(Fetched::Missing) };
            if version_of(&file).map_err(|error| failed(&error))? == known {
                return Ok(Fetched::Unchanged);
            }
            read(file, limit).map(Fetched::Changed)
        })
        .await
    }

    async fn put(
        &self,
        key: &Key,
        bytes: Bytes,
        only_if: Option<Precondition>,
    ) -> Result<Version, StorageError> {
        let key = key.clone();
        self.blocking(move |root| {
            let _lock = exclusive(root)?;
            let old = open(root, &key)?
                .map(|file| version_of(&file))
                .transpose()
                .map_err(|error| failed(&error))?;
            let holds = match &only_if {
                None => true,
                Some(Precondition::Absent) => old.is_none(),
                Some(Precondition::Matches(version)) => old.as_ref() == Some(version),
            };
            if !holds {
                return Err(StorageError::PreconditionFailed);
            }
            write(root, &key, &bytes, old.as_ref()).map_err(|error| failed(&error))
        })
        .await
    }

    async fn delete(&self, key: &Key) -> Result<(), StorageError> {
        let key = key.clone();
        self.blocking(move |root| {
            let _lock = exclusive(root)?;
            let path = confined(root, &key)?;
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if is_missing(&error) => return Ok(()),
                Err(error) => return Err(failed(&error)),
            }
            let folder = path.parent().unwrap_or(root);
            sync_folder(folder).map_err(|error| failed(&error))?;
            if folder != root {
                // It is removed when it is empty, and stays when it is not.
                let _ = fs::remove_dir(folder);
            }
            Ok(())
        })
        .await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Key>, StorageError> {
        let prefix = prefix.to_owned();
        self.blocking(move |root| {
            let mut keys = Vec::new();
            walk(root, "", &prefix, &mut keys).map_err(|error| failed(&error))?;
            keys.sort();
            Ok(keys)
        })
        .await
    }

    fn link(&self, key: &Key) -> String {
        let path = self.root.join(key.as_str());
        url::Url::from_file_path(&path).map_or_else(|()| format!("file://{}", path.display()), String::from)
    }
}

/// The path of an object, none of whose folders is a symbolic link.
fn confined(root: &Path, key: &Key) -> Result<PathBuf, StorageError> {
    let mut path = root.to_path_buf();
    let parts: Vec<&str> = key.as_str().split('/').collect();
    for (n, part) in parts.iter().enumerate() {
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.file_type().is_symlink() => {
                return Err(StorageError::Denied(format!("{key} leads through a symbolic link")));
            }
            Ok(meta) if n + 1 < parts.len() && !meta.is_dir() => {
                return Err(StorageError::Denied(format!("{key} leads through a file")));
            }
            Ok(_) => {}
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(failed(&error)),
        }
    }
    Ok(path)
}

fn open(root: &Path, key: &Key) -> Result<Option<File>, StorageError> {
    let path = confined(root, key)?;
    let file = match OpenOptions::new().read(true).custom_flags(O_NOFOLLOW).open(path) {
        Ok(file) => file,
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(failed(&error)),
    };
    let is_file = file.metadata().map_err(|error| failed(&error))?.is_file();
    if is_file { Ok(Some(file)) } else { Err(StorageError::Denied(format!("{key} is not a file"))) }
}

fn read(file: File, limit: u64) -> Result<Object, StorageError> {
    let version = version_of(&file).map_err(|error| failed(&error))?;
    let length = file.metadata().map_err(|error| failed(&error))?.len();
    if length > limit {
        return Err(StorageError::TooLarge { limit });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    if bytes.len() as u64 != length {
        return Err(StorageError::Unavailable("the file changed while it was read".into()));
    }
    Ok(Object { bytes: bytes.into(), version })
}

/// Identity, size and time to the nanosecond.
fn version_of(file: &File) -> io::Result<Version> {
    let meta = file.metadata()?;
    Ok(Version(format!(
        "{}-{}-{}-{}.{:09}",
        meta.dev(),
        meta.ino(),
        meta.size(),
        meta.mtime(),
        meta.mtime_nsec()
    )))
}

fn write(root: &Path, key: &Key, bytes: &[u8], old: Option<&Version>) -> io::Result<Version> {
    let path = root.join(key.as_str());
    let folder = path.parent().unwrap_or(root);
    if !folder.is_dir() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        sync_folder(root)?;
    }
    let mut unfinished = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder)?;
    unfinished.write_all(bytes)?;
    unfinished.as_file().sync_all()?;
    let mut version = version_of(unfinished.as_file())?;
    while Some(&version) == old {
        // The same inode again, the same size, within one tick of the clock: another time makes it another version.
        let later = unfinished.as_file().metadata()?.modified()? + std::time::Duration::from_nanos(1);
        unfinished.as_file().set_modified(later)?;
        version = version_of(unfinished.as_file())?;
    }
    unfinished.persist(&path).map_err(|error| error.error)?;
    sync_folder(folder)?;
    Ok(version)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn lock_file(root: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .custom_flags(O_NOFOLLOW)
        .open(root.join(LOCK))
}

/// Held until it is dropped; other threads and processes wait for it.
fn exclusive(root: &Path) -> Result<File, StorageError> {
    let lock = || -> io::Result<File> {
        let file = lock_file(root)?;
        file.lock()?;
        Ok(file)
    };
    lock().map_err(|error| failed(&error))
}

/// Collects the objects whose names begin with the prefix; links and what is not an object's name are passed over.
fn walk(folder: &Path, name: &str, prefix: &str, keys: &mut Vec<Key>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_missing(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let Some(part) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let full = if name.is_empty() { part } else { format!("{name}/{part}") };
        let kind = entry.file_type()?;
        let leads_there = full.starts_with(prefix) || prefix.starts_with(&format!("{full}/"));
        if kind.is_dir() && leads_there {
            walk(&entry.path(), &full, prefix, keys)?;
        } else if kind.is_file() && full.starts_with(prefix) {
            keys.extend(Key::parse(&full));
        }
    }
    Ok(())
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn failed(error: &io::Error) -> StorageError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => StorageError::Denied(error.to_string()),
        _ => StorageError::Unavailable(error.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::storage::conformance;

    fn key(text: &str) -> Key {
        Key::parse(text).unwrap()
    }

    #[actix::test]
    async fn it_behaves_as_every_store_does() {
        let folder = tempfile::tempdir().unwrap();
        let one = LocalStorage::open(folder.path()).unwrap();
        let another = LocalStorage::open(folder.path()).unwrap();

        conformance::behaves(&one, &another).await;
    }

    #[actix::test]
    async fn symbolic_links_are_not_followed() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("secret"), "x").unwrap();
        let store = LocalStorage::open(folder.path()).unwrap();
        symlink(outside.path(), folder.path().join("U1")).unwrap();
        symlink(outside.path().join("secret"), folder.path().join("users.json")).unwrap();

        for object in ["U1/secret", "users.json"] {
            let read = store.get(&key(object), 10).await;
            let written = store.put(&key(object), Bytes::from_static(b"y"), None).await;
            assert!(matches!(read, Err(StorageError::Denied(_))), "{object}: {read:?}");
            assert!(matches!(written, Err(StorageError::Denied(_))), "{object}: {written:?}");
        }
        assert_eq!(store.list("").await.unwrap(), vec![]);
        assert_eq!(fs::read(outside.path().join("secret")).unwrap(), b"x");
    }

    #[actix::test]
    async fn what_it_writes_is_private_and_leaves_nothing_unfinished() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStorage::open(&folder.path().join("store")).unwrap();

        store.put(&key("tokens/U1"), Bytes::from_static(b"sealed"), None).await.unwrap();

        let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("store"), mode("store/tokens"), mode("store/tokens/U1")), (0o700, 0o700, 0o600));
        let names: Vec<_> = fs::read_dir(folder.path().join("store/tokens"))
            .unwrap()
            .map(|it| it.unwrap().file_name())
            .collect();
        assert_eq!(names, ["U1"]);
    }

    #[actix::test]
    async fn a_file_replaced_by_hand_is_another_version() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStorage::open(folder.path()).unwrap();
        let version = store.put(&Key::users(), Bytes::from_static(b"one"), None).await.unwrap();

        fs::write(folder.path().join("users.json"), "two").unwrap();

        let read = store.get_if_changed(&Key::users(), &version, 10).await.unwrap();
        assert!(matches!(read, Fetched::Changed(object) if object.bytes == "two"));
    }
}
