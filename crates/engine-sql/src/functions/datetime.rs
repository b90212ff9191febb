//! Functions of dates and times.
//!
//! Source: Trino documentation, "Date and time functions".

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::compute::{DatePart, cast, date_part};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Datelike, Days, Months, NaiveDateTime, TimeDelta};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::mysql_format;

const MICROS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

pub(super) fn functions() -> Vec<ScalarUDF> {
    [
        Function::DateField,
        Function::DateAdd,
        Function::DateDiff,
        Function::DateParse,
        Function::DateFormat,
        Function::FromUnixtime,
        Function::ToUnixtime,
        Function::FromIso8601Timestamp,
        Function::FromIso8601Date,
    ]
    .into_iter()
    .map(|function| {
        ScalarUDF::from(DateTimeFunction {
            function,
            signature: function.signature(),
        })
    })
    .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Function {
    /// `trino_date_field('year', value)`: what `year(value)` and EXTRACT become.
    DateField,
    DateAdd,
    DateDiff,
    DateParse,
    DateFormat,
    FromUnixtime,
    ToUnixtime,
    FromIso8601Timestamp,
    FromIso8601Date,
}

impl Function {
    fn signature(self) -> Signature {
        let arguments = match self {
            Self::DateField | Self::DateParse | Self::DateFormat => 2,
            Self::DateAdd | Self::DateDiff => 3,
            _ => 1,
        };
        Signature::any(arguments, Volatility::Immutable)
    }

    fn name(self) -> &'static str {
        match self {
            Self::DateField => "trino_date_field",
            Self::DateAdd => "trino_date_add",
            Self::DateDiff => "trino_date_diff",
            Self::DateParse => "trino_date_parse",
            Self::DateFormat => "trino_date_format",
            Self::FromUnixtime => "trino_from_unixtime",
            Self::ToUnixtime => "trino_to_unixtime",
            Self::FromIso8601Timestamp => "trino_from_iso8601_timestamp",
            Self::FromIso8601Date => "trino_from_iso8601_date",
        }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DateTimeFunction {
    function: Function,
    signature: Signature,
}

impl ScalarUDFImpl for DateTimeFunction {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match self.function {
            Function::DateField | Function::DateDiff => DataType::Int64,
            Function::DateAdd => match &types[2] {
                DataType::Date32 => DataType::Date32,
                DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
                other => return plan_err!("Unexpected parameters (varchar, bigint, {other}) for function date_add"),
            },
            Function::DateParse => MICROS,
            Function::FromUnixtime | Function::FromIso8601Timestamp => {
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            }
            Function::FromIso8601Date => DataType::Date32,
            Function::DateFormat => DataType::Utf8,
            Function::ToUnixtime => DataType::Float64,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let arrays = args
            .args
            .iter()
            .map(|arg| arg.to_array(rows))
            .collect::<Result<Vec<_>>>()?;
        let result = match self.function {
            Function::DateField => date_field(&arrays[0], &arrays[1])?,
            Function::DateAdd => date_add(&arrays[0], &arrays[1], &arrays[2], args.return_field.data_type())?,
            Function::DateDiff => date_diff(&arrays[0], &arrays[1], &arrays[2])?,
            Function::DateParse => date_parse(&arrays[0], &arrays[1])?,
            Function::DateFormat => date_format(&arrays[0], &arrays[1])?,
            Function::FromUnixtime => from_unixtime(&arrays[0])?,
            Function::ToUnixtime => {
                let micros = cast(&micros(&arrays[0])?, &DataType::Int64)?;
                let seconds = micros
                    .as_primitive::<Int64Type>()
                    .iter()
                    .map(|m| m.map(|m| m as f64 / 1e6));
                Arc::new(seconds.collect::<Float64Array>())
            }
            Function::FromIso8601Timestamp => cast(
                &arrays[0],
                &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            )?,
            Function::FromIso8601Date => cast(&arrays[0], &DataType::Date32)?,
        };
        if scalar {
            return Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(
                &result, 0,
            )?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

fn strings(array: &ArrayRef) -> Result<StringArray> {
    Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
}

/// Wall-clock time: a zone's offset is applied and forgotten.
fn micros(array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Timestamp(_, Some(zone)) if &**zone != "UTC" && &**zone != "+00:00" => {
            let zoned = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, Some(zone.clone())))?;
            let zoned = zoned.as_primitive::<TimestampMicrosecondType>();
            let local = (0..zoned.len()).map(|row| {
                let time = (!zoned.is_null(row))
                    .then(|| zoned.value_as_datetime_with_tz(row, zone.parse().ok()?))
                    .flatten()?;
                Some(time.naive_local().and_utc().timestamp_micros())
            });
            Ok(Arc::new(local.collect::<TimestampMicrosecondArray>()))
        }
        DataType::Timestamp(_, Some(_)) => {
            let utc = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))?;
            Ok(Arc::new(
                utc.as_primitive::<TimestampMicrosecondType>()
                    .clone()
                    .with_timezone_opt(None::<String>),
            ))
        }
        _ => Ok(cast(array, &MICROS)?),
    }
}

