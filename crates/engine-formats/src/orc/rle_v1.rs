//! The first version of integers' run length encoding.

use crate::protobuf::{put_varint, zigzag};

const RUN_MIN: usize = 3;
const RUN_MAX: usize = 130;
const LITERALS_MAX: usize = 128;

/// Appends `values`: runs that go up or down by a small step, and single values between them.
pub(super) fn encode(values: &[i64], signed: bool, out: &mut Vec<u8>) {
    let (mut at, mut literals_from) = (0, 0);
    while at < values.len() {
        let (length, step) = run(&values[at..]);
        if length < RUN_MIN {
            at += 1;
            continue;
        }
        literals(&values[literals_from..at], signed, out);
        out.extend_from_slice(&[(length - RUN_MIN) as u8, step as u8]);
        put(out, values[at], signed);
        at += length;
        literals_from = at;
    }
    literals(&values[literals_from..], signed, out);
}

/// How many of the first values are one step apart, and the step.
fn run(values: &[i64]) -> (usize, i8) {
    let step = |pair: &[i64]| pair[1].checked_sub(pair[0]).and_then(|step| i8::try_from(step).ok());
    let mut steps = values.windows(2).take(RUN_MAX - 1).map(step);
    match steps.next() {
        Some(Some(first)) => (2 + steps.take_while(|step| *step == Some(first)).count(), first),
        _ => (1, 0),
    }
}

fn literals(values: &[i64], signed: bool, out: &mut Vec<u8>) {
    for piece in values.chunks(LITERALS_MAX) {
        out.push((piece.len() as u8).wrapping_neg());
        piece.iter().for_each(|value| put(out, *value, signed));
    }
}

fn put(out: &mut Vec<u8>, value: i64, signed: bool) {
    put_varint(out, if signed { zigzag(value) } else { value as u64 });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[i64], expect: &[u8]) {
        let mut out = Vec::new();
        encode(values, false, &mut out);
        assert_eq!(out, expect);
    }

    /// The specification's examples.
    #[test]
    fn examples_of_the_specification() {
        check(&[7; 100], &[0x61, 0x00, 0x07]);
        check(&(1..=100).rev().collect::<Vec<_>>(), &[0x61, 0xff, 0x64]);
    }

    #[test]
    fn values_without_a_common_step_are_literals() {
        check(&[2, 3, 7, 8, 1], &[0xfb, 2, 3, 7, 8, 1]);
        check(&[2, 3, 5, 7, 11], &[0xff, 2, 0x00, 2, 3, 0xff, 11]);
    }
}
