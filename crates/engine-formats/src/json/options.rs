//! The options of the two JSON SerDes.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::TimestampFormat;

/// How JSON becomes rows. The default is the OpenX JSON SerDe's, but for keys, which keep their case.
///
/// Sources: Amazon Data Firehose API Reference, OpenXJsonSerDe and HiveJsonSerDe; Developer Guide, "Convert input data
/// format in Amazon Data Firehose"; what is marked as observed: floci-io/floci, pull requests 3333 and 3521, which
/// tell what the service answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JsonOptions {
    /// Keys match columns and members of structures whatever their case.
    pub case_insensitive: bool,
    /// A dot in a key stands for an underscore in the column's or member's name.
    pub dots_to_underscores: bool,
    /// Columns and members that take their value from a key of another name.
    pub column_to_key: HashMap<String, String>,
    /// The keys of maps, and those within objects that become text, are turned into small letters (observed: the
    /// OpenX SerDe does so wherever case does not matter, the Hive SerDe never).
    pub lowercase_keys: bool,
    /// Which values are taken for a column's type that are not quite of it.
    pub coercion: Coercion,
    /// Tried in their order on the texts of timestamps and dates, before the forms that are always read.
    pub timestamp_formats: Vec<TimestampFormat>,
}

/// What is made of values that are not of their column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Coercion {
    /// The OpenX SerDe's: numbers in quotes are numbers, numbers may be timestamps, an array or object in a column
    /// of texts is its JSON, a value in a column of arrays is an array of one (observed), an array in a column of
    /// structures gives the members their values in order (observed), and an empty text there is NULL.
    #[default]
    OpenX,
    /// The Hive SerDe's: only numbers and booleans become texts (observed); timestamps are texts such as
    /// `2013-01-31 05:00:00.25` or of one of the formats.
    Hive,
}

impl Default for JsonOptions {
    fn default() -> Self {
        Self {
            case_insensitive: true,
            dots_to_underscores: false,
            column_to_key: HashMap::new(),
            lowercase_keys: false,
            coercion: Coercion::default(),
            timestamp_formats: Vec::new(),
        }
    }
}
