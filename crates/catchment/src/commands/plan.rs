//! `catchment plan`: sizes worked out with their reasons.

use anyhow::{Result, ensure};

/// What one shard takes and gives, as the service documents it.
const WRITE_KB_PER_SECOND: f64 = 1_000.0;
const WRITE_RECORDS_PER_SECOND: f64 = 1_000.0;
const READ_KB_PER_SECOND: f64 = 2_000.0;
/// More than anybody sends; numbers beyond it are slips.
const RECORDS_PER_SECOND_MAX: f64 = 1e12;

/// The shard formula of the service's developer guide: max(write KB/s / 1000, read KB/s / 2000), with the
/// average record size rounded up to the next KB.
pub(crate) fn shards(records_per_second: f64, record_kb: f64, consumers: u32) -> Result<()> {
    ensure!(
        records_per_second > 0.0 && records_per_second <= RECORDS_PER_SECOND_MAX,
        "--records-per-second must be above 0 and at most {RECORDS_PER_SECOND_MAX}"
    );
    ensure!(
        record_kb > 0.0 && record_kb <= 10_240.0,
        "--record-kb must be above 0 and at most 10240"
    );
    let plan = Shards::work_out(records_per_second, record_kb, consumers);
    println!("{}", plan.needed);
    println!();
    println!(
        "record size      {} KB (averages are rounded up to whole KB)",
        plan.record_kb
    );
    println!(
        "write            {:.0} KB/s, at {WRITE_KB_PER_SECOND:.0} KB/s a shard: {}",
        plan.write_kb, plan.for_write
    );
    println!(
        "records          {records_per_second:.0}/s, at {WRITE_RECORDS_PER_SECOND:.0}/s a shard: {}",
        plan.for_records
    );
    println!(
        "read             {:.0} KB/s by {consumers} consumer(s), at {READ_KB_PER_SECOND:.0} KB/s a shard: {}",
        plan.read_kb, plan.for_read
    );
    println!("shards           {}: {}", plan.needed, plan.reason());
    Ok(())
}

struct Shards {
    record_kb: f64,
    write_kb: f64,
    read_kb: f64,
    for_write: u64,
    for_records: u64,
    for_read: u64,
    needed: u64,
}

impl Shards {
    fn work_out(records_per_second: f64, record_kb: f64, consumers: u32) -> Self {
        let record_kb = record_kb.ceil();
        let write_kb = records_per_second * record_kb;
        let read_kb = write_kb * f64::from(consumers);
        let for_write = (write_kb / WRITE_KB_PER_SECOND).ceil() as u64;
        let for_records = (records_per_second / WRITE_RECORDS_PER_SECOND).ceil() as u64;
        let for_read = (read_kb / READ_KB_PER_SECOND).ceil() as u64;
        let needed = for_write.max(for_records).max(for_read).max(1);
        Self {
            record_kb,
            write_kb,
            read_kb,
            for_write,
            for_records,
            for_read,
            needed,
        }
    }

    fn reason(&self) -> &'static str {
        if self.needed == self.for_write {
            "writing decides"
        } else if self.needed == self.for_read {
            "reading decides; consumers with enhanced fan-out have 2 MB/s of their own and would not count"
        } else {
            "the number of records decides"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formula() {
        let needed = |records, kb, consumers| Shards::work_out(records, kb, consumers).needed;
        assert_eq!(needed(1.0, 0.1, 1), 1);
        assert_eq!(needed(1_000.0, 1.0, 1), 1);
        assert_eq!(needed(1_001.0, 1.0, 1), 2);
        assert_eq!(needed(100.0, 30.0, 1), 3);
        assert_eq!(needed(1_000.0, 1.0, 5), 3);
        assert_eq!(needed(1_000.0, 0.5, 0), 1);
    }
}
