//! DESCRIBE and SHOW COLUMNS, in Hive's padded columns.

use chrono::DateTime;
use engine_catalog::{Column, Table};

/// Names and types are padded to this width, as the service's text results are.
const WIDTH: usize = 20;

pub(super) fn padded(text: &str) -> String {
    format!("{text:WIDTH$}")
}

fn row(cells: [&str; 3]) -> String {
    cells.map(padded).join("\t")
}

fn columns(lines: &mut Vec<String>, columns: &[Column]) {
    for column in columns {
        let type_name = column.type_name.as_deref().unwrap_or("string");
        lines.push(row([&column.name, type_name, column.comment.as_deref().unwrap_or("")]));
    }
}

/// One line a column: data columns, then partition keys, then the keys once more under their heading.
pub(super) fn describe(table: &Table) -> Vec<String> {
    let mut lines = Vec::new();
    columns(&mut lines, table.spec.columns());
    columns(&mut lines, &table.spec.partition_keys);
    if !table.spec.partition_keys.is_empty() {
        lines.push("\t \t ".to_owned());
        lines.push("# Partition Information\t \t ".to_owned());
        lines.push(row(["# col_name", "data_type", "comment"]));
        lines.push("\t \t ".to_owned());
        columns(&mut lines, &table.spec.partition_keys);
    }
    lines
}

pub(super) fn describe_formatted(table: &Table) -> Vec<String> {
    let spec = &table.spec;
    let blank = || "\t \t ".to_owned();
    let mut lines = vec![row(["# col_name", "data_type", "comment"]), blank()];
    columns(&mut lines, spec.columns());
    if !spec.partition_keys.is_empty() {
        lines.extend([
            blank(),
            "# Partition Information\t \t ".to_owned(),
            row(["# col_name", "data_type", "comment"]),
            blank(),
        ]);
        columns(&mut lines, &spec.partition_keys);
    }
    let time = |ms| {
        DateTime::from_timestamp_millis(ms).map_or(String::new(), |t| t.format("%a %b %d %H:%M:%S UTC %Y").to_string())
    };
    let mut entry = |name: &str, value: &str| lines.push(format!("{}\t{}\t ", padded(name), padded(value)));
    entry("", "");
    entry("# Detailed Table Information", "");
    entry("Database:", &table.database);
    entry("Owner:", spec.owner.as_deref().unwrap_or("hadoop"));
    entry("CreateTime:", &time(table.created_at_ms));
    entry("LastAccessTime:", "UNKNOWN");
    entry("Location:", spec.location().unwrap_or(""));
    entry("Table Type:", spec.table_type.as_deref().unwrap_or(""));
    entry("Table Parameters:", "");
    for (name, value) in spec.parameters.iter().flatten() {
        entry("", &format!("{name}\t{value}"));
    }
    entry("", "");
    entry("# Storage Information", "");
    if let Some(storage) = &spec.storage_descriptor {
        entry("SerDe Library:", storage.serde_library().unwrap_or(""));
        entry("InputFormat:", storage.input_format.as_deref().unwrap_or(""));
        entry("OutputFormat:", storage.output_format.as_deref().unwrap_or(""));
        entry(
            "Compressed:",
            if storage.compressed == Some(true) { "Yes" } else { "No" },
        );
        entry("Num Buckets:", &storage.number_of_buckets.unwrap_or(-1).to_string());
        for (name, value) in storage
            .serde
            .iter()
            .filter_map(|serde| serde.parameters.as_ref())
            .flatten()
        {
            entry("", &format!("{name}\t{value}"));
        }
    }
    lines
}
