mod crash;
mod damage;
mod faults;
mod histories;
mod rot;
mod tier;

use std::path::Path;
use std::sync::Arc;

use base::{ManualClock, Tasks};

use crate::disk::Disk;
use crate::{Batch, Log, LogError, LogOptions, Partition, Record};

pub(crate) const EPOCH_MS: i64 = 1_700_000_000_000;

pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) clock: ManualClock,
    pub(crate) disk: Disk,
    pub(crate) file_bytes: u64,
}

impl Bench {
    pub(crate) fn new(file_bytes: u64) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        Self {
            dir,
            clock: ManualClock::at(EPOCH_MS),
            disk: Disk::default(),
            file_bytes,
        }
    }

    pub(crate) fn open(&self) -> Log {
        self.open_at(self.dir.path()).expect("opens")
    }

    pub(crate) fn open_at(&self, directory: &Path) -> Result<Log, LogError> {
        let options = LogOptions::new(directory, self.clock.clock(), Tasks::new());
        Log::open_on(
            self.disk.clone(),
            LogOptions {
                file_bytes: self.file_bytes,
                ..options
            },
        )
    }
}

pub(crate) fn batch(partition: &Partition, values: &[Vec<u8>]) -> Batch {
    let mut batch = Batch::new(partition, EPOCH_MS, 0);
    for value in values {
        batch.push(b"key", None, value);
    }
    batch
}

pub(crate) async fn all(log: &Log, partition: &Partition) -> Vec<Record> {
    let mut found = Vec::new();
    let mut from = 0;
    loop {
        let read = log.read(partition, from, 10_000, 100).await.expect("reads");
        from = read.next_offset;
        if read.records.is_empty() {
            assert_eq!(from, read.end_offset.max(read.start_offset));
            return found;
        }
        found.extend(read.records);
    }
}

pub(crate) fn log_files(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory)
        .expect("lists")
        .map(|entry| entry.expect("an entry").path());
    let mut files = entries
        .filter(|path| path.extension().is_some_and(|e| e == "log"))
        .collect::<Vec<_>>();
    files.sort();
    files
}

#[tokio::test]
async fn many_at_once_share_syncs_and_keep_their_order() {
    let bench = Bench::new(1 << 20);
    let log = bench.open();
    let partition = log.partition(1);
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..64u64 {
        let (log, partition) = (log.clone(), partition.clone());
        tasks.spawn(async move {
            let mut offsets = Vec::new();
            for n in 0..20u64 {
                let value = format!("{writer}/{n}").into_bytes();
                let appended = log.append(vec![batch(&partition, &[value])]).await.expect("appends");
                offsets.push((appended[0].base_offset, writer, n));
            }
            offsets
        });
    }
    let mut acknowledged = tasks.join_all().await.into_iter().flatten().collect::<Vec<_>>();
    acknowledged.sort_unstable();
    let syncs = bench.disk.faults.syncs.load(std::sync::atomic::Ordering::SeqCst);
    assert!(syncs < 1280 / 2, "{syncs} syncs");
    let found = all(&log, &partition).await;
    assert_eq!(found.len(), 1280);
    for ((offset, writer, n), record) in acknowledged.into_iter().zip(found) {
        assert_eq!(
            (offset, format!("{writer}/{n}").into_bytes()),
            (record.offset, record.data.to_vec())
        );
    }
    assert_eq!(log.status().appended_records, 1280);
}

#[tokio::test]
async fn readers_wait_without_polling_and_wake_when_the_partition_goes() {
    let bench = Bench::new(1 << 20);
    let log = bench.open();
    let partition = log.partition(1);
    let waiter = {
        let (log, partition) = (log.clone(), partition.clone());
        Tasks::new().spawn(async move { log.wait_for(&partition, 1).await })
    };
    log.append(vec![batch(&partition, &[b"0".to_vec()])])
        .await
        .expect("appends");
    assert!(!waiter.is_finished());
    log.append(vec![batch(&partition, &[b"1".to_vec()])])
        .await
        .expect("appends");
    waiter.await.expect("runs").expect("woken by the record");
    let gone = {
        let (log, partition) = (log.clone(), partition.clone());
        Tasks::new().spawn(async move { log.wait_for(&partition, 2).await })
    };
    tokio::task::yield_now().await;
    log.remove_partition(1);
    assert!(matches!(gone.await.expect("runs"), Err(LogError::NoPartition)));
    assert!(matches!(
        log.read(&partition, 0, 1, 1).await,
        Err(LogError::NoPartition)
    ));
}

#[tokio::test]
async fn a_closed_log_is_finished_and_refuses_appends() {
    let bench = Bench::new(1 << 20);
    let log = bench.open();
    let partition = log.partition(9);
    log.append(vec![batch(&partition, &[b"0".to_vec()])])
        .await
        .expect("appends");
    assert!(matches!(bench.open_at(bench.dir.path()), Err(LogError::InUse(_))));
    log.close().await;
    let refused = log.append(vec![batch(&partition, &[b"1".to_vec()])]).await;
    assert!(matches!(refused, Err(LogError::Closed)));
    assert_eq!(all(&log, &partition).await.len(), 1);
    drop(log);
    let log = bench.open();
    assert_eq!(all(&log, &log.partition(9)).await.len(), 1);
    assert!(matches!(
        log.append(vec![batch(&log.partition(9), &[vec![0; crate::APPEND_BYTES_MAX]])])
            .await,
        Err(LogError::TooLarge { .. })
    ));
    assert_eq!(log.append(Vec::new()).await.expect("nothing to do"), []);
}

