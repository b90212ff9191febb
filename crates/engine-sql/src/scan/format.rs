//! How a table's files are to be read, by its SerDe.

use std::sync::Arc;

use engine_catalog::{StorageDescriptor, Table};
use engine_formats::{
    Charset, Delimited, Delimiter, Grok, JsonOptions, Quoted, Regex, TextFormat as FieldFormat, Unmatched,
};

use crate::SqlError;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Format {
    Parquet,
    Orc {
        /// Whether columns are found by their places rather than by their names.
        by_place: bool,
    },
    Avro {
        /// A reader's schema.
        schema: Option<Arc<str>>,
    },
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
        let Some(storage) = &table.spec.storage_descriptor else {
            return Err(invalid(table, "has no storage descriptor"));
        };
        // Read as directories they would have rows that were deleted, or have some twice.
        if let Some(format) = table.spec.table_format() {
            let (database, name) = (&table.database, &table.spec.name);
            return Err(SqlError::not_supported(format!(
                "reading {format:?} tables (table {database}.{name})"
            )));
        }
        let properties = Properties { table, storage };
        let library = storage.serde_library().unwrap_or("").to_ascii_lowercase();
        let input = storage.input_format.as_deref().unwrap_or("").to_ascii_lowercase();
        if library.contains("parquet") || input.contains("parquet") {
            return Ok(Self::Parquet);
        }
        if library.contains("orcserde") {
            // Amazon Athena User Guide, "Handle schema updates".
            return Ok(Self::Orc {
                by_place: properties.flag("orc.column.index.access", true),
            });
        }
        if library.contains("avroserde") {
            if properties.get("avro.schema.url").is_some() && properties.get("avro.schema.literal").is_none() {
                // As with Athena.
                return Err(SqlError::not_supported(
                    "avro.schema.url; avro.schema.literal is supported instead",
                ));
            }
            return Ok(Self::Avro {
                schema: properties.get("avro.schema.literal").map(Arc::from),
            });
        }
        let row = if library.contains("json") {
            RowFormat::Json {
                ignore_malformed: properties.flag("ignore.malformed.json", false),
                options: properties.json(),
            }
        } else if library.contains("opencsv") {
            RowFormat::Fields(FieldFormat::Quoted(properties.quoted()?))
        } else if library.contains("lazysimple") && !input.contains("sequencefile") {
            RowFormat::Fields(FieldFormat::Delimited(properties.delimited()?))
        } else if library.contains("regexserde") {
            RowFormat::Fields(FieldFormat::Regex(Regex {
                pattern: properties.needed("input.regex")?,
                case_insensitive: properties.flag("input.regex.case.insensitive", false),
                unmatched: Unmatched::Null,
            }))
        } else if library.contains("grokserde") {
            RowFormat::Fields(FieldFormat::Grok(Grok {
                pattern: properties.needed("input.format")?,
                custom_patterns: properties.get("input.grokCustomPatterns").unwrap_or("").to_owned(),
                unmatched: Unmatched::Null,
            }))
        } else {
            let what = storage
                .serde_library()
                .or(storage.input_format.as_deref())
                .unwrap_or("no SerDe");
            return Err(SqlError::not_supported(format!(
                "reading tables in the format {what} (table {}.{})",
                table.database, table.spec.name
            )));
        };
        let skip = properties.get("skip.header.line.count");
        let skip_lines = skip.and_then(|count| count.trim().parse().ok()).unwrap_or(0);
        Ok(Self::Text(TextFormat { skip_lines, row }))
    }
}

fn invalid(table: &Table, why: &str) -> SqlError {
    let (database, name) = (&table.database, &table.spec.name);
    SqlError::user(format!("HIVE_INVALID_METADATA: the table {database}.{name} {why}"))
}

/// A table's properties and those of its SerDe, which are all one to the SerDe; the table's go first, as in Hive.
struct Properties<'t> {
    table: &'t Table,
    storage: &'t StorageDescriptor,
}

