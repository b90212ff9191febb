//! What is left after a crash: damaged copies of the files, and a process killed while it appends.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;

use base::{Clock, Tasks};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{Bench, all, batch, copy_directory, log_files};
use crate::{Log, LogOptions};

/// Appends some groups without closing, and returns the bytes of the one log file with where each append begins.
async fn written(bench: &Bench, appends: u8) -> Vec<(u64, u64)> {
    let log = bench.open();
    let mut bounds = Vec::new();
    for n in 0..appends {
        let (a, b) = (log.partition(1), log.partition(2));
        let before = log.status().bytes;
        log.append(vec![
            batch(&a, &[vec![n; 700]]),
            batch(&b, &[vec![n; 90], vec![n; 500]]),
        ])
        .await
        .expect("appends");
        bounds.push((before, log.status().bytes));
    }
    // A copy of what is there now is what a crash would leave.
    copy_directory(bench.dir.path(), &bench.dir.path().join("crashed"));
    bounds
}

async fn counts(bench: &Bench, name: &str) -> (usize, usize, usize, Log) {
    let log = bench.open_at(&bench.dir.path().join(name)).expect("opens");
    let (a, b) = (
        all(&log, &log.partition(1)).await.len(),
        all(&log, &log.partition(2)).await.len(),
    );
    let quarantined = log.status().quarantined.len();
    (a, b, quarantined, log)
}

#[tokio::test]
async fn a_torn_tail_is_cut_off_wherever_it_is_torn() {
    let bench = Bench::new(64 << 10);
    let bounds = written(&bench, 8).await;
    let crashed = bench.dir.path().join("crashed");
    let (last_begins, last_ends) = bounds[7];
    let mut rng = StdRng::seed_from_u64(1);
    for case in 0..60u64 {
        let torn = bench.dir.path().join(format!("torn-{case}"));
        copy_directory(&crashed, &torn);
        let path = log_files(&torn).remove(0);
        let file = std::fs::File::options().write(true).open(path).expect("opens");
        let at = rng.random_range(last_begins..last_ends);
        match case % 3 {
            // The file ends in the middle of the last group.
            0 => file.set_len(at).expect("cuts"),
            // The last group was written only in part.
            1 => file
                .write_all_at(&vec![0; (last_ends - at) as usize], at)
                .expect("writes"),
            // A page in the middle of the last group is missing, and what comes behind it is there.
            _ => file
                .write_all_at(&vec![0; 64.min(last_ends - at) as usize], at)
                .expect("writes"),
        }
        let (a, b, quarantined, log) = counts(&bench, &format!("torn-{case}")).await;
        assert!(
            (7..=8).contains(&a) && (14..=16).contains(&b),
            "{case} at {at}: {a}, {b}"
        );
        assert_eq!(quarantined, 0, "{case} at {at}");
        // Appending goes on behind what is left.
        let (first, second) = (log.partition(1), log.partition(2));
        let more = log
            .append(vec![batch(&first, &[vec![9; 10]]), batch(&second, &[vec![9; 10]])])
            .await
            .expect("appends");
        assert_eq!((more[0].base_offset as usize, more[1].base_offset as usize), (a, b));
        drop((log, first, second));
        let (a_again, b_again, ..) = counts(&bench, &format!("torn-{case}")).await;
        assert_eq!((a_again, b_again), (a + 1, b + 1), "{case} at {at}");
    }
}

#[tokio::test]
async fn damage_below_the_durable_mark_is_quarantined_and_the_rest_stays_readable() {
    let bench = Bench::new(64 << 10);
    let bounds = written(&bench, 8).await;
    let crashed = bench.dir.path().join("crashed");
    let mut rng = StdRng::seed_from_u64(2);
    for case in 0..60u64 {
        let name = format!("damaged-{case}");
        let damaged = bench.dir.path().join(&name);
        copy_directory(&crashed, &damaged);
        let path = log_files(&damaged).remove(0);
        let (begins, ends) = bounds[rng.random_range(1..6)];
        let at = rng.random_range(begins..ends);
        let mut bytes = std::fs::read(&path).expect("reads");
        bytes[at as usize] ^= 1 << rng.random_range(0..8);
        std::fs::write(&path, bytes).expect("writes");
        let (a, b, quarantined, log) = counts(&bench, &name).await;
        // Bytes of padding belong to no checksum; a flip there damages nothing.
        let whole = (a, b, quarantined) == (8, 16, 0);
        assert!(
            whole || (matches!((a, b), (7, 16) | (8, 14)) && quarantined == 1),
            "{case} at {at}: {a}, {b}, {quarantined}"
        );
        drop(log);
        let again = counts(&bench, &name).await;
        assert_eq!(
            (again.0, again.1, again.2),
            (a, b, quarantined),
            "the same after opening again"
        );
    }
}