#[tokio::test]
async fn room_is_given_back_by_whole_files_and_offsets_go_on() {
    use std::time::Duration;
    let bench = Bench::new(64 << 10);
    let log = bench.open();
    let (short, long) = (log.partition(1), log.partition(2));
    short.set_retention(Duration::from_secs(3600));
    for n in 0..64u8 {
        log.append(vec![batch(&short, &[vec![n; 8 << 10]])])
            .await
            .expect("appends");
    }
    log.append(vec![batch(&long, &[b"stays".to_vec()])])
        .await
        .expect("appends");
    let before = log_files(bench.dir.path()).len();
    bench.clock.advance(Duration::from_secs(3601));
    assert_eq!(log.start_offset(&short).await.expect("reads"), 64);
    assert_eq!(all(&log, &short).await.len(), 0);
    log.append(vec![batch(&short, &[b"new".to_vec()])])
        .await
        .expect("appends");
    log.close().await;
    drop((log, short, long));
    let log = bench.open();
    let (short, long) = (log.partition(1), log.partition(2));
    short.set_retention(Duration::from_secs(3600));
    log.reclaim();
    log.append(vec![batch(&short, &[vec![1; 60 << 10]])])
        .await
        .expect("appends");
    log.append(vec![batch(&short, &[vec![2; 60 << 10]])])
        .await
        .expect("appends");
    let found = all(&log, &short).await;
    assert_eq!(
        found.iter().map(|record| record.offset).collect::<Vec<_>>(),
        [64, 65, 66]
    );
    assert_eq!(all(&log, &long).await.len(), 1);
    log.close().await;
    drop(log);
    let log = bench.open();
    assert!(log_files(bench.dir.path()).len() < before, "{before} files before");
    assert_eq!(log.partition(1).end_offset(), 67);
    assert_eq!(all(&log, &log.partition(2)).await.len(), 1);
}

#[tokio::test]
async fn time_finds_the_first_record_at_or_behind_it() {
    use std::time::Duration;
    let bench = Bench::new(64 << 10);
    let log = bench.open();
    let partition = log.partition(1);
    for _ in 0..30 {
        // Two batches of two records at each moment, over several files.
        for _ in 0..2 {
            log.append(vec![batch(&partition, &[vec![0; 1 << 10], vec![1; 4 << 10]])])
                .await
                .expect("appends");
        }
        bench.clock.advance(Duration::from_millis(10));
    }
    for reopened in [false, true] {
        let log = if reopened {
            log.close().await;
            let copy = bench.dir.path().join("copy");
            copy_directory(bench.dir.path(), &copy);
            bench.open_at(&copy).expect("opens")
        } else {
            log.clone()
        };
        let partition = log.partition(1);
        for (after_ms, offset) in [(-5, 0), (0, 0), (1, 4), (10, 4), (145, 60), (290, 116), (291, 120)] {
            assert_eq!(
                log.offset_at(&partition, EPOCH_MS + after_ms).await.expect("reads"),
                offset,
                "{after_ms} ms"
            );
        }
    }
}

pub(crate) fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("makes");
    for entry in std::fs::read_dir(from).expect("lists") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("copies");
        }
    }
}

#[test]
fn handles_can_cross_threads() {
    fn check<T: Send + Sync>() {}
    check::<Log>();
    check::<Arc<crate::streams::Streams>>();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn readers_are_never_misled_by_files_that_are_used_again() {
    use std::sync::atomic::Ordering;
    use std::time::Duration;
    let bench = Bench::new(64 << 10);
    let log = bench.open();
    let partition = log.partition(1);
    partition.set_retention(Duration::from_secs(10));
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let tasks = Tasks::new();
    let readers = (0..2).map(|_| {
        let (log, partition, done) = (log.clone(), partition.clone(), done.clone());
        tasks.spawn(async move {
            let mut read = 0;
            while !done.load(Ordering::SeqCst) {
                let mut from = 0;
                loop {
                    let found = log.read(&partition, from, 30_000, 100).await.expect("reads");
                    for record in &found.records {
                        assert_eq!(
                            record.data,
                            vec![record.offset as u8; 6_000],
                            "offset {}",
                            record.offset
                        );
                    }
                    read += found.records.len();
                    from = found.next_offset;
                    if from >= found.end_offset {
                        break;
                    }
                }
            }
            read
        })
    });
    let readers = readers.collect::<Vec<_>>();
    for n in 0..600u64 {
        let appended = log
            .append(vec![batch(&partition, &[vec![n as u8; 6_000]])])
            .await
            .expect("appends");
        assert_eq!(appended[0].base_offset, n);
        bench.clock.advance(Duration::from_millis(500));
    }
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        assert!(reader.await.expect("runs") > 0);
    }
    let status = log.status();
    assert_eq!(status.damaged_frames, 0);
    assert!(status.files < 12, "{} files are left of some sixty", status.files);
}
