//! The files of a result: values under a header as CSV, lines as text, and the columns beside them.

use base::{KIB, Millis};
use bytes::Bytes;
use engine_sql::{BatchText, ErrorKind, Rows, SqlError, TextResult};
use store_objects::{Expected, Headers, ObjectError, Objects, PutOptions, PutWriter};

use crate::executions::Column;

/// How much text gathers before it is handed to the store.
const PIECE_BYTES: usize = 256 * KIB as usize;

/// What was written.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Written {
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
}

/// Why a result was not written to its end.
pub(crate) enum OutputError {
    Query(SqlError),
    Store(ObjectError),
}

impl From<SqlError> for OutputError {
    fn from(error: SqlError) -> Self {
        Self::Query(error)
    }
}

impl From<ObjectError> for OutputError {
    fn from(error: ObjectError) -> Self {
        Self::Store(error)
    }
}

/// Collects text for one object.
struct File {
    writer: PutWriter,
    text: String,
    written: Written,
}

impl File {
    fn begin(objects: &Objects, bucket: &str, key: &str) -> Result<Self, ObjectError> {
        let headers = Headers {
            content_type: Some("application/octet-stream".to_owned()),
            ..Headers::default()
        };
        let writer = objects.begin_put(
            bucket,
            key,
            PutOptions {
                headers,
                ..PutOptions::default()
            },
        )?;
        Ok(Self {
            writer,
            text: String::new(),
            written: Written::default(),
        })
    }

    async fn flush(&mut self) -> Result<(), ObjectError> {
        self.written.bytes += self.text.len() as u64;
        self.writer.write(Bytes::from(std::mem::take(&mut self.text))).await
    }

    async fn finish(mut self) -> Result<Written, ObjectError> {
        self.flush().await?;
        self.writer.finish(Expected::default()).await?;
        Ok(self.written)
    }
}

/// Streams the rows into `<key>`: every value quoted, NULL bare and empty.
pub(crate) async fn write_rows(
    objects: &Objects,
    (bucket, key): (&str, &str),
    rows: &mut Rows,
) -> Result<Written, OutputError> {
    let mut file = File::begin(objects, bucket, key)?;
    for (index, column) in rows.columns().iter().enumerate() {
        separate(&mut file.text, index);
        quote(&mut file.text, &column.name);
    }
    file.text.push('\n');
    let mut value = String::new();
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        let text = BatchText::new(&batch);
        for row in 0..text.rows() {
            for column in 0..text.columns() {
                separate(&mut file.text, column);
                value.clear();
                if text.write(row, column, &mut value)? {
                    quote(&mut file.text, &value);
                }
            }
            file.text.push('\n');
            file.written.rows += 1;
            if file.text.len() >= PIECE_BYTES {
                file.flush().await?;
            }
        }
    }
    Ok(file.finish().await?)
}

/// Writes the cells of each row between tabs, without a header; EXPLAIN's result has this form.
pub(crate) async fn write_row_lines(
    objects: &Objects,
    (bucket, key): (&str, &str),
    rows: &mut Rows,
) -> Result<Written, OutputError> {
    let mut file = File::begin(objects, bucket, key)?;
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        let text = BatchText::new(&batch);
        // The plan stands in the last column.
        let Some(column) = text.columns().checked_sub(1) else {
            continue;
        };
        for row in 0..text.rows() {
            text.write(row, column, &mut file.text)?;
            file.text.push('\n');
            file.written.rows += 1;
        }
    }
    Ok(file.finish().await?)
}

pub(crate) async fn write_lines(
    objects: &Objects,
    (bucket, key): (&str, &str),
    result: &TextResult,
) -> Result<Written, OutputError> {
    let mut file = File::begin(objects, bucket, key)?;
    for row in &result.rows {
        file.text.push_str(row);
        file.text.push('\n');
        file.written.rows += 1;
    }
    Ok(file.finish().await?)
}

fn separate(text: &mut String, column: usize) {
    if column > 0 {
        text.push(',');
    }
}

fn quote(text: &mut String, value: &str) {
    text.push('"');
    if value.contains('"') {
        text.push_str(&value.replace('"', "\"\""));
    } else {
        text.push_str(value);
    }
    text.push('"');
}

/// Writes the columns' description beside the result, as Protocol Buffers: field 4, once a column, holds
/// catalog (1), name (4), label (5), type (6), precision (7), scale (8), nullable (9) and case sensitive (10).
pub(crate) async fn write_metadata(
    objects: &Objects,
    (bucket, key): (&str, &str),
    columns: &[Column],
) -> Result<(), ObjectError> {
    let mut message = Vec::new();
    for column in columns {
        let mut field = Vec::new();
        text_field(&mut field, 1, "hive");
        text_field(&mut field, 4, &column.name);
        text_field(&mut field, 5, &column.name);
        text_field(&mut field, 6, &column.type_name);
        number_field(&mut field, 7, column.precision.max(0) as u64);
        number_field(&mut field, 8, column.scale.max(0) as u64);
        number_field(&mut field, 9, NULLABLE_UNKNOWN);
        number_field(&mut field, 10, u64::from(column.case_sensitive));
        bytes_field(&mut message, 4, &field);
    }
    let headers = Headers {
        content_type: Some("application/octet-stream".to_owned()),
        ..Headers::default()
    };
    let options = PutOptions {
        headers,
        ..PutOptions::default()
    };
    objects
        .put_bytes(bucket, &format!("{key}.metadata"), message.into(), options)
        .await?;
    Ok(())
}

const NULLABLE_UNKNOWN: u64 = 3;

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn number_field(out: &mut Vec<u8>, number: u64, value: u64) {
    varint(out, number << 3);
    varint(out, value);
}

fn bytes_field(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    varint(out, number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn text_field(out: &mut Vec<u8>, number: u64, text: &str) {
    bytes_field(out, number, text.as_bytes());
}

/// The reason and kind of a failure to write the result.
pub(crate) fn store_failure(error: &ObjectError, bucket: &str) -> SqlError {
    match error {
        ObjectError::NoSuchBucket(_) => SqlError::new(
            ErrorKind::User,
            format!(
                "The S3 location provided to save your query results is invalid. Please check your S3 location is \
                 correct and is in the same region and try again. The specified bucket does not exist: {bucket} \
                 (Service: Amazon S3; Status Code: 404; Error Code: NoSuchBucket)"
            ),
        ),
        other => SqlError::new(ErrorKind::Internal, format!("The result could not be written: {other}")),
    }
}

/// The bucket of the result belongs to another account.
pub(crate) fn denied(url: &str) -> SqlError {
    SqlError::new(
        ErrorKind::User,
        format!(
            "Access denied when writing output to url: {url} . Please ensure you are allowed to access the S3 bucket. \
             If you are encrypting query results with KMS key, please ensure you are allowed to access your KMS key"
        ),
    )
}

/// Whole milliseconds between two moments.
pub(crate) fn elapsed_ms(from: Millis, to: Millis) -> u64 {
    to.saturating_sub(from).max(0) as u64
}
