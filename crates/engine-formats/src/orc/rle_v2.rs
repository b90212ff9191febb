//! The second version of integers' run length encoding.
//!
//! The format leaves to the writer which of the four kinds of runs it uses. Here every kind that can hold a run is
//! reckoned, and the smallest taken.

use crate::protobuf::{put_varint, zigzag};

/// A run's length is written less one in nine bits.
const RUN_MAX: usize = 512;
const REPEATS_MIN: usize = 3;
const REPEATS_MAX: usize = 10;
const PATCHES_MAX: usize = 31;
/// The greatest gap between two patches; what is farther apart has an empty patch between.
const GAP_MAX: usize = 255;
/// Readers keep a patched run's base and its sign in eight bytes; beyond this many bits Apache ORC's writer does not
/// use such runs either.
const BASE_BITS_MAX: u32 = 56;
/// The widths that are not deprecated, which are those that readers unpack fast.
const WIDTHS: [u32; 11] = [1, 2, 4, 8, 16, 24, 32, 40, 48, 56, 64];

/// Appends at most [`RUN_MAX`] values as one or more runs.
pub(super) fn encode(values: &[i64], signed: bool, out: &mut Vec<u8>) {
    debug_assert!(values.len() <= RUN_MAX);
    if values.is_empty() {
        return;
    }
    let whole = Run::best(values, signed);
    let pieces = split(values, signed);
    let divided: Vec<Run<'_>> = pieces.into_iter().map(|piece| Run::best(piece, signed)).collect();
    if divided.iter().map(|run| run.bytes).sum::<usize>() < whole.bytes {
        divided.iter().for_each(|run| run.write(signed, out));
    } else {
        whole.write(signed, out);
    }
}

/// The values with those repetitions apart that are smaller alone. A sequence that only rises or only falls is
/// divided behind its first value instead where that value repeats, as a delta run must not begin with a repetition.
fn split(values: &[i64], signed: bool) -> Vec<&[i64]> {
    let first_change = values.windows(2).position(|pair| pair[0] != pair[1]);
    if let Some(at @ 1..) = first_change
        && (values.is_sorted() || values.is_sorted_by(|a, b| a >= b))
    {
        return vec![&values[..at], &values[at..]];
    }
    let width = width_of(
        values
            .iter()
            .map(|value| coded(*value, signed))
            .fold(0, |all, value| all | value),
    ) as usize;
    let mut pieces = Vec::new();
    let mut rest_from = 0;
    let mut at = 0;
    while at < values.len() {
        let repeats = values[at..].iter().take_while(|value| **value == values[at]).count();
        // Two headers: that of the repetition and that of what follows it.
        let alone = 8 * (1 + significant_bytes(coded(values[at], signed)) + 2);
        if repeats >= REPEATS_MIN && repeats * width > alone {
            if rest_from < at {
                pieces.push(&values[rest_from..at]);
            }
            pieces.push(&values[at..at + repeats]);
            rest_from = at + repeats;
        }
        at += repeats;
    }
    if rest_from < values.len() {
        pieces.push(&values[rest_from..]);
    }
    pieces
}

/// One run: how it is written, and how many bytes that takes.
struct Run<'v> {
    values: &'v [i64],
    kind: Kind,
    bytes: usize,
}

enum Kind {
    ShortRepeat,
    Direct {
        width: u32,
    },
    PatchedBase(Patched),
    /// The deltas behind the first one have this width; 0 if all are the same.
    Delta {
        width: u32,
    },
}

struct Patched {
    base: i64,
    base_bytes: usize,
    width: u32,
    patch_width: u32,
    gap_width: u32,
    /// The gap before each patch, and the patch.
    patches: Vec<(usize, u64)>,
}

impl<'v> Run<'v> {
    fn best(values: &'v [i64], signed: bool) -> Self {
        let count = values.len();
        let repeats = values.iter().all(|value| *value == values[0]);
        if repeats && (REPEATS_MIN..=REPEATS_MAX).contains(&count) {
            return Self {
                values,
                kind: Kind::ShortRepeat,
                bytes: 1 + significant_bytes(coded(values[0], signed)),
            };
        }
        let all = values.iter().fold(0, |all, value| all | coded(*value, signed));
        let width = aligned(width_of(all));
        let mut best = Self {
            values,
            kind: Kind::Direct { width },
            bytes: 2 + packed_bytes(count, width),
        };
        if let Some((width, bytes)) = delta(values, signed)
            && bytes < best.bytes
        {
            best.kind = Kind::Delta { width };
            best.bytes = bytes;
        }
        if let Some((patched, bytes)) = Patched::best(values, best.bytes)
            && bytes < best.bytes
        {
            best.kind = Kind::PatchedBase(patched);
            best.bytes = bytes;
        }
        best
    }

