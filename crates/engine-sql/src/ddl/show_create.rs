//! SHOW CREATE TABLE: a statement that makes the table again.

use engine_catalog::{Column, Parameters, Table};

/// One string a line.
pub(super) fn show_create_table(table: &Table) -> Vec<String> {
    let spec = &table.spec;
    let mut lines = vec![format!("CREATE EXTERNAL TABLE `{}.{}`(", table.database, spec.name)];
    columns(&mut lines, spec.columns());
    if let Some(comment) = &spec.description {
        lines.push(format!("COMMENT {}", quote(comment)));
    }
    if !spec.partition_keys.is_empty() {
        lines.push("PARTITIONED BY ( ".to_owned());
        columns(&mut lines, &spec.partition_keys);
    }
    if let Some(storage) = &spec.storage_descriptor {
        if let (Some(buckets), Some(columns)) = (storage.number_of_buckets.filter(|n| *n > 0), &storage.bucket_columns)
        {
            lines.push("CLUSTERED BY ( ".to_owned());
            lines.push(format!("  {}) ", columns.join(", ")));
            lines.push(format!("INTO {buckets} BUCKETS"));
        }
        if let Some(library) = storage.serde_library() {
            lines.push("ROW FORMAT SERDE ".to_owned());
            lines.push(format!("  {} ", quote(library)));
        }
        if let Some(parameters) = storage.serde.as_ref().and_then(|serde| serde.parameters.as_ref()) {
            properties(&mut lines, "WITH SERDEPROPERTIES ( ", parameters);
        }
        if let (Some(input), Some(output)) = (&storage.input_format, &storage.output_format) {
            lines.push("STORED AS INPUTFORMAT ".to_owned());
            lines.push(format!("  {} ", quote(input)));
            lines.push("OUTPUTFORMAT ".to_owned());
            lines.push(format!("  {}", quote(output)));
        }
        if let Some(location) = &storage.location {
            lines.push("LOCATION".to_owned());
            lines.push(format!("  {}", quote(location)));
        }
    }
    if let Some(parameters) = &spec.parameters {
        properties(&mut lines, "TBLPROPERTIES (", parameters);
    }
    lines
}

fn columns(lines: &mut Vec<String>, columns: &[Column]) {
    for (index, column) in columns.iter().enumerate() {
        let comment = column
            .comment
            .as_ref()
            .map_or(String::new(), |comment| format!(" COMMENT {}", quote(comment)));
        let end = if index + 1 == columns.len() { ")" } else { ", " };
        lines.push(format!(
            "  `{}` {}{comment}{end}",
            column.name,
            column.type_name.as_deref().unwrap_or("string")
        ));
    }
}

fn properties(lines: &mut Vec<String>, heading: &str, parameters: &Parameters) {
    if parameters.is_empty() {
        return;
    }
    lines.push(heading.to_owned());
    for (index, (name, value)) in parameters.iter().enumerate() {
        let end = if index + 1 == parameters.len() { ")" } else { ", " };
        lines.push(format!("  {}={}{end}", quote(name), quote(value)));
    }
}

fn quote(text: &str) -> String {
    let mut quoted = String::from("'");
    for c in text.chars() {
        match c {
            '\'' => quoted.push_str("\\'"),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}
