//! What the file says about the values of a column in a row group, in a stripe and as a whole.

use crate::protobuf::Message;

/// Longer texts are cut, as in Apache ORC, so that one value does not fill an index.
const TEXT_BYTES_MAX: usize = 1024;
/// Above it no reader keeps a sum of decimals.
const DECIMAL_SUM_MAX: i128 = 10_i128.pow(38) - 1;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Statistics {
    pub(super) count: u64,
    pub(super) has_null: bool,
    /// Bytes of the data streams; 0 if not known.
    pub(super) bytes_on_disk: u64,
    pub(super) values: Values,
}

/// The part that a type has for itself. Without values there is no least and no greatest.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    /// Structures have nothing but a count.
    Struct,
    Boolean {
        trues: u64,
    },
    /// The sum is lost where it overflows.
    Integer {
        range: Option<(i64, i64)>,
        sum: Option<i64>,
    },
    Double {
        range: Option<(f64, f64)>,
        sum: f64,
    },
    Text {
        range: Option<(String, String)>,
        sum: i64,
    },
    Binary {
        sum: i64,
    },
    Decimal {
        scale: u8,
        range: Option<(i128, i128)>,
        sum: Option<i128>,
    },
    Date {
        range: Option<(i64, i64)>,
    },
    /// In milliseconds since 1970.
    Timestamp {
        range: Option<(i64, i64)>,
    },
    /// Lengths of lists and maps.
    Collection {
        range: Option<(u64, u64)>,
        sum: u64,
    },
}

fn widen<T: PartialOrd + Copy>(range: &mut Option<(T, T)>, least: T, greatest: T) {
    match range {
        None => *range = Some((least, greatest)),
        Some((low, high)) => {
            if least < *low {
                *low = least;
            }
            if greatest > *high {
                *high = greatest;
            }
        }
    }
}

impl Statistics {
    pub(super) fn new(values: Values) -> Self {
        Self {
            count: 0,
            has_null: false,
            bytes_on_disk: 0,
            values,
        }
    }

    /// What was counted so far; it begins anew.
    pub(super) fn take(&mut self) -> Self {
        let empty = Self::new(self.values.empty());
        std::mem::replace(self, empty)
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.has_null |= other.has_null;
        self.bytes_on_disk += other.bytes_on_disk;
        self.values.merge(&other.values);
    }

    /// `ColumnStatistics` of the format's metadata.
    pub(super) fn message(&self) -> Message {
        let mut message = Message::default();
        message.uint(1, self.count);
        if let Some((field, values)) = self.values.message() {
            message.message(field, &values);
        }
        message.uint(10, u64::from(self.has_null));
        if self.bytes_on_disk > 0 {
            message.uint(11, self.bytes_on_disk);
        }
        if let Values::Collection { range, sum } = &self.values {
            let mut lengths = Message::default();
            if let Some((least, greatest)) = range {
                lengths.uint(1, *least);
                lengths.uint(2, *greatest);
            }
            lengths.uint(3, *sum);
            message.message(12, &lengths);
        }
        message
    }
}

impl Values {
    fn empty(&self) -> Self {
        match self {
            Self::Struct => Self::Struct,
            Self::Boolean { .. } => Self::Boolean { trues: 0 },
            Self::Integer { .. } => Self::integer(),
            Self::Double { .. } => Self::double(),
            Self::Text { .. } => Self::text(),
            Self::Binary { .. } => Self::Binary { sum: 0 },
            Self::Decimal { scale, .. } => Self::decimal(*scale),
            Self::Date { .. } => Self::Date { range: None },
            Self::Timestamp { .. } => Self::Timestamp { range: None },
            Self::Collection { .. } => Self::Collection { range: None, sum: 0 },
        }
    }

    pub(super) fn integer() -> Self {
        Self::Integer {
            range: None,
            sum: Some(0),
        }
    }

    pub(super) fn double() -> Self {
        Self::Double { range: None, sum: 0.0 }
    }

    pub(super) fn text() -> Self {
        Self::Text { range: None, sum: 0 }
    }

    pub(super) fn decimal(scale: u8) -> Self {
        Self::Decimal {
            scale,
            range: None,
            sum: Some(0),
        }
    }

    pub(super) fn add_boolean(&mut self, value: bool) {
        if let Self::Boolean { trues } = self {
            *trues += u64::from(value);
        }
    }

    /// An integer, a date's days or a timestamp's milliseconds.
    pub(super) fn add_integer(&mut self, value: i64) {
        match self {
            Self::Integer { range, sum } => {
                widen(range, value, value);
                *sum = sum.and_then(|sum| sum.checked_add(value));
            }
            Self::Date { range } | Self::Timestamp { range } => widen(range, value, value),
            _ => {}
        }
    }

