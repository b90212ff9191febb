//! Buffers to the bytes of objects.

use std::collections::HashSet;

use base::Millis;
use engine_catalog::{Table, TableFormat};
use engine_formats::{DataType, Fields, JsonDecoder, Refusal, arrow_schema, without_views};

use crate::buffers::Buffer;
use crate::delta;
use crate::error_document::{self, CatalogTable, ErrorType, Failed};
use crate::output::{Output, OutputFile};
use crate::spec::{Conversion, DeliverySpec};

/// What a buffer becomes: the object, and the documents of records that could not be converted.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub object: Vec<u8>,
    pub errors: Vec<u8>,
}

/// Makes the objects of a buffer of good records; `table` is the conversion's. An error text means that the
/// delivery cannot go on as configured.
pub(crate) fn of_records(
    spec: &DeliverySpec,
    table: Option<&Table>,
    buffer: &Buffer,
    entry_name: &str,
    now_ms: Millis,
) -> Result<Content, String> {
    if let (Some(conversion), Some(table)) = (&spec.conversion, table) {
        return convert(conversion, table, buffer, now_ms);
    }
    let delimiter = spec.delimiter.as_deref().unwrap_or_default().as_bytes();
    let mut joined = Vec::with_capacity(buffer.bytes());
    for part in buffer.parts() {
        for record in part.map_err(not_read)?.records() {
            joined.extend_from_slice(record.data);
            joined.extend_from_slice(delimiter);
        }
    }
    let object = spec
        .compression
        .compress(joined, entry_name)
        .map_err(|error| error.to_string())?;
    Ok(Content {
        object,
        errors: Vec::new(),
    })
}

/// Bytes of records that become one batch of columns: enough that a batch's own cost does not show, and few enough
/// that it stays in the processor's caches.
const BATCH_BYTES: usize = 2 << 20;

/// Tells why records cannot be converted by the table as it is now, where they cannot.
pub(crate) fn check(conversion: &Conversion, table: &Table) -> Result<(), String> {
    let (mut decoder, mut file) = begin(conversion, table)?;
    encode(&mut decoder, &mut file)
}

fn begin(conversion: &Conversion, table: &Table) -> Result<(JsonDecoder, OutputFile), String> {
    if table.spec.columns().is_empty() {
        return Err(format!("the table {} has no columns", table.spec.name));
    }
    if let Some(format @ (TableFormat::Iceberg | TableFormat::Hudi)) = table.spec.table_format() {
        let name = &table.spec.name;
        return Err(format!(
            "the table {name} is one of {format:?}, to which catchment does not deliver yet"
        ));
    }
    let schema = arrow_schema(table.spec.columns()).map_err(|error| error.to_string())?;
    check_names(schema.fields(), delta::is_delta(table))?;
    let schema = without_views(&schema);
    let asked = Output::asked_by(table)?;
    let output = asked.as_ref().unwrap_or(&conversion.output);
    if delta::is_delta(table) && !matches!(output, Output::Parquet(_)) {
        return Err(delta::ONLY_PARQUET.to_owned());
    }
    let file = OutputFile::new(schema.clone(), table, output).map_err(|error| error.to_string())?;
    Ok((JsonDecoder::new(schema, conversion.json.clone()), file))
}

