//! The streams of a type's values, without those that the values within lists, maps and structures have.

use arrow::array::{Array, ArrayAccessor, ArrayRef, AsArray};
use arrow::datatypes::{
    ArrowPrimitiveType, ArrowTimestampType, DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};

use super::bloom::BloomFilter;
use super::bytes::{BitWriter, ByteWriter};
use super::integers::IntegerWriter;
use super::statistics::{Values, decimal_text};
use super::stream::Stream;
use super::text::TextWriter;
use super::timestamps::OrcTimestamp;
use super::types::OrcType;
use super::{OrcOptions, OrcVersion, StreamKind};
use crate::protobuf::{Message, put_varint};

/// `ColumnEncoding.Kind` of the format's metadata, without the one that says which integers are used.
const DIRECT: u64 = 0;
const DICTIONARY: u64 = 1;
const SECOND_VERSION: u64 = 2;

#[derive(Debug)]
pub(super) enum ValueWriter {
    Boolean(BitWriter),
    Byte(ByteWriter),
    /// Of any other width, and days.
    Integer(IntegerWriter),
    /// Of either width.
    Float(Stream),
    Text(Box<TextWriter>),
    /// Text of at most so many characters, filled up with blanks if it must have as many.
    Bounded {
        text: Box<TextWriter>,
        length: usize,
        filled: bool,
    },
    Binary {
        data: Stream,
        lengths: IntegerWriter,
    },
    Decimal {
        scale: u8,
        data: Stream,
        scales: IntegerWriter,
    },
    Timestamp {
        seconds: IntegerWriter,
        nanos: IntegerWriter,
    },
    /// Lists and maps.
    Lengths(IntegerWriter),
    Struct,
}

/// A stripe's worth of values.
pub(super) struct ValueStripe {
    pub(super) streams: Vec<(StreamKind, Vec<u8>)>,
    /// Of each row group, where the streams could not tell before.
    pub(super) positions: Option<Vec<Vec<u64>>>,
    /// `ColumnEncoding`.
    pub(super) encoding: Message,
}

impl ValueWriter {
    pub(super) fn new(data_type: &OrcType, options: &OrcOptions) -> Self {
        let (version, compression) = (options.version, options.compression);
        let integers = |signed| IntegerWriter::new(signed, version, compression);
        let stream = || Stream::new(compression);
        let text = || Box::new(TextWriter::new(version, options.dictionary_key_threshold, compression));
        let bounded = |length: u32, filled| Self::Bounded {
            text: text(),
            length: length as usize,
            filled,
        };
        match data_type {
            OrcType::Boolean => Self::Boolean(BitWriter::new(compression)),
            OrcType::Byte => Self::Byte(ByteWriter::new(compression)),
            OrcType::Short | OrcType::Int | OrcType::Long | OrcType::Date => Self::Integer(integers(true)),
            OrcType::Float | OrcType::Double => Self::Float(stream()),
            OrcType::String => Self::Text(text()),
            OrcType::Varchar(length) => bounded(*length, false),
            OrcType::Char(length) => bounded(*length, true),
            OrcType::Binary => Self::Binary {
                data: stream(),
                lengths: integers(false),
            },
            OrcType::Decimal(_, scale) => Self::Decimal {
                scale: *scale,
                data: stream(),
                scales: integers(true),
            },
            OrcType::Timestamp | OrcType::Instant => Self::Timestamp {
                seconds: integers(true),
                nanos: integers(false),
            },
            OrcType::List(_) | OrcType::Map(..) => Self::Lengths(integers(false)),
            OrcType::Struct(_) => Self::Struct,
        }
    }

