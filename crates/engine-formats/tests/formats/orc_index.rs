//! What ORC files say about their values: statistics, and filters that let readers pass over rows.

use arrow::compute::kernels::cast_utils::parse_decimal;
use arrow::datatypes::{DataType, Decimal128Type};
use orc_rust::statistics::TypeStatistics;
use orc_rust::{Predicate, PredicateValue};

use crate::orc::{CASES, case, open, read, write};
use crate::value::{Value, rows};

/// How many columns of the file a type takes.
fn width(data_type: &DataType) -> usize {
    match data_type {
        DataType::List(item) => 1 + width(item.data_type()),
        // The entries are no column of their own.
        DataType::Map(entries, _) => width(entries.data_type()),
        DataType::Struct(fields) => 1 + fields.iter().map(|field| width(field.data_type())).sum::<usize>(),
        _ => 1,
    }
}

#[test]
fn statistics_are_those_of_the_values() {
    for seed in 0..CASES {
        let case = case(seed);
        let rows = rows(&case.batches);
        let reader = open(write(&case));
        let metadata = reader.file_metadata();
        let mut number = 1;
        for (at, field) in case.schema.fields().iter().enumerate() {
            let what = format!("case {seed}, {field}");
            let statistics = &metadata.column_file_statistics()[number];
            let there: Vec<&Value> = rows
                .iter()
                .map(|row| &row[at])
                .filter(|value| **value != Value::Null)
                .collect();
            assert_eq!(statistics.number_of_values(), there.len() as u64, "{what}");
            assert_eq!(statistics.has_null(), there.len() < rows.len(), "{what}");
            if let Some(statistics) = statistics.type_statistics() {
                check(statistics, &there, &what);
            }
            let stripes = metadata.stripe_metadatas().iter();
            let in_stripes = stripes.map(|stripe| stripe.column_statistics()[number].number_of_values());
            assert_eq!(in_stripes.sum::<u64>(), there.len() as u64, "{what}");
            number += width(field.data_type());
        }
        assert_eq!(metadata.column_file_statistics().len(), number);
    }
}

/// Of values that are there, of which there is at least one.
fn check(statistics: &TypeStatistics, values: &[&Value], what: &str) {
    let integers = || values.iter().map(|value| integer(value));
    let range = || (integers().min().expect("a value"), integers().max().expect("a value"));
    match statistics {
        TypeStatistics::Integer { min, max, sum } => {
            assert_eq!((i128::from(*min), i128::from(*max)), range(), "{what}");
            // A sum may be lost on the way although all of them together are small again.
            assert!(
                sum.is_none_or(|sum| i128::from(sum) == integers().sum::<i128>()),
                "{what}"
            );
        }
        TypeStatistics::Double { min, max, sum } => {
            let numbers = || values.iter().map(|value| number(value));
            if numbers().any(f64::is_nan) {
                assert!(sum.is_some_and(f64::is_nan), "{what}");
            } else {
                assert_eq!(*min, numbers().fold(f64::INFINITY, f64::min), "{what}");
                assert_eq!(*max, numbers().fold(f64::NEG_INFINITY, f64::max), "{what}");
            }
        }
        TypeStatistics::String {
            lower_bound,
            upper_bound,
            sum,
            ..
        } => {
            let texts = || values.iter().map(|value| text(value));
            let (least, greatest) = (texts().min().expect("a text"), texts().max().expect("a text"));
            let (lower_bound, upper_bound) = (lower_bound.as_str(), upper_bound.as_str());
            let long = |text: &str| text.len() > 1_024;
            assert!(lower_bound <= least && (long(least) || lower_bound == least), "{what}");
            assert!(
                upper_bound >= greatest && (long(greatest) || upper_bound == greatest),
                "{what}"
            );
            assert_eq!(*sum, texts().map(|text| text.len() as i64).sum::<i64>(), "{what}");
        }
        TypeStatistics::Bucket { true_count } => assert_eq!(i128::from(*true_count), integers().sum(), "{what}"),
        TypeStatistics::Decimal { min, max, .. } => {
            let Value::Decimal(_, scale) = values[0] else {
                panic!("{what}")
            };
            let parse = |text: &str| parse_decimal::<Decimal128Type>(text, 38, *scale).expect("a decimal");
            assert_eq!((parse(min), parse(max)), range(), "{what}");
        }
        TypeStatistics::Date { min, max } => assert_eq!((i128::from(*min), i128::from(*max)), range(), "{what}"),
        TypeStatistics::Binary { sum } => assert_eq!(i128::from(*sum), integers().sum(), "{what}"),
        TypeStatistics::Timestamp { min_utc, max_utc, .. } => {
            assert_eq!((i128::from(*min_utc), i128::from(*max_utc)), range(), "{what}");
        }
        TypeStatistics::Collection {
            min_children,
            max_children,
            total_children,
        } => {
            assert_eq!(
                (i128::from(*min_children), i128::from(*max_children)),
                range(),
                "{what}"
            );
            assert_eq!(i128::from(*total_children), integers().sum(), "{what}");
        }
    }
}

/// What statistics of whole numbers are about.
fn integer(value: &Value) -> i128 {
    match value {
        Value::Integer(value) => i128::from(*value),
        Value::Boolean(value) => (*value).into(),
        Value::Date(value) => (*value).into(),
        Value::Decimal(value, _) => *value,
        Value::Timestamp(nanos) => nanos.div_euclid(1_000_000),
        Value::Binary(bytes) => bytes.len() as i128,
        Value::List(items) => items.len() as i128,
        Value::Map(entries) => entries.len() as i128,
        other => panic!("{other:?}"),
    }
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Float(bits) => f32::from_bits(*bits).into(),
        Value::Double(bits) => f64::from_bits(*bits),
        other => panic!("{other:?}"),
    }
}

fn text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

/// What statistics and Bloom filters let a reader pass over does not have the value looked for.
#[test]
fn no_row_is_passed_over_that_a_query_wants() {
    let (mut all_rows, mut skipped) = (0, 0);
    for seed in 0..CASES {
        let case = case(seed);
        let all = rows(&case.batches);
        let file = write(&case);
        for (at, field) in case.schema.fields().iter().enumerate() {
            let literals = all.iter().rev().step_by(all.len() / 3 + 1);
            for (value, literal) in literals.filter_map(|row| literal(&row[at], field.data_type())) {
                let predicate = Predicate::eq(field.name(), literal);
                let read = read(open(file.clone()).with_predicate(predicate));
                let matching = |rows: &[Vec<Value>]| {
                    let rows = rows.iter().filter(|row| row[at] == value);
                    rows.cloned().collect::<Vec<_>>()
                };
                assert_eq!(matching(&read), matching(&all), "case {seed}, {field}");
                all_rows += all.len();
                skipped += all.len() - read.len();
            }
        }
    }
    assert!(skipped > all_rows / 10, "{skipped} of {all_rows} rows were passed over");
}

/// A value that a query may look for.
fn literal(value: &Value, data_type: &DataType) -> Option<(Value, PredicateValue)> {
    let literal = match (value, data_type) {
        (Value::Integer(number), DataType::Int8) => PredicateValue::Int8(Some(*number as i8)),
        (Value::Integer(number), DataType::Int16) => PredicateValue::Int16(Some(*number as i16)),
        (Value::Integer(number), DataType::Int32) => PredicateValue::Int32(Some(*number as i32)),
        (Value::Integer(number), DataType::Int64) => PredicateValue::Int64(Some(*number)),
        (Value::Text(text), _) => PredicateValue::Utf8(Some(text.clone())),
        _ => return None,
    };
    Some((value.clone(), literal))
}
