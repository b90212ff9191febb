//! JSON values on their way into columns.

use std::borrow::Cow;

use arrow::datatypes::DataType;

use super::cursor::{Cursor, Kind, Quoted};
use super::fault::{Expected, Fault, Refused, Step, shown};
use super::number::{Number, PlainNumber};
use super::text::compact_into;
use crate::column::{ColumnBuilder, ListBuilder, MapBuilder, StructBuilder, Texts};
use crate::time::{
    date_of_text, micros_of_fixed_layout, micros_of_integer, micros_of_jdbc, micros_of_number, micros_of_text,
};
use crate::{Coercion, JsonOptions, Mismatch};

/// Appends the value that comes next. Where it fails, the column may hold pieces of it, which are to be cut off.
#[inline]
pub(super) fn append(
    column: &mut ColumnBuilder,
    cursor: &mut Cursor<'_>,
    options: &JsonOptions,
) -> Result<(), Refused> {
    // What most values are.
    if let ColumnBuilder::Text(texts) = column {
        if cursor.peek() == b'"' {
            cursor.string_into(texts.open())?;
            return texts.close().map_err(too_large);
        }
    } else {
        let begin = cursor.at();
        let appended = match column {
            ColumnBuilder::Int64(values) => {
                let value = cursor.plain_number().and_then(PlainNumber::as_i64);
                value.map(|value| values.push(value))
            }
            ColumnBuilder::Int32(values) => {
                let value = cursor.plain_number().and_then(PlainNumber::as_i64);
                let value = value.and_then(|value| i32::try_from(value).ok());
                value.map(|value| values.push(value))
            }
            ColumnBuilder::Float64(values) => {
                let value = cursor.plain_number().and_then(PlainNumber::as_f64);
                value.map(|value| values.push(value))
            }
            ColumnBuilder::Decimal(values, precision, scale) => {
                let number = cursor.plain_number();
                let value = number.and_then(|number| number.as_decimal(*precision, *scale));
                value.map(|value| values.push(value))
            }
            _ => None,
        };
        if appended.is_some() {
            return Ok(());
        }
        cursor.go_back(begin);
    }
    append_any(column, cursor, options)
}

fn append_any(column: &mut ColumnBuilder, cursor: &mut Cursor<'_>, options: &JsonOptions) -> Result<(), Refused> {
    match (cursor.kind()?, column) {
        (Kind::String, column) => append_string(column, cursor.string()?, options),
        (Kind::Number, column) => append_number(column, cursor.number()?, options),
        (Kind::Object, ColumnBuilder::Struct(structure)) => {
            append_members(structure, cursor, options)?;
            structure.valid.append_non_null();
            Ok(())
        }
        (Kind::Array, ColumnBuilder::List(list)) => append_items(list, cursor, options),
        (Kind::Object, ColumnBuilder::Map(map)) => append_entries(map, cursor, options),
        (Kind::Null, column) => {
            cursor.literal("null")?;
            column.append_null();
            Ok(())
        }
        (Kind::True, column) => {
            cursor.literal("true")?;
            append_boolean(column, true, options)
        }
        (Kind::False, column) => {
            cursor.literal("false")?;
            append_boolean(column, false, options)
        }
        (kind @ (Kind::Object | Kind::Array), column) => append_nested(column, kind, cursor, options),
    }
}

/// Passes the value that comes next and names it for a message.
#[cold]
pub(super) fn found(cursor: &mut Cursor<'_>) -> Result<String, Refused> {
    Ok(match cursor.kind()? {
        Kind::Object => "an object".to_owned(),
        Kind::Array => "an array".to_owned(),
        Kind::String => format!("a string {}", shown(&plain(&cursor.string()?)?)),
        Kind::Number => format!("the number {}", cut(cursor.number()?.text())),
        Kind::True => literal(cursor, "true")?,
        Kind::False => literal(cursor, "false")?,
        Kind::Null => literal(cursor, "null")?,
    })
}

/// Its first letter told which it would be.
fn literal(cursor: &mut Cursor<'_>, literal: &'static str) -> Result<String, Refused> {
    cursor.literal(literal)?;
    Ok(literal.to_owned())
}