    /// A value that is not a number is in no range, but makes the sum none either, which tells readers not to rely
    /// on the range. The zeros of both signs are equal to queries, so the range has both.
    pub(super) fn add_double(&mut self, value: f64) {
        if let Self::Double { range, sum } = self {
            *sum += value;
            if value == 0.0 {
                widen(range, value, value);
                if let Some((least, greatest)) = range {
                    *least = if *least == 0.0 { -0.0 } else { *least };
                    *greatest = if *greatest == 0.0 { 0.0 } else { *greatest };
                }
            } else if !value.is_nan() {
                widen(range, value, value);
            }
        }
    }

    pub(super) fn add_text(&mut self, value: &str) {
        if let Self::Text { range, sum } = self {
            *sum += value.len() as i64;
            match range {
                None => *range = Some((value.to_owned(), value.to_owned())),
                Some((least, _)) if value < least.as_str() => value.clone_into(least),
                Some((_, greatest)) if value > greatest.as_str() => value.clone_into(greatest),
                Some(_) => {}
            }
        }
    }

    pub(super) fn add_binary(&mut self, value: &[u8]) {
        if let Self::Binary { sum } = self {
            *sum += value.len() as i64;
        }
    }

    pub(super) fn add_decimal(&mut self, value: i128) {
        if let Self::Decimal { range, sum, .. } = self {
            widen(range, value, value);
            *sum = add_decimals(*sum, Some(value));
        }
    }

    pub(super) fn add_length(&mut self, length: u64) {
        if let Self::Collection { range, sum } = self {
            widen(range, length, length);
            *sum += length;
        }
    }

    fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Boolean { trues }, Self::Boolean { trues: more }) => *trues += more,
            (
                Self::Integer { range, sum },
                Self::Integer {
                    range: other,
                    sum: more,
                },
            ) => {
                if let Some((least, greatest)) = other {
                    widen(range, *least, *greatest);
                }
                *sum = sum.and_then(|sum| sum.checked_add((*more)?));
            }
            (
                Self::Double { range, sum },
                Self::Double {
                    range: other,
                    sum: more,
                },
            ) => {
                if let Some((least, greatest)) = other {
                    widen(range, *least, *greatest);
                }
                *sum += more;
            }
            (
                Self::Text { range, sum },
                Self::Text {
                    range: other,
                    sum: more,
                },
            ) => {
                *sum += more;
                match (range, other) {
                    (Some((least, greatest)), Some((low, high))) => {
                        if low < least {
                            low.clone_into(least);
                        }
                        if high > greatest {
                            high.clone_into(greatest);
                        }
                    }
                    (range @ None, Some(other)) => *range = Some(other.clone()),
                    (_, None) => {}
                }
            }
            (Self::Binary { sum }, Self::Binary { sum: more }) => *sum += more,
            (
                Self::Decimal { range, sum, .. },
                Self::Decimal {
                    range: other,
                    sum: more,
                    ..
                },
            ) => {
                if let Some((least, greatest)) = other {
                    widen(range, *least, *greatest);
                }
                *sum = add_decimals(*sum, *more);
            }
            (Self::Date { range }, Self::Date { range: other })
            | (Self::Timestamp { range }, Self::Timestamp { range: other }) => {
                if let Some((least, greatest)) = other {
                    widen(range, *least, *greatest);
                }
            }
            (
                Self::Collection { range, sum },
                Self::Collection {
                    range: other,
                    sum: more,
                },
            ) => {
                if let Some((least, greatest)) = other {
                    widen(range, *least, *greatest);
                }
                *sum += more;
            }
            _ => {}
        }
    }

    /// The message and its field in `ColumnStatistics`.
    fn message(&self) -> Option<(u32, Message)> {
        let mut message = Message::default();
        let field = match self {
            Self::Struct | Self::Collection { .. } => return None,
            Self::Integer { range, sum } => {
                if let Some((least, greatest)) = range {
                    message.sint(1, *least);
                    message.sint(2, *greatest);
                }
                if let Some(sum) = sum {
                    message.sint(3, *sum);
                }
                2
            }
            Self::Double { range, sum } => {
                if let Some((least, greatest)) = range {
                    message.double(1, *least);
                    message.double(2, *greatest);
                }
                message.double(3, *sum);
                3
            }
            Self::Text { range, sum } => {
                // Readers before Apache ORC 1.6 know no other bounds than these two, and skip a group without them
                // as if it held nothing. So a bound that was cut stands here too: it is no value, but a bound.
                if let Some((least, greatest)) = range {
                    let greatest = cut_above(greatest)?;
                    message.bytes(1, cut(least).as_bytes());
                    message.bytes(2, greatest.as_bytes());
                }
                message.sint(3, *sum);
                4
            }
            Self::Boolean { trues } => {
                message.packed(1, &[*trues]);
                5
            }
            Self::Decimal { scale, range, sum } => {
                if let Some((least, greatest)) = range {
                    message.bytes(1, decimal_text(*least, *scale).as_bytes());
                    message.bytes(2, decimal_text(*greatest, *scale).as_bytes());
                }
                if let Some(sum) = sum {
                    message.bytes(3, decimal_text(*sum, *scale).as_bytes());
                }
                6
            }
            Self::Date { range } => {
                if let Some((least, greatest)) = range {
                    message.sint(1, *least);
                    message.sint(2, *greatest);
                }
                7
            }
            Self::Binary { sum } => {
                message.sint(1, *sum);
                8
            }
            Self::Timestamp { range } => {
                if let Some((least, greatest)) = range {
                    message.sint(3, *least);
                    message.sint(4, *greatest);
                }
                9
            }
        };
        Some((field, message))
    }
}