fn times(array: &ArrayRef) -> Result<Vec<Option<NaiveDateTime>>> {
    let micros = micros(array)?;
    let micros = micros.as_primitive::<TimestampMicrosecondType>();
    Ok(micros
        .iter()
        .map(|m| DateTime::from_timestamp_micros(m?).map(|t| t.naive_utc()))
        .collect())
}

fn date_field(field: &ArrayRef, value: &ArrayRef) -> Result<ArrayRef> {
    let field = strings(field)?;
    if field.is_empty() {
        return Ok(Arc::new(Int64Array::from(Vec::<i64>::new())));
    }
    let local = match value.data_type() {
        DataType::Date32 | DataType::Interval(_) | DataType::Time32(_) | DataType::Time64(_) => value.clone(),
        _ => micros(value)?,
    };
    let part = match field.value(0) {
        "year" => DatePart::Year,
        "quarter" => DatePart::Quarter,
        "month" => DatePart::Month,
        "week" => DatePart::Week,
        "day" => DatePart::Day,
        "day_of_week" => DatePart::DayOfWeekMonday0,
        "day_of_year" => DatePart::DayOfYear,
        "hour" => DatePart::Hour,
        "minute" => DatePart::Minute,
        "second" => DatePart::Second,
        "millisecond" => DatePart::Millisecond,
        "year_of_week" => {
            let weeks = times(value)?
                .into_iter()
                .map(|time| time.map(|t| i64::from(t.iso_week().year())));
            return Ok(Arc::new(weeks.collect::<Int64Array>()));
        }
        other => return exec_err!("NOT_SUPPORTED: the field {other} of a time"),
    };
    let parts = date_part(&local, part)?;
    let parts = parts.as_primitive::<Int32Type>();
    let first_day = i64::from(part == DatePart::DayOfWeekMonday0);
    let within_second = part == DatePart::Millisecond;
    let fields = parts.iter().map(|part| {
        part.map(|part| {
            if within_second {
                i64::from(part) % 1_000
            } else {
                i64::from(part) + first_day
            }
        })
    });
    Ok(Arc::new(fields.collect::<Int64Array>()))
}

