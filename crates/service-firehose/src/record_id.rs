//! Record ids: opaque texts, one for each record, made of where the record is in the log.

use base64_simd::{AsOut, STANDARD};

const ID_BYTES: usize = 48;
pub(crate) const ID_LETTERS: usize = ID_BYTES / 3 * 4;

/// Appends the id of the record at `offset` of `partition`.
pub(crate) fn write(partition: u64, offset: u64, out: &mut Vec<u8>) {
    // Each step can be undone, so that no two records share an id.
    let mut left = partition ^ scramble(offset);
    let mut right = offset ^ scramble(left);
    let mut id = [0; ID_BYTES];
    for place in id.chunks_exact_mut(16) {
        place[..8].copy_from_slice(&left.to_be_bytes());
        place[8..].copy_from_slice(&right.to_be_bytes());
        left ^= scramble(right);
        right ^= scramble(left);
    }
    let at = out.len();
    out.resize(at + ID_LETTERS, b'=');
    let _ = STANDARD.encode(&id, out[at..].as_out());
}

pub(crate) fn text(partition: u64, offset: u64) -> String {
    let mut id = Vec::with_capacity(ID_LETTERS);
    write(partition, offset, &mut id);
    String::from_utf8_lossy(&id).into_owned()
}

/// The finalizer of SplitMix64.
fn scramble(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn no_two_records_share_an_id() {
        let ids: HashSet<String> = (0..50).flat_map(|p| (0..200).map(move |o| super::text(p, o))).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == super::ID_LETTERS && !id.contains('=')));
    }
}
