//! A data file that is to be added, and whether a table can take it.

use std::collections::BTreeMap;

use arrow::array::StringArray;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::util::display::FormatOptions;
use bytes::Bytes;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::file::metadata::ParquetMetaDataReader;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

use crate::LakeError;
use crate::schema::{Field, check_type, fields_of};
use crate::statistics::{self, Statistics};

/// A Parquet file of a batch.
#[derive(Debug, Clone)]
pub struct AddedFile {
    /// Where the file is to be, from the table's place; as it is, with nothing encoded. Where another file is there
    /// already, of an earlier attempt that was cut off, a random part is added to the name.
    pub path: String,
    /// The whole file. It holds the table's columns without the partition columns; those that may be NULL may be
    /// missing.
    pub bytes: Bytes,
    /// By partition column, as text ("Partition Value Serialization"); `None` is NULL.
    pub partition_values: BTreeMap<String, Option<String>>,
}

/// A file and what its footer says.
pub(crate) struct Inspected {
    pub file: AddedFile,
    fields: Vec<Field>,
    statistics: Statistics,
}

/// What a path in the log must not hold as it is; a colon would make the part before it a scheme.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b':')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

impl Inspected {
    /// Looks at the path and the footer of a file.
    pub(crate) fn new(file: AddedFile) -> Result<Self, LakeError> {
        match read(&file) {
            Ok((fields, statistics)) => Ok(Self {
                file,
                fields,
                statistics,
            }),
            Err(reason) => Err(LakeError::File {
                path: file.path,
                reason,
            }),
        }
    }

    /// Why a table with these columns cannot take the file, if it cannot.
    pub(crate) fn check(&self, columns: &[Field], partition_columns: &[String]) -> Result<(), String> {
        let given = &self.file.partition_values;
        if given.len() != partition_columns.len() || !partition_columns.iter().all(|name| given.contains_key(name)) {
            return Err(format!(
                "the partition columns are {partition_columns:?}, not {:?}",
                given.keys().collect::<Vec<_>>()
            ));
        }
        for column in columns {
            if given.contains_key(&column.name) {
                continue;
            }
            let field = self.fields.iter().find(|field| field.name == column.name);
            let has_nulls =
                field.is_none_or(|field| field.nullable && self.statistics.null_count.get(&field.name) != Some(&0));
            if !column.nullable && has_nulls {
                return Err(format!(
                    "column {:?} cannot be NULL, and in the file it may be",
                    column.name
                ));
            }
        }
        check_columns(&self.fields, columns)?;
        match self.fields.iter().find(|field| given.contains_key(&field.name)) {
            Some(field) => Err(format!("the file has the partition column {:?} in it", field.name)),
            None => Ok(()),
        }
    }

    /// Which of the file's partition values is none of its column's type, if one is not.
    pub(crate) fn check_values(&self, columns: &[Field]) -> Result<(), String> {
        columns
            .iter()
            .try_for_each(|column| match self.file.partition_values.get(&column.name) {
                Some(value) => check_partition_value(column, value.as_deref()),
                None => Ok(()),
            })
    }

    /// The action that adds the file. `changes_data` tells that its rows are new to the table.
    pub(crate) fn add(&self, path: &str, now_ms: i64, changes_data: bool) -> Result<Value, serde_json::Error> {
        Ok(json!({"add": {
            "path": utf8_percent_encode(path, ESCAPED).to_string(),
            "partitionValues": self.file.partition_values,
            "size": self.file.bytes.len(),
            "modificationTime": now_ms,
            "dataChange": changes_data,
            "stats": serde_json::to_string(&self.statistics)?,
        }}))
    }
}

fn read(file: &AddedFile) -> Result<(Vec<Field>, Statistics), String> {
    // Readers and cleaners pass over what is hidden; partition columns may have such names.
    let is_hidden = |name: &str| name.starts_with(['_', '.']) && !name.contains('=');
    if file.path.split('/').any(|name| name.is_empty() || is_hidden(name)) {
        return Err("a part of the path is empty, or begins with a dot or an underscore".to_owned());
    }
    let mut reader = ParquetMetaDataReader::new();
    reader.try_parse(&file.bytes).map_err(|error| error.to_string())?;
    let footer = reader.finish().map_err(|error| error.to_string())?;
    let schema = parquet_to_arrow_schema(footer.file_metadata().schema_descr(), None);
    let schema = schema.map_err(|error| error.to_string())?;
    let fields = fields_of(schema.fields().iter().map(AsRef::as_ref))?;
    let statistics = statistics::of_file(&footer, &schema).map_err(|error| error.to_string())?;
    Ok((fields, statistics))
}

/// Whether each of the fields is a column of the table, of the same type.
pub(crate) fn check_columns(fields: &[Field], columns: &[Field]) -> Result<(), String> {
    for field in fields {
        let column = columns.iter().find(|column| column.name == field.name);
        let column = column.ok_or_else(|| format!("there is no column {:?}", field.name))?;
        check_type(&field.name, &column.data_type, &field.data_type)?;
    }
    Ok(())
}

/// A value that a reader could not parse would make the whole table unreadable.
fn check_partition_value(column: &Field, value: Option<&str>) -> Result<(), String> {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return match column.nullable {
            true => Ok(()),
            false => Err(format!("partition column {:?} cannot be NULL", column.name)),
        };
    };
    let name = column.data_type.as_str().unwrap_or_default();
    let is_good = match name {
        "string" | "binary" => true,
        "boolean" => matches!(value, "true" | "false"),
        "byte" => value.parse::<i8>().is_ok(),
        "short" => value.parse::<i16>().is_ok(),
        "integer" => value.parse::<i32>().is_ok(),
        "long" => value.parse::<i64>().is_ok(),
        "float" | "double" => value.parse::<f64>().is_ok(),
        "date" => value.len() == "2013-01-31".len() && casts(value, &DataType::Date32),
        "timestamp" | "timestamp_ntz" => casts(value, &DataType::Timestamp(TimeUnit::Microsecond, None)),
        _ => decimal(name).is_some_and(|decimal| casts(value, &decimal)),
    };
    if is_good {
        return Ok(());
    }
    Err(format!(
        "partition column {:?} is {name}, which {value:?} is not",
        column.name
    ))
}

fn casts(value: &str, to: &DataType) -> bool {
    let options = CastOptions {
        safe: false,
        format_options: FormatOptions::default(),
    };
    cast_with_options(&StringArray::from(vec![value]), to, &options).is_ok()
}

/// `decimal(10,2)`
fn decimal(name: &str) -> Option<DataType> {
    let (precision, scale) = name.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
    Some(DataType::Decimal128(
        precision.trim().parse().ok()?,
        scale.trim().parse().ok()?,
    ))
}