fn add_decimals(sum: Option<i128>, more: Option<i128>) -> Option<i128> {
    sum?.checked_add(more?)
        .filter(|sum| sum.unsigned_abs() <= DECIMAL_SUM_MAX.unsigned_abs())
}

/// At most [`TEXT_BYTES_MAX`] bytes of the text: no text is below that begins with it.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

/// A text of at most [`TEXT_BYTES_MAX`] bytes that is not below `text`, if there is one.
fn cut_above(text: &str) -> Option<String> {
    let kept = cut(text);
    let mut above = kept.to_owned();
    if kept.len() == text.len() {
        return Some(above);
    }
    while let Some(last) = above.pop() {
        let room = TEXT_BYTES_MAX - above.len();
        let next = (last..=char::MAX).nth(1).filter(|next| next.len_utf8() <= room);
        if let Some(next) = next {
            above.push(next);
            return Some(above);
        }
    }
    None
}

/// As Hive writes a decimal: without zeros behind the last digit of a fraction.
pub(super) fn decimal_text(unscaled: i128, scale: u8) -> String {
    let digits = format!("{:0>1$}", unscaled.unsigned_abs(), usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let fraction = fraction.trim_end_matches('0');
    let sign = if unscaled < 0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_as_text() {
        for (unscaled, scale, text) in [
            (0, 0, "0"),
            (0, 3, "0"),
            (-1, 2, "-0.01"),
            (1_500, 3, "1.5"),
            (-100, 0, "-100"),
            (i128::from(i64::MAX), 4, "922337203685477.5807"),
        ] {
            assert_eq!(decimal_text(unscaled, scale), text);
        }
    }

    #[test]
    fn long_texts_are_cut_to_bounds() {
        for text in [
            "",
            "short",
            &"a".repeat(3_000),
            &"ü€𐍈".repeat(700),
            &"\u{7f}".repeat(1_025),
        ] {
            let above = cut_above(text).expect("a bound");
            assert!(cut(text) <= text && above.as_str() >= text);
            assert!(cut(text).len() <= TEXT_BYTES_MAX && above.len() <= TEXT_BYTES_MAX);
        }
        assert_eq!(cut_above(&"\u{10ffff}".repeat(1_000)), None);
        let mixed = format!("{}{}", "b".repeat(1_020), "\u{10ffff}\u{10ffff}");
        assert_eq!(cut_above(&mixed), Some(format!("{}c", "b".repeat(1_019))));
    }

    #[test]
    fn a_sum_that_overflows_is_lost() {
        let mut values = Values::integer();
        values.add_integer(i64::MAX);
        values.add_integer(1);
        values.add_integer(-5);
        assert_eq!(
            values,
            Values::Integer {
                range: Some((-5, i64::MAX)),
                sum: None
            }
        );
        let mut values = Values::decimal(2);
        values.add_decimal(DECIMAL_SUM_MAX);
        values.add_decimal(1);
        assert!(matches!(values, Values::Decimal { sum: None, .. }));
    }

    #[test]
    fn doubles_that_are_no_numbers() {
        let mut values = Values::double();
        [f64::NAN, 0.0, 2.0]
            .into_iter()
            .for_each(|value| values.add_double(value));
        let Values::Double { range, sum } = values else {
            panic!()
        };
        assert!(sum.is_nan());
        let (least, greatest) = range.expect("a range");
        assert!(least == 0.0 && least.is_sign_negative() && greatest == 2.0);
    }
}