/// Refuses names that a file, or a reader that minds no case, does not tell apart or cannot have.
fn check_names(fields: &Fields, is_delta: bool) -> Result<(), String> {
    /// Of which Delta's protocol makes no names, without a mapping of columns.
    const NOT_OF_DELTA: &[char] = &[' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '='];
    let mut seen = HashSet::new();
    for field in fields {
        let name = field.name();
        if !seen.insert(name.to_lowercase()) {
            return Err(format!("there are two columns or fields {name:?}"));
        }
        if is_delta && name.contains(NOT_OF_DELTA) {
            return Err(format!("Delta tables have no columns called {name:?}"));
        }
        let mut inner = field.data_type();
        while let DataType::List(item) = inner {
            inner = item.data_type();
        }
        match inner {
            DataType::Struct(fields) => check_names(fields, is_delta)?,
            DataType::Map(entries, _) => {
                if let DataType::Struct(entry) = entries.data_type() {
                    check_names(entry, is_delta)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn convert(conversion: &Conversion, table: &Table, buffer: &Buffer, now_ms: Millis) -> Result<Content, String> {
    let (mut decoder, mut file) = begin(conversion, table)?;
    let named = CatalogTable {
        catalog_id: conversion.scope.account.to_string(),
        database_name: conversion.database.clone(),
        table_name: conversion.table.clone(),
        region: conversion.scope.region.to_string(),
        version_id: conversion
            .version
            .map_or("LATEST".to_owned(), |version| version.to_string()),
        catalog_arn: conversion.scope.arn("glue", "catalog").to_string(),
    };
    let mut content = Content::default();
    let mut converted = 0;
    let mut batch_bytes = 0;
    for part in buffer.parts() {
        for record in part.map_err(not_read)?.records() {
            match decoder.push_documents(record.data) {
                Ok(rows) => converted += rows,
                Err(refusal) => {
                    let (code, message) = why_not_converted(record.data, &refusal);
                    let failed = Failed {
                        attempts: 1,
                        arrival_ms: record.arrival_ms,
                        data: record.data,
                        code,
                        message: &message,
                        conversion: Some((record.offset, record.piece, &named)),
                    };
                    error_document::write(&failed, now_ms, &mut content.errors);
                }
            }
            batch_bytes += record.data.len();
            if batch_bytes >= BATCH_BYTES {
                encode(&mut decoder, &mut file)?;
                batch_bytes = 0;
            }
        }
    }
    encode(&mut decoder, &mut file)?;
    if converted > 0 {
        content.object = file.finish().map_err(|error| error.to_string())?;
    }
    Ok(content)
}

fn encode(decoder: &mut JsonDecoder, file: &mut OutputFile) -> Result<(), String> {
    let written = decoder.finish().and_then(|batch| file.write(&batch));
    written.map_err(|error| error.to_string())
}

/// The service's code for a record that could not be converted, and what is wrong with it.
fn why_not_converted(record: &[u8], refusal: &Refusal) -> (&'static str, String) {
    const MALFORMED_DATA: &str = "DataFormatConversion.MalformedData";
    if record.trim_ascii().is_empty() {
        let message = "The record was empty or contained only whitespace.";
        return (MALFORMED_DATA, message.to_owned());
    }
    if refusal.malformed {
        let message = format!("Encountered malformed JSON. {refusal}");
        return ("DataFormatConversion.ParseError", message);
    }
    (MALFORMED_DATA, format!("Data does not match the schema. {refusal}"))
}

/// Makes the documents of a buffer of records that failed each for its own reason, or for the one given.
pub(crate) fn of_failures(kind: ErrorType, reason: &str, buffer: &Buffer, now_ms: Millis) -> Result<Vec<u8>, String> {
    let code = match kind {
        ErrorType::MetadataExtraction => "DynamicPartitioning.MetadataExtractionFailed",
        ErrorType::FormatConversion => "DataFormatConversion.MalformedData",
        ErrorType::Decompression => "Decompression.Failed",
        ErrorType::HttpEndpoint => "HttpEndpoint.DestinationException",
        ErrorType::KinesisStream => "Kinesis.PutFailed",
    };
    let mut object = Vec::new();
    for part in buffer.parts() {
        for record in part.map_err(not_read)?.records() {
            let message = record.reason.unwrap_or(reason);
            let failed = Failed {
                attempts: 1,
                arrival_ms: record.arrival_ms,
                data: record.data,
                code,
                message,
                conversion: None,
            };
            error_document::write(&failed, now_ms, &mut object);
        }
    }
    Ok(object)
}

fn not_read(error: std::io::Error) -> String {
    format!("records that were spilled could not be read: {error}")
}
