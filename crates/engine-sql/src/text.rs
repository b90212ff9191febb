//! Values as text, in the forms that the service's result files have.
//!
//! Sources: Amazon Athena User Guide, "Work with query results"; Trino documentation, "Data types".

use std::fmt::Write;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalDayTimeType, IntervalMonthDayNanoType,
    IntervalUnit, IntervalYearMonthType, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use chrono::{DateTime, NaiveDate, TimeDelta};

use crate::SqlError;

/// The rows of a batch, cell by cell.
pub struct BatchText<'b> {
    batch: &'b RecordBatch,
}

impl<'b> BatchText<'b> {
    pub fn new(batch: &'b RecordBatch) -> Self {
        Self { batch }
    }

    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    pub fn columns(&self) -> usize {
        self.batch.num_columns()
    }

    /// Appends a cell's text to `out` and returns true, or returns false for NULL.
    pub fn write(&self, row: usize, column: usize, out: &mut String) -> Result<bool, SqlError> {
        let array = self.batch.column(column);
        if is_null(array, row) {
            return Ok(false);
        }
        write_value(array, row, out)?;
        Ok(true)
    }
}

fn is_null(array: &dyn Array, row: usize) -> bool {
    array.is_null(row) || matches!(array.data_type(), DataType::Null)
}

macro_rules! number {
    ($array:expr, $row:expr, $out:expr, $type:ty) => {{
        let mut buffer = itoa::Buffer::new();
        $out.push_str(buffer.format($array.as_primitive::<$type>().value($row)));
    }};
}

/// Writes what is not NULL.
fn write_value(array: &ArrayRef, row: usize, out: &mut String) -> Result<(), SqlError> {
    match array.data_type() {
        DataType::Boolean => out.push_str(if array.as_boolean().value(row) { "true" } else { "false" }),
        DataType::Int8 => number!(array, row, out, Int8Type),
        DataType::Int16 => number!(array, row, out, Int16Type),
        DataType::Int32 => number!(array, row, out, Int32Type),
        DataType::Int64 => number!(array, row, out, Int64Type),
        DataType::UInt8 => number!(array, row, out, UInt8Type),
        DataType::UInt16 => number!(array, row, out, UInt16Type),
        DataType::UInt32 => number!(array, row, out, UInt32Type),
        DataType::UInt64 => number!(array, row, out, UInt64Type),
        DataType::Float32 => write_float(
            f64::from(array.as_primitive::<Float32Type>().value(row)),
            Some(array.as_primitive::<Float32Type>().value(row)),
            out,
        ),
        DataType::Float64 => write_float(array.as_primitive::<Float64Type>().value(row), None, out),
        DataType::Decimal32(..) => out.push_str(&array.as_primitive::<Decimal32Type>().value_as_string(row)),
        DataType::Decimal64(..) => out.push_str(&array.as_primitive::<Decimal64Type>().value_as_string(row)),
        DataType::Decimal128(..) => out.push_str(&array.as_primitive::<Decimal128Type>().value_as_string(row)),
        DataType::Decimal256(..) => out.push_str(&array.as_primitive::<Decimal256Type>().value_as_string(row)),
        DataType::Utf8 => out.push_str(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => out.push_str(array.as_string::<i64>().value(row)),
        DataType::Utf8View => out.push_str(array.as_string_view().value(row)),
        DataType::Binary => write_hex(array.as_binary::<i32>().value(row), out),
        DataType::LargeBinary => write_hex(array.as_binary::<i64>().value(row), out),
        DataType::BinaryView => write_hex(array.as_binary_view().value(row), out),
        DataType::FixedSizeBinary(_) => write_hex(array.as_fixed_size_binary().value(row), out),
        DataType::Date32 => write_date(i64::from(array.as_primitive::<Date32Type>().value(row)), out)?,
        DataType::Date64 => write_date(
            array.as_primitive::<Date64Type>().value(row).div_euclid(86_400_000),
            out,
        )?,
        DataType::Time32(TimeUnit::Second) => write_time(
            i64::from(array.as_primitive::<Time32SecondType>().value(row)) * 1_000,
            out,
        ),
        DataType::Time32(_) => write_time(i64::from(array.as_primitive::<Time32MillisecondType>().value(row)), out),
        DataType::Time64(TimeUnit::Microsecond) => {
            write_time(array.as_primitive::<Time64MicrosecondType>().value(row) / 1_000, out)
        }
        DataType::Time64(_) => write_time(array.as_primitive::<Time64NanosecondType>().value(row) / 1_000_000, out),
        DataType::Timestamp(unit, zone) => {
            let (seconds, nanos) = match unit {
                TimeUnit::Second => (array.as_primitive::<TimestampSecondType>().value(row), 0),
                TimeUnit::Millisecond => split(array.as_primitive::<TimestampMillisecondType>().value(row), 1_000),
                TimeUnit::Microsecond => split(array.as_primitive::<TimestampMicrosecondType>().value(row), 1_000_000),
                TimeUnit::Nanosecond => split(
                    array.as_primitive::<TimestampNanosecondType>().value(row),
                    1_000_000_000,
                ),
            };
            write_timestamp(seconds, nanos, zone.as_deref(), out)?;
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            write_months(array.as_primitive::<IntervalYearMonthType>().value(row), out);
        }
        DataType::Interval(IntervalUnit::DayTime) => {
            let value = array.as_primitive::<IntervalDayTimeType>().value(row);
            write_duration_ms(i64::from(value.days) * 86_400_000 + i64::from(value.milliseconds), out);
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            if value.months != 0 && value.days == 0 && value.nanoseconds == 0 {
                write_months(value.months, out);
            } else {
                write_duration_ms(i64::from(value.days) * 86_400_000 + value.nanoseconds / 1_000_000, out);
            }
        }
        DataType::Duration(unit) => {
            let ms = match unit {
                TimeUnit::Second => array
                    .as_primitive::<DurationSecondType>()
                    .value(row)
                    .saturating_mul(1_000),
                TimeUnit::Millisecond => array.as_primitive::<DurationMillisecondType>().value(row),
                TimeUnit::Microsecond => array.as_primitive::<DurationMicrosecondType>().value(row) / 1_000,
                TimeUnit::Nanosecond => array.as_primitive::<DurationNanosecondType>().value(row) / 1_000_000,
            };
            write_duration_ms(ms, out);
        }
        DataType::List(_) => write_items(&array.as_list::<i32>().value(row), out)?,
        DataType::LargeList(_) => write_items(&array.as_list::<i64>().value(row), out)?,
        DataType::FixedSizeList(..) => write_items(&array.as_fixed_size_list().value(row), out)?,
        DataType::Struct(fields) => {
            let columns = array.as_struct();
            out.push('{');
            for (index, field) in fields.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                // DataFusion calls the fields of an unnamed row c0, c1, ..; the service field0, field1, ..
                let unnamed = field.name().strip_prefix('c').is_some_and(|n| n.parse() == Ok(index));
                _ = if unnamed {
                    write!(out, "field{index}=")
                } else {
                    write!(out, "{}=", field.name())
                };
                write_nested(columns.column(index), row, out)?;
            }
            out.push('}');
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            out.push('{');
            for entry in 0..entries.len() {
                if entry > 0 {
                    out.push_str(", ");
                }
                write_nested(entries.column(0), entry, out)?;
                out.push('=');
                write_nested(entries.column(1), entry, out)?;
            }
            out.push('}');
        }
        DataType::Dictionary(_, value) => {
            let plain =
                arrow::compute::cast(&array.slice(row, 1), value).map_err(|e| SqlError::internal(e.to_string()))?;
            write_nested(&plain, 0, out)?;
        }
        other => {
            return Err(SqlError::not_supported(format!(
                "values of the type {other} in results"
            )));
        }
    }
    Ok(())
}

