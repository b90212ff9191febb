//! Random schemas and arrays: every type that tables can have, nested, with NULLs in every place.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, ListArray, MapArray, RecordBatch, RecordBatchOptions, StringArray,
    StringViewArray, StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// Years 1678 to 2261: what a reader that counts nanoseconds can hold.
const MICROS_MAX: i64 = 9_200_000_000_000_000;

fn item(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", data_type, true))
}

pub(crate) fn data_type(rng: &mut StdRng, depth: usize) -> DataType {
    let simple = if depth == 0 { 13 } else { 17 };
    match rng.random_range(0..simple) {
        0 => DataType::Boolean,
        1 => DataType::Int8,
        2 => DataType::Int16,
        3 => DataType::Int32,
        4 => DataType::Int64,
        5 => DataType::Float32,
        6 => DataType::Float64,
        7 => {
            let precision = rng.random_range(1..=38);
            DataType::Decimal128(precision, rng.random_range(0..=precision as i8))
        }
        8 | 9 => DataType::Utf8View,
        10 => DataType::BinaryView,
        11 => DataType::Date32,
        12 => DataType::Timestamp(TimeUnit::Microsecond, None),
        13 | 14 => DataType::List(item(data_type(rng, depth - 1))),
        15 => {
            let key = [DataType::Utf8, DataType::Int32, DataType::Date32]
                .choose(rng)
                .expect("a key")
                .clone();
            let entries = Fields::from(vec![
                Field::new("key", key, false),
                Field::new("value", data_type(rng, depth - 1), true),
            ]);
            DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
        }
        _ => {
            let fields =
                (0..rng.random_range(1..=3)).map(|at| Field::new(format!("f{at}"), data_type(rng, depth - 1), true));
            DataType::Struct(fields.collect())
        }
    }
}

