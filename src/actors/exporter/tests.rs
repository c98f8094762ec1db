#![allow(clippy::unwrap_used)]

use std::{cell::RefCell, collections::BTreeSet, io::Read as _, time::SystemTime};

use flate2::read::GzDecoder;

use super::*;
use crate::{
    logging::captured,
    metrics::Metric,
    spool::Kind,
    storage::{MemoryStorage, StoreFault},
};

struct Stage {
    folder: tempfile::TempDir,
    store: MemoryStorage,
    recorder: Recorder,
    metrics: Spool,
    exporter: Addr<Exporter>,
    lines: crate::logging::Lines,
}

/// An exporter on a folder that an earlier process may have left.
fn stage(folder: tempfile::TempDir, store: MemoryStorage, interval: Duration) -> Stage {
    let (log, lines) = captured();
    let recorder = Recorder::new(BTreeSet::new(), Clock::System);
    let metrics = Spool::open(folder.path(), Kind::Metrics, 1 << 20).unwrap();
    metrics.adopt().unwrap();
    let exporter = Exporter::new(ExporterParts {
        config: ExportConfig { interval, retention: None, disk_limit: 1 << 20 },
        store: Rc::new(store.clone()),
        logs: None,
        metrics: metrics.clone(),
        metrics_recorder: MetricsRecorder::new(recorder.clone(), metrics.clone(), log.clone()).start(),
        clock: Clock::System,
        recorder: recorder.clone(),
        log,
    });
    Stage { folder, store, recorder, metrics, exporter: exporter.start(), lines }
}

impl Stage {
    /// The rows in the store, by object.
    async fn stored(&self) -> Vec<Vec<String>> {
        let mut stored = Vec::new();
        for key in self.store.list("exports/metrics/").await.unwrap() {
            let packed = self.store.get(&key, 1 << 20).await.unwrap().unwrap().bytes;
            let mut text = String::new();
            GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
            stored.push(text.lines().skip(1).map(str::to_owned).collect());
        }
        stored
    }

    fn counted(&self, outcome: &str) -> String {
        let series = format!("statusinator_exports_total{{outcome=\"{outcome}\"}} ");
        let text = self.recorder.text();
        text.lines().find_map(|line| line.strip_prefix(&series)).unwrap().to_owned()
    }
}

const NEVER: Duration = Duration::from_secs(86_400);

#[actix::test]
async fn everything_up_to_now_goes_to_the_store_and_leaves_the_disk() {
    let stage = stage(tempfile::tempdir().unwrap(), MemoryStorage::default(), NEVER);
    stage.recorder.level(Metric::OnboardedUsers, 3);

    stage.exporter.send(Export).await.unwrap();
    stage.exporter.send(Export).await.unwrap();

    let stored = stage.stored().await;
    assert_eq!((stored.len(), stored[0].len()), (1, 1));
    assert!(stored[0][0].starts_with("onboarded_users,"), "{stored:?}");
    assert_eq!(std::fs::read_dir(stage.folder.path().join("metrics")).unwrap().count(), 0);
    assert_eq!(stage.counted("stored"), "1");
}

#[actix::test]
async fn each_interval_exports() {
    let stage = stage(tempfile::tempdir().unwrap(), MemoryStorage::default(), Duration::from_millis(20));
    let exported = async {
        for n in 1..=2 {
            stage.recorder.level(Metric::OnboardedUsers, n);
            while stage.stored().await.len() < usize::try_from(n).unwrap() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), exported).await.unwrap();
}

#[actix::test]
async fn what_an_earlier_process_left_goes_first_and_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let before = Spool::open(folder.path(), Kind::Metrics, 1 << 20).unwrap();
    before.append(b"left,1,2,ms\n").unwrap();
    let stage = stage(folder, MemoryStorage::default(), NEVER);
    stage.recorder.level(Metric::OnboardedUsers, 3);

    let exported = async {
        while stage.stored().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), exported).await.unwrap();

    assert_eq!(stage.stored().await, [["left,1,2,ms"]]);
}

#[actix::test]
async fn a_put_whose_answer_was_lost_is_repeated_as_the_same_object_and_the_failure_is_told_once() {
    let stage = stage(tempfile::tempdir().unwrap(), MemoryStorage::default(), NEVER);
    let puts = Rc::new(RefCell::new(0));
    let of_store = puts.clone();
    stage.store.fail_when(move |operation, _| {
        let mut puts = of_store.borrow_mut();
        *puts += u32::from(operation == "put");
        (operation == "put" && *puts <= 3).then_some(StoreFault::After)
    });
    stage.recorder.level(Metric::OnboardedUsers, 3);
    for _ in 0..3 {
        stage.exporter.send(Export).await.unwrap();
    }
    assert_eq!(stage.exporter.send(Observe).await.unwrap().problems.len(), 1);
    assert_eq!(stage.metrics.waiting().unwrap().len(), 1);

    stage.exporter.send(Export).await.unwrap();

    assert_eq!((stage.stored().await.len(), *puts.borrow()), (1, 4));
    assert!(stage.exporter.send(Observe).await.unwrap().problems.is_empty());
    assert_eq!((stage.counted("failed"), stage.counted("stored")), ("3".into(), "1".into()));
    let lines = stage.lines.all();
    let said = |level: &str| lines.iter().filter(|line| line["level"] == level).count();
    assert_eq!((said("error"), said("info")), (1, 1), "{lines:?}");
}

#[actix::test]
async fn what_is_dropped_for_want_of_room_is_counted_and_told() {
    let stage = stage(tempfile::tempdir().unwrap(), MemoryStorage::default(), NEVER);
    stage.store.fail_when(|operation, _| (operation == "put").then_some(StoreFault::Before));
    let row = vec![b'x'; 1 << 17];
    for _ in 0..10 {
        stage.metrics.append(&row).unwrap();
    }

    let told = async {
        while stage.counted("dropped") == "0" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), told).await.unwrap();

    let lines = stage.lines.all();
    let line = lines.iter().find(|line| line["files"].is_u64()).unwrap();
    assert_eq!(
        (&line["level"], &line["of"], stage.counted("dropped")),
        (&"warn".into(), &"metrics".into(), line["files"].to_string())
    );
}

#[test]
fn a_file_is_packed_the_same_way_whenever_it_is_packed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "text").unwrap();
    let first = File::open(&path).and_then(gzip).unwrap();

    File::options().append(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();

    assert_eq!(File::open(&path).and_then(gzip).unwrap(), first);
}
