//! Removes exports that are older than they need to be: a bucket has lifecycle rules for that, a folder has not.

use std::time::{Duration, SystemTime};

use crate::storage::{Key, Storage, StorageError};

/// Removes the exports that are older than this.
pub(super) async fn remove_old(
    store: &dyn Storage,
    now: SystemTime,
    retention: Duration,
) -> Result<(), StorageError> {
    let Some(limit) = now.checked_sub(retention) else { return Ok(()) };
    let old =
        store.list("exports/").await?.into_iter().filter(|key| closed_at(key).is_some_and(|at| at < limit));
    for key in old {
        store.delete(&key).await?;
    }
    Ok(())
}

/// When the file was closed that became this object: `exports/logs/2026/11/25/210000-…` at 21:00:00 of that day, UTC.
fn closed_at(key: &Key) -> Option<SystemTime> {
    let parts: Vec<&str> = key.as_str().split('/').collect();
    let ["exports", "logs" | "metrics", year, month, day, name] = parts[..] else { return None };
    let time = name.get(..6)?;
    let (hour, minute, second) = (time.get(..2)?, time.get(2..4)?, time.get(4..)?);
    humantime::parse_rfc3339(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z")).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::storage::MemoryStorage;

    #[actix::test]
    async fn only_exports_older_than_the_retention_go() {
        let store = MemoryStorage::default();
        let names = [
            "exports/logs/2026/08/27/205959-host-1.jsonl.gz",
            "exports/logs/2026/08/27/210001-host-2.jsonl.gz",
            "exports/metrics/2025/01/01/000000-host-3.csv.gz",
            "exports/notes",
            "exports/others/2025/01/01/000000-host-3.csv.gz",
            "users.json",
        ];
        for name in names {
            store.put(&Key::parse(name).unwrap(), Bytes::new(), None).await.unwrap();
        }
        let now = humantime::parse_rfc3339("2026-11-25T21:00:00Z").unwrap();

        remove_old(&store, now, Duration::from_secs(90 * 86_400)).await.unwrap();

        let left: Vec<String> = store.list("").await.unwrap().iter().map(Key::to_string).collect();
        assert_eq!(left, [names[1], names[3], names[4], names[5]]);
    }
}
