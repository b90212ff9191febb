//! Arrow columns being built from text and JSON.

mod buffers;
mod decimal;
mod delimited;
mod nested;

use std::str::FromStr;

use arrow::array::ArrayRef;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};

use self::buffers::TextKind;
pub(crate) use self::buffers::{Booleans, Nulls, Numbers, Texts};
use self::decimal::decimal_of_text;
pub(crate) use self::delimited::Signs;
pub(crate) use self::nested::{ListBuilder, MapBuilder, StructBuilder};
use crate::JsonOptions;
use crate::time::{date_of_text, micros_of_text};

/// A value that is not of its column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch;

/// A column of one of the types that [`crate::arrow_type`] gives, or of plain strings and byte strings. A value of a
/// simple type that does not fit leaves the column as it was; any column can be cut back to fewer rows.
pub enum ColumnBuilder {
    Boolean(Booleans),
    Int8(Numbers<Int8Type>),
    Int16(Numbers<Int16Type>),
    Int32(Numbers<Int32Type>),
    Int64(Numbers<Int64Type>),
    Float32(Numbers<Float32Type>),
    Float64(Numbers<Float64Type>),
    /// Of a precision and a scale.
    Decimal(Numbers<Decimal128Type>, u8, i8),
    Text(Texts),
    Binary(Texts),
    Date(Numbers<Date32Type>),
    Timestamp(Numbers<TimestampMicrosecondType>),
    List(Box<ListBuilder>),
    Map(Box<MapBuilder>),
    Struct(Box<StructBuilder>),
    /// A type that text cannot hold: always NULL.
    Null(Nulls),
}

/// Runs the same expression on whichever builder it is.
macro_rules! each {
    ($self:expr, $builder:ident => $run:expr) => {
        match $self {
            ColumnBuilder::Boolean($builder) => $run,
            ColumnBuilder::Int8($builder) => $run,
            ColumnBuilder::Int16($builder) => $run,
            ColumnBuilder::Int32($builder) => $run,
            ColumnBuilder::Int64($builder) => $run,
            ColumnBuilder::Float32($builder) => $run,
            ColumnBuilder::Float64($builder) => $run,
            ColumnBuilder::Decimal($builder, ..) => $run,
            ColumnBuilder::Text($builder) => $run,
            ColumnBuilder::Binary($builder) => $run,
            ColumnBuilder::Date($builder) => $run,
            ColumnBuilder::Timestamp($builder) => $run,
            ColumnBuilder::List($builder) => $run,
            ColumnBuilder::Map($builder) => $run,
            ColumnBuilder::Struct($builder) => $run,
            ColumnBuilder::Null($builder) => $run,
        }
    };
}

impl ColumnBuilder {
    #[must_use]
    pub fn new(data_type: &DataType) -> Self {
        Self::for_json(data_type, &JsonOptions::default())
    }

    /// A column whose structures find their members as the options say.
    pub(crate) fn for_json(data_type: &DataType, options: &JsonOptions) -> Self {
        match data_type {
            DataType::Boolean => Self::Boolean(Booleans::new()),
            DataType::Int8 => Self::Int8(Numbers::new(data_type)),
            DataType::Int16 => Self::Int16(Numbers::new(data_type)),
            DataType::Int32 => Self::Int32(Numbers::new(data_type)),
            DataType::Int64 => Self::Int64(Numbers::new(data_type)),
            DataType::Float32 => Self::Float32(Numbers::new(data_type)),
            DataType::Float64 => Self::Float64(Numbers::new(data_type)),
            DataType::Decimal128(precision, scale) => Self::Decimal(Numbers::new(data_type), *precision, *scale),
            DataType::Utf8 => Self::Text(Texts::new(TextKind::Text)),
            DataType::Utf8View => Self::Text(Texts::new(TextKind::TextView)),
            DataType::Binary => Self::Binary(Texts::new(TextKind::Binary)),
            DataType::BinaryView => Self::Binary(Texts::new(TextKind::BinaryView)),
            DataType::Date32 => Self::Date(Numbers::new(data_type)),
            DataType::Timestamp(..) => Self::Timestamp(Numbers::new(data_type)),
            DataType::List(field) => Self::List(Box::new(ListBuilder::new(field, options))),
            DataType::Map(field, _) => match field.data_type() {
                DataType::Struct(pair) if pair.len() == 2 => Self::Map(Box::new(MapBuilder::new(field, pair, options))),
                _ => Self::Null(Nulls::default()),
            },
            DataType::Struct(fields) => Self::Struct(Box::new(StructBuilder::new(fields, options, true))),
            _ => Self::Null(Nulls::default()),
        }
    }