/// The members of a structure or the columns of a row, from an object that comes next.
#[inline]
pub(super) fn append_members(
    structure: &mut StructBuilder,
    cursor: &mut Cursor<'_>,
    options: &JsonOptions,
) -> Result<(), Refused> {
    let StructBuilder {
        fields, columns, keys, ..
    } = structure;
    let mut place = keys.begin();
    let mut found = 0;
    let mut more = cursor.open(b'}');
    while more {
        match keys.pass_key(cursor, &mut place)? {
            Some(member) => {
                found += 1;
                if let Err(fault) = append(&mut columns[member], cursor, options) {
                    return Err(fault.below(Step::Member(fields[member].name().clone())));
                }
            }
            None => cursor.pass_value()?,
        }
        more = cursor.more(b'}')?;
    }
    if found < columns.len() {
        for member in keys.missing() {
            columns[member].append_null();
        }
    }
    Ok(())
}

fn append_items(list: &mut ListBuilder, cursor: &mut Cursor<'_>, options: &JsonOptions) -> Result<(), Refused> {
    let mut more = cursor.open(b']');
    let mut index = 0;
    while more {
        if let Err(fault) = append(&mut list.items, cursor, options) {
            return Err(fault.below(Step::Item(index)));
        }
        index += 1;
        more = cursor.more(b']')?;
    }
    list.ends.push(list.items.rows()).map_err(too_large)
}

fn append_entries(map: &mut MapBuilder, cursor: &mut Cursor<'_>, options: &JsonOptions) -> Result<(), Refused> {
    let mut more = cursor.open(b'}');
    while more {
        let (key, _) = cursor.key()?;
        let mut name = plain(&key)?;
        if options.lowercase_keys {
            name = name.to_lowercase().into();
        }
        if map.keys.append_text(&name).is_err() {
            let found = format!("the key {}", shown(&name));
            return Err(Fault::mismatch(expected(&map.keys, options), found));
        }
        if let Err(fault) = append(&mut map.values, cursor, options) {
            return Err(fault.below(Step::Entry(name.into_owned())));
        }
        more = cursor.more(b'}')?;
    }
    map.ends.push(map.keys.rows()).map_err(too_large)
}

#[inline]
fn append_string(column: &mut ColumnBuilder, quoted: Quoted<'_>, options: &JsonOptions) -> Result<(), Refused> {
    if let (ColumnBuilder::Timestamp(values), Coercion::OpenX, []) =
        (&mut *column, options.coercion, &*options.timestamp_formats)
        && let Some(micros) = micros_of_fixed_layout(quoted.raw)
    {
        values.push(micros);
        return Ok(());
    }
    let ColumnBuilder::Text(texts) = column else {
        return append_string_as(column, &plain(&quoted)?, options);
    };
    if quoted.escaped {
        quoted.unescape_into(texts.open())?;
        texts.close().map_err(too_large)
    } else {
        texts.push(quoted.raw).map_err(too_large)
    }
}

/// A string in a column that is not one of texts.
fn append_string_as(column: &mut ColumnBuilder, text: &str, options: &JsonOptions) -> Result<(), Refused> {
    let open_x = options.coercion == Coercion::OpenX;
    let appended = match column {
        ColumnBuilder::Timestamp(values) => timestamp(text, options).map(|value| values.push(value)),
        ColumnBuilder::Date(values) => date(text, options).map(|value| values.push(value)),
        ColumnBuilder::Text(_) | ColumnBuilder::Binary(_) | ColumnBuilder::Decimal(..) => column.append_text(text).ok(),
        ColumnBuilder::List(_) | ColumnBuilder::Map(_) | ColumnBuilder::Struct(_)
            if open_x && text.trim().is_empty() =>
        {
            column.append_null();
            Some(())
        }
        ColumnBuilder::List(list) if open_x => {
            append_string_as(&mut list.items, text, options).map_err(|fault| fault.below(Step::Item(0)))?;
            return list.ends.push(list.items.rows()).map_err(too_large);
        }
        _ if open_x => column.append_text(text).ok(),
        _ => None,
    };
    appended.ok_or_else(|| {
        let is_whole = open_x && is_integers(column) && text.trim().parse::<i128>().is_ok();
        let range = range_of(column).filter(|_| is_whole);
        let expected = range.unwrap_or_else(|| expected(column, options));
        Fault::mismatch(expected, format!("a string {}", shown(text)))
    })
}

