//! Splitting and merging shards.
//!
//! A shard that is split or merged takes no more records and stays readable; its children take over its range of
//! hash keys. First the log is told to take nothing more for the shards that close, so that their ends are final;
//! then one transaction closes them and makes the children. If it fails, or the process ends before it, the old
//! shards are open as before.

use std::collections::{BTreeMap, HashMap};

use base::Millis;
use serde::{Deserialize, Serialize};

use super::hash::even_ranges;
use super::{Closed, HashKey, ShardInfo};

/// One step of a change to a stream's shards. Shards are named by their numbers; a step may name shards that the
/// steps before it make, which get the next free numbers in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// The second child's range begins with `at`, which lies inside the shard's range and is not its first key.
    Split { shard: u32, at: HashKey },
    /// The two ranges lie side by side; `shard` is the parent, `adjacent` the adjacent parent.
    Merge { shard: u32, adjacent: u32 },
}

/// The steps after which the open shards divide the hash keys evenly among `count`: splits at every bound that is
/// missing, then merges over those that are too many.
pub fn even_steps(shards: &[ShardInfo], count: u32) -> Vec<Step> {
    let mut next = shards.len() as u32;
    let open = shards.iter().filter(|shard| shard.closed.is_none());
    // The number of the shard that begins with a key.
    let mut begins: BTreeMap<HashKey, u32> = open.map(|shard| (shard.first_hash, shard.number)).collect();
    let mut steps = Vec::new();
    let ranges = even_ranges(count.max(1));
    for (first, _) in &ranges {
        if begins.contains_key(first) {
            continue;
        }
        if let Some((_, shard)) = begins.range_mut(..first).next_back() {
            steps.push(Step::Split {
                shard: *shard,
                at: *first,
            });
            *shard = next;
            begins.insert(*first, next + 1);
            next += 2;
        }
    }
    for (first, last) in ranges {
        let mut inside: Vec<u32> = begins.range(first..=last).map(|(_, shard)| *shard).collect();
        // In rounds of pairs, so that no line of descent grows longer than it must.
        while inside.len() > 1 {
            inside = inside
                .chunks(2)
                .map(|pair| match *pair {
                    [shard, adjacent] => {
                        steps.push(Step::Merge { shard, adjacent });
                        next += 1;
                        next - 1
                    }
                    _ => pair[0],
                })
                .collect();
        }
    }
    steps
}

/// The numbers of the shards that the steps close and do not make themselves.
pub(super) fn closing(steps: &[Step], shards: &[ShardInfo]) -> Vec<u32> {
    let named = steps.iter().flat_map(|step| match *step {
        Step::Split { shard, .. } => [Some(shard), None],
        Step::Merge { shard, adjacent } => [Some(shard), Some(adjacent)],
    });
    named
        .flatten()
        .filter(|number| (*number as usize) < shards.len())
        .collect()
}

/// Applies the steps. `ends` holds the end offsets of the shards that had records, `partition` the next free id.
/// `None` where a step names a shard that is not there, is closed, or does not have the range for it.
pub(super) fn apply(
    shards: &mut Vec<ShardInfo>,
    steps: &[Step],
    ends: &HashMap<u32, u64>,
    partition: &mut u64,
    now_ms: Millis,
) -> Option<()> {
    for step in steps {
        let (parents, ranges) = match *step {
            Step::Split { shard, at } => {
                let (first, last) = open_range(shards, shard)?;
                if at <= first || at > last {
                    return None;
                }
                (vec![shard], vec![(first, HashKey(at.0 - 1)), (at, last)])
            }
            Step::Merge { shard, adjacent } => {
                let (a, b) = (open_range(shards, shard)?, open_range(shards, adjacent)?);
                let ((first, end), (begin, last)) = if a < b { (a, b) } else { (b, a) };
                if end.0.checked_add(1) != Some(begin.0) {
                    return None;
                }
                (vec![shard, adjacent], vec![(first, last)])
            }
        };
        let mut numbered_from_s = (now_ms / 1000) as u64;
        for parent in &parents {
            let parent = shards.get_mut(*parent as usize)?;
            parent.closed = Some(Closed {
                end_offset: ends.get(&parent.number).copied().unwrap_or_default(),
                at_ms: now_ms,
            });
            numbered_from_s = numbered_from_s.max(parent.numbered_from_s + 1);
        }
        for (first_hash, last_hash) in ranges {
            shards.push(ShardInfo {
                number: shards.len() as u32,
                partition: *partition,
                first_hash,
                last_hash,
                parents: parents.clone(),
                created_ms: now_ms,
                numbered_from_s,
                closed: None,
                trimmed_below: 0,
            });
            *partition += 1;
        }
    }
    Some(())
}

