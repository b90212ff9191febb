//! Random histories against a model that is a map of vectors.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use super::{Bench, all, batch};
use crate::{Log, Record};

#[derive(Debug, Clone)]
enum Step {
    /// One append call: per batch the partition and the sizes of its records.
    Append(Vec<(u64, Vec<usize>)>),
    Read {
        partition: u64,
        from: u64,
        bytes_max: usize,
        records_max: usize,
    },
    Time {
        partition: u64,
        back_ms: i64,
    },
    Advance(u64),
    Reopen,
    Remove(u64),
}

/// Removed ids are not used again, so there are more of them than steps that use them.
const PARTITIONS: u64 = 4;

fn step() -> impl Strategy<Value = Step> {
    let sizes = proptest::collection::vec(prop_oneof![0usize..40, 1000usize..9000], 1..6);
    let append = proptest::collection::vec((0..PARTITIONS, sizes), 1..4).prop_map(Step::Append);
    let read = (
        0..PARTITIONS,
        0u64..60,
        prop_oneof![Just(0usize), 1usize..20_000],
        0usize..20,
    )
        .prop_map(|(partition, from, bytes_max, records_max)| Step::Read {
            partition,
            from,
            bytes_max,
            records_max,
        });
    prop_oneof![
        6 => append,
        3 => read,
        1 => (0..PARTITIONS, 0i64..200).prop_map(|(partition, back_ms)| Step::Time { partition, back_ms }),
        2 => (0u64..50).prop_map(Step::Advance),
        1 => Just(Step::Reopen),
        1 => (0..PARTITIONS).prop_map(Step::Remove),
    ]
}

#[derive(Default)]
struct Model {
    /// Where a removed partition's next life has its id.
    lives: HashMap<u64, u64>,
    records: HashMap<u64, Vec<(i64, Vec<u8>)>>,
}

impl Model {
    fn id(&self, partition: u64) -> u64 {
        partition + PARTITIONS * self.lives.get(&partition).copied().unwrap_or(0)
    }
}

fn check_records(found: &[Record], expected: &[(i64, Vec<u8>)], from: u64) {
    for (index, record) in found.iter().enumerate() {
        let offset = from + index as u64;
        let (arrival_ms, data) = &expected[offset as usize];
        assert_eq!((record.offset, record.arrival_ms), (offset, *arrival_ms));
        assert_eq!(&record.data[..], &data[..], "offset {offset}");
    }
}

async fn play(steps: Vec<Step>) {
    let bench = Bench::new(32 << 10);
    let mut log: Log = bench.open();
    let mut model = Model::default();
    let mut fill = 0u8;
    for step in steps {
        match step {
            Step::Append(parts) => {
                let arrival_ms = bench.clock.clock().now_ms();
                let mut batches = Vec::new();
                let mut expected = Vec::new();
                for (partition, sizes) in parts {
                    let id = model.id(partition);
                    let values = sizes.into_iter().map(|size| {
                        fill = fill.wrapping_add(1);
                        vec![fill; size]
                    });
                    let values = values.collect::<Vec<_>>();
                    batches.push(batch(&log.partition(id), &values));
                    let records = model.records.entry(id).or_default();
                    expected.push((id, records.len() as u64, values.len() as u32));
                    records.extend(values.into_iter().map(|value| (arrival_ms, value)));
                }
                let appended = log.append(batches).await.expect("appends");
                let appended = appended
                    .iter()
                    .map(|a| (a.partition, a.base_offset, a.records))
                    .collect::<Vec<_>>();
                assert_eq!(appended, expected);
            }
            Step::Read {
                partition,
                from,
                bytes_max,
                records_max,
            } => {
                let id = model.id(partition);
                let expected = model.records.get(&id).cloned().unwrap_or_default();
                let read = log
                    .read(&log.partition(id), from, bytes_max, records_max)
                    .await
                    .expect("reads");
                assert_eq!(read.end_offset, expected.len() as u64);
                check_records(&read.records, &expected, from);
                assert_eq!(read.next_offset, from + read.records.len() as u64);
                assert!(read.records.len() <= records_max);
                let bytes = read.records.iter().map(|r| r.key.len() + r.data.len()).sum::<usize>();
                assert!(bytes <= bytes_max || read.records.len() == 1, "{bytes} of {bytes_max}");
                let next = expected.get(read.next_offset as usize).map(|(_, data)| data.len() + 3);
                let could_go_on = next.is_some_and(|next| bytes + next <= bytes_max && bytes < bytes_max);
                assert!(!could_go_on || read.records.len() == records_max, "it stopped early");
                let any = records_max > 0 && (from as usize) < expected.len();
                assert_eq!(!read.records.is_empty(), any);
            }
            Step::Time { partition, back_ms } => {
                let id = model.id(partition);
                let at_ms = bench.clock.clock().now_ms() - back_ms;
                let expected = model
                    .records
                    .get(&id)
                    .map_or(0, |r| r.partition_point(|(arrival, _)| *arrival < at_ms));
                assert_eq!(
                    log.offset_at(&log.partition(id), at_ms).await.expect("reads"),
                    expected as u64
                );
            }
            Step::Advance(ms) => bench.clock.advance(Duration::from_millis(ms)),
            Step::Reopen => {
                drop(log);
                log = bench.open();
            }
            Step::Remove(partition) => {
                let id = model.id(partition);
                log.remove_partition(id);
                log.reclaim();
                model.records.remove(&id);
                *model.lives.entry(partition).or_default() += 1;
            }
        }
    }
    for (id, expected) in &model.records {
        let found = all(&log, &log.partition(*id)).await;
        assert_eq!(found.len(), expected.len());
        check_records(&found, expected, 0);
    }
    assert_eq!(log.status().damaged_frames, 0);
    assert_eq!(log.status().quarantined, []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_log_behaves_as_a_map_of_vectors(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("starts");
        runtime.block_on(play(steps));
    }
}