pub(crate) fn schema(rng: &mut StdRng, columns: usize) -> SchemaRef {
    let fields = (0..columns).map(|at| Field::new(format!("c{at}"), data_type(rng, 3), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A batch whose arrays begin somewhere within longer ones.
pub(crate) fn batch(rng: &mut StdRng, schema: &SchemaRef, rows: usize) -> RecordBatch {
    let (before, after) = (rng.random_range(0..3), rng.random_range(0..3));
    let columns = schema
        .fields()
        .iter()
        .map(|field| array(rng, field.data_type(), before + rows + after, true).slice(before, rows));
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns.collect(), &options).expect("a batch")
}

fn nulls(rng: &mut StdRng, rows: usize) -> Option<NullBuffer> {
    let share = *[0.0, 0.0, 0.02, 0.5, 1.0].choose(rng).expect("a share");
    // Long stretches without a NULL come before the first one, and behind.
    let (from, to) = (rng.random_range(0..=rows), rng.random_range(0..=rows));
    let whole = rng.random_bool(0.5);
    (share > 0.0).then(|| {
        (0..rows)
            .map(|row| !((whole || (from..to).contains(&row)) && rng.random_bool(share)))
            .collect()
    })
}

pub(crate) fn array(rng: &mut StdRng, data_type: &DataType, rows: usize, nullable: bool) -> ArrayRef {
    let nulls = if nullable { nulls(rng, rows) } else { None };
    match data_type {
        DataType::Boolean => {
            let share = *[0.0, 0.5, 0.99].choose(rng).expect("a share");
            let values = (0..rows).map(|_| rng.random_bool(share)).collect();
            Arc::new(BooleanArray::new(values, nulls))
        }
        DataType::Int8 => {
            let values = integers(rng, rows, i8::MIN.into(), i8::MAX.into());
            Arc::new(Int8Array::new(values.into_iter().map(|v| v as i8).collect(), nulls))
        }
        DataType::Int16 => {
            let values = integers(rng, rows, i16::MIN.into(), i16::MAX.into());
            Arc::new(Int16Array::new(values.into_iter().map(|v| v as i16).collect(), nulls))
        }
        DataType::Int32 => {
            let values = integers(rng, rows, i32::MIN.into(), i32::MAX.into());
            Arc::new(Int32Array::new(values.into_iter().map(|v| v as i32).collect(), nulls))
        }
        DataType::Int64 => Arc::new(Int64Array::new(integers(rng, rows, i64::MIN, i64::MAX).into(), nulls)),
        DataType::Float32 => {
            let values = (0..rows).map(|_| f32::from_bits(rng.random()));
            Arc::new(Float32Array::new(values.collect(), nulls))
        }
        DataType::Float64 => {
            let numbers = [0.0, -0.0, f64::NAN, f64::INFINITY, f64::MIN, f64::MIN_POSITIVE, 1.5];
            let any = rng.random_bool(0.5);
            let mut value = || match any {
                true => rng.random_range(-1e9..1e9),
                false => *numbers.choose(rng).expect("a number"),
            };
            Arc::new(Float64Array::new((0..rows).map(|_| value()).collect(), nulls))
        }
        DataType::Decimal128(precision, scale) => {
            let limit = 10_i128.pow(u32::from(*precision)) - 1;
            let mut value = || match rng.random_range(0..4) {
                0 => limit,
                1 => -limit,
                2 => rng.random_range(-limit.min(1_000)..=limit.min(1_000)),
                _ => rng.random_range(-limit..=limit),
            };
            let array = Decimal128Array::new((0..rows).map(|_| value()).collect(), nulls);
            Arc::new(array.with_precision_and_scale(*precision, *scale).expect("decimals"))
        }
        DataType::Utf8View => {
            let texts = texts(rng, rows);
            let texts = texts
                .iter()
                .enumerate()
                .map(|(row, text)| valid(&nulls, row).then_some(text));
            Arc::new(StringViewArray::from_iter(texts))
        }
        DataType::Utf8 => {
            let texts = texts(rng, rows);
            let texts = texts
                .iter()
                .enumerate()
                .map(|(row, text)| valid(&nulls, row).then_some(text));
            Arc::new(StringArray::from_iter(texts))
        }
        DataType::BinaryView => {
            let values = byte_strings(rng, rows);
            let values = values
                .iter()
                .enumerate()
                .map(|(row, value)| valid(&nulls, row).then_some(value));
            Arc::new(BinaryViewArray::from_iter(values))
        }
        DataType::Date32 => {
            // Years 1 to 9999.
            let values = integers(rng, rows, -719_162, 2_932_896);
            Arc::new(Date32Array::new(values.into_iter().map(|v| v as i32).collect(), nulls))
        }
        DataType::Timestamp(..) => {
            let unit = *[1, 1_000, 1_000_000, 3_600_000_000].choose(rng).expect("a unit");
            let values = integers(rng, rows, -MICROS_MAX / unit, MICROS_MAX / unit)
                .into_iter()
                .map(|v| v * unit);
            // The last second before 1970 cannot be written.
            let values = values.map(|v| if (-1_000_000..0).contains(&v) { v - 1_000_000 } else { v });
            Arc::new(TimestampMicrosecondArray::new(values.collect(), nulls))
        }
        DataType::List(field) => {
            let (offsets, items) = offsets(rng, rows);
            let items = array(rng, field.data_type(), items, true);
            Arc::new(ListArray::new(field.clone(), offsets, items, nulls))
        }
        DataType::Map(field, _) => {
            let DataType::Struct(pair) = field.data_type() else {
                panic!()
            };
            let (offsets, count) = offsets(rng, rows);
            let keys = array(rng, pair[0].data_type(), count, false);
            let values = array(rng, pair[1].data_type(), count, true);
            let entries = StructArray::new(pair.clone(), vec![keys, values], None);
            Arc::new(MapArray::new(field.clone(), offsets, entries, nulls, false))
        }
        DataType::Struct(fields) => {
            let columns = fields
                .iter()
                .map(|field| array(rng, field.data_type(), rows, true))
                .collect();
            Arc::new(StructArray::new(fields.clone(), columns, nulls))
        }
        other => panic!("no random {other}"),
    }
}

fn valid(nulls: &Option<NullBuffer>, row: usize) -> bool {
    nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))
}