#[tokio::test]
async fn damage_in_a_finished_file_is_passed_over_and_counted() {
    let bench = Bench::new(64 << 10);
    let log = bench.open();
    let partition = log.partition(1);
    for n in 0..10 {
        log.append(vec![batch(&partition, &[vec![n; 1_000]])])
            .await
            .expect("appends");
    }
    log.close().await;
    drop((log, partition));
    let path = log_files(bench.dir.path()).remove(0);
    let bytes = std::fs::read(&path).expect("reads");
    let at = bytes
        .windows(500)
        .position(|window| window.iter().all(|byte| *byte == 4))
        .expect("there");
    let file = std::fs::File::options().write(true).open(&path).expect("opens");
    file.write_all_at(&[5], at as u64).expect("writes");
    let log = bench.open();
    let found = all(&log, &log.partition(1))
        .await
        .iter()
        .map(|record| record.offset)
        .collect::<Vec<_>>();
    assert_eq!(found, [0, 1, 2, 3, 5, 6, 7, 8, 9]);
    assert!(log.status().damaged_frames > 0);
    drop(log);
    // Without its sidecar the file is scanned, and the same frame is quarantined.
    std::fs::remove_file(path.with_extension("idx")).expect("removes");
    let log = bench.open();
    assert_eq!(all(&log, &log.partition(1)).await.len(), 9);
    assert_eq!(log.status().quarantined.len(), 1);
}

const CHILD: &str = "CATCHMENT_LOG_CHILD";

/// Not a test of its own: the child of the next one. It appends until it is killed and tells what was acknowledged.
#[test]
fn child_that_appends() {
    let Ok(directory) = std::env::var(CHILD) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("starts");
    runtime.block_on(async {
        let options = LogOptions::new(directory, Clock::system(), Tasks::new());
        let log = Log::open(LogOptions {
            file_bytes: 256 << 10,
            ..options
        })
        .expect("opens");
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..4u64 {
            let log = log.clone();
            writers.spawn(async move {
                let next = std::sync::atomic::AtomicU64::new(0);
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let (own, shared) = (log.partition(10 + writer), log.partition(1));
                    let text = format!("{}-{writer}-{n}", std::process::id());
                    let value = text.repeat(1 + (n as usize * 37) % 50).into_bytes();
                    let appended = log
                        .append(vec![
                            batch(&own, &[value.clone(), value.clone()]),
                            batch(&shared, &[value]),
                        ])
                        .await
                        .expect("appends");
                    for done in appended {
                        println!("ack {} {} {} {text}", done.partition, done.base_offset, done.records);
                    }
                }
            });
        }
        writers.join_next().await;
    });
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut acknowledged = BTreeMap::new();
    let mut rng = StdRng::seed_from_u64(3);
    for round in 0..6 {
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", "tests::crash::child_that_appends", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let kill_after = rng.random_range(1..400);
        let mut killed = false;
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut seen = 0;
        for line in lines {
            let Ok(line) = line else { break };
            let Some(rest) = line.split_once("ack ").map(|(_, rest)| rest) else {
                continue;
            };
            let parts = rest.split(' ').collect::<Vec<_>>();
            // The last line may be cut off by the kill.
            let [partition, offset, records, text] = parts.as_slice() else {
                continue;
            };
            let (Ok(partition), Ok(offset), Ok(records)) =
                (partition.parse::<u64>(), offset.parse::<u64>(), records.parse::<u64>())
            else {
                continue;
            };
            for offset in offset..offset + records {
                let twice = acknowledged.insert((partition, offset), (*text).to_owned());
                assert_eq!(twice, None, "round {round}: an offset was given twice");
            }
            seen += 1;
            if seen >= kill_after && !killed {
                child.kill().expect("kills");
                killed = true;
            }
        }
        child.wait().expect("ends");
        assert!(killed, "the child ended by itself");
        let options = LogOptions::new(dir.path(), Clock::system(), Tasks::new());
        let log = Log::open(LogOptions {
            file_bytes: 256 << 10,
            ..options
        })
        .expect("opens");
        let mut found = BTreeMap::new();
        for partition in [1, 10, 11, 12, 13] {
            for (index, record) in all(&log, &log.partition(partition)).await.into_iter().enumerate() {
                assert_eq!(record.offset, index as u64, "no gaps");
                found.insert(
                    (partition, record.offset),
                    String::from_utf8(record.data.to_vec()).expect("text"),
                );
            }
        }
        for (place, text) in &acknowledged {
            let record = found
                .get(place)
                .unwrap_or_else(|| panic!("round {round}: {place:?} is lost"));
            assert!(record.starts_with(text.as_str()), "round {round}: {place:?} is another");
        }
        assert_eq!(log.status().quarantined, []);
    }
    assert!(acknowledged.len() > 100);
}
