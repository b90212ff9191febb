//! Disks that fill up and fail.

use std::sync::atomic::Ordering;

use super::{Bench, all, batch, log_files};
use crate::disk::faults::{Cut, On, Plan, Strike};
use crate::{Log, LogError, Partition};

async fn put(log: &Log, partition: &Partition, fill: u8, bytes: usize) -> Result<u64, LogError> {
    Ok(log.append(vec![batch(partition, &[vec![fill; bytes]])]).await?[0].base_offset)
}

#[tokio::test]
async fn a_full_disk_refuses_loses_nothing_and_recovers() {
    let bench = Bench::new(64 << 10);
    let log = bench.open();
    let partition = log.partition(1);
    assert_eq!(put(&log, &partition, 0, 30 << 10).await.expect("appends"), 0);
    bench.disk.faults.full.store(true, Ordering::SeqCst);
    // The next file may have been made already; soon there is no other.
    let mut acknowledged = 1;
    while put(&log, &partition, acknowledged, 40 << 10).await.is_ok() {
        acknowledged += 1;
        assert!(acknowledged < 5, "the disk never fills up");
    }
    assert!(matches!(put(&log, &partition, 99, 40 << 10).await, Err(LogError::Full)));
    assert_eq!(all(&log, &partition).await.len(), usize::from(acknowledged));
    // What still fits into the present file is taken.
    assert_eq!(
        put(&log, &partition, acknowledged, 100).await.expect("fits"),
        u64::from(acknowledged)
    );
    bench.disk.faults.full.store(false, Ordering::SeqCst);
    acknowledged += 1;
    assert_eq!(
        put(&log, &partition, acknowledged, 40 << 10)
            .await
            .expect("there is room again"),
        u64::from(acknowledged)
    );
    log.close().await;
    drop(log);
    let log = bench.open();
    let fills = all(&log, &log.partition(1))
        .await
        .iter()
        .map(|record| record.data[0])
        .collect::<Vec<_>>();
    assert_eq!(fills, (0..=acknowledged).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_write_cut_off_by_a_full_disk_leaves_no_ghosts() {
    for stops_after in [1, 100, 5_000, 10_300, 20_000] {
        let bench = Bench::new(64 << 10);
        let log = bench.open();
        let partition = log.partition(1);
        put(&log, &partition, 0, 1_000).await.expect("appends");
        bench.disk.faults.write_stops_after.store(stops_after, Ordering::SeqCst);
        // Two frames: of these the first may reach the disk whole, and must not come back.
        let two = vec![
            batch(&partition, &[vec![7; 10_000]]),
            batch(&partition, &[vec![8; 20_000]]),
        ];
        assert!(matches!(log.append(two).await, Err(LogError::Full)));
        assert_eq!(put(&log, &partition, 1, 1_000).await.expect("appends"), 1);
        let copy = bench.dir.path().join("copy");
        super::copy_directory(bench.dir.path(), &copy);
        let crashed = bench.open_at(&copy).expect("opens");
        let fills = all(&crashed, &crashed.partition(1))
            .await
            .iter()
            .map(|record| record.data[0])
            .collect::<Vec<_>>();
        assert_eq!(fills, [0, 1], "stopped after {stops_after}");
        assert_eq!(crashed.status().quarantined, []);
    }
}

#[tokio::test]
async fn after_a_failed_sync_writes_are_refused_and_reads_go_on() {
    let bench = Bench::new(64 << 10);
    let log = bench.open();
    let partition = log.partition(1);
    put(&log, &partition, 0, 100).await.expect("appends");
    bench.disk.faults.sync_fails.store(true, Ordering::SeqCst);
    assert!(matches!(
        put(&log, &partition, 1, 100).await,
        Err(LogError::Poisoned(_))
    ));
    bench.disk.faults.sync_fails.store(false, Ordering::SeqCst);
    assert!(
        matches!(put(&log, &partition, 2, 100).await, Err(LogError::Poisoned(_))),
        "still"
    );
    assert_eq!(
        all(&log, &partition).await.len(),
        1,
        "what was not acknowledged is not seen"
    );
    assert!(log.status().poisoned.is_some_and(|reason| reason.contains("injected")));
    drop((log, partition));
    let log = bench.open();
    let partition = log.partition(1);
    // The record whose sync failed may or may not be there; the next one comes behind it.
    let next = partition.end_offset();
    assert!((1..=2).contains(&next));
    assert_eq!(put(&log, &partition, 3, 100).await.expect("appends again"), next);
}

#[tokio::test]
async fn files_of_an_unknown_version_are_refused_and_left_alone() {
    let bench = Bench::new(64 << 10);
    let log = bench.open();
    put(&log, &log.partition(1), 0, 100).await.expect("appends");
    log.close().await;
    drop(log);
    let path = log_files(bench.dir.path()).remove(0);
    let mut bytes = std::fs::read(&path).expect("reads");
    bytes[8] = 9;
    let crc = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&path, &bytes).expect("writes");
    assert!(matches!(
        bench.open_at(bench.dir.path()),
        Err(LogError::Version { found: 9, known: 1, .. })
    ));
    assert_eq!(std::fs::read(&path).expect("reads"), bytes);
}

#[tokio::test]
async fn what_readers_see_after_a_failed_sync_survives_the_next_power_cut() {
    for seed in 0..16 {
        let bench = Bench::new(64 << 10);
        let (before, after) = (bench.dir.path().join("before"), bench.dir.path().join("after"));
        std::fs::create_dir(&before).expect("makes");
        bench.disk.faults.watch(&before).expect("watches");
        let log = bench.open_at(&before).expect("opens");
        let partition = log.partition(1);
        let values = |fill| [batch(&partition, &[vec![fill; 3_000]])].into();
        log.append(values(0)).await.expect("appends");
        // The write goes well, the sync behind it does not.
        bench.disk.faults.plan(Some(Plan {
            on: On::Writer,
            after: 1,
            strike: Strike::Broken(seed),
        }));
        let failed = log.append(values(1)).await;
        assert!(matches!(failed, Err(LogError::Poisoned(_))), "{failed:?}");
        drop((log, partition));
        let log = bench.open_at(&before).expect("opens");
        let seen = all(&log, &log.partition(1)).await;
        assert!(!seen.is_empty());
        let cut = Cut {
            to: after.clone(),
            seed: seed as u64,
        };
        bench.disk.faults.cut(&cut).expect("copies");
        drop(log);
        let log = bench.open_at(&after).expect("opens");
        assert_eq!(all(&log, &log.partition(1)).await, seen, "seed {seed}");
    }
}
