//! Functions that make much of little, with a bound to it: what an expression makes is not counted against the memory
//! that queries may have.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit};
use datafusion::common::{Result, exec_err};
use datafusion::functions::string::repeat;
use datafusion::functions::unicode::{lpad, rpad};
use datafusion::functions_nested::range::gen_series_udf;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature};

/// Entries of one sequence (Trino, SequenceFunction).
const SEQUENCE_ENTRIES_MAX: i128 = 10_000;
/// Characters of all texts that one call makes.
const TEXT_CHARACTERS_MAX: i128 = 256 << 20;

pub(super) fn functions() -> Vec<ScalarUDF> {
    [
        ("trino_sequence", gen_series_udf(), Measure::Entries),
        ("trino_lpad", lpad(), Measure::Length),
        ("trino_rpad", rpad(), Measure::Length),
        ("trino_repeat", repeat(), Measure::Repeated),
    ]
    .map(|(name, inner, measure)| ScalarUDF::from(Bounded { name, inner, measure }))
    .into()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Measure {
    /// From the first argument to the second by the third, in each row.
    Entries,
    /// The second argument, over all rows.
    Length,
    /// The first argument's bytes as often as the second says, over all rows.
    Repeated,
}

/// A function of the planner that refuses to make too much.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    name: &'static str,
    inner: Arc<ScalarUDF>,
    measure: Measure,
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match self.measure {
            Measure::Entries => check_entries(&args)?,
            Measure::Length => check_length(&args, |_| 1)?,
            Measure::Repeated => {
                let texts = cast(&args.args[0].to_array(args.number_rows)?, &DataType::Utf8)?;
                let texts = texts.as_string::<i32>();
                check_length(&args, |row| texts.value_length(row).into())?;
            }
        }
        self.inner.invoke_with_args(args)
    }
}

fn check_length(args: &ScalarFunctionArgs, each: impl Fn(usize) -> i128) -> Result<()> {
    let lengths = integers(args, 1)?.unwrap_or_default();
    let rows = lengths.into_iter().enumerate();
    let total: i128 = rows
        .map(|(row, length)| i128::from(length.unwrap_or(0).max(0)) * each(row))
        .sum();
    if total > TEXT_CHARACTERS_MAX {
        return exec_err!("INVALID_FUNCTION_ARGUMENT: the text would be too long");
    }
    Ok(())
}

fn check_entries(args: &ScalarFunctionArgs) -> Result<()> {
    let (Some(from), Some(to)) = (integers(args, 0)?, integers(args, 1)?) else {
        return Ok(());
    };
    let steps = match args.args.get(2) {
        Some(step) => steps(step, args.number_rows)?,
        None => vec![Some(1); from.len()],
    };
    for ((from, to), step) in from.into_iter().zip(to).zip(steps) {
        let (Some(from), Some(to), Some(step)) = (from, to, step) else {
            continue;
        };
        let entries = (i128::from(to) - i128::from(from)).abs() / step.abs().max(1) + 1;
        if entries > SEQUENCE_ENTRIES_MAX {
            return exec_err!(
                "INVALID_FUNCTION_ARGUMENT: result of sequence function must not have more than \
                 {SEQUENCE_ENTRIES_MAX} entries"
            );
        }
    }
    Ok(())
}

/// Whole numbers, or the microseconds of times; `None` for an argument of another type.
fn integers(args: &ScalarFunctionArgs, at: usize) -> Result<Option<Vec<Option<i64>>>> {
    let Some(argument) = args.args.get(at) else {
        return Ok(None);
    };
    let mut array = argument.to_array(args.number_rows)?;
    if matches!(array.data_type(), DataType::Date32 | DataType::Timestamp(..)) {
        let zone = match array.data_type() {
            DataType::Timestamp(_, zone) => zone.clone(),
            _ => None,
        };
        array = cast(&array, &DataType::Timestamp(TimeUnit::Microsecond, zone))?;
    } else if !array.data_type().is_integer() {
        return Ok(None);
    }
    let array = cast(&array, &DataType::Int64)?;
    Ok(Some(array.as_primitive::<Int64Type>().iter().collect()))
}

/// Steps as [`integers`] are. A month is counted as its shortest, so that the entries are never too few.
fn steps(step: &ColumnarValue, rows: usize) -> Result<Vec<Option<i128>>> {
    let array = step.to_array(rows)?;
    if array.data_type().is_integer() {
        let array = cast(&array, &DataType::Int64)?;
        let steps = array.as_primitive::<Int64Type>().iter();
        return Ok(steps.map(|step| step.map(i128::from)).collect());
    }
    if !matches!(array.data_type(), DataType::Interval(_)) {
        return Ok(vec![None; rows]);
    }
    let array = cast(&array, &DataType::Interval(IntervalUnit::MonthDayNano))?;
    let days = |days: i128| days * 86_400_000_000;
    let steps = array.as_primitive::<IntervalMonthDayNanoType>().iter().map(|step| {
        let step = step?;
        Some(days(i128::from(step.months) * 28 + i128::from(step.days)) + i128::from(step.nanoseconds) / 1_000)
    });
    Ok(steps.collect())
}
