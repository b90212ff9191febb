//! Random histories, on a disk that fails, against a model that is a vector of records for each partition.

mod model;

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::Tasks;
use proptest::prelude::*;

use self::model::{Lane, Slot, check_record};
use super::rot;
use super::{Bench, batch};
use crate::disk::faults::{Cut, On, Plan, Strike};
use crate::{Log, LogError, Partition, Record};

#[derive(Debug, Clone)]
enum Step {
    /// Append calls made at once: of each the lanes of its batches and the sizes of their records.
    Append(Vec<Call>),
    /// The same while something goes wrong.
    AppendWith(Vec<Call>, Trouble),
    Read {
        lane: usize,
        from: u64,
        bytes_max: usize,
        records_max: usize,
    },
    Time {
        lane: usize,
        back_ms: i64,
    },
    Advance(u64),
    Trim(usize, u64),
    Retain(usize, u64),
    Reclaim,
    Fence(usize),
    Unfence(usize),
    Remove(usize),
    /// The disk has no room for another file, or has room again.
    Room(bool),
    /// A bit of a log file flips while the log is open.
    Rot(u64),
    Reopen {
        /// Bits flip in the files while the log is closed.
        rot: Vec<u64>,
        trouble: Option<Trouble>,
    },
}

type Call = Vec<(usize, Vec<usize>)>;

#[derive(Debug, Clone)]
struct Trouble {
    on: On,
    after: u32,
    kind: Kind,
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Short,
    Interrupted,
    Broken,
    Full,
    PowerCut,
}

/// Each is a partition at a time; a removed one's place is taken by one with a new id.
const LANES: usize = 4;

fn call() -> impl Strategy<Value = Call> {
    let sizes = proptest::collection::vec(prop_oneof![0usize..40, 1000usize..9000], 1..6);
    proptest::collection::vec((0..LANES, sizes), 1..4)
}

fn trouble(on: impl Strategy<Value = On>) -> impl Strategy<Value = Trouble> {
    let kind = prop_oneof![
        1 => Just(Kind::Short),
        1 => Just(Kind::Interrupted),
        1 => Just(Kind::Broken),
        1 => Just(Kind::Full),
        3 => Just(Kind::PowerCut),
    ];
    (on, 0u32..6, kind, any::<u64>()).prop_map(|(on, after, kind, seed)| Trouble { on, after, kind, seed })
}

fn step() -> impl Strategy<Value = Step> {
    let on = || prop_oneof![3 => Just(On::Writer), 1 => Just(On::Housekeeper)];
    let calls = || proptest::collection::vec(call(), 1..4);
    let bytes_max = prop_oneof![Just(0usize), 1usize..20_000];
    let read =
        (0..LANES, 0u64..60, bytes_max, 0usize..20).prop_map(|(lane, from, bytes_max, records_max)| Step::Read {
            lane,
            from,
            bytes_max,
            records_max,
        });
    let rot = prop_oneof![3 => Just(Vec::new()), 1 => proptest::collection::vec(any::<u64>(), 1..4)];
    let opening = proptest::option::weighted(0.3, trouble(Just(On::Opener)));
    prop_oneof![
        8 => calls().prop_map(Step::Append),
        4 => (calls(), trouble(on())).prop_map(|(calls, trouble)| Step::AppendWith(calls, trouble)),
        3 => read,
        1 => (0..LANES, 0i64..200).prop_map(|(lane, back_ms)| Step::Time { lane, back_ms }),
        2 => (0u64..50).prop_map(Step::Advance),
        1 => (0..LANES, 0u64..60).prop_map(|(lane, offset)| Step::Trim(lane, offset)),
        1 => (0..LANES, 0u64..200).prop_map(|(lane, ms)| Step::Retain(lane, ms)),
        1 => Just(Step::Reclaim),
        1 => (0..LANES).prop_map(Step::Fence),
        2 => (0..LANES).prop_map(Step::Unfence),
        1 => (0..LANES).prop_map(Step::Remove),
        1 => any::<bool>().prop_map(Step::Room),
        1 => any::<u64>().prop_map(Step::Rot),
        2 => (rot, opening).prop_map(|(rot, trouble)| Step::Reopen { rot, trouble }),
    ]
}

