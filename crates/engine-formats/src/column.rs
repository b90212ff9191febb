//! Arrow columns being built from text and JSON.

use std::fmt;
use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{
    ArrayRef, BinaryViewBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder,
    Int8Builder, Int16Builder, Int32Builder, Int64Builder, ListArray, MapArray, NullArray, StringBuilder,
    StringViewBuilder, StructArray, TimestampMicrosecondBuilder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::kernels::cast_utils::{Parser, parse_decimal, string_to_datetime};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, FieldRef, Fields};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

const DATE_BYTES: usize = "2013-01-31".len();

/// A value that is not of its column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch;

/// A column of one of the types that [`crate::arrow_type`] gives. A value that does not fit leaves the column as it
/// was where the type is simple; within a list, map or structure it may leave pieces, and the batch is lost.
pub enum ColumnBuilder {
    Boolean(BooleanBuilder),
    Int8(Int8Builder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal(Decimal128Builder, u8, i8),
    Text(StringViewBuilder),
    PlainText(StringBuilder),
    Binary(BinaryViewBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    List {
        field: FieldRef,
        items: Box<ColumnBuilder>,
        ends: Ends,
    },
    Map {
        field: FieldRef,
        pair: Fields,
        keys: Box<ColumnBuilder>,
        values: Box<ColumnBuilder>,
        ends: Ends,
    },
    Struct {
        fields: Fields,
        columns: Vec<ColumnBuilder>,
        valid: Vec<bool>,
    },
    /// A type that text cannot hold: always NULL.
    Null(usize),
}

/// Where each list ends among the items, and which lists are NULL.
#[derive(Default)]
pub struct Ends {
    lengths: Vec<usize>,
    valid: Vec<bool>,
}

impl Ends {
    fn push(&mut self, length: usize, valid: bool) {
        self.lengths.push(length);
        self.valid.push(valid);
    }

    fn finish(&mut self) -> (OffsetBuffer<i32>, NullBuffer) {
        let lengths = std::mem::take(&mut self.lengths);
        (
            OffsetBuffer::from_lengths(lengths),
            NullBuffer::from(std::mem::take(&mut self.valid)),
        )
    }
}

/// Runs the same expression on whichever simple builder it is.
macro_rules! simple {
    ($self:expr, $builder:ident => $run:expr, else $other:expr) => {
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
            ColumnBuilder::PlainText($builder) => $run,
            ColumnBuilder::Binary($builder) => $run,
            ColumnBuilder::Date($builder) => $run,
            ColumnBuilder::Timestamp($builder) => $run,
            other =>
            {
                #[allow(clippy::redundant_closure_call, reason = "the closure names the rest")]
                ($other)(other)
            }
        }
    };
}

impl ColumnBuilder {
    #[must_use]
    pub fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Int8 => Self::Int8(Int8Builder::new()),
            DataType::Int16 => Self::Int16(Int16Builder::new()),
            DataType::Int32 => Self::Int32(Int32Builder::new()),
            DataType::Int64 => Self::Int64(Int64Builder::new()),
            DataType::Float32 => Self::Float32(Float32Builder::new()),
            DataType::Float64 => Self::Float64(Float64Builder::new()),
            DataType::Decimal128(precision, scale) => {
                let builder = Decimal128Builder::new().with_data_type(data_type.clone());
                Self::Decimal(builder, *precision, *scale)
            }
            DataType::Utf8View => Self::Text(StringViewBuilder::new()),
            DataType::Utf8 => Self::PlainText(StringBuilder::new()),
            DataType::BinaryView => Self::Binary(BinaryViewBuilder::new()),
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Timestamp(..) => Self::Timestamp(TimestampMicrosecondBuilder::new()),
            DataType::List(field) => Self::List {
                field: field.clone(),
                items: Box::new(Self::new(field.data_type())),
                ends: Ends::default(),
            },
            DataType::Map(field, _) => match field.data_type() {
                DataType::Struct(pair) if pair.len() == 2 => Self::Map {
                    field: field.clone(),
                    pair: pair.clone(),
                    keys: Box::new(Self::new(pair[0].data_type())),
                    values: Box::new(Self::new(pair[1].data_type())),
                    ends: Ends::default(),
                },
                _ => Self::Null(0),
            },
            DataType::Struct(fields) => Self::Struct {
                fields: fields.clone(),
                columns: fields.iter().map(|field| Self::new(field.data_type())).collect(),
                valid: Vec::new(),
            },
            _ => Self::Null(0),
        }
    }

    pub fn append_null(&mut self) {
        simple!(self, builder => builder.append_null(), else |other: &mut Self| match other {
            Self::List { ends, .. } | Self::Map { ends, .. } => ends.push(0, false),
            Self::Struct { columns, valid, .. } => {
                columns.iter_mut().for_each(Self::append_null);
                valid.push(false);
            }
            Self::Null(count) => *count += 1,
            _ => unreachable!("the simple builders are handled above"),
        });
    }

    /// Appends a value written as text.
    pub fn append_text(&mut self, text: &str) -> Result<(), Mismatch> {
        let trimmed = text.trim();
        match self {
            Self::Text(builder) => builder.append_value(text),
            Self::PlainText(builder) => builder.append_value(text),
            Self::Binary(builder) => builder.append_value(text.as_bytes()),
            Self::Boolean(builder) => match trimmed {
                t if t.eq_ignore_ascii_case("true") => builder.append_value(true),
                t if t.eq_ignore_ascii_case("false") => builder.append_value(false),
                _ => return Err(Mismatch),
            },
            Self::Int8(builder) => builder.append_value(trimmed.parse().map_err(|_| Mismatch)?),
            Self::Int16(builder) => builder.append_value(trimmed.parse().map_err(|_| Mismatch)?),
            Self::Int32(builder) => builder.append_value(trimmed.parse().map_err(|_| Mismatch)?),
            Self::Int64(builder) => builder.append_value(trimmed.parse().map_err(|_| Mismatch)?),
            Self::Float32(builder) => builder.append_value(trimmed.parse().map_err(|_| Mismatch)?),
            Self::Float64(builder) => builder.append_value(trimmed.parse().map_err(|_| Mismatch)?),
            Self::Decimal(builder, precision, scale) => {
                let value = parse_decimal::<Decimal128Type>(trimmed, *precision, *scale).map_err(|_| Mismatch)?;
                builder.append_value(value);
            }
            Self::Date(builder) => {
                // A time of day may follow, and is dropped.
                let date = match trimmed.as_bytes().get(DATE_BYTES) {
                    None => trimmed,
                    Some(b'T' | b' ') => trimmed.get(..DATE_BYTES).ok_or(Mismatch)?,
                    Some(_) => return Err(Mismatch),
                };
                builder.append_value(Date32Type::parse(date).ok_or(Mismatch)?);
            }
            Self::Timestamp(builder) => {
                // By way of nanoseconds only the years from 1677 to 2262 would fit.
                let utc: Tz = "+00:00".parse().map_err(|_| Mismatch)?;
                let time = string_to_datetime(&utc, trimmed).map_err(|_| Mismatch)?;
                builder.append_value(time.timestamp_micros());
            }
            _ => return Err(Mismatch),
        }
        Ok(())
    }

    fn append_integer(&mut self, value: i64) -> Result<(), Mismatch> {
        match self {
            Self::Int8(builder) => builder.append_value(value.try_into().map_err(|_| Mismatch)?),
            Self::Int16(builder) => builder.append_value(value.try_into().map_err(|_| Mismatch)?),
            Self::Int32(builder) => builder.append_value(value.try_into().map_err(|_| Mismatch)?),
            Self::Int64(builder) => builder.append_value(value),
            Self::Float32(builder) => builder.append_value(value as f32),
            Self::Float64(builder) => builder.append_value(value as f64),
            Self::Timestamp(builder) => builder.append_value(epoch_micros(value)),
            other => return other.append_text(itoa::Buffer::new().format(value)),
        }
        Ok(())
    }

    fn append_number(&mut self, value: f64) -> Result<(), Mismatch> {
        match self {
            Self::Float32(builder) => builder.append_value(value as f32),
            Self::Float64(builder) => builder.append_value(value),
            Self::Timestamp(builder) => builder.append_value((value * 1e6).round() as i64),
            Self::Int8(_) | Self::Int16(_) | Self::Int32(_) | Self::Int64(_) => {
                if value.fract() != 0.0 || value.abs() >= 9.2e18 {
                    return Err(Mismatch);
                }
                return self.append_integer(value as i64);
            }
            other => return other.append_text(&value.to_string()),
        }
        Ok(())
    }

    /// Appends a value of LazySimpleSerDe: items and keys have separators of their own, one kind a level.
    pub fn append_delimited(&mut self, text: &[u8], separators: &[&[u8]], null: &str) -> Result<(), Mismatch> {
        if text == null.as_bytes() {
            self.append_null();
            return Ok(());
        }
        match self {
            Self::List { items, ends, .. } => {
                let (separator, inner) = separators.split_first().ok_or(Mismatch)?;
                let mut count = 0;
                if !text.is_empty() {
                    for piece in pieces(text, separator) {
                        if items.append_delimited(piece, inner, null).is_err() {
                            items.append_null();
                        }
                        count += 1;
                    }
                }
                ends.push(count, true);
                Ok(())
            }
            Self::Map { keys, values, ends, .. } => {
                let [item, key, inner @ ..] = separators else {
                    return Err(Mismatch);
                };
                let mut count = 0;
                for piece in pieces(text, item).filter(|piece| !piece.is_empty()) {
                    let (name, value) = split_once(piece, key).unwrap_or((piece, null.as_bytes()));
                    if keys.append_text(&String::from_utf8_lossy(name)).is_err() {
                        continue;
                    }
                    if values.append_delimited(value, inner, null).is_err() {
                        values.append_null();
                    }
                    count += 1;
                }
                ends.push(count, true);
                Ok(())
            }
            Self::Struct { columns, valid, .. } => {
                let (separator, inner) = separators.split_first().ok_or(Mismatch)?;
                let mut pieces = pieces(text, separator);
                for column in columns {
                    match pieces.next() {
                        Some(piece) if column.append_delimited(piece, inner, null).is_ok() => {}
                        _ => column.append_null(),
                    }
                }
                valid.push(true);
                Ok(())
            }
            simple => simple.append_text(&String::from_utf8_lossy(text)),
        }
    }

    pub fn finish(&mut self) -> ArrayRef {
        simple!(self, builder => Arc::new(builder.finish()) as ArrayRef, else |other: &mut Self| -> ArrayRef {
            match other {
                Self::List { field, items, ends } => {
                    let (offsets, nulls) = ends.finish();
                    Arc::new(ListArray::new(field.clone(), offsets, items.finish(), Some(nulls)))
                }
                Self::Map { field, pair, keys, values, ends } => {
                    let (offsets, nulls) = ends.finish();
                    let entries = StructArray::new(pair.clone(), vec![keys.finish(), values.finish()], None);
                    Arc::new(MapArray::new(field.clone(), offsets, entries, Some(nulls), false))
                }
                Self::Struct { fields, columns, valid } => {
                    let nulls = NullBuffer::from(std::mem::take(valid));
                    let columns = columns.iter_mut().map(Self::finish).collect();
                    Arc::new(StructArray::new(fields.clone(), columns, Some(nulls)))
                }
                Self::Null(count) => Arc::new(NullArray::new(std::mem::take(count))),
                _ => unreachable!("the simple builders are handled above"),
            }
        })
    }
}