    /// The values of `array` that are there. Its type must be the one that [`OrcType::held`] names, or another of
    /// Arrow's for texts, binary data and timestamps; lists and maps are written by their lengths.
    pub(super) fn write(&mut self, array: &ArrayRef, statistics: &mut Values, mut bloom: Option<&mut BloomFilter>) {
        match self {
            Self::Boolean(bits) => each(array.as_boolean(), |value| {
                bits.push(value);
                statistics.add_boolean(value);
            }),
            Self::Byte(bytes) => each(array.as_primitive::<Int8Type>(), |value| {
                bytes.push(value.cast_unsigned());
                add_integer(value.into(), statistics, &mut bloom);
            }),
            Self::Integer(integers) => {
                let mut write = |value| {
                    integers.push(value);
                    add_integer(value, statistics, &mut bloom);
                };
                match array.data_type() {
                    DataType::Int16 => each_integer::<Int16Type>(array, write),
                    DataType::Int32 => each_integer::<Int32Type>(array, write),
                    DataType::Date32 => each_integer::<Date32Type>(array, write),
                    _ => each_integer::<Int64Type>(array, &mut write),
                }
            }
            Self::Float(data) => {
                let mut add = |value| {
                    statistics.add_double(value);
                    if let Some(bloom) = &mut bloom {
                        bloom.add_double(value);
                    }
                };
                if *array.data_type() == DataType::Float32 {
                    each(array.as_primitive::<Float32Type>(), |value| {
                        data.write(&value.to_le_bytes());
                        add(value.into());
                    });
                } else {
                    each(array.as_primitive::<Float64Type>(), |value| {
                        data.write(&value.to_le_bytes());
                        add(value);
                    });
                }
            }
            Self::Text(text) => each_text(array, |value| add_text(text, value, statistics, &mut bloom)),
            Self::Bounded { text, length, filled } => {
                let mut whole = String::new();
                each_text(array, |value| {
                    whole.clear();
                    whole.extend(value.chars().take(*length));
                    if *filled {
                        let missing = length.saturating_sub(whole.chars().count());
                        whole.extend(std::iter::repeat_n(' ', missing));
                    }
                    add_text(text, &whole, statistics, &mut bloom);
                });
            }
            Self::Binary { data, lengths } => each_binary(array, |value| {
                data.write(value);
                lengths.push(value.len() as i64);
                statistics.add_binary(value);
                if let Some(bloom) = &mut bloom {
                    bloom.add_bytes(value);
                }
            }),
            Self::Decimal { scale, data, scales } => {
                let mut digits = Vec::new();
                each(array.as_primitive::<Decimal128Type>(), |value| {
                    digits.clear();
                    put_long_varint(&mut digits, value);
                    data.write(&digits);
                    scales.push(i64::from(*scale));
                    statistics.add_decimal(value);
                    if let Some(bloom) = &mut bloom {
                        bloom.add_bytes(decimal_text(value, *scale).as_bytes());
                    }
                });
            }
            Self::Timestamp { seconds, nanos } => each_timestamp(array, |time| {
                seconds.push(time.seconds);
                nanos.push(time.nanos);
                add_integer(time.millis, statistics, &mut bloom);
            }),
            Self::Lengths(_) | Self::Struct => {}
        }
    }

    /// Where the next value goes in each stream. Text tells it when the stripe is finished.
    pub(super) fn start_group(&mut self) -> Vec<u64> {
        let mut position = Vec::new();
        match self {
            Self::Boolean(bits) => bits.position(&mut position),
            Self::Byte(bytes) => bytes.position(&mut position),
            Self::Integer(integers) | Self::Lengths(integers) => integers.position(&mut position),
            Self::Float(data) => data.position(&mut position),
            Self::Text(text) | Self::Bounded { text, .. } => text.start_group(),
            Self::Binary { data, lengths: second }
            | Self::Decimal {
                data, scales: second, ..
            } => {
                data.position(&mut position);
                second.position(&mut position);
            }
            Self::Timestamp { seconds, nanos } => {
                seconds.position(&mut position);
                nanos.position(&mut position);
            }
            Self::Struct => {}
        }
        position
    }

    pub(super) fn end_group(&mut self) {
        if let Self::Text(text) | Self::Bounded { text, .. } = self {
            text.end_group();
        }
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        match self {
            Self::Boolean(bits) => bits.buffered_bytes(),
            Self::Byte(bytes) => bytes.buffered_bytes(),
            Self::Integer(integers) | Self::Lengths(integers) => integers.buffered_bytes(),
            Self::Float(data) => data.buffered_bytes(),
            Self::Text(text) | Self::Bounded { text, .. } => text.buffered_bytes(),
            Self::Binary { data, lengths: second }
            | Self::Decimal {
                data, scales: second, ..
            } => data.buffered_bytes() + second.buffered_bytes(),
            Self::Timestamp { seconds, nanos } => seconds.buffered_bytes() + nanos.buffered_bytes(),
            Self::Struct => 0,
        }
    }

