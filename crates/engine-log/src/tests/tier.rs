//! Records that move to an object store, are read from there, and go in the end.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Clock, Tasks};
use parking_lot::Mutex;
use store_objects::Remote;

use super::{Bench, EPOCH_MS, all, batch, copy_directory, log_files};
use crate::{Log, LogError, LogOptions};

const HOUR: Duration = Duration::from_secs(3600);
const PATIENCE: Duration = Duration::from_secs(30);

struct Tiered {
    bench: Bench,
    far: tempfile::TempDir,
    /// Of the log that is open.
    tasks: Mutex<Tasks>,
}

impl Tiered {
    fn new() -> Self {
        Self {
            bench: Bench::new(64 << 10),
            far: tempfile::tempdir().expect("a directory"),
            tasks: Mutex::default(),
        }
    }

    /// Partitions 1 and 2 are of group 7, whose records move after an hour; those of partition 3 stay.
    fn open(&self) -> Log {
        let log = self.open_with(Some(self.remote())).expect("opens");
        for id in [1, 2] {
            log.partition(id).set_tiering(7, Some(HOUR));
        }
        log
    }

    fn remote(&self) -> Remote {
        Remote::open(&format!("file://{}", self.far.path().display()), []).expect("opens")
    }

    fn open_with(&self, tier: Option<Remote>) -> Result<Log, LogError> {
        let tasks = Tasks::new();
        *self.tasks.lock() = tasks.clone();
        let options = LogOptions::new(self.near(), self.bench.clock.clock(), tasks);
        Log::open_on(
            self.bench.disk.clone(),
            LogOptions {
                file_bytes: self.bench.file_bytes,
                tier,
                ..options
            },
        )
    }

    async fn close(&self, log: Log) {
        let tasks = self.tasks.lock().clone();
        tasks.shutdown().await;
        log.close().await;
    }

    fn near(&self) -> PathBuf {
        self.bench.dir.path().join("log")
    }

    fn objects(&self) -> usize {
        log_files(self.far.path()).len()
    }
}

/// Enough for several files; every record is of another minute.
async fn fill(tiered: &Tiered, log: &Log, rounds: std::ops::Range<u8>) {
    for fill in rounds {
        tiered.bench.clock.advance(Duration::from_secs(60));
        let batches = [1, 2, 3].map(|id| batch(&log.partition(id), &[vec![fill; 2_000], vec![fill; 500]]));
        log.append(batches.into()).await.expect("appends");
    }
}

async fn fills(log: &Log, id: u64) -> Vec<u8> {
    all(log, &log.partition(id))
        .await
        .iter()
        .map(|record| record.data[0])
        .collect()
}

fn twice(rounds: std::ops::Range<u8>) -> Vec<u8> {
    rounds.flat_map(|fill| [fill, fill]).collect()
}

/// Lets the log's time pass until something is so.
async fn until(tiered: &Tiered, what: &str, mut is_so: impl FnMut() -> bool) {
    let (clock, mut left) = (Clock::system(), PATIENCE);
    while !is_so() {
        tiered.bench.clock.advance(Duration::from_secs(31));
        assert!(!left.is_zero(), "it never came true that {what}");
        left = left.saturating_sub(Duration::from_millis(5));
        clock.sleep(Duration::from_millis(5)).await;
    }
}

/// Fills a log and waits until all that can move has moved.
async fn moved(tiered: &Tiered) -> Log {
    let log = tiered.open();
    fill(tiered, &log, 0..60).await;
    let local = log_files(&tiered.near()).len();
    assert!(local > 3, "several files: {local}");
    assert_eq!(log.status().tiered_objects, 0, "nothing is an hour old");
    log.partition(3).trim(u64::MAX / 2);
    tiered.bench.clock.advance(HOUR);
    until(tiered, "old files have moved", || {
        log.status().tiered_objects >= local - 2 && log_files(&tiered.near()).len() <= 2
    })
    .await;
    log
}