    /// How many rows the column has.
    #[must_use]
    pub fn rows(&self) -> usize {
        each!(self, builder => builder.len())
    }

    /// The type that the builder was made for.
    pub(crate) fn data_type(&self) -> DataType {
        each!(self, builder => builder.data_type())
    }

    pub fn append_null(&mut self) {
        each!(self, builder => builder.push_null());
    }

    /// Cuts the column back to so many rows; what a row that failed in its middle has left goes too.
    pub fn truncate(&mut self, rows: usize) {
        each!(self, builder => builder.truncate(rows));
    }

    /// The rows so far, as an array of the type that the builder was made for; the builder is empty afterwards.
    pub fn finish(&mut self) -> ArrayRef {
        each!(self, builder => builder.finish())
    }

    /// Appends a value written as text. Blanks around all but texts are passed over.
    pub fn append_text(&mut self, text: &str) -> Result<(), Mismatch> {
        let trimmed = text.trim();
        match self {
            Self::Text(builder) | Self::Binary(builder) => {
                let rows = builder.len();
                builder.push(text.as_bytes()).inspect_err(|_| builder.truncate(rows))?;
            }
            Self::Boolean(builder) => match trimmed {
                t if t.eq_ignore_ascii_case("true") => builder.push(true),
                t if t.eq_ignore_ascii_case("false") => builder.push(false),
                _ => return Err(Mismatch),
            },
            Self::Int8(_) | Self::Int16(_) | Self::Int32(_) | Self::Int64(_) => return self.append_integer(trimmed),
            Self::Float32(builder) => builder.push(float(trimmed)?),
            Self::Float64(builder) => builder.push(float(trimmed)?),
            Self::Decimal(builder, precision, scale) => {
                builder.push(decimal_of_text(trimmed, *precision, *scale).ok_or(Mismatch)?);
            }
            Self::Date(builder) => builder.push(date_of_text(trimmed).ok_or(Mismatch)?),
            Self::Timestamp(builder) => builder.push(micros_of_text(trimmed).ok_or(Mismatch)?),
            Self::List(_) | Self::Map(_) | Self::Struct(_) | Self::Null(_) => return Err(Mismatch),
        }
        Ok(())
    }

    /// Appends a whole number in a column of such, as `Integer.parseInt` and its like read them: without blanks.
    pub(crate) fn append_integer(&mut self, text: &str) -> Result<(), Mismatch> {
        match self {
            Self::Int8(builder) => builder.push(text.parse().map_err(|_| Mismatch)?),
            Self::Int16(builder) => builder.push(text.parse().map_err(|_| Mismatch)?),
            Self::Int32(builder) => builder.push(text.parse().map_err(|_| Mismatch)?),
            Self::Int64(builder) => builder.push(text.parse().map_err(|_| Mismatch)?),
            _ => return Err(Mismatch),
        }
        Ok(())
    }
}

/// Infinity and NaN have one name each, as in Java.
fn float<T: FromStr>(text: &str) -> Result<T, Mismatch> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let named = matches!(unsigned, "Infinity" | "NaN");
    if !named && !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Err(Mismatch);
    }
    text.parse().map_err(|_| Mismatch)
}