fn write_nested(array: &ArrayRef, row: usize, out: &mut String) -> Result<(), SqlError> {
    if is_null(array, row) {
        out.push_str("null");
        return Ok(());
    }
    write_value(array, row, out)
}

fn write_items(items: &ArrayRef, out: &mut String) -> Result<(), SqlError> {
    out.push('[');
    for item in 0..items.len() {
        if item > 0 {
            out.push_str(", ");
        }
        write_nested(items, item, out)?;
    }
    out.push(']');
    Ok(())
}

/// Java's `Double.toString` and `Float.toString`: plain between 10^-3 and 10^7, else with an exponent.
fn write_float(value: f64, single: Option<f32>, out: &mut String) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    } else if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        _ = match single {
            Some(single) => write!(out, "{single:?}"),
            None => write!(out, "{value:?}"),
        };
    } else {
        let text = single.map_or_else(|| format!("{value:e}"), |single| format!("{single:e}"));
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let point = if digits.contains('.') { "" } else { ".0" };
        _ = write!(out, "{digits}{point}E{exponent}");
    }
}

/// Bytes as hexadecimal pairs between blanks.
fn write_hex(bytes: &[u8], out: &mut String) {
    for (index, byte) in bytes.iter().enumerate() {
        let blank = if index > 0 { " " } else { "" };
        _ = write!(out, "{blank}{byte:02x}");
    }
}

fn write_date(days: i64, out: &mut String) -> Result<(), SqlError> {
    let date = TimeDelta::try_days(days).and_then(|days| NaiveDate::default().checked_add_signed(days));
    let date = date.ok_or_else(|| SqlError::user(format!("the date {days} days from 1970-01-01 is out of range")))?;
    _ = write!(out, "{}", date.format("%Y-%m-%d"));
    Ok(())
}

/// Seconds and the nanoseconds of the last one begun.
fn split(value: i64, per_second: i64) -> (i64, u32) {
    (
        value.div_euclid(per_second),
        (value.rem_euclid(per_second) * (1_000_000_000 / per_second)) as u32,
    )
}