#[inline]
fn append_number(column: &mut ColumnBuilder, number: Number<'_>, options: &JsonOptions) -> Result<(), Refused> {
    let appended = match column {
        ColumnBuilder::Int64(values) => number.as_whole().map(|value| values.push(value)),
        ColumnBuilder::Int32(values) => narrowed(&number).map(|value| values.push(value)),
        ColumnBuilder::Int16(values) => narrowed(&number).map(|value| values.push(value)),
        ColumnBuilder::Int8(values) => narrowed(&number).map(|value| values.push(value)),
        ColumnBuilder::Float64(values) => number.as_f64().map(|value| values.push(value)),
        ColumnBuilder::Float32(values) => number.as_f32().map(|value| values.push(value)),
        ColumnBuilder::Decimal(..) | ColumnBuilder::Text(_) | ColumnBuilder::Binary(_) => {
            column.append_text(number.text()).ok()
        }
        ColumnBuilder::Timestamp(values) => timestamp_of_number(&number, options).map(|value| values.push(value)),
        ColumnBuilder::Date(values) => date(number.text(), options).map(|value| values.push(value)),
        ColumnBuilder::List(list) if options.coercion == Coercion::OpenX => {
            append_number(&mut list.items, number, options).map_err(|fault| fault.below(Step::Item(0)))?;
            return list.ends.push(list.items.rows()).map_err(too_large);
        }
        _ => None,
    };
    appended.ok_or_else(|| {
        let range = range_of(column).filter(|_| number.is_integer || !is_integers(column));
        let expected = range.unwrap_or_else(|| expected(column, options));
        Fault::mismatch(expected, format!("the number {}", cut(number.text())))
    })
}

fn narrowed<T: TryFrom<i64>>(number: &Number<'_>) -> Option<T> {
    T::try_from(number.as_whole()?).ok()
}

fn append_boolean(column: &mut ColumnBuilder, value: bool, options: &JsonOptions) -> Result<(), Refused> {
    let text = if value { "true" } else { "false" };
    match column {
        ColumnBuilder::Boolean(values) => {
            values.push(value);
            Ok(())
        }
        ColumnBuilder::Text(_) | ColumnBuilder::Binary(_) => column.append_text(text).map_err(too_large),
        ColumnBuilder::List(list) if options.coercion == Coercion::OpenX => {
            append_boolean(&mut list.items, value, options).map_err(|fault| fault.below(Step::Item(0)))?;
            list.ends.push(list.items.rows()).map_err(too_large)
        }
        _ => Err(Fault::mismatch(expected(column, options), text.to_owned())),
    }
}

/// An object or array in a column of something else.
#[cold]
fn append_nested(
    column: &mut ColumnBuilder,
    kind: Kind,
    cursor: &mut Cursor<'_>,
    options: &JsonOptions,
) -> Result<(), Refused> {
    if options.coercion == Coercion::OpenX {
        match column {
            ColumnBuilder::Text(texts) | ColumnBuilder::Binary(texts) => {
                return append_json(texts, cursor, options);
            }
            ColumnBuilder::List(list) => {
                append(&mut list.items, cursor, options).map_err(|fault| fault.below(Step::Item(0)))?;
                return list.ends.push(list.items.rows()).map_err(too_large);
            }
            ColumnBuilder::Struct(structure) if kind == Kind::Array => {
                return append_by_position(structure, cursor, options);
            }
            _ => {}
        }
    }
    let found = if kind == Kind::Object { "an object" } else { "an array" };
    Err(Fault::mismatch(expected(column, options), found.to_owned()))
}

/// The text of an object or array, without the blanks between its tokens.
fn append_json(texts: &mut Texts, cursor: &mut Cursor<'_>, options: &JsonOptions) -> Result<(), Refused> {
    let begin = cursor.at();
    cursor.pass_value()?;
    compact_into(
        &String::from_utf8_lossy(cursor.since(begin)),
        options.lowercase_keys,
        texts.open(),
    );
    texts.close().map_err(too_large)
}

/// An array's items as the members of a structure, in their order; the items beyond them are dropped.
fn append_by_position(
    structure: &mut StructBuilder,
    cursor: &mut Cursor<'_>,
    options: &JsonOptions,
) -> Result<(), Refused> {
    let mut more = cursor.open(b']');
    let mut index = 0;
    while more {
        match structure.columns.get_mut(index) {
            Some(column) => append(column, cursor, options).map_err(|fault| fault.below(Step::Item(index)))?,
            None => cursor.pass_value()?,
        }
        index += 1;
        more = cursor.more(b']')?;
    }
    for column in structure.columns.iter_mut().skip(index) {
        column.append_null();
    }
    structure.valid.append_non_null();
    Ok(())
}

