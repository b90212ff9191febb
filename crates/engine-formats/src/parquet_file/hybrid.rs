//! Runs of equal numbers and bit-packed ones in between, as levels and references into dictionaries are written.
//!
//! Source: Apache Parquet format, Encodings, "Run Length Encoding / Bit-Packing Hybrid (RLE = 3)".

/// Bit-packed numbers come in groups of so many.
const GROUP: usize = 8;

/// How many bits the numbers up to `max` take.
pub(super) fn bit_width(max: u32) -> u32 {
    u32::BITS - max.leading_zeros()
}

/// Appends the numbers, each of which has at most so many bits.
pub(super) fn encode<T: Copy + Eq + Into<u32>>(numbers: &[T], bit_width: u32, out: &mut Vec<u8>) {
    let mut packed_from = 0;
    let mut at = 0;
    while at < numbers.len() {
        let rest = &numbers[at..];
        if let Some(group) = rest.first_chunk::<GROUP>()
            && group.iter().all(|number| *number == group[0])
        {
            let run = GROUP + rest[GROUP..].iter().take_while(|number| **number == group[0]).count();
            pack(&numbers[packed_from..at], bit_width, out);
            push_run(group[0].into(), run, bit_width, out);
            at += run;
            packed_from = at;
        } else {
            at += GROUP.min(rest.len());
        }
    }
    pack(&numbers[packed_from..], bit_width, out);
}

/// Appends one number so many times.
pub(super) fn push_run(number: u32, count: usize, bit_width: u32, out: &mut Vec<u8>) {
    if count > 0 {
        push_varint((count as u64) << 1, out);
        out.extend_from_slice(&number.to_le_bytes()[..bit_width.div_ceil(u8::BITS) as usize]);
    }
}

/// Appends bit-packed groups; the last one is filled up with zeros.
fn pack<T: Copy + Into<u32>>(numbers: &[T], bit_width: u32, out: &mut Vec<u8>) {
    if numbers.is_empty() {
        return;
    }
    push_varint((numbers.len().div_ceil(GROUP) as u64) << 1 | 1, out);
    let (groups, rest) = numbers.as_chunks::<GROUP>();
    for group in groups {
        pack_group(group.map(Into::into), bit_width, out);
    }
    if !rest.is_empty() {
        let mut group = [0; GROUP];
        for (slot, number) in group.iter_mut().zip(rest) {
            *slot = (*number).into();
        }
        pack_group(group, bit_width, out);
    }
}

#[inline]
fn pack_group(group: [u32; GROUP], bit_width: u32, out: &mut Vec<u8>) {
    // Eight numbers of n bits are n bytes.
    if bit_width * GROUP as u32 <= u64::BITS {
        let all = group
            .iter()
            .rev()
            .fold(0_u64, |all, number| all << bit_width | u64::from(*number));
        out.extend_from_slice(&all.to_le_bytes()[..bit_width as usize]);
    } else if bit_width * GROUP as u32 <= u128::BITS {
        let half = |half: &[u32]| {
            half.iter()
                .rev()
                .fold(0_u64, |all, number| all << bit_width | u64::from(*number))
        };
        let all = u128::from(half(&group[4..])) << (4 * bit_width) | u128::from(half(&group[..4]));
        out.extend_from_slice(&all.to_le_bytes()[..bit_width as usize]);
    } else {
        let (mut waiting, mut bits) = (0_u64, 0);
        for number in group {
            waiting |= u64::from(number) << bits;
            bits += bit_width;
            while bits >= u8::BITS {
                out.push(waiting as u8);
                waiting >>= u8::BITS;
                bits -= u8::BITS;
            }
        }
    }
}

fn push_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
