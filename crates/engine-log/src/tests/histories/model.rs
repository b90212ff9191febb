//! The model: a vector of records for each partition.

use std::ops::Range;

use crate::Record;

#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) arrival_ms: i64,
    pub(super) value: Vec<u8>,
    /// A bit of its frame has flipped, so it may be missing.
    pub(super) is_rotten: bool,
    /// It has been found missing. The report of that goes when its file is reclaimed.
    pub(super) is_lost: bool,
}

/// The model of one partition.
#[derive(Debug, Clone, Default)]
pub(super) struct Lane {
    pub(super) id: u64,
    pub(super) slots: Vec<Slot>,
    /// What readers were told to be the first offset; it never goes back.
    pub(super) start: u64,
    pub(super) retention_ms: Option<u64>,
    pub(super) fenced: bool,
    /// Batches of which nobody knows yet whether they are there. Those that were answered have their offset.
    pub(super) unsure: Vec<(Option<u64>, Vec<Slot>)>,
}

impl Lane {
    pub(super) fn new(id: u64) -> Self {
        Self { id, ..Self::default() }
    }

    pub(super) fn end(&self) -> u64 {
        self.slots.len() as u64
    }

    /// The first offset that can be read.
    pub(super) fn first_visible(&self, now_ms: i64) -> u64 {
        let oldest_ms = self.retention_ms.map_or(i64::MIN, |ms| now_ms - ms as i64);
        self.first_at(oldest_ms).max(self.start)
    }

    pub(super) fn first_at(&self, arrival_ms: i64) -> u64 {
        self.slots.partition_point(|slot| slot.arrival_ms < arrival_ms) as u64
    }

    pub(super) fn is_rotten(&self) -> bool {
        self.slots.iter().any(|slot| slot.is_rotten)
    }

    /// Whether nothing but what rotted lies in the range.
    pub(super) fn may_lack(&self, range: Range<u64>) -> bool {
        let range = range.start as usize..(range.end as usize).min(self.slots.len());
        self.slots
            .get(range)
            .is_none_or(|slots| slots.iter().all(|slot| slot.is_rotten))
    }

    /// Whether something in the range is found missing for the first time. Nothing but what rotted may be.
    pub(super) fn note_lack(&mut self, range: Range<u64>) -> bool {
        assert!(range.start <= range.end || range.end == self.end(), "{range:?}");
        assert!(
            self.may_lack(range.clone()),
            "partition {} lacks {range:?} of {}",
            self.id,
            self.end()
        );
        let range = range.start as usize..(range.end as usize).min(self.slots.len());
        let missing = self.slots.get_mut(range).unwrap_or_default();
        let is_new = missing.iter().any(|slot| !slot.is_lost);
        missing.iter_mut().for_each(|slot| slot.is_lost = true);
        is_new
    }

    /// Takes up the answered batches of a step; they must follow on what is there without gaps.
    pub(super) fn settle(&mut self, mut answered: Vec<(u64, Vec<Slot>)>) {
        answered.sort_by_key(|(base_offset, _)| *base_offset);
        for (base_offset, slots) in answered {
            assert_eq!(base_offset, self.end(), "offsets follow without gaps");
            self.slots.extend(slots);
        }
    }

    /// Finds out by what is there which of the unsure batches are: each wholly or not at all, and all that were
    /// answered.
    pub(super) fn resolve(&mut self, found: &[Record]) {
        let mut found = found;
        while let Some(first) = found.first() {
            let at = self.unsure.iter().position(|(_, slots)| slots[0].value == first.data);
            let at = at.unwrap_or_else(|| panic!("offset {} of {} was never appended", first.offset, self.id));
            let (base_offset, slots) = self.unsure.remove(at);
            assert!(
                base_offset.is_none_or(|offset| offset == self.end()),
                "it stands elsewhere"
            );
            assert!(found.len() >= slots.len(), "a batch is there in part");
            let (own, rest) = found.split_at(slots.len());
            for (record, slot) in own.iter().zip(slots) {
                assert_eq!(record.offset, self.end());
                check_record(record, &slot);
                self.slots.push(slot);
            }
            found = rest;
        }
        let lost = self.unsure.iter().filter_map(|(offset, _)| *offset).collect::<Vec<_>>();
        assert_eq!(lost, [0u64; 0], "answered batches of partition {} are lost", self.id);
        self.unsure.clear();
    }
}

pub(super) fn check_record(record: &Record, slot: &Slot) {
    assert_eq!(record.arrival_ms, slot.arrival_ms, "offset {}", record.offset);
    assert!(
        record.data == slot.value,
        "offset {} holds something else",
        record.offset
    );
}
