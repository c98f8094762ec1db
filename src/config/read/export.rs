//! Reads what becomes of logs and metrics.

use std::time::Duration;

use bytesize::ByteSize;

use crate::config::{ExportConfig, StoreConfig};

use super::Reader;

const DAY: Duration = Duration::from_secs(86_400);

impl Reader {
    /// When logs and metrics are exported, and for how long they are kept where.
    pub(super) fn export(&mut self, store: Option<&StoreConfig>) -> Option<ExportConfig> {
        let second = Duration::from_secs(1);
        let interval =
            self.duration("STATUSINATOR_EXPORT_INTERVAL", "1s to 24h", |time| (second..=DAY).contains(&time));
        let retention = self.duration("STATUSINATOR_EXPORT_RETENTION", "1s to 10y", |time| {
            (second..=DAY * 3_653).contains(&time)
        });
        let disk_limit = self.parse("STATUSINATOR_DISK_LIMIT", "1MiB to 1TiB", |text| {
            let size: ByteSize = text.parse().ok()?;
            (ByteSize::mib(1)..=ByteSize::tib(1)).contains(&size).then_some(size.as_u64())
        });
        Some(ExportConfig {
            interval: interval?,
            retention: Some(retention?).filter(|_| matches!(store, Some(StoreConfig::Folder(_)))),
            disk_limit: disk_limit?,
        })
    }
}