fn split_once<'t>(text: &'t [u8], separator: &[u8]) -> Option<(&'t [u8], &'t [u8])> {
    let at = text.windows(separator.len()).position(|window| window == separator)?;
    Some((&text[..at], &text[at + separator.len()..]))
}

fn pieces<'t>(text: &'t [u8], separator: &[u8]) -> impl Iterator<Item = &'t [u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (piece, after) = match split_once(text, separator) {
            Some((piece, after)) => (piece, Some(after)),
            None => (text, None),
        };
        rest = after;
        Some(piece)
    })
}

/// A number that stands for a time: seconds since the epoch, or milliseconds where it is too large for that.
fn epoch_micros(value: i64) -> i64 {
    const SECONDS_MAX: i64 = 100_000_000_000;
    if value.abs() < SECONDS_MAX {
        value * 1_000_000
    } else {
        value.saturating_mul(1_000)
    }
}

/// Appends the JSON value that comes next.
impl<'de> DeserializeSeed<'de> for &mut ColumnBuilder {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self {
            // Through a float, numbers would lose digits that these types can hold.
            ColumnBuilder::Decimal(..) | ColumnBuilder::Text(_) | ColumnBuilder::PlainText(_) => {
                let raw = <&RawValue>::deserialize(deserializer)?;
                append_raw(self, raw.get())
            }
            _ => deserializer.deserialize_any(JsonValue(self)),
        }
    }
}

