//! Files that were finished in order and went bad later, and files that a crash never let begin.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use super::{Bench, EPOCH_MS, all, batch, log_files};
use crate::{Log, files};

const HOUR: Duration = Duration::from_secs(3600);

async fn append(log: &Log, fills: std::ops::Range<u8>) {
    let partition = log.partition(1);
    for fill in fills {
        log.append(vec![batch(&partition, &[vec![fill; 1_000]])])
            .await
            .expect("appends");
    }
}

async fn fills(log: &Log) -> Vec<u8> {
    all(log, &log.partition(1))
        .await
        .iter()
        .map(|record| record.data[0])
        .collect()
}

#[tokio::test]
async fn a_file_whose_header_reads_as_zeros_is_not_taken_for_an_unused_one() {
    for keeps_sidecar in [true, false] {
        let bench = Bench::new(64 << 10);
        let log = bench.open();
        append(&log, 0..10).await;
        log.close().await;
        drop(log);
        let path = log_files(bench.dir.path()).remove(0);
        let file = File::options().write(true).open(&path).expect("opens");
        file.write_all_at(&[0; 64], 0).expect("writes");
        if !keeps_sidecar {
            std::fs::remove_file(path.with_extension("idx")).expect("removes");
        }
        let log = bench.open();
        assert_eq!(fills(&log).await, (0..10).collect::<Vec<_>>(), "{keeps_sidecar}");
    }
}

#[tokio::test]
async fn a_damaged_index_is_made_again_from_the_log_file() {
    let bench = Bench::new(64 << 10);
    let log = bench.open();
    append(&log, 0..10).await;
    bench.clock.advance(HOUR);
    append(&log, 10..20).await;
    log.close().await;
    drop(log);
    let path = log_files(bench.dir.path()).remove(0).with_extension("idx");
    let bytes = std::fs::read(&path).expect("reads");
    for at in (104..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        std::fs::write(&path, &damaged).expect("writes");
        let log = bench.open();
        let later = log.offset_at(&log.partition(1), EPOCH_MS + 1).await.expect("finds");
        assert_eq!((later, fills(&log).await), (10, (0..20).collect()), "byte {at}");
    }
}

#[tokio::test]
async fn a_frame_that_is_damaged_with_its_index_is_counted() {
    let bench = Bench::new(64 << 10);
    let log = bench.open();
    append(&log, 0..10).await;
    log.close().await;
    drop(log);
    let path = log_files(bench.dir.path()).remove(0);
    let sidecar = path.with_extension("idx");
    let mut bytes = std::fs::read(&path).expect("reads");
    let fifth = memchr::memmem::find(&bytes, &[4; 1_000]).expect("its data stands there");
    bytes[fifth] ^= 1;
    std::fs::write(&path, &bytes).expect("writes");
    let mut bytes = std::fs::read(&sidecar).expect("reads");
    *bytes.last_mut().expect("an entry") ^= 1;
    std::fs::write(&sidecar, &bytes).expect("writes");
    let log = bench.open();
    assert_eq!(fills(&log).await, [0, 1, 2, 3, 5, 6, 7, 8, 9]);
    assert_eq!(log.status().damaged_frames, 1);
}

#[tokio::test]
async fn a_file_that_a_crash_left_without_its_ends_does_not_stand_for_the_one_before() {
    let bench = Bench::new(64 << 10);
    let log = bench.open();
    append(&log, 0..10).await;
    log.close().await;
    drop(log);
    // The first page reached the disk, the first group did not.
    let torn = files::log_path(bench.dir.path(), 2);
    std::fs::write(&torn, files::file_header(2, EPOCH_MS)).expect("writes");
    bench.clock.advance(HOUR * 2);
    for _ in 0..2 {
        let log = bench.open();
        let partition = log.partition(1);
        partition.set_retention(HOUR);
        log.reclaim();
        assert_eq!(partition.end_offset(), 10);
        assert!(fills(&log).await.is_empty());
        log.close().await;
    }
}

#[tokio::test]
async fn a_file_that_could_not_be_finished_is_finished_later() {
    let bench = Bench::new(16 << 10);
    let log = bench.open();
    let sidecar = files::sidecar_path(bench.dir.path(), 1);
    std::fs::create_dir(sidecar.with_extension("idx.tmp")).expect("makes what is in the way");
    append(&log, 0..40).await;
    assert!(log_files(bench.dir.path()).len() > 2 && !sidecar.exists());
    std::fs::remove_dir(sidecar.with_extension("idx.tmp")).expect("removes");
    log.reclaim();
    append(&log, 40..80).await;
    log.close().await;
    drop(log);
    assert!(sidecar.exists());
    assert_eq!(fills(&bench.open()).await, (0..80).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_file_that_lost_its_end_is_read_as_far_as_it_goes() {
    let bench = Bench::new(16 << 10);
    let log = bench.open();
    append(&log, 0..40).await;
    log.close().await;
    drop(log);
    let path = log_files(bench.dir.path()).remove(0);
    let file = File::options().write(true).open(path).expect("opens");
    file.set_len(5_000).expect("cuts");
    let log = bench.open();
    let found = fills(&log).await;
    // Four records of a thousand bytes and a little fit.
    assert_eq!(found[..4], [0, 1, 2, 3]);
    let behind = found[4];
    assert_eq!(found[4..], (behind..40).collect::<Vec<_>>());
    assert!(behind < 16, "the next file is read whole, {behind}");
    assert!(log.status().damaged_frames > 0);
}

#[tokio::test]
async fn readers_pass_over_lost_records_at_the_end_of_a_partition() {
    let bench = Bench::new(16 << 10);
    let log = bench.open();
    let partition = log.partition(1);
    append(&log, 0..3).await;
    // Another partition fills the file and begins the next one, which says where this one ended.
    let other = log.partition(2);
    for _ in 0..16 {
        log.append(vec![batch(&other, &[vec![0; 1_000]])])
            .await
            .expect("appends");
    }
    log.close().await;
    drop((log, partition, other));
    std::fs::remove_file(log_files(bench.dir.path()).remove(0)).expect("removes");
    let log = bench.open();
    let partition = log.partition(1);
    assert_eq!(partition.end_offset(), 3);
    let read = log.read(&partition, 0, 10_000, 100).await.expect("reads");
    assert!(read.records.is_empty());
    assert_eq!((read.next_offset, read.end_offset), (3, 3));
}

#[tokio::test]
async fn records_that_look_like_frames_stay_records() {
    let bench = Bench::new(64 << 10);
    let log = bench.open();
    let partition = log.partition(1);
    let mut fake = b"CLF1....".to_vec();
    fake.extend(2_000_000u32.to_le_bytes());
    fake.resize(64, 0);
    fake[40] = 1;
    let value = fake.repeat(100);
    for _ in 0..5 {
        log.append(vec![batch(&partition, std::slice::from_ref(&value))])
            .await
            .expect("appends");
    }
    let copy = bench.dir.path().join("copy");
    super::copy_directory(bench.dir.path(), &copy);
    let crashed = bench.open_at(&copy).expect("opens");
    let found = all(&crashed, &crashed.partition(1)).await;
    assert!(found.len() == 5 && found.iter().all(|record| record.data == value));
    assert_eq!(crashed.status().quarantined, []);
}