    fn write(&self, signed: bool, out: &mut Vec<u8>) {
        let values = self.values;
        let last = values.len() - 1;
        // The kind, a width's code, and the run's length less one.
        let mut header = |kind: u8, code: u8| {
            out.extend_from_slice(&[kind << 6 | code << 1 | (last >> 8) as u8, last as u8]);
        };
        match &self.kind {
            Kind::ShortRepeat => {
                let value = coded(values[0], signed);
                let bytes = significant_bytes(value);
                out.push((bytes as u8 - 1) << 3 | (values.len() - REPEATS_MIN) as u8);
                put_big_endian(out, value, bytes);
            }
            Kind::Direct { width } => {
                header(1, code_of(*width));
                pack(out, values.iter().map(|value| coded(*value, signed)), *width);
            }
            Kind::PatchedBase(patched) => {
                header(2, code_of(patched.width));
                patched.write(values, out);
            }
            Kind::Delta { width } => {
                header(3, if *width == 0 { 0 } else { code_of(*width) });
                put_varint(out, coded(values[0], signed));
                put_varint(out, zigzag(values[1].wrapping_sub(values[0])));
                if *width > 0 {
                    let steps = values[1..].windows(2).map(|pair| pair[1].abs_diff(pair[0]));
                    pack(out, steps, *width);
                }
            }
        }
    }
}

/// The width and size of a delta run: for values that only rise or only fall, and whose first step is known to be a
/// rise or a fall, or that are all the same.
fn delta(values: &[i64], signed: bool) -> Option<(u32, usize)> {
    let [first, second, ..] = *values else { return None };
    let step = second.checked_sub(first)?;
    let mut all = 0;
    let mut fixed = true;
    for pair in values[1..].windows(2) {
        let next = pair[1].checked_sub(pair[0])?;
        fixed &= next == step;
        // Only a sequence of one step may do without a direction.
        if (next < 0 && step > 0) || (next > 0 && step < 0) || (step == 0 && next != 0) {
            return None;
        }
        all |= next.unsigned_abs();
    }
    // A width of 1 has the code that says that there are no deltas.
    let width = if fixed { 0 } else { aligned(width_of(all)).max(2) };
    let bytes =
        2 + varint_bytes(coded(first, signed)) + varint_bytes(zigzag(step)) + packed_bytes(values.len() - 2, width);
    Some((width, bytes))
}

impl Patched {
    /// The smallest of the patched runs, with its size, if one can be below `bytes_max`.
    fn best(values: &[i64], bytes_max: usize) -> Option<(Self, usize)> {
        let (base, highest) = (*values.iter().min()?, *values.iter().max()?);
        let widest = width_of(highest.checked_sub(base)? as u64);
        let base_bits = width_of(base.unsigned_abs());
        if base_bits > BASE_BITS_MAX {
            return None;
        }
        // One bit is the sign.
        let base_bytes = (base_bits as usize + 1).div_ceil(8);
        // How many values need each width.
        let mut of_width = [0; 65];
        values
            .iter()
            .for_each(|value| of_width[width_of((value - base) as u64) as usize] += 1);
        let mut best: Option<(Self, usize)> = None;
        for width in WIDTHS.into_iter().take_while(|width| *width < widest) {
            let wider: usize = of_width[width as usize + 1..].iter().sum();
            let least = 4 + base_bytes + packed_bytes(values.len(), width) + wider;
            if wider > PATCHES_MAX || least >= best.as_ref().map_or(bytes_max, |(_, bytes)| *bytes) {
                continue;
            }
            let patches = patches(values, base, width);
            let gap = patches.iter().map(|(gap, _)| *gap).max()?;
            let (gap_width, patch_width) = (width_of(gap as u64), closest(widest - width));
            if patches.len() > PATCHES_MAX || gap_width + patch_width > 64 {
                continue;
            }
            let bytes = 4
                + base_bytes
                + packed_bytes(values.len(), width)
                + packed_bytes(patches.len(), closest(gap_width + patch_width));
            if best.as_ref().is_none_or(|(_, least)| bytes < *least) {
                let patched = Self {
                    base,
                    base_bytes,
                    width,
                    patch_width,
                    gap_width,
                    patches,
                };
                best = Some((patched, bytes));
            }
        }
        best
    }

    /// What stands behind the header's first two bytes.
    fn write(&self, values: &[i64], out: &mut Vec<u8>) {
        out.push((self.base_bytes as u8 - 1) << 5 | code_of(self.patch_width));
        out.push((self.gap_width as u8 - 1) << 5 | self.patches.len() as u8);
        let sign = u64::from(self.base < 0) << (8 * self.base_bytes - 1);
        put_big_endian(out, self.base.unsigned_abs() | sign, self.base_bytes);
        let mask = u64::MAX >> (64 - self.width);
        pack(
            out,
            values.iter().map(|value| (value - self.base) as u64 & mask),
            self.width,
        );
        let entries = self
            .patches
            .iter()
            .map(|(gap, patch)| (*gap as u64) << self.patch_width | patch);
        pack(out, entries, closest(self.gap_width + self.patch_width));
    }
}