/// Lengths of lists, and of all of them together. Also lists that are NULL have a length.
fn offsets(rng: &mut StdRng, rows: usize) -> (OffsetBuffer<i32>, usize) {
    let longest = *[0, 1, 2, 5].choose(rng).expect("a length");
    let lengths: Vec<usize> = (0..rows).map(|_| rng.random_range(0..=longest)).collect();
    let all = lengths.iter().sum();
    (OffsetBuffer::from_lengths(lengths), all)
}

/// Numbers with the patterns that encodings make use of.
fn integers(rng: &mut StdRng, rows: usize, least: i64, greatest: i64) -> Vec<i64> {
    let start = rng.random_range(least / 4..=greatest / 4);
    let pattern = rng.random_range(0..8);
    let mut last = start;
    let mut steps = 0;
    let value = |row: usize| match pattern {
        0 => start,
        1 => rng.random_range(least..=greatest),
        2 => *[least, greatest, 0, -1, 1].choose(rng).expect("a number"),
        // Rising and falling by small steps, some of them none.
        3 | 4 => {
            let step = rng.random_range(0..3);
            last = if pattern == 3 {
                last.saturating_add(step)
            } else {
                last.saturating_sub(step)
            };
            last.clamp(least, greatest)
        }
        // Small numbers with a few that are not.
        5 if rng.random_bool(0.01) => rng.random_range(least..=greatest),
        5 => rng.random_range(-20..100),
        // Repetitions of any length.
        6 => {
            if steps == 0 {
                steps = rng.random_range(1..40);
                last = rng.random_range(least..=greatest);
            }
            steps -= 1;
            last
        }
        _ => (start + row as i64 % 100).clamp(least, greatest),
    };
    (0..rows).map(value).collect()
}

fn texts(rng: &mut StdRng, rows: usize) -> Vec<String> {
    let words = [
        "",
        "a",
        "b",
        "ü",
        "𐍈",
        "word",
        "\u{10ffff}",
        "\0",
        "a longer word than a view holds in itself",
    ];
    let pattern = rng.random_range(0..6);
    let text = |row: usize| match pattern {
        0 => (*words.choose(rng).expect("a word")).to_owned(),
        1 => format!("{row} {}", rng.random::<u64>()),
        2 if rng.random_bool(0.01) => words.choose(rng).expect("a word").repeat(rng.random_range(0..2_000)),
        2 => format!("{}", rng.random_range(0..50)),
        3 => format!("{:06}", row / 7),
        4 => {
            // Characters of each length, the greatest of theirs among them, to just about where bounds are cut off.
            let character = *['a', '\u{7f}', '\u{7ff}', '\u{d7ff}', '\u{ffff}', '\u{10ffff}']
                .choose(rng)
                .expect("a character");
            let lead = rng.random_range(0..4);
            let mut text = "b".repeat(lead);
            while text.len() < BOUND_BYTES - 4 + rng.random_range(0..8) {
                text.push(character);
            }
            text + words.choose(rng).expect("a word")
        }
        _ => format!("{}", row / 100),
    };
    (0..rows).map(text).collect()
}

/// Where Parquet files that this crate writes have their bounds cut off.
const BOUND_BYTES: usize = 64;

fn byte_strings(rng: &mut StdRng, rows: usize) -> Vec<Vec<u8>> {
    let greatest = rng.random_bool(0.3);
    let value = |_| {
        if greatest {
            let mut value = vec![u8::MAX; rng.random_range(BOUND_BYTES - 2..BOUND_BYTES + 3)];
            if rng.random_bool(0.3) {
                value[0] = rng.random();
            }
            return value;
        }
        (0..rng.random_range(0..20)).map(|_| rng.random()).collect()
    };
    (0..rows).map(value).collect()
}