impl<'t> Properties<'t> {
    fn get(&self, name: &str) -> Option<&'t str> {
        let of_storage = || self.storage.parameters.as_ref()?.get(name).map(String::as_str);
        let of_table = self.table.spec.parameter(name);
        of_table
            .or_else(|| self.storage.serde_parameter(name))
            .or_else(of_storage)
    }

    fn flag(&self, name: &str, default: bool) -> bool {
        self.get(name)
            .map_or(default, |value| value.eq_ignore_ascii_case("true"))
    }

    /// One that the SerDe cannot do without.
    fn needed(&self, name: &str) -> Result<String, SqlError> {
        let value = self.get(name).filter(|value| !value.trim().is_empty());
        let missing = || invalid(self.table, &format!("has no property {name}, which its SerDe needs"));
        value.map(str::to_owned).ok_or_else(missing)
    }

    fn delimited(&self) -> Result<Delimited, SqlError> {
        let sign = |names: &[&str], default: Delimiter| {
            let given = names.iter().find_map(|name| self.get(name));
            given.and_then(Delimiter::of_hive).unwrap_or(default)
        };
        let defaults = Delimited::default();
        let charset = match self.get("serialization.encoding") {
            Some(name) if !matches!(name.to_ascii_lowercase().as_str(), "" | "utf-8" | "utf8") => {
                let charset = Charset::named(name);
                Some(charset.ok_or_else(|| SqlError::not_supported(format!("text in the encoding {name}")))?)
            }
            _ => None,
        };
        Ok(Delimited {
            field: sign(&["field.delim", "serialization.format"], defaults.field),
            // Hive itself wrote the property with this slip for years.
            item: sign(&["collection.delim", "colelction.delim"], defaults.item),
            key: sign(&["mapkey.delim"], defaults.key),
            escape: self
                .get("escape.delim")
                .map(|sign| Delimiter::of_hive(sign).unwrap_or_else(|| b'\\'.into())),
            null: self
                .get("serialization.null.format")
                .map_or(defaults.null, str::to_owned),
            last_takes_rest: self.flag("serialization.last.column.takes.rest", false),
            charset,
        })
    }

    fn quoted(&self) -> Result<Quoted, SqlError> {
        let defaults = Quoted::default();
        let sign = |name: &str, default: char| self.get(name).and_then(Delimiter::first_char).unwrap_or(default);
        let quoted = Quoted {
            separator: sign("separatorChar", defaults.separator),
            quote: sign("quoteChar", defaults.quote),
            // The SerDe takes this one for its default.
            escape: match sign("escapeChar", defaults.escape) {
                '"' => defaults.escape,
                other => other,
            },
            unix_times: true,
            invalid: match self.flag("use.null.for.invalid.data", false) {
                true => Unmatched::Null,
                false => Unmatched::Refuse,
            },
        };
        let Quoted {
            separator,
            quote,
            escape,
            ..
        } = quoted;
        // Without quotes and escapes, which this sign turns off, the two may be the same.
        let same = separator == quote || separator == escape || (quote == escape && quote != '\0');
        if same {
            return Err(invalid(
                self.table,
                "has a separator, a quote and an escape that are not different from each other",
            ));
        }
        Ok(quoted)
    }

    /// The OpenX SerDe's options; the Hive SerDe has none of them.
    fn json(&self) -> JsonOptions {
        let parameters = self.storage.serde.iter().flat_map(|serde| &serde.parameters).flatten();
        let mappings = parameters.filter_map(|(name, key)| {
            let column = name.strip_prefix("mapping.")?;
            Some((column.to_lowercase(), key.clone()))
        });
        JsonOptions {
            case_insensitive: self.flag("case.insensitive", true),
            dots_to_underscores: self.flag("dots.in.keys", false),
            column_to_key: mappings.collect(),
            ..JsonOptions::default()
        }
    }
}