fn timestamp(text: &str, options: &JsonOptions) -> Option<i64> {
    let text = text.trim();
    let formatted = options.timestamp_formats.iter().find_map(|format| format.micros(text));
    formatted.or_else(|| match options.coercion {
        Coercion::OpenX => micros_of_text(text).or_else(|| micros_of_number_text(text)),
        Coercion::Hive => micros_of_jdbc(text),
    })
}

/// Seconds or milliseconds in quotes.
fn micros_of_number_text(text: &str) -> Option<i64> {
    match text.parse() {
        Ok(whole) => micros_of_integer(whole),
        Err(_) if text.bytes().any(|byte| byte.is_ascii_digit()) => micros_of_number(text.parse().ok()?),
        Err(_) => None,
    }
}

fn timestamp_of_number(number: &Number<'_>, options: &JsonOptions) -> Option<i64> {
    if options.coercion == Coercion::Hive || !options.timestamp_formats.is_empty() {
        return timestamp(number.text(), options);
    }
    match number.as_i64() {
        Some(whole) => micros_of_integer(whole),
        None => micros_of_number(number.as_f64()?),
    }
}

fn date(text: &str, options: &JsonOptions) -> Option<i32> {
    const DAY_MICROS: i64 = 86_400_000_000;
    let text = text.trim();
    let formatted = options.timestamp_formats.iter().find_map(|format| format.micros(text));
    match formatted {
        Some(micros) => i32::try_from(micros.div_euclid(DAY_MICROS)).ok(),
        None => date_of_text(text),
    }
}

/// The text that a string stands for.
fn plain<'t>(quoted: &Quoted<'t>) -> Result<Cow<'t, str>, Refused> {
    if !quoted.escaped {
        return Ok(String::from_utf8_lossy(quoted.raw));
    }
    let mut bytes = Vec::new();
    quoted.unescape_into(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned().into())
}

#[cold]
fn expected(column: &ColumnBuilder, options: &JsonOptions) -> Expected {
    let data_type = column.data_type();
    let formats = &options.timestamp_formats;
    match column {
        ColumnBuilder::Timestamp(_) | ColumnBuilder::Date(_) if !formats.is_empty() => {
            let formats: Vec<_> = formats.iter().map(|format| format.to_string()).collect();
            Expected::As(data_type, format!("a time in the format {}", formats.join(" or ")))
        }
        ColumnBuilder::Timestamp(_) if options.coercion == Coercion::Hive => {
            Expected::As(data_type, "a timestamp such as 2013-01-31 05:00:00".to_owned())
        }
        _ => Expected::Of(data_type),
    }
}

fn is_integers(column: &ColumnBuilder) -> bool {
    column.data_type().is_signed_integer()
}

/// What fits into a column of numbers.
#[cold]
fn range_of(column: &ColumnBuilder) -> Option<Expected> {
    Some(match column {
        ColumnBuilder::Int8(_) => integer_between(column, i8::MIN, i8::MAX),
        ColumnBuilder::Int16(_) => integer_between(column, i16::MIN, i16::MAX),
        ColumnBuilder::Int32(_) => integer_between(column, i32::MIN, i32::MAX),
        ColumnBuilder::Int64(_) => integer_between(column, i64::MIN, i64::MAX),
        ColumnBuilder::Float32(_) => number_between(column, f32::MIN, f32::MAX),
        ColumnBuilder::Float64(_) => number_between(column, f64::MIN, f64::MAX),
        ColumnBuilder::Decimal(..) => match column.data_type() {
            data_type @ DataType::Decimal128(precision, scale) => {
                let digits = i16::from(precision) - i16::from(scale);
                Expected::As(
                    data_type,
                    format!("a number of at most {digits} digits before the point"),
                )
            }
            _ => return None,
        },
        _ => return None,
    })
}

#[cold]
fn integer_between<T: std::fmt::Display>(column: &ColumnBuilder, least: T, most: T) -> Expected {
    Expected::As(column.data_type(), format!("an integer from {least} to {most}"))
}

#[cold]
fn number_between<T: std::fmt::LowerExp>(column: &ColumnBuilder, least: T, most: T) -> Expected {
    Expected::As(column.data_type(), format!("a number from {least:e} to {most:e}"))
}

/// A number's text, not all of it where it is long.
fn cut(number: &str) -> String {
    const SHOWN_BYTES_MAX: usize = 60;
    match number.get(..SHOWN_BYTES_MAX) {
        Some(begin) => format!("{begin} and more"),
        None => number.to_owned(),
    }
}

#[cold]
fn too_large(_: Mismatch) -> Refused {
    Box::new(Fault::BatchTooLarge)
}
