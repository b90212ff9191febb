//! ORC's types, from Hive's and from Arrow's.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use engine_catalog::{Column, HiveType};

use crate::FormatError;
use crate::protobuf::Message;

const DECIMAL_DIGITS_MAX: u8 = 38;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OrcType {
    Boolean,
    Byte,
    Short,
    Int,
    Long,
    Float,
    Double,
    String,
    /// Of at most so many characters.
    Varchar(u32),
    /// Of exactly so many characters.
    Char(u32),
    Binary,
    Date,
    /// The time of day and date that a clock on the wall shows.
    Timestamp,
    /// A moment, wherever it is shown.
    Instant,
    Decimal(u8, u8),
    List(Box<OrcType>),
    Map(Box<OrcType>, Box<OrcType>),
    Struct(Vec<(String, OrcType)>),
}

impl OrcType {
    pub(super) fn of_columns(columns: &[Column]) -> Result<Self, FormatError> {
        let column = |column: &Column| {
            let hive = column
                .hive_type()
                .map_err(|error| FormatError::Schema(format!("column {}: {error}", column.name)))?;
            Ok((column.name.clone(), Self::of_hive(&hive)))
        };
        columns.iter().map(column).collect::<Result<_, _>>().map(Self::Struct)
    }

    pub(super) fn of_schema(schema: &Schema) -> Result<Self, FormatError> {
        fields(schema.fields())
    }

    fn of_hive(hive: &HiveType) -> Self {
        match hive {
            HiveType::Boolean => Self::Boolean,
            HiveType::Tinyint => Self::Byte,
            HiveType::Smallint => Self::Short,
            HiveType::Int => Self::Int,
            HiveType::Bigint => Self::Long,
            HiveType::Float => Self::Float,
            HiveType::Double => Self::Double,
            HiveType::Decimal(precision, scale) => Self::Decimal(*precision, *scale),
            HiveType::String => Self::String,
            HiveType::Varchar(length) => Self::Varchar(*length),
            HiveType::Char(length) => Self::Char(*length),
            HiveType::Binary => Self::Binary,
            HiveType::Date => Self::Date,
            HiveType::Timestamp => Self::Timestamp,
            HiveType::Array(element) => Self::List(Box::new(Self::of_hive(element))),
            HiveType::Map(key, value) => Self::Map(Box::new(Self::of_hive(key)), Box::new(Self::of_hive(value))),
            HiveType::Struct(fields) => {
                let field =
                    |field: &engine_catalog::HiveField| (field.name.to_lowercase(), Self::of_hive(&field.data_type));
                Self::Struct(fields.iter().map(field).collect())
            }
        }
    }

    /// Unsigned integers become the next larger signed ones, as ORC has no others.
    fn of_arrow(data_type: &DataType) -> Result<Self, String> {
        Ok(match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Int8 => Self::Byte,
            DataType::Int16 | DataType::UInt8 => Self::Short,
            DataType::Int32 | DataType::UInt16 => Self::Int,
            DataType::Int64 | DataType::UInt32 => Self::Long,
            DataType::UInt64 => Self::Decimal(20, 0),
            DataType::Float16 | DataType::Float32 => Self::Float,
            DataType::Float64 => Self::Double,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::String,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                Self::Binary
            }
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Timestamp(_, None) => Self::Timestamp,
            DataType::Timestamp(_, Some(_)) => Self::Instant,
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale)
                if *precision <= DECIMAL_DIGITS_MAX && (0..=*precision as i8).contains(scale) =>
            {
                Self::Decimal(*precision, *scale as u8)
            }
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                Self::List(Box::new(Self::of_arrow(item.data_type())?))
            }
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(pair) if pair.len() == 2 => Self::Map(
                    Box::new(Self::of_arrow(pair[0].data_type())?),
                    Box::new(Self::of_arrow(pair[1].data_type())?),
                ),
                other => return Err(format!("a map of {other}")),
            },
            DataType::Struct(fields) => self::fields(fields).map_err(|error| error.to_string())?,
            DataType::Dictionary(_, values) => Self::of_arrow(values)?,
            other => return Err(other.to_string()),
        })
    }

    /// The Arrow type that values of a simple type are written from.
    pub(super) fn held(&self) -> Option<DataType> {
        Some(match self {
            Self::Boolean => DataType::Boolean,
            Self::Byte => DataType::Int8,
            Self::Short => DataType::Int16,
            Self::Int => DataType::Int32,
            Self::Long => DataType::Int64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::String | Self::Varchar(_) | Self::Char(_) => DataType::Utf8View,
            Self::Binary => DataType::BinaryView,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Nanosecond, None),
            Self::Instant => DataType::Timestamp(TimeUnit::Nanosecond, Some(Arc::from("UTC"))),
            Self::Decimal(precision, scale) => DataType::Decimal128(*precision, *scale as i8),
            Self::List(_) | Self::Map(..) | Self::Struct(_) => return None,
        })
    }

    /// The types of the tree in the order of the columns' numbers, as the footer lists them.
    pub(super) fn messages(&self) -> Vec<Message> {
        let mut types = Vec::new();
        self.list(&mut types);
        types
    }

    fn list(&self, types: &mut Vec<Message>) {
        let at = types.len();
        types.push(Message::default());
        let children: Vec<&Self> = match self {
            Self::List(item) => vec![item],
            Self::Map(key, value) => vec![key, value],
            Self::Struct(fields) => fields.iter().map(|(_, field)| field).collect(),
            _ => Vec::new(),
        };
        let mut numbers = Vec::new();
        for child in children {
            numbers.push(types.len() as u64);
            child.list(types);
        }
        let message = &mut types[at];
        message.uint(1, self.kind());
        message.packed(2, &numbers);
        match self {
            Self::Struct(fields) => fields.iter().for_each(|(name, _)| message.bytes(3, name.as_bytes())),
            Self::Varchar(length) | Self::Char(length) => message.uint(4, u64::from(*length)),
            Self::Decimal(precision, scale) => {
                message.uint(5, u64::from(*precision));
                message.uint(6, u64::from(*scale));
            }
            _ => {}
        }
    }

    /// `Type.Kind` of the format's metadata.
    fn kind(&self) -> u64 {
        match self {
            Self::Boolean => 0,
            Self::Byte => 1,
            Self::Short => 2,
            Self::Int => 3,
            Self::Long => 4,
            Self::Float => 5,
            Self::Double => 6,
            Self::String => 7,
            Self::Binary => 8,
            Self::Timestamp => 9,
            Self::List(_) => 10,
            Self::Map(..) => 11,
            Self::Struct(_) => 12,
            Self::Decimal(..) => 14,
            Self::Date => 15,
            Self::Varchar(_) => 16,
            Self::Char(_) => 17,
            Self::Instant => 18,
        }
    }
}

fn fields(fields: &arrow::datatypes::Fields) -> Result<OrcType, FormatError> {
    let field = |field: &Arc<Field>| {
        let data_type = OrcType::of_arrow(field.data_type())
            .map_err(|what| FormatError::Schema(format!("column {}: ORC has no type for {what}", field.name())))?;
        Ok((field.name().clone(), data_type))
    };
    fields.iter().map(field).collect::<Result<_, _>>().map(OrcType::Struct)
}