fn write_timestamp(seconds: i64, nanos: u32, zone: Option<&str>, out: &mut String) -> Result<(), SqlError> {
    let time = DateTime::from_timestamp(seconds, nanos).ok_or_else(|| SqlError::user("a timestamp is out of range"))?;
    let format = "%Y-%m-%d %H:%M:%S%.3f";
    let (time, zone) = match zone {
        None => (time.format(format).to_string(), ""),
        Some("UTC" | "Z" | "+00:00" | "+00") => (time.format(format).to_string(), " UTC"),
        Some(zone) => match (zone.parse::<chrono_tz::Tz>(), zone.parse::<chrono::FixedOffset>()) {
            (Ok(tz), _) => (time.with_timezone(&tz).format(format).to_string(), zone),
            (_, Ok(offset)) => (time.with_timezone(&offset).format(format).to_string(), zone),
            _ => return Err(SqlError::user(format!("the time zone {zone} is not known"))),
        },
    };
    out.push_str(&time);
    if !zone.is_empty() {
        if !zone.starts_with(' ') {
            out.push(' ');
        }
        out.push_str(zone);
    }
    Ok(())
}

fn write_time(ms: i64, out: &mut String) {
    let (seconds, ms) = (ms / 1_000, ms % 1_000);
    _ = write!(
        out,
        "{:02}:{:02}:{:02}.{ms:03}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    );
}

fn write_months(months: i32, out: &mut String) {
    let sign = if months < 0 { "-" } else { "" };
    _ = write!(
        out,
        "{sign}{}-{}",
        months.unsigned_abs() / 12,
        months.unsigned_abs() % 12
    );
}

fn write_duration_ms(ms: i64, out: &mut String) {
    let sign = if ms < 0 { "-" } else { "" };
    let total = ms.unsigned_abs();
    _ = write!(out, "{sign}{} ", total / 86_400_000);
    write_time((total % 86_400_000) as i64, out);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BinaryArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array, IntervalDayTimeArray,
        IntervalYearMonthArray, ListArray, StringArray, StructArray, TimestampMicrosecondArray,
    };
    use arrow::datatypes::{Field, IntervalDayTime};

    use super::*;

    fn text(array: impl Array + 'static) -> Vec<String> {
        let array: ArrayRef = Arc::new(array);
        (0..array.len())
            .map(|row| {
                let mut out = String::new();
                write_nested(&array, row, &mut out).unwrap();
                out
            })
            .collect()
    }

    #[test]
    fn every_type_has_its_form() {
        assert_eq!(
            text(Float64Array::from(vec![
                0.0,
                1.0,
                -2.5,
                1e7,
                1.5e-4,
                9_999_999.0,
                1e300,
                f64::NAN,
                f64::NEG_INFINITY,
                0.001
            ])),
            [
                "0.0",
                "1.0",
                "-2.5",
                "1.0E7",
                "1.5E-4",
                "9999999.0",
                "1.0E300",
                "NaN",
                "-Infinity",
                "0.001"
            ]
        );
        assert_eq!(text(Float32Array::from(vec![0.1_f32, 1.0e10])), ["0.1", "1.0E10"]);
        assert_eq!(text(BinaryArray::from(vec![&[0_u8, 10][..], &[]])), ["00 0a", ""]);
        assert_eq!(
            text(Date32Array::from(vec![0, -1, 11_556])),
            ["1970-01-01", "1969-12-31", "2001-08-22"]
        );
        assert_eq!(
            text(TimestampMicrosecondArray::from(vec![998_449_445_321_000, -1])),
            ["2001-08-22 03:04:05.321", "1969-12-31 23:59:59.999"]
        );
        assert_eq!(
            text(TimestampMicrosecondArray::from(vec![0]).with_timezone("+00:00")),
            ["1970-01-01 00:00:00.000 UTC"]
        );
        assert_eq!(
            text(TimestampMicrosecondArray::from(vec![0]).with_timezone("America/New_York")),
            ["1969-12-31 19:00:00.000 America/New_York"]
        );
        assert_eq!(text(IntervalYearMonthArray::from(vec![3, 25])), ["0-3", "2-1"]);
        assert_eq!(
            text(IntervalDayTimeArray::from(vec![IntervalDayTime::new(2, 0)])),
            ["2 00:00:00.000"]
        );
        let decimals = Decimal128Array::from(vec![-125, 5])
            .with_precision_and_scale(10, 2)
            .unwrap();
        assert_eq!(text(decimals), ["-1.25", "0.05"]);
    }

    #[test]
    fn nested_values() {
        let row = StructArray::from(vec![
            (
                Arc::new(Field::new("a", DataType::Int32, true)),
                Arc::new(Int32Array::from(vec![Some(1), None])) as ArrayRef,
            ),
            (
                Arc::new(Field::new("b", DataType::Utf8, true)),
                Arc::new(StringArray::from(vec!["x", "y"])) as ArrayRef,
            ),
        ]);
        assert_eq!(text(row), ["{a=1, b=x}", "{a=null, b=y}"]);
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None]), Some(vec![])]);
        assert_eq!(text(list), ["[1, null]", "[]"]);
    }
}