    pub(super) fn finish(&mut self, version: OrcVersion) -> ValueStripe {
        let second_version = if version == OrcVersion::V0_11 {
            0
        } else {
            SECOND_VERSION
        };
        let mut kind = DIRECT + second_version;
        let mut keys = None;
        let mut positions = None;
        let streams = match self {
            Self::Boolean(bits) => {
                kind = DIRECT;
                vec![(StreamKind::Data, bits.finish())]
            }
            Self::Byte(bytes) => {
                kind = DIRECT;
                vec![(StreamKind::Data, bytes.finish())]
            }
            Self::Integer(integers) => vec![(StreamKind::Data, integers.finish())],
            Self::Float(data) => {
                kind = DIRECT;
                vec![(StreamKind::Data, data.finish())]
            }
            Self::Text(text) | Self::Bounded { text, .. } => {
                let stripe = text.finish();
                if stripe.keys.is_some() {
                    kind = DICTIONARY + second_version;
                }
                keys = stripe.keys;
                positions = Some(stripe.positions);
                stripe.streams
            }
            Self::Binary { data, lengths } => vec![
                (StreamKind::Data, data.finish()),
                (StreamKind::Length, lengths.finish()),
            ],
            Self::Decimal { data, scales, .. } => vec![
                (StreamKind::Data, data.finish()),
                (StreamKind::Secondary, scales.finish()),
            ],
            Self::Timestamp { seconds, nanos } => vec![
                (StreamKind::Data, seconds.finish()),
                (StreamKind::Secondary, nanos.finish()),
            ],
            Self::Lengths(lengths) => vec![(StreamKind::Length, lengths.finish())],
            Self::Struct => {
                kind = DIRECT;
                Vec::new()
            }
        };
        let mut encoding = Message::default();
        encoding.uint(1, kind);
        if let Some(keys) = keys {
            encoding.uint(2, keys);
        }
        ValueStripe {
            streams,
            positions,
            encoding,
        }
    }
}

fn add_integer(value: i64, statistics: &mut Values, bloom: &mut Option<&mut BloomFilter>) {
    statistics.add_integer(value);
    if let Some(bloom) = bloom {
        bloom.add_integer(value);
    }
}

fn add_text(text: &mut TextWriter, value: &str, statistics: &mut Values, bloom: &mut Option<&mut BloomFilter>) {
    text.push(value.as_bytes());
    statistics.add_text(value);
    if let Some(bloom) = bloom {
        bloom.add_bytes(value.as_bytes());
    }
}

/// The values that are not NULL.
fn each<A: ArrayAccessor>(array: A, mut write: impl FnMut(A::Item)) {
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => (0..array.len()).for_each(|index| write(array.value(index))),
        Some(nulls) => nulls.valid_indices().for_each(|index| write(array.value(index))),
    }
}

fn each_integer<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &ArrayRef, mut write: impl FnMut(i64)) {
    each(array.as_primitive::<T>(), |value| write(value.into()));
}

fn each_text(array: &ArrayRef, write: impl FnMut(&str)) {
    match array.data_type() {
        DataType::Utf8 => each(array.as_string::<i32>(), write),
        DataType::LargeUtf8 => each(array.as_string::<i64>(), write),
        _ => each(array.as_string_view(), write),
    }
}

fn each_binary(array: &ArrayRef, write: impl FnMut(&[u8])) {
    match array.data_type() {
        DataType::Binary => each(array.as_binary::<i32>(), write),
        DataType::LargeBinary => each(array.as_binary::<i64>(), write),
        _ => each(array.as_binary_view(), write),
    }
}

fn each_timestamp(array: &ArrayRef, mut write: impl FnMut(OrcTimestamp)) {
    fn of<T: ArrowTimestampType>(array: &ArrayRef, per_second: i64, mut write: impl FnMut(OrcTimestamp)) {
        each(array.as_primitive::<T>(), |value| {
            write(OrcTimestamp::new(value, per_second))
        });
    }
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => of::<TimestampSecondType>(array, 1, write),
        DataType::Timestamp(TimeUnit::Millisecond, _) => of::<TimestampMillisecondType>(array, 1_000, write),
        DataType::Timestamp(TimeUnit::Microsecond, _) => of::<TimestampMicrosecondType>(array, 1_000_000, write),
        _ => of::<TimestampNanosecondType>(array, 1_000_000_000, &mut write),
    }
}

/// A signed number of any size, seven bits a byte.
fn put_long_varint(out: &mut Vec<u8>, value: i128) {
    let mut rest = (value << 1 ^ value >> 127) as u128;
    while rest > u128::from(u64::MAX) {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    put_varint(out, rest as u64);
}
