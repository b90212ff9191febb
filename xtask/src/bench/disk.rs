//! The disk's own figures, to read the others by.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::table::Line;
use crate::load::percentile;

/// Measures and prints what a write and sync of so many bytes take on the disk itself, and returns the median.
pub(crate) fn measure(directory: &Path, bytes: usize) -> Result<Duration> {
    const ROUNDS: usize = 400;
    let times = fdatasync(directory, bytes, ROUNDS.min((64 << 20) / bytes))?;
    let p50 = percentile(&times, 0.5);
    Line {
        name: &format!("the disk: write {} KiB + fdatasync", bytes >> 10),
        p50: Some(p50),
        p99: Some(percentile(&times, 0.99)),
        ..Line::default()
    }
    .print();
    Ok(p50)
}

/// Writes `bytes` and syncs them, again and again into blocks that were written before, and returns the times
/// it took, sorted.
fn fdatasync(directory: &Path, bytes: usize, rounds: usize) -> Result<Vec<Duration>> {
    let path = directory.join("fdatasync");
    let file = File::create(&path)?;
    let block = vec![0xA5; bytes];
    for round in 0..rounds {
        file.write_all_at(&block, (round * bytes) as u64)?;
    }
    file.sync_all()?;
    let mut times = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let began = Instant::now();
        file.write_all_at(&block, (round * bytes) as u64)?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    std::fs::remove_file(path)?;
    times.sort_unstable();
    Ok(times)
}