struct History {
    bench: Bench,
    directory: PathBuf,
    /// How many power cuts there were.
    cuts: u32,
    log: Option<Log>,
    lanes: Vec<Lane>,
    next_id: u64,
    next_append: u64,
    next_value: u64,
    rotted: bool,
}

impl History {
    fn new() -> Self {
        let bench = Bench::new(32 << 10);
        let directory = bench.dir.path().join("0");
        std::fs::create_dir(&directory).expect("makes");
        bench.disk.faults.watch(&directory).expect("watches");
        let log = Some(bench.open_at(&directory).expect("opens"));
        Self {
            bench,
            directory,
            cuts: 0,
            log,
            lanes: (0..LANES as u64).map(Lane::new).collect(),
            next_id: LANES as u64,
            next_append: 0,
            next_value: 0,
            rotted: false,
        }
    }

    fn now_ms(&self) -> i64 {
        self.bench.clock.clock().now_ms()
    }

    fn log(&self) -> Log {
        self.log.clone().expect("open")
    }

    fn partition(&self, lane: usize) -> Partition {
        self.log().partition(self.lanes[lane].id)
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Append(calls) => self.append(calls, None).await,
            Step::AppendWith(calls, trouble) => self.append(calls, Some(trouble)).await,
            Step::Read {
                lane,
                from,
                bytes_max,
                records_max,
            } => self.read(lane, from, bytes_max, records_max).await,
            Step::Time { lane, back_ms } => {
                let at_ms = self.now_ms() - back_ms;
                let found = self.log().offset_at(&self.partition(lane), at_ms).await.expect("reads");
                let start = self.lanes[lane].first_visible(self.now_ms());
                let lane = &mut self.lanes[lane];
                let expected = lane.first_at(at_ms).max(start);
                assert!(
                    found == expected || found > expected && lane.may_lack(expected..found),
                    "{found} for {expected}"
                );
                lane.start = start;
            }
            Step::Advance(ms) => self.bench.clock.advance(Duration::from_millis(ms)),
            Step::Trim(lane, offset) => {
                let offset = offset.min(self.lanes[lane].end());
                self.partition(lane).trim(offset);
                self.lanes[lane].start = self.lanes[lane].start.max(offset);
            }
            Step::Retain(lane, ms) => {
                // What is past the old retention is settled first: raising it brings back only what nobody missed.
                self.fix_start(lane).await;
                self.partition(lane).set_retention(Duration::from_millis(ms));
                self.lanes[lane].retention_ms = Some(ms);
            }
            Step::Reclaim => self.log().reclaim(),
            Step::Fence(lane) => {
                self.log().fence(&[self.partition(lane)]).await.expect("fences");
                self.lanes[lane].fenced = true;
            }
            Step::Unfence(lane) => {
                self.log().unfence(&[self.partition(lane)]);
                self.lanes[lane].fenced = false;
            }
            Step::Remove(lane) => {
                let partition = self.partition(lane);
                self.log().remove_partition(partition.id());
                self.log().reclaim();
                let refused = self.log().append(vec![batch(&partition, &[b"late".to_vec()])]).await;
                let expected = matches!(refused, Err(LogError::NoPartition | LogError::Poisoned(_)));
                assert!(expected, "{refused:?}");
                self.lanes[lane] = Lane::new(self.next_id);
                self.next_id += 1;
            }
            Step::Room(there_is) => self.bench.disk.faults.full.store(!there_is, Ordering::SeqCst),
            // What a failed disk holds is known only after opening again.
            Step::Rot(seed) if self.log().status().poisoned.is_none() => self.rot(seed, false),
            Step::Rot(_) => {}
            Step::Reopen { rot, trouble } => self.reopen(rot, trouble).await,
        }
    }

    async fn append(&mut self, calls: Vec<Call>, trouble: Option<Trouble>) {
        let cut = self.arm(trouble.as_ref());
        let arrival_ms = self.now_ms();
        let was_poisoned = self.log().status().poisoned.is_some();
        self.bench.disk.faults.answered.lock().clear();
        let tasks = Tasks::new();
        let mut under_way = Vec::new();
        for call in calls {
            let mut batches = Vec::new();
            let mut meant = Vec::new();
            for (lane, sizes) in call {
                let values = sizes.into_iter().map(|size| self.value(size)).collect::<Vec<_>>();
                batches.push(batch(&self.partition(lane), &values));
                let slots = values.into_iter().map(|value| Slot {
                    arrival_ms,
                    value,
                    is_rotten: false,
                    is_lost: false,
                });
                meant.push((lane, slots.collect::<Vec<_>>()));
            }
            let number = self.next_append;
            self.next_append += 1;
            let (log, faults) = (self.log(), self.bench.disk.faults.clone());
            let task = tasks.spawn(async move {
                let answer = log.append(batches).await;
                if answer.is_ok() {
                    faults.answered.lock().push(number);
                }
                answer
            });
            under_way.push((number, meant, task));
        }
        let mut answers = Vec::new();
        for (number, meant, task) in under_way {
            answers.push((number, meant, task.await.expect("runs")));
        }
        let faults = &self.bench.disk.faults;
        let is_full = faults.full.load(Ordering::SeqCst);
        let before_cut = cut.as_ref().map(|cut| faults.cut(cut).expect("copies"));
        let mut answered = vec![Vec::new(); LANES];
        for (number, meant, answer) in answers {
            let fenced = meant.iter().any(|(lane, _)| self.lanes[*lane].fenced);
            match &answer {
                Ok(appended) => {
                    assert!(!was_poisoned && !fenced);
                    assert_eq!(appended.len(), meant.len());
                    for (done, (lane, slots)) in appended.iter().zip(&meant) {
                        assert_eq!(
                            (done.partition, done.records),
                            (self.lanes[*lane].id, slots.len() as u32)
                        );
                        assert_eq!(done.arrival_ms, arrival_ms);
                    }
                }
                Err(LogError::Poisoned(_)) => assert!(was_poisoned || faults.struck()),
                Err(LogError::Fenced) => assert!(fenced),
                Err(LogError::Full) => assert!(is_full || faults.struck(), "there was room"),
                Err(LogError::Io(_)) => assert!(faults.struck()),
                Err(other) => panic!("{other}"),
            }
            let sure = before_cut.as_ref().is_none_or(|before| before.contains(&number));
            for (index, (lane, slots)) in meant.into_iter().enumerate() {
                let base_offset = answer.as_ref().ok().map(|appended| appended[index].base_offset);
                match (base_offset, &answer) {
                    (Some(base_offset), _) if before_cut.is_none() => answered[lane].push((base_offset, slots)),
                    (_, Err(LogError::Fenced)) => {}
                    (_, Err(LogError::Poisoned(_))) if was_poisoned => {}
                    // When the power was cut nothing was said yet of those that were refused later.
                    (_, Err(LogError::Poisoned(_))) => self.lanes[lane].unsure.push((None, slots)),
                    (_, Err(_)) if before_cut.is_none() => {}
                    _ => self.lanes[lane].unsure.push((base_offset.filter(|_| sure), slots)),
                }
            }
        }
        self.bench.disk.faults.plan(None);
        for (lane, answered) in answered.into_iter().enumerate() {
            self.lanes[lane].settle(answered);
        }
        if let Some(cut) = cut {
            self.log = None;
            self.directory = cut.to;
            self.bench.disk.faults.watch(&self.directory).expect("watches");
            if trouble.is_some_and(|trouble| trouble.seed.is_multiple_of(4)) {
                self.rot(self.next_value, true);
            }
            self.open(None).await;
        }
    }

    /// Values are told apart by their first bytes; those too small for that are as good as the same.
    fn value(&mut self, size: usize) -> Vec<u8> {
        self.next_value += 1;
        let mut value = self.next_value.to_le_bytes().to_vec();
        value.resize(size.max(8), self.next_value as u8);
        value
    }

    /// Has the trouble come about; where it is a power cut, this is what it leaves.
    fn arm(&mut self, trouble: Option<&Trouble>) -> Option<Cut> {
        let Trouble { on, after, kind, seed } = trouble?.clone();
        let bytes = (seed % 20_000) as usize;
        let cut = Cut {
            to: self.bench.dir.path().join((self.cuts + 1).to_string()),
            seed,
        };
        let strike = match kind {
            Kind::Short => Strike::Short(bytes),
            Kind::Interrupted => Strike::Interrupted,
            Kind::Broken => Strike::Broken(bytes),
            Kind::Full => Strike::Full(bytes),
            Kind::PowerCut => Strike::PowerCut(cut.clone()),
        };
        self.bench.disk.faults.plan(Some(Plan { on, after, strike }));
        self.cuts += u32::from(kind == Kind::PowerCut);
        (kind == Kind::PowerCut).then_some(cut)
    }

    async fn read(&mut self, lane: usize, from: u64, bytes_max: usize, records_max: usize) {
        let read = self
            .log()
            .read(&self.partition(lane), from, bytes_max, records_max)
            .await;
        let read = read.expect("reads");
        let start = self.lanes[lane].first_visible(self.now_ms());
        let lane = &mut self.lanes[lane];
        assert_eq!(read.end_offset, lane.end());
        if records_max == 0 || from >= lane.end() {
            assert!(read.records.is_empty());
            return;
        }
        assert!(
            read.start_offset == start || read.start_offset > start && lane.may_lack(start..read.start_offset),
            "{} for {start}",
            read.start_offset
        );
        lane.start = start;
        let mut next = from.max(start);
        for record in &read.records {
            assert!(record.offset == next || record.offset > next && lane.may_lack(next..record.offset));
            check_record(record, &lane.slots[record.offset as usize]);
            next = record.offset + 1;
        }
        assert!(read.next_offset == next || read.next_offset > next && lane.may_lack(next..read.next_offset));
        assert!(read.records.len() <= records_max);
        let bytes = read.records.iter().map(|r| r.key.len() + r.data.len()).sum::<usize>();
        assert!(bytes <= bytes_max || read.records.len() == 1, "{bytes} of {bytes_max}");
        if !lane.is_rotten() {
            let following = lane.slots.get(next as usize).map(|slot| slot.value.len() + 3);
            let could_go_on = following.is_some_and(|more| bytes + more <= bytes_max && bytes < bytes_max);
            assert!(!could_go_on || read.records.len() == records_max, "it stopped early");
            assert_eq!(!read.records.is_empty(), next > start || start < lane.end());
        }
    }

    async fn fix_start(&mut self, lane: usize) {
        self.log().start_offset(&self.partition(lane)).await.expect("reads");
        self.lanes[lane].start = self.lanes[lane].first_visible(self.now_ms());
    }

    async fn reopen(&mut self, rot: Vec<u64>, trouble: Option<Trouble>) {
        self.log = None;
        for seed in rot {
            self.rot(seed, true);
        }
        self.open(trouble).await;
    }

    async fn open(&mut self, trouble: Option<Trouble>) {
        let cut = self.arm(trouble.as_ref());
        let mut opened = self.bench.open_at(&self.directory);
        let struck = self.bench.disk.faults.struck();
        self.bench.disk.faults.plan(None);
        if let Some(cut) = cut {
            drop(opened);
            self.bench.disk.faults.cut(&cut).expect("copies");
            self.directory = cut.to;
            self.bench.disk.faults.watch(&self.directory).expect("watches");
            opened = self.bench.open_at(&self.directory);
        } else if struck && opened.is_err() {
            opened = self.bench.open_at(&self.directory);
        }
        self.log = Some(opened.expect("opens"));
        let known = self.lanes.iter().map(|lane| lane.id).collect();
        self.log().keep_only(&known);
        for lane in 0..LANES {
            let partition = self.partition(lane);
            self.lanes[lane].fenced = false;
            partition.trim(self.lanes[lane].start);
            // Before the retention is set, which hides some of it.
            self.settle_unsure(lane).await;
            let model = &mut self.lanes[lane];
            if let Some(ms) = model.retention_ms {
                partition.set_retention(Duration::from_millis(ms));
            }
        }
        self.check_all().await;
    }

    /// Finds out which of the unsure batches are there.
    async fn settle_unsure(&mut self, lane: usize) {
        let partition = self.partition(lane);
        let found = self.read_from(&partition, self.lanes[lane].end()).await;
        let lane = &mut self.lanes[lane];
        // Nothing says any more where a partition ended whose last frames are damaged, unless a later file does.
        // Then offsets that nobody can read are given again.
        let end = found.first().map_or(partition.end_offset(), |record| record.offset);
        if end < lane.end() && lane.may_lack(end..lane.end()) {
            lane.slots.truncate(end as usize);
        }
        lane.resolve(&found);
        assert_eq!(partition.end_offset(), lane.end(), "the end of partition {}", lane.id);
    }

    async fn read_from(&self, partition: &Partition, mut from: u64) -> Vec<Record> {
        let log = self.log();
        let mut found = Vec::new();
        loop {
            let read = log.read(partition, from, 10_000, 100).await.expect("reads");
            assert!(read.next_offset > from || read.records.is_empty());
            let at_end = read.next_offset >= read.end_offset;
            from = read.next_offset;
            found.extend(read.records);
            if at_end {
                return found;
            }
        }
    }

    /// Compares everything.
    async fn check_all(&mut self) {
        let mut lacks = false;
        for lane in 0..LANES {
            let partition = self.partition(lane);
            let first = self.lanes[lane].first_visible(self.now_ms());
            let found = self.read_from(&partition, 0).await;
            let lane = &mut self.lanes[lane];
            let mut next = first;
            for record in &found {
                lacks |= lane.note_lack(next..record.offset);
                check_record(record, &lane.slots[record.offset as usize]);
                next = record.offset + 1;
            }
            lacks |= lane.note_lack(next..lane.end());
            lane.start = first;
        }
        let status = self.log().status();
        let reported = status.damaged_frames > 0 || !status.quarantined.is_empty();
        assert!(reported || !lacks, "what is damaged is reported");
        if !self.rotted {
            assert!(!reported, "{status:?}");
        }
    }

    /// Flips a bit in a file. Frames of which nothing written later proves that they were durable are spared:
    /// nothing can tell them from a write that a crash cut off.
    fn rot(&mut self, seed: u64, sidecars: bool) {
        let Some(place) = rot::choose(&self.directory, seed, sidecars) else {
            return;
        };
        if let Some((id, offsets)) = place.records
            && let Some(lane) = self.lanes.iter_mut().find(|lane| lane.id == id)
        {
            if offsets.end > lane.end() {
                return;
            }
            for slot in &mut lane.slots[offsets.start as usize..offsets.end as usize] {
                slot.is_rotten = true;
            }
        }
        self.rotted = true;
        let flipped = self.bench.disk.faults.flip(&place.path, place.at, place.bit);
        flipped.expect("flips");
    }
}

async fn play(steps: Vec<Step>) {
    let mut history = History::new();
    for step in steps {
        history.take(step).await;
    }
    history.bench.disk.faults.full.store(false, Ordering::SeqCst);
    history.reopen(Vec::new(), None).await;
    // With room and a sound disk the log takes records, whatever happened before.
    for lane in 0..LANES {
        let again = vec![vec![(lane, vec![10])]];
        let before = history.lanes[lane].end();
        history.append(again, None).await;
        assert_eq!(history.lanes[lane].end(), before + 1);
    }
    history.reopen(Vec::new(), None).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_log_behaves_as_vectors_of_records_on_a_disk_that_fails(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("starts");
        runtime.block_on(play(steps));
    }
}