/// Appends a JSON value by its own text.
fn append_raw<E: serde::de::Error>(column: &mut ColumnBuilder, raw: &str) -> Result<(), E> {
    let appended = match raw.as_bytes() {
        b"null" => {
            column.append_null();
            Ok(())
        }
        [b'"', plain @ .., b'"'] if !plain.contains(&b'\\') => column.append_text(&raw[1..raw.len() - 1]),
        [b'"', ..] => column.append_text(&serde_json::from_str::<String>(raw).map_err(E::custom)?),
        [b'{' | b'[', ..] => column.append_text(&compact(raw)),
        _ => column.append_text(raw),
    };
    appended.map_err(|_| mismatch(raw))
}

/// JSON without the blanks between its tokens.
fn compact(json: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    let kept = json.chars().filter(|c| {
        let keep = quoted || !c.is_ascii_whitespace();
        quoted ^= *c == '"' && !escaped;
        escaped = quoted && *c == '\\' && !escaped;
        keep
    });
    kept.collect()
}

struct JsonValue<'b>(&'b mut ColumnBuilder);

fn mismatch<E: serde::de::Error>(value: impl fmt::Display) -> E {
    E::custom(format!("the value {value} is not of the column's type"))
}

impl<'de> Visitor<'de> for JsonValue<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of the column's type")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.0.append_null();
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        match self.0 {
            ColumnBuilder::Boolean(builder) => builder.append_value(value),
            other => other
                .append_text(if value { "true" } else { "false" })
                .map_err(|_| mismatch(value))?,
        }
        Ok(())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.0.append_integer(value).map_err(|_| mismatch(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) => self.0.append_text(&value.to_string()).map_err(|_| mismatch(value)),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.0.append_number(value).map_err(|_| mismatch(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.0
            .append_text(value)
            .map_err(|_| mismatch(format_args!("{value:?}")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        match self.0 {
            ColumnBuilder::List { items, ends, .. } => {
                let mut count = 0;
                while sequence.next_element_seed(&mut **items)?.is_some() {
                    count += 1;
                }
                ends.push(count, true);
                Ok(())
            }
            other => {
                let mut whole = Vec::new();
                while let Some(element) = sequence.next_element::<serde_json::Value>()? {
                    whole.push(element);
                }
                let text = serde_json::Value::Array(whole).to_string();
                other.append_text(&text).map_err(|_| mismatch(text))
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        match self.0 {
            ColumnBuilder::Struct { fields, columns, valid } => {
                let mut seen = vec![false; columns.len()];
                while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    let at = fields.iter().position(|field| field.name().eq_ignore_ascii_case(&name));
                    match at.filter(|at| !seen[*at]) {
                        Some(at) => {
                            map.next_value_seed(&mut columns[at])?;
                            seen[at] = true;
                        }
                        None => _ = map.next_value::<IgnoredAny>()?,
                    }
                }
                for (column, _) in columns.iter_mut().zip(seen).filter(|(_, seen)| !seen) {
                    column.append_null();
                }
                valid.push(true);
                Ok(())
            }
            ColumnBuilder::Map { keys, values, ends, .. } => {
                let mut count = 0;
                while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    keys.append_text(&name).map_err(|_| mismatch(&name))?;
                    map.next_value_seed(&mut **values)?;
                    count += 1;
                }
                ends.push(count, true);
                Ok(())
            }
            other => {
                let mut whole = serde_json::Map::new();
                while let Some((name, value)) = map.next_entry()? {
                    whole.insert(name, value);
                }
                let text = serde_json::Value::Object(whole).to_string();
                other.append_text(&text).map_err(|_| mismatch(text))
            }
        }
    }
}
