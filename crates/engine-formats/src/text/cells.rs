//! Arrow's values as text, in the forms that Hive's SerDes write.

use std::fmt::Write;
use std::ops::Range;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int8Array, Int16Array, Int32Array, Int64Array, StringViewArray, TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Decimal128Type, DecimalType, Field, TimeUnit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDate};

use crate::FormatError;

/// A column in one of the types that text is made of.
pub(super) enum Cells {
    Boolean(BooleanArray),
    Int8(Int8Array),
    Int16(Int16Array),
    Int32(Int32Array),
    Int64(Int64Array),
    Float32(Float32Array),
    Float64(Float64Array),
    Decimal(Decimal128Array),
    Text(StringViewArray),
    Binary(BinaryViewArray),
    Date(Date32Array),
    Timestamp(TimestampMicrosecondArray),
    List {
        offsets: OffsetBuffer<i32>,
        nulls: Option<NullBuffer>,
        items: Box<Cells>,
    },
    Map {
        offsets: OffsetBuffer<i32>,
        nulls: Option<NullBuffer>,
        keys: Box<Cells>,
        values: Box<Cells>,
    },
    Struct {
        nulls: Option<NullBuffer>,
        fields: Vec<(String, Cells)>,
    },
}

impl Cells {
    /// Types that Hive has nothing for are refused as [`FormatError::Schema`].
    pub(super) fn of(array: &ArrayRef) -> Result<Self, FormatError> {
        let held = |wanted: DataType| {
            let strict = CastOptions {
                safe: false,
                ..CastOptions::default()
            };
            cast_with_options(array, &wanted, &strict).map_err(|error| FormatError::Encode(error.to_string()))
        };
        Ok(match array.data_type() {
            DataType::Boolean => Self::Boolean(array.as_boolean().clone()),
            DataType::Int8 => Self::Int8(array.as_primitive().clone()),
            DataType::Int16 | DataType::UInt8 => Self::Int16(held(DataType::Int16)?.as_primitive().clone()),
            DataType::Int32 | DataType::UInt16 => Self::Int32(held(DataType::Int32)?.as_primitive().clone()),
            DataType::Int64 | DataType::UInt32 => Self::Int64(held(DataType::Int64)?.as_primitive().clone()),
            DataType::UInt64 => Self::Decimal(held(DataType::Decimal128(20, 0))?.as_primitive().clone()),
            DataType::Float16 | DataType::Float32 => Self::Float32(held(DataType::Float32)?.as_primitive().clone()),
            DataType::Float64 => Self::Float64(array.as_primitive().clone()),
            DataType::Decimal128(..) => Self::Decimal(array.as_primitive().clone()),
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal256(precision, scale)
                if *precision <= 38 =>
            {
                Self::Decimal(held(DataType::Decimal128(*precision, *scale))?.as_primitive().clone())
            }
            DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                Self::Text(held(DataType::Utf8View)?.as_string_view().clone())
            }
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                Self::Binary(held(DataType::BinaryView)?.as_binary_view().clone())
            }
            DataType::Date32 | DataType::Date64 => Self::Date(held(DataType::Date32)?.as_primitive().clone()),
            DataType::Timestamp(_, zone) => {
                let micros = held(DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
                Self::Timestamp(micros.as_primitive().clone())
            }
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                Self::List {
                    offsets: list.offsets().clone(),
                    nulls: list.nulls().cloned(),
                    items: Box::new(Self::of(list.values())?),
                }
            }
            DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                return Self::of(&held(DataType::List(item.clone()))?);
            }
            DataType::Map(..) => {
                let map = array.as_map();
                Self::Map {
                    offsets: map.offsets().clone(),
                    nulls: map.nulls().cloned(),
                    keys: Box::new(Self::of(map.keys())?),
                    values: Box::new(Self::of(map.values())?),
                }
            }
            DataType::Struct(fields) => {
                let structure = array.as_struct();
                let field = |(field, column): (&std::sync::Arc<Field>, &ArrayRef)| {
                    Ok((field.name().clone(), Self::of(column)?))
                };
                let fields = fields.iter().zip(structure.columns()).map(field);
                Self::Struct {
                    nulls: structure.nulls().cloned(),
                    fields: fields.collect::<Result<_, FormatError>>()?,
                }
            }
            DataType::Dictionary(_, values) => return Self::of(&held(DataType::clone(values))?),
            other => return Err(FormatError::Schema(format!("there is no text for {other}"))),
        })
    }

    fn nulls(&self) -> Option<&NullBuffer> {
        match self {
            Self::Boolean(array) => array.nulls(),
            Self::Int8(array) => array.nulls(),
            Self::Int16(array) => array.nulls(),
            Self::Int32(array) => array.nulls(),
            Self::Int64(array) => array.nulls(),
            Self::Float32(array) => array.nulls(),
            Self::Float64(array) => array.nulls(),
            Self::Decimal(array) => array.nulls(),
            Self::Text(array) => array.nulls(),
            Self::Binary(array) => array.nulls(),
            Self::Date(array) => array.nulls(),
            Self::Timestamp(array) => array.nulls(),
            Self::List { nulls, .. } | Self::Map { nulls, .. } | Self::Struct { nulls, .. } => nulls.as_ref(),
        }
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls().is_some_and(|nulls| nulls.is_null(row))
    }

    pub(super) fn is_nested(&self) -> bool {
        matches!(self, Self::List { .. } | Self::Map { .. } | Self::Struct { .. })
    }

    /// Whether the text of a value is one in JSON, rather than a number or a truth value.
    pub(super) fn is_quoted(&self, row: usize) -> bool {
        match self {
            Self::Text(_) | Self::Binary(_) | Self::Date(_) | Self::Timestamp(_) => true,
            Self::Float32(array) => !array.value(row).is_finite(),
            Self::Float64(array) => !array.value(row).is_finite(),
            _ => false,
        }
    }

    /// Where the items of a list, or the entries of a map, stand among those of all.
    pub(super) fn items(&self, row: usize) -> Range<usize> {
        match self {
            Self::List { offsets, .. } | Self::Map { offsets, .. } => offsets[row] as usize..offsets[row + 1] as usize,
            _ => 0..0,
        }
    }

    /// The text of a value of a simple type that is there. Binary data is in Base64; times are in microseconds.
    pub(super) fn put_text(&self, row: usize, out: &mut String) -> Result<(), FormatError> {
        let written = match self {
            Self::Boolean(array) => write!(out, "{}", array.value(row)),
            Self::Int8(array) => write!(out, "{}", array.value(row)),
            Self::Int16(array) => write!(out, "{}", array.value(row)),
            Self::Int32(array) => write!(out, "{}", array.value(row)),
            Self::Int64(array) => write!(out, "{}", array.value(row)),
            Self::Float32(array) => match array.value(row) {
                value if value.is_finite() => write!(out, "{value:?}"),
                other => out.write_str(infinite(other.into())),
            },
            Self::Float64(array) => match array.value(row) {
                value if value.is_finite() => write!(out, "{value:?}"),
                other => out.write_str(infinite(other)),
            },
            Self::Decimal(array) => {
                let (precision, scale) = (array.precision(), array.scale());
                out.write_str(&Decimal128Type::format_decimal(array.value(row), precision, scale))
            }
            Self::Text(array) => out.write_str(array.value(row)),
            Self::Binary(array) => {
                STANDARD.encode_string(array.value(row), out);
                Ok(())
            }
            Self::Date(array) => {
                let date = NaiveDate::from_epoch_days(array.value(row));
                write!(out, "{}", date.ok_or_else(out_of_range)?.format("%Y-%m-%d"))
            }
            Self::Timestamp(array) => {
                let time = DateTime::from_timestamp_micros(array.value(row)).ok_or_else(out_of_range)?;
                let begin = out.len();
                let written = write!(out, "{}", time.format("%Y-%m-%d %H:%M:%S%.6f"));
                // A fraction ends with its last digit that is none of zero.
                let kept = out[begin..].trim_end_matches('0').trim_end_matches('.').len();
                let whole = "2000-01-01 00:00:00".len();
                out.truncate(begin + kept.max(whole.min(out.len() - begin)));
                written
            }
            Self::List { .. } | Self::Map { .. } | Self::Struct { .. } => Ok(()),
        };
        written.map_err(|error| FormatError::Encode(error.to_string()))
    }
}

/// The names that Java has, which Hive reads.
fn infinite(value: f64) -> &'static str {
    match value {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    }
}

fn out_of_range() -> FormatError {
    FormatError::Encode("a date is too far off to be written".to_owned())
}