#[tokio::test(flavor = "multi_thread")]
async fn old_records_move_and_are_read_as_before() {
    let tiered = Tiered::new();
    let log = moved(&tiered).await;
    let status = log.partition(1).status();
    assert!(
        status.tiered_bytes > 0 && status.tiered_bytes <= status.bytes,
        "{status:?}"
    );
    assert_eq!(log.status().tiered_objects, tiered.objects());
    let check = async |log: &Log| {
        for id in [1, 2] {
            assert_eq!(fills(log, id).await, twice(0..60), "{id}");
            let partition = log.partition(id);
            for round in [0u64, 7, 30, 59] {
                let at_ms = EPOCH_MS + 60_000 * (round as i64 + 1);
                assert_eq!(log.offset_at(&partition, at_ms).await.expect("finds"), round * 2);
                let read = log.read(&partition, round * 2 + 1, 10_000, 1).await.expect("reads");
                assert_eq!(
                    (read.records[0].data[0], read.records[0].data.len()),
                    (round as u8, 500)
                );
            }
        }
    };
    check(&log).await;
    tiered.close(log).await;
    let log = tiered.open();
    check(&log).await;
    fill(&tiered, &log, 60..61).await;
    assert_eq!(fills(&log, 2).await, twice(0..61));
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_go_when_nobody_can_read_them() {
    let tiered = Tiered::new();
    let log = moved(&tiered).await;
    let objects = tiered.objects();
    log.partition(1).trim(119);
    log.partition(2).set_retention(HOUR * 24);
    tiered.bench.clock.advance(HOUR);
    // Those that partition 2 keeps are still read.
    assert_eq!(fills(&log, 2).await, twice(0..60));
    log.remove_partition(2);
    tiered.bench.clock.advance(HOUR);
    until(&tiered, "objects have gone", || tiered.objects() == 0).await;
    assert!(tiered.objects() < objects);
    until(&tiered, "their indexes have gone", || log.status().tiered_objects == 0).await;
    assert_eq!(fills(&log, 1).await, [59]);
    tiered.close(log).await;
    assert_eq!(indexes(&tiered.near()), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_the_steps_doubles_nothing() {
    let tiered = Tiered::new();
    let log = tiered.open();
    fill(&tiered, &log, 0..40).await;
    tiered.close(log).await;
    let before = tiered.bench.dir.path().join("before");
    copy_directory(&tiered.near(), &before);
    // The objects are there and nothing here knows of them; then their indexes are there too, and the files still.
    for keeps_indexes in [false, true] {
        let log = tiered.open();
        tiered.bench.clock.advance(HOUR);
        until(&tiered, "all have moved", || log.status().tiered_objects > 1).await;
        tiered.close(log).await;
        if !keeps_indexes {
            fs::remove_dir_all(tiered.near()).expect("removes");
        }
        copy_directory(&before, &tiered.near());
        let log = tiered.open();
        for id in [1, 2, 3] {
            assert_eq!(fills(&log, id).await, twice(0..40), "{id} {keeps_indexes}");
        }
        tiered.close(log).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_indexes_are_made_again_from_the_objects() {
    let tiered = Tiered::new();
    let log = moved(&tiered).await;
    tiered.close(log).await;
    // A byte of the head, which is looked at when opening, and one of the entries, which are when they are used.
    for from_end in [None, Some(3)] {
        let all = indexes(&tiered.near());
        assert!(all.len() > 1);
        for index in all {
            let file = File::options().read(true).write(true).open(&index).expect("opens");
            let at = from_end.map_or(20, |back| file.metadata().expect("a file").len() - back);
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).expect("reads");
            file.write_all_at(&[byte[0] ^ 0x40], at).expect("writes");
        }
        let log = tiered.open();
        for id in [1, 2] {
            assert_eq!(fills(&log, id).await, twice(0..60), "{id} {from_end:?}");
        }
        tiered.close(log).await;
    }
}

fn indexes(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory)
        .expect("lists")
        .map(|entry| entry.expect("an entry").path());
    entries
        .filter(|path| path.extension().is_some_and(|e| e == "tier"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tier_that_is_away_costs_nothing_but_its_records_reading() {
    let tiered = Tiered::new();
    let log = tiered.open();
    let away = tiered.far.path().with_extension("away");
    fs::rename(tiered.far.path(), &away).expect("renames");
    fs::write(tiered.far.path(), "in the way").expect("writes");
    fill(&tiered, &log, 0..60).await;
    tiered.bench.clock.advance(HOUR);
    until(&tiered, "the failure is known", || log.status().tier_failure.is_some()).await;
    assert_eq!(fills(&log, 1).await, twice(0..60), "nothing has left");
    fs::remove_file(tiered.far.path()).expect("removes");
    fs::rename(&away, tiered.far.path()).expect("renames");
    tiered.bench.clock.advance(HOUR);
    until(&tiered, "they have moved", || log.status().tiered_objects > 1).await;
    until(&tiered, "the failure is over", || log.status().tier_failure.is_none()).await;
    tiered.close(log).await;

    let log = tiered.open_with(None).expect("opens without a tier");
    let partition = log.partition(1);
    let refused = log.read(&partition, 0, 10_000, 10).await;
    assert!(matches!(refused, Err(LogError::Tier(_))), "{refused:?}");
    log.append(vec![batch(&partition, &[vec![60; 10]])])
        .await
        .expect("appends");
    let read = log.read(&partition, 120, 10_000, 10).await.expect("reads what is here");
    assert_eq!(read.records[0].data.len(), 10);
}
