//! How a table's files are to be read, by its SerDe.

use engine_catalog::{StorageDescriptor, Table};

use crate::SqlError;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Format {
    Parquet,
    Text(TextFormat),
}

/// Lines of text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TextFormat {
    /// Lines at the head of each file that are no rows.
    pub(crate) skip_lines: usize,
    pub(crate) row: RowFormat,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RowFormat {
    Json {
        /// A line that is no JSON object is a row of NULLs instead of an error.
        ignore_malformed: bool,
    },
    /// OpenCSVSerde.
    Quoted { separator: u8, quote: u8, escape: u8 },
    /// LazySimpleSerDe.
    Delimited {
        field: u8,
        item: u8,
        key: u8,
        escape: Option<u8>,
        null: String,
    },
}

impl Format {
    pub(crate) fn of(table: &Table) -> Result<Self, SqlError> {
        let spec = &table.spec;
        let Some(storage) = &spec.storage_descriptor else {
            return Err(SqlError::user(format!(
                "HIVE_INVALID_METADATA: the table {}.{} has no storage descriptor",
                table.database, spec.name
            )));
        };
        let library = storage.serde_library().unwrap_or("").to_ascii_lowercase();
        let input = storage.input_format.as_deref().unwrap_or("").to_ascii_lowercase();
        if library.contains("parquet") || input.contains("parquet") {
            return Ok(Self::Parquet);
        }
        let row = if library.contains("json") {
            let flag = storage.serde_parameter("ignore.malformed.json").unwrap_or("false");
            RowFormat::Json {
                ignore_malformed: flag.eq_ignore_ascii_case("true"),
            }
        } else if library.contains("opencsv") {
            let byte = |name: &str, default: u8| storage.serde_parameter(name).and_then(delimiter).unwrap_or(default);
            RowFormat::Quoted {
                separator: byte("separatorChar", b','),
                quote: byte("quoteChar", b'"'),
                escape: byte("escapeChar", b'\\'),
            }
        } else if library.contains("lazysimple") && !input.contains("sequencefile") {
            delimited(storage)
        } else {
            let what = storage
                .serde_library()
                .or(storage.input_format.as_deref())
                .unwrap_or("no SerDe");
            return Err(SqlError::not_supported(format!(
                "reading tables in the format {what} (table {}.{})",
                table.database, spec.name
            )));
        };
        let skip = spec.parameter("skip.header.line.count").or_else(|| {
            storage
                .parameters
                .as_ref()?
                .get("skip.header.line.count")
                .map(String::as_str)
        });
        let skip_lines = skip.and_then(|count| count.trim().parse().ok()).unwrap_or(0);
        Ok(Self::Text(TextFormat { skip_lines, row }))
    }
}

fn delimited(storage: &StorageDescriptor) -> RowFormat {
    let byte = |names: [&str; 2], default: u8| {
        names
            .iter()
            .find_map(|name| storage.serde_parameter(name))
            .and_then(delimiter)
            .unwrap_or(default)
    };
    RowFormat::Delimited {
        field: byte(["field.delim", "serialization.format"], 1),
        item: byte(["collection.delim", "colelction.delim"], 2),
        key: byte(["mapkey.delim", "mapkey.delim"], 3),
        escape: storage.serde_parameter("escape.delim").and_then(delimiter),
        null: storage
            .serde_parameter("serialization.null.format")
            .unwrap_or("\\N")
            .to_owned(),
    }
}

/// A delimiter is a character, or the decimal code of one.
fn delimiter(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte] if !byte.is_ascii_digit() => Some(*byte),
        _ => match text {
            "\\t" => Some(b'\t'),
            "\\001" | "\\u0001" => Some(1),
            other => other.parse().ok().or_else(|| other.bytes().next()),
        },
    }
}
