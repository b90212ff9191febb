//! How a table's files are to be read, by its SerDe.

use engine_catalog::{StorageDescriptor, Table};
use engine_formats::{Delimited, Delimiter, Grok, JsonOptions, Quoted, Regex, TextFormat as FieldFormat, Unmatched};

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
        options: JsonOptions,
    },
    Fields(FieldFormat),
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
            RowFormat::Json {
                ignore_malformed: flag(storage, "ignore.malformed.json", false),
                options: json_options(storage),
            }
        } else if library.contains("opencsv") {
            let sign = |name: &str, default: Delimiter| {
                let given = storage.serde_parameter(name).and_then(Delimiter::of_char);
                given.unwrap_or(default)
            };
            let defaults = Quoted::default();
            RowFormat::Fields(FieldFormat::Quoted(Quoted {
                separator: sign("separatorChar", defaults.separator),
                quote: sign("quoteChar", defaults.quote),
                escape: sign("escapeChar", defaults.escape),
            }))
        } else if library.contains("lazysimple") && !input.contains("sequencefile") {
            RowFormat::Fields(FieldFormat::Delimited(delimited(storage)))
        } else if library.contains("regexserde") {
            RowFormat::Fields(FieldFormat::Regex(Regex {
                pattern: needed(table, storage, "input.regex")?,
                case_insensitive: flag(storage, "input.regex.case.insensitive", false),
                unmatched: Unmatched::Null,
            }))
        } else if library.contains("grokserde") {
            RowFormat::Fields(FieldFormat::Grok(Grok {
                pattern: needed(table, storage, "input.format")?,
                custom_patterns: storage
                    .serde_parameter("input.grokCustomPatterns")
                    .unwrap_or("")
                    .to_owned(),
                unmatched: Unmatched::Null,
            }))
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

/// A property that the SerDe cannot do without.
fn needed(table: &Table, storage: &StorageDescriptor, name: &str) -> Result<String, SqlError> {
    storage.serde_parameter(name).map(str::to_owned).ok_or_else(|| {
        SqlError::user(format!(
            "HIVE_INVALID_METADATA: the SerDe of the table {}.{} has no property {name}",
            table.database, table.spec.name
        ))
    })
}

fn delimited(storage: &StorageDescriptor) -> Delimited {
    let sign = |names: &[&str], default: Delimiter| {
        let given = names.iter().find_map(|name| storage.serde_parameter(name));
        given.and_then(Delimiter::of_hive).unwrap_or(default)
    };
    let defaults = Delimited::default();
    Delimited {
        field: sign(&["field.delim", "serialization.format"], defaults.field),
        // Hive itself wrote the property with this slip for years.
        item: sign(&["collection.delim", "colelction.delim"], defaults.item),
        key: sign(&["mapkey.delim"], defaults.key),
        escape: storage.serde_parameter("escape.delim").and_then(Delimiter::of_hive),
        null: storage
            .serde_parameter("serialization.null.format")
            .map_or(defaults.null, str::to_owned),
    }
}

/// The OpenX SerDe's options; the Hive SerDe has none of them.
fn json_options(storage: &StorageDescriptor) -> JsonOptions {
    let parameters = storage.serde.iter().flat_map(|serde| &serde.parameters).flatten();
    let mappings = parameters.filter_map(|(name, key)| {
        let column = name.strip_prefix("mapping.")?;
        Some((column.to_lowercase(), key.clone()))
    });
    JsonOptions {
        case_insensitive: flag(storage, "case.insensitive", true),
        dots_to_underscores: flag(storage, "dots.in.keys", false),
        column_to_key: mappings.collect(),
        ..JsonOptions::default()
    }
}

fn flag(storage: &StorageDescriptor, name: &str, default: bool) -> bool {
    storage
        .serde_parameter(name)
        .map_or(default, |value| value.eq_ignore_ascii_case("true"))
}