fn add(time: NaiveDateTime, unit: &str, count: i64) -> Result<Option<NaiveDateTime>> {
    let months = |per: i64| {
        let months = Months::new(u32::try_from(count.unsigned_abs().saturating_mul(per as u64)).unwrap_or(u32::MAX));
        if count < 0 {
            time.checked_sub_months(months)
        } else {
            time.checked_add_months(months)
        }
    };
    let days = |per: u64| {
        let days = Days::new(count.unsigned_abs().saturating_mul(per));
        if count < 0 {
            time.checked_sub_days(days)
        } else {
            time.checked_add_days(days)
        }
    };
    let span = |span: Option<TimeDelta>| span.and_then(|span| time.checked_add_signed(span));
    Ok(match unit {
        "millisecond" => span(TimeDelta::try_milliseconds(count)),
        "second" => span(TimeDelta::try_seconds(count)),
        "minute" => span(TimeDelta::try_minutes(count)),
        "hour" => span(TimeDelta::try_hours(count)),
        "day" => days(1),
        "week" => days(7),
        "month" => months(1),
        "quarter" => months(3),
        "year" => months(12),
        other => return exec_err!("INVALID_FUNCTION_ARGUMENT: '{other}' is not a valid DATE field"),
    })
}

fn date_add(unit: &ArrayRef, count: &ArrayRef, value: &ArrayRef, return_type: &DataType) -> Result<ArrayRef> {
    let (unit, count) = (strings(unit)?, cast(count, &DataType::Int64)?);
    let count = count.as_primitive::<Int64Type>();
    let mut sums = Vec::with_capacity(value.len());
    // Zones apply to what is shown; the sum is one of instants.
    let instants = cast(
        value,
        &DataType::Timestamp(
            TimeUnit::Microsecond,
            match value.data_type() {
                DataType::Timestamp(_, zone) => zone.clone(),
                _ => None,
            },
        ),
    )?;
    let instants = instants.as_primitive::<TimestampMicrosecondType>();
    for row in 0..value.len() {
        if instants.is_null(row) || count.is_null(row) || unit.is_null(row) {
            sums.push(None);
            continue;
        }
        let time = DateTime::from_timestamp_micros(instants.value(row)).map(|t| t.naive_utc());
        let unit = unit.value(row).to_ascii_lowercase();
        match time
            .map(|time| add(time, &unit, count.value(row)))
            .transpose()?
            .flatten()
        {
            Some(sum) => sums.push(Some(sum.and_utc().timestamp_micros())),
            None => return exec_err!("INVALID_FUNCTION_ARGUMENT: the sum of date_add is out of range"),
        }
    }
    let sums: ArrayRef = Arc::new(TimestampMicrosecondArray::from(sums));
    if let DataType::Timestamp(_, Some(zone)) = return_type {
        return Ok(Arc::new(
            sums.as_primitive::<TimestampMicrosecondType>()
                .clone()
                .with_timezone(zone.clone()),
        ));
    }
    Ok(cast(&sums, return_type)?)
}

/// Whole units from the first time to the second.
fn difference(unit: &str, from: NaiveDateTime, to: NaiveDateTime) -> Result<i64> {
    let span = to - from;
    let months = || {
        let whole = i64::from(to.year() - from.year()) * 12 + i64::from(to.month()) - i64::from(from.month());
        // The last month counts when its day and time of day are reached; a month's end counts as any later day.
        let reached = |end: NaiveDateTime, start: NaiveDateTime, months: i64| {
            let moved = if months >= 0 {
                start.checked_add_months(Months::new(months as u32))
            } else {
                start.checked_sub_months(Months::new(months.unsigned_abs() as u32))
            };
            moved.is_some_and(|moved| if months >= 0 { moved <= end } else { moved >= end })
        };
        if reached(to, from, whole) {
            whole
        } else {
            whole - whole.signum()
        }
    };
    Ok(match unit {
        "millisecond" => span.num_milliseconds(),
        "second" => span.num_seconds(),
        "minute" => span.num_minutes(),
        "hour" => span.num_hours(),
        "day" => span.num_days(),
        "week" => span.num_weeks(),
        "month" => months(),
        "quarter" => months() / 3,
        "year" => months() / 12,
        other => return exec_err!("INVALID_FUNCTION_ARGUMENT: '{other}' is not a valid DATE field"),
    })
}