/// What the values have above `width` bits, each behind how far it is from the one before.
fn patches(values: &[i64], base: i64, width: u32) -> Vec<(usize, u64)> {
    let mut patches = Vec::new();
    let mut previous = 0;
    for (index, value) in values.iter().enumerate() {
        let patch = (value - base) as u64 >> width;
        if patch == 0 {
            continue;
        }
        let mut gap = index - previous;
        while gap > GAP_MAX {
            patches.push((GAP_MAX, 0));
            gap -= GAP_MAX;
        }
        patches.push((gap, patch));
        previous = index;
    }
    patches
}

fn coded(value: i64, signed: bool) -> u64 {
    if signed { zigzag(value) } else { value as u64 }
}

/// Bits that a value needs, at least one.
fn width_of(value: u64) -> u32 {
    (64 - value.leading_zeros()).max(1)
}

/// The next of [`WIDTHS`].
fn aligned(width: u32) -> u32 {
    WIDTHS.into_iter().find(|candidate| *candidate >= width).unwrap_or(64)
}

/// The next width that has a code at all.
fn closest(width: u32) -> u32 {
    match width {
        0..=24 => width.max(1),
        25..=32 => width.next_multiple_of(2),
        _ => width.next_multiple_of(8),
    }
}

/// The five bits that stand for a width (the specification's table).
fn code_of(width: u32) -> u8 {
    match width {
        0..=24 => width as u8 - 1,
        25..=32 => 24 + (width as u8 - 26) / 2,
        _ => 28 + (width as u8 - 40) / 8,
    }
}

fn significant_bytes(value: u64) -> usize {
    width_of(value).div_ceil(8) as usize
}

fn varint_bytes(value: u64) -> usize {
    width_of(value).div_ceil(7) as usize
}

fn packed_bytes(count: usize, width: u32) -> usize {
    (count * width as usize).div_ceil(8)
}

fn put_big_endian(out: &mut Vec<u8>, value: u64, bytes: usize) {
    out.extend_from_slice(&value.to_be_bytes()[8 - bytes..]);
}

/// Values of `width` bits one behind the other, the highest bit first, up to the next byte.
fn pack(out: &mut Vec<u8>, values: impl Iterator<Item = u64>, width: u32) {
    if width.is_multiple_of(8) {
        values.for_each(|value| put_big_endian(out, value, width as usize / 8));
        return;
    }
    let mut waiting = 0_u128;
    let mut bits = 0;
    for value in values {
        waiting = waiting << width | u128::from(value);
        bits += width;
        while bits >= 8 {
            bits -= 8;
            out.push((waiting >> bits) as u8);
        }
    }
    if bits > 0 {
        out.push((waiting << (8 - bits)) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[i64], signed: bool, expect: &[u8]) {
        let mut out = Vec::new();
        encode(values, signed, &mut out);
        assert_eq!(out, expect, "{values:?}");
    }

    /// The specification's examples.
    #[test]
    fn examples_of_the_specification() {
        check(&[10_000; 5], false, &[0x0a, 0x27, 0x10]);
        let direct = [0x5e, 0x03, 0x5c, 0xa1, 0xab, 0x1e, 0xde, 0xad, 0xbe, 0xef];
        check(&[23_713, 43_806, 57_005, 48_879], false, &direct);
        let delta = [0xc6, 0x09, 0x02, 0x02, 0x22, 0x42, 0x42, 0x46];
        check(&[2, 3, 5, 7, 11, 13, 17, 19, 23, 29], false, &delta);
        let mut values: Vec<i64> = (2_000..=2_190).step_by(10).collect();
        values[..4].copy_from_slice(&[2_030, 2_000, 2_020, 1_000_000]);
        let patched = [
            0x8e, 0x13, 0x2b, 0x21, 0x07, 0xd0, 0x1e, 0x00, 0x14, 0x70, 0x28, 0x32, 0x3c, 0x46, 0x50, 0x5a, 0x64, 0x6e,
            0x78, 0x82, 0x8c, 0x96, 0xa0, 0xaa, 0xb4, 0xbe, 0xfc, 0xe8,
        ];
        check(&values, false, &patched);
    }

    #[test]
    fn every_width_has_its_code() {
        let table = [
            (1, 0),
            (2, 1),
            (8, 7),
            (16, 15),
            (24, 23),
            (26, 24),
            (28, 25),
            (30, 26),
            (32, 27),
        ];
        for (width, code) in table.into_iter().chain([(40, 28), (48, 29), (56, 30), (64, 31)]) {
            assert_eq!((closest(width), code_of(width)), (width, code));
        }
        assert_eq!([25, 27, 33, 41, 57].map(closest), [26, 28, 40, 48, 64]);
    }
}