fn open_range(shards: &[ShardInfo], number: u32) -> Option<(HashKey, HashKey)> {
    let shard = shards.get(number as usize).filter(|shard| shard.closed.is_none())?;
    Some((shard.first_hash, shard.last_hash))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn begun(count: u32) -> Vec<ShardInfo> {
        let ranges = even_ranges(count).into_iter().zip(0..);
        let shard = |((first_hash, last_hash), number)| ShardInfo {
            number,
            partition: u64::from(number),
            first_hash,
            last_hash,
            parents: Vec::new(),
            created_ms: 0,
            numbered_from_s: 0,
            closed: None,
            trimmed_below: 0,
        };
        ranges.map(shard).collect()
    }

    fn open(shards: &[ShardInfo]) -> Vec<(HashKey, HashKey)> {
        let open = shards.iter().filter(|shard| shard.closed.is_none());
        let mut ranges: Vec<_> = open.map(|shard| (shard.first_hash, shard.last_hash)).collect();
        ranges.sort_unstable();
        ranges
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        let at = |key| Step::Split {
            shard: 0,
            at: HashKey(key),
        };
        let merge = |shard, adjacent| Step::Merge { shard, adjacent };
        for steps in [
            vec![at(0)],
            vec![Step::Split {
                shard: 1,
                at: HashKey(5),
            }],
            vec![Step::Split {
                shard: 9,
                at: HashKey(5),
            }],
            vec![at(5), at(3)],
            vec![merge(0, 2)],
            vec![merge(0, 0)],
            vec![merge(0, 1), merge(1, 2)],
        ] {
            let applied = apply(&mut begun(3), &steps, &HashMap::new(), &mut 100, 1);
            assert_eq!(applied, None, "{steps:?}");
        }
        let mut shards = begun(3);
        apply(
            &mut shards,
            &[merge(1, 0), at(7)].map(|step| match step {
                Step::Split { at, .. } => Step::Split { shard: 3, at },
                merge => merge,
            }),
            &HashMap::new(),
            &mut 100,
            1,
        )
        .expect("applies");
        assert_eq!(shards[3].parents, [1, 0]);
        assert_eq!((shards[4].last_hash, shards[5].first_hash), (HashKey(6), HashKey(7)));
    }

    proptest! {
        #[test]
        fn any_change_of_the_count_ends_even_with_a_sound_descent(counts in prop::collection::vec(1u32..40, 2..6)) {
            let mut shards = begun(counts[0]);
            let mut partition = 1_000;
            for (round, count) in counts[1..].iter().enumerate() {
                let before = open(&shards).len() as u32;
                let steps = even_steps(&shards, *count);
                prop_assert_eq!(steps.is_empty(), before == *count);
                let now_ms = round as i64 + 1;
                apply(&mut shards, &steps, &HashMap::new(), &mut partition, now_ms).expect("the steps apply");
                prop_assert_eq!(open(&shards), even_ranges(*count));
            }
            for shard in &shards {
                let children: Vec<_> = shards.iter().filter(|child| child.parents.contains(&shard.number)).collect();
                prop_assert_eq!(shard.closed.is_some(), !children.is_empty());
                for child in children {
                    prop_assert!(child.number > shard.number && child.numbered_from_s > shard.numbered_from_s);
                    let overlaps = child.first_hash <= shard.last_hash && child.last_hash >= shard.first_hash;
                    prop_assert!(overlaps && child.parents.len() <= 2);
                }
            }
            let mut partitions: Vec<_> = shards.iter().map(|shard| shard.partition).collect();
            partitions.dedup();
            prop_assert_eq!(partitions.len(), shards.len());
        }
    }
}