fn date_diff(unit: &ArrayRef, from: &ArrayRef, to: &ArrayRef) -> Result<ArrayRef> {
    let (unit, from, to) = (strings(unit)?, times(from)?, times(to)?);
    let rows = from.into_iter().zip(to).enumerate().map(|(row, pair)| match pair {
        (Some(from), Some(to)) if !unit.is_null(row) => {
            difference(&unit.value(row).to_ascii_lowercase(), from, to).map(Some)
        }
        _ => Ok(None),
    });
    Ok(Arc::new(rows.collect::<Result<Int64Array>>()?))
}

fn date_parse(text: &ArrayRef, pattern: &ArrayRef) -> Result<ArrayRef> {
    let (text, pattern) = (strings(text)?, strings(pattern)?);
    let rows = text.iter().zip(pattern.iter()).map(|(text, pattern)| {
        let (Some(text), Some(pattern)) = (text, pattern) else {
            return Ok(None);
        };
        match mysql_format::parse(text, pattern) {
            Some(time) => Ok(Some(time.and_utc().timestamp_micros())),
            None => exec_err!(
                "INVALID_FUNCTION_ARGUMENT: Invalid format: \"{text}\" is malformed for the pattern \"{pattern}\""
            ),
        }
    });
    Ok(Arc::new(rows.collect::<Result<TimestampMicrosecondArray>>()?))
}

fn date_format(value: &ArrayRef, pattern: &ArrayRef) -> Result<ArrayRef> {
    let (times, pattern) = (times(value)?, strings(pattern)?);
    let rows = times.into_iter().zip(pattern.iter()).map(|(time, pattern)| {
        let (Some(time), Some(pattern)) = (time, pattern) else {
            return Ok(None);
        };
        match mysql_format::format(time, pattern) {
            Some(text) => Ok(Some(text)),
            None => {
                exec_err!("INVALID_FUNCTION_ARGUMENT: the pattern \"{pattern}\" has a specifier that is not supported")
            }
        }
    });
    Ok(Arc::new(rows.collect::<Result<StringArray>>()?))
}

fn from_unixtime(seconds: &ArrayRef) -> Result<ArrayRef> {
    let seconds = cast(seconds, &DataType::Float64)?;
    let micros = seconds
        .as_primitive::<Float64Type>()
        .iter()
        .map(|s| s.map(|s| (s * 1e6).round() as i64));
    Ok(Arc::new(
        micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").expect(text)
    }

    #[test]
    fn differences_count_whole_units() {
        // Values from the Trino documentation and by hand.
        for (unit, from, to, expect) in [
            ("second", "2020-03-01 00:00:00", "2020-03-02 00:00:00", 86_400),
            ("month", "2020-01-31 00:00:00", "2020-02-29 00:00:00", 1),
            ("month", "2020-01-15 12:00:00", "2020-02-15 11:59:59", 0),
            ("year", "2019-03-02 00:00:00", "2020-03-01 00:00:00", 0),
            ("day", "2020-03-02 00:00:00", "2020-03-01 12:00:00", 0),
            ("month", "2020-03-15 00:00:00", "2020-01-14 00:00:00", -2),
            ("quarter", "2020-01-01 00:00:00", "2020-12-31 00:00:00", 3),
        ] {
            assert_eq!(
                difference(unit, time(from), time(to)).unwrap(),
                expect,
                "{unit} {from} {to}"
            );
        }
        assert!(difference("fortnight", time("2020-01-01 00:00:00"), time("2020-01-01 00:00:00")).is_err());
    }

    #[test]
    fn months_end_where_the_month_does() {
        let sum = add(time("2020-01-31 10:00:00"), "month", 1).unwrap().unwrap();
        assert_eq!(sum, time("2020-02-29 10:00:00"));
        assert_eq!(
            add(time("2020-02-29 00:00:00"), "year", -1).unwrap().unwrap(),
            time("2019-02-28 00:00:00")
        );
    }
}
