//! Checkpoints: the state of a table as one Parquet file, in the classic form ("Checkpoints", "Checkpoint Schema").
//!
//! Rows go through the log's own form, JSON, both ways, so that one reader knows both. A checkpoint is made from the
//! one before it and the commits since, a piece at a time: a table may have more files than memory holds.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::writer::LineDelimited;
use arrow::json::{ReaderBuilder, WriterBuilder};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::{ArrowWriter, ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use serde_json::json;
use store_objects::{Expected, ObjectReader, PutOptions, PutWriter};

use crate::LakeError;
use crate::action::{Action, Key, Metadata};
use crate::log::{Gathered, LAST_CHECKPOINT, Log, State};

/// Rows that are decoded or encoded at once.
const ROWS_PER_BATCH: usize = 1_024;
/// Encoded bytes of a row group, all of which is in memory until it is written.
const ROW_GROUP_BYTES: usize = 8 << 20;
/// How long tombstones are kept where `delta.deletedFileRetentionDuration` says nothing else: a week.
const TOMBSTONES_MS: i64 = 7 * 24 * 3_600_000;
const CLEANING_MS: i64 = 24 * 3_600_000;

/// Whether checkpoints of the table are of the kind that we write.
pub(crate) fn is_ours(metadata: &Metadata) -> bool {
    metadata.property("delta.checkpoint.writeStatsAsStruct") != Some("true")
        && metadata.property("delta.checkpoint.writeStatsAsJson") != Some("false")
}

/// Reads what a state is made of out of the checkpoint of a version.
pub(crate) async fn read_state(log: &Log, version: u64, gathered: &mut Gathered) -> Result<(), LakeError> {
    let mut rows = Rows::open(log, version, &["protocol", "metaData", "txn"]).await?;
    while let Some(batch) = rows.next(log).await? {
        for (action, _) in batch {
            gathered.take(action);
        }
    }
    Ok(())
}

/// Writes the checkpoint of a state, and points to it.
pub(crate) async fn write(log: &Log, state: &State, now_ms: i64) -> Result<(), LakeError> {
    // A tombstone stays for so long behind its time that whoever cleans up comes by once more.
    let from_ms = tombstones_from_ms(&state.metadata, now_ms).saturating_sub(CLEANING_MS);
    let mut reconciled = Reconciled::open(log, state, from_ms).await?;
    let mut out = Out::begin(log, state.version)?;
    while let Some(rows) = reconciled.next(log).await? {
        for row in rows {
            out.push(log, &row).await?;
        }
    }
    let (rows, files, bytes) = out.finish(log).await?;
    if log.last_checkpoint().await?.is_some_and(|there| there > state.version) {
        return Ok(());
    }
    let pointer = json!({"version": state.version, "size": rows, "sizeInBytes": bytes, "numOfAddFiles": files});
    let (key, pointer) = (log.location.log_key(LAST_CHECKPOINT), Bytes::from(pointer.to_string()));
    log.objects
        .put_bytes(&log.location.bucket, &key, pointer, PutOptions::default())
        .await?;
    Ok(())
}

/// The time from which on the tombstones of files are kept: readers of older versions may be under way.
pub(crate) fn tombstones_from_ms(metadata: &Metadata, now_ms: i64) -> i64 {
    let retention = metadata.property("delta.deletedFileRetentionDuration");
    // A duration that we cannot read keeps all tombstones.
    now_ms.saturating_sub(retention.map_or(Some(TOMBSTONES_MS), interval_ms).unwrap_or(i64::MAX))
}

/// The actions that make up a state, each once: those of the checkpoint before it that no commit since has changed,
/// then those of the commits.
pub(crate) struct Reconciled {
    checkpoint: Option<Rows>,
    /// `None` where the last word is that there is nothing any more.
    latest: HashMap<Key, Option<Row>>,
    tombstones_from_ms: i64,
}

impl Reconciled {
    pub(crate) async fn open(log: &Log, state: &State, tombstones_from_ms: i64) -> Result<Self, LakeError> {
        let mut latest = HashMap::new();
        for version in state.checkpoint.map_or(0, |checkpoint| checkpoint + 1)..=state.version {
            let take = |action: Action, line: &str| {
                if let Some(key) = action.key() {
                    let row = action.is_live(tombstones_from_ms).then(|| Row::new(&action, line));
                    latest.insert(key, row);
                }
            };
            log.read_commit(version, take).await?;
        }
        let columns: Vec<String> = schema().fields().iter().flat_map(|field| members_of(field)).collect();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let checkpoint = match state.checkpoint {
            Some(checkpoint) => Some(Rows::open(log, checkpoint, &columns).await?),
            None => None,
        };
        Ok(Self {
            checkpoint,
            latest,
            tombstones_from_ms,
        })
    }

    /// The next of them; `None` behind the last.
    pub(crate) async fn next(&mut self, log: &Log) -> Result<Option<Vec<Row>>, LakeError> {
        if let Some(checkpoint) = &mut self.checkpoint {
            if let Some(batch) = checkpoint.next(log).await? {
                let is_left = |action: &Action| {
                    action.key().is_some_and(|key| !self.latest.contains_key(&key))
                        && action.is_live(self.tombstones_from_ms)
                };
                let left = batch.iter().filter(|(action, _)| is_left(action));
                return Ok(Some(left.map(|(action, line)| Row::new(action, line)).collect()));
            }
            self.checkpoint = None;
        }
        let rows: Vec<Row> = std::mem::take(&mut self.latest).into_values().flatten().collect();
        Ok(Some(rows).filter(|rows| !rows.is_empty()))
    }
}

/// `interval 1 week`, `interval 2 days 12 hours` and the like, in milliseconds.
fn interval_ms(text: &str) -> Option<i64> {
    let words: Vec<&str> = text
        .split_whitespace()
        .filter(|word| !word.eq_ignore_ascii_case("interval"))
        .collect();
    let parts = words.chunks(2).map(|part| {
        let [count, unit] = part else { return None };
        let unit_ms = match unit.to_lowercase().trim_end_matches('s') {
            "week" => 7 * 24 * 3_600_000,
            "day" => 24 * 3_600_000,
            "hour" => 3_600_000,
            "minute" => 60_000,
            "second" => 1_000,
            "millisecond" => 1,
            _ => return None,
        };
        count.parse::<i64>().ok()?.checked_mul(unit_ms)
    });
    parts.sum::<Option<i64>>().filter(|_| !words.is_empty())
}

fn name_of(log: &Log, version: u64) -> String {
    log.location.log_key(&format!("{version:020}.checkpoint.parquet"))
}

/// A row in the log's form.
pub(crate) struct Row {
    pub(crate) line: Box<str>,
    is_file: bool,
}

impl Row {
    fn new(action: &Action, line: &str) -> Self {
        Self {
            line: line.into(),
            is_file: action.add.is_some(),
        }
    }
}

/// The rows of a checkpoint, as actions and their text.
struct Rows(parquet::arrow::async_reader::ParquetRecordBatchStream<File>);

impl Rows {
    /// Reads the named columns, or all below them; those that the checkpoint lacks are NULL.
    async fn open(log: &Log, version: u64, columns: &[&str]) -> Result<Self, LakeError> {
        let reader = log
            .objects
            .open_object(&log.location.bucket, &name_of(log, version))
            .await?;
        let unreadable = |error: ParquetError| log.damaged(format!("checkpoint {version} cannot be read: {error}"));
        let builder = ParquetRecordBatchStreamBuilder::new(File(reader))
            .await
            .map_err(unreadable)?;
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        let builder = builder.with_projection(mask).with_batch_size(ROWS_PER_BATCH);
        builder.build().map(Self).map_err(unreadable)
    }

    async fn next(&mut self, log: &Log) -> Result<Option<Vec<(Action, String)>>, LakeError> {
        let unreadable = |error: String| log.damaged(format!("a checkpoint cannot be read: {error}"));
        let batch = self.0.try_next().await.map_err(|error| unreadable(error.to_string()))?;
        let Some(batch) = batch else { return Ok(None) };
        let text = to_lines(&batch).map_err(|error| unreadable(error.to_string()))?;
        let action = |line: &str| serde_json::from_str(line).map(|action| (action, line.to_owned()));
        let actions: Result<Vec<_>, _> = text.lines().map(action).collect();
        actions.map(Some).map_err(|error| unreadable(error.to_string()))
    }
}

fn to_lines(batch: &RecordBatch) -> Result<String, ArrowError> {
    // A partition value that is NULL has to stay.
    let writer = WriterBuilder::new().with_explicit_nulls(true);
    let mut writer = writer.build::<_, LineDelimited>(Vec::new());
    writer.write(batch)?;
    writer.finish()?;
    String::from_utf8(writer.into_inner()).map_err(|error| ArrowError::JsonError(error.to_string()))
}

/// A checkpoint on its way in.
struct Out {
    put: PutWriter,
    writer: ArrowWriter<Vec<u8>>,
    schema: SchemaRef,
    /// Rows that are not encoded yet, in the log's form.
    lines: String,
    waiting: usize,
    rows: u64,
    files: u64,
    bytes: u64,
}

impl Out {
    fn begin(log: &Log, version: u64) -> Result<Self, LakeError> {
        let put = log
            .objects
            .begin_put(&log.location.bucket, &name_of(log, version), PutOptions::default())?;
        let schema = schema();
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties));
        Ok(Self {
            put,
            writer: writer.map_err(|error| unwritable(log, &error))?,
            schema,
            lines: String::new(),
            waiting: 0,
            rows: 0,
            files: 0,
            bytes: 0,
        })
    }

    async fn push(&mut self, log: &Log, row: &Row) -> Result<(), LakeError> {
        self.lines.push_str(&row.line);
        self.lines.push('\n');
        self.waiting += 1;
        self.rows += 1;
        self.files += u64::from(row.is_file);
        if self.waiting == ROWS_PER_BATCH {
            self.encode().map_err(|error| unwritable(log, &error))?;
            if self.writer.in_progress_size() >= ROW_GROUP_BYTES {
                self.writer.flush().map_err(|error| unwritable(log, &error))?;
                let encoded = std::mem::take(self.writer.inner_mut());
                self.write(encoded).await?;
            }
        }
        Ok(())
    }

    fn encode(&mut self) -> Result<(), ParquetError> {
        let mut decoder = ReaderBuilder::new(self.schema.clone())
            .with_batch_size(ROWS_PER_BATCH)
            .build_decoder()?;
        decoder.decode(self.lines.as_bytes())?;
        if let Some(batch) = decoder.flush()? {
            self.writer.write(&batch)?;
        }
        self.lines.clear();
        self.waiting = 0;
        Ok(())
    }

    async fn write(&mut self, encoded: Vec<u8>) -> Result<(), LakeError> {
        self.bytes += encoded.len() as u64;
        Ok(self.put.write(Bytes::from(encoded)).await?)
    }

    /// Makes it the checkpoint, and returns its rows, the files in it and its bytes.
    async fn finish(mut self, log: &Log) -> Result<(u64, u64, u64), LakeError> {
        self.encode().map_err(|error| unwritable(log, &error))?;
        self.writer.finish().map_err(|error| unwritable(log, &error))?;
        let encoded = std::mem::take(self.writer.inner_mut());
        self.write(encoded).await?;
        self.put.finish(Expected::default()).await?;
        Ok((self.rows, self.files, self.bytes))
    }
}

fn unwritable(log: &Log, error: &ParquetError) -> LakeError {
    log.damaged(format!("its actions fit no checkpoint: {error}"))
}

/// The columns of a checkpoint. Features that need more are not supported.
fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let long = |name: &str| Field::new(name, DataType::Int64, true);
    let int = |name: &str| Field::new(name, DataType::Int32, true);
    let flag = |name: &str| Field::new(name, DataType::Boolean, true);
    let texts = |name: &str| Field::new(name, DataType::List(Arc::new(text("element"))), true);
    let map = |name: &str| {
        let pair = vec![Field::new("key", DataType::Utf8, false), text("value")];
        let pairs = Field::new("key_value", DataType::Struct(pair.into()), false);
        Field::new(name, DataType::Map(Arc::new(pairs), false), true)
    };
    let group = |name: &str, fields: Vec<Field>| Field::new(name, DataType::Struct(Fields::from(fields)), true);
    let vector = || {
        let fields = vec![
            text("storageType"),
            text("pathOrInlineDv"),
            int("offset"),
            int("sizeInBytes"),
        ];
        group("deletionVector", [fields, vec![long("cardinality")]].concat())
    };
    let file = || {
        vec![
            text("path"),
            map("partitionValues"),
            long("size"),
            flag("dataChange"),
            vector(),
        ]
    };
    let features = vec![texts("readerFeatures"), texts("writerFeatures")];
    let format = group("format", vec![text("provider"), map("options")]);
    let names = vec![
        text("id"),
        text("name"),
        text("description"),
        format,
        text("schemaString"),
    ];
    let rest = vec![texts("partitionColumns"), long("createdTime"), map("configuration")];
    let domain = vec![text("domain"), text("configuration"), flag("removed")];
    let added = vec![long("modificationTime"), text("stats"), map("tags")];
    let removed = vec![long("deletionTimestamp"), flag("extendedFileMetadata")];
    Arc::new(Schema::new(vec![
        group(
            "protocol",
            [vec![int("minReaderVersion"), int("minWriterVersion")], features].concat(),
        ),
        group("metaData", [names, rest].concat()),
        group("txn", vec![text("appId"), long("version"), long("lastUpdated")]),
        group("domainMetadata", domain),
        group("add", [file(), added].concat()),
        group("remove", [file(), removed].concat()),
    ]))
}

/// The members of a group, by their paths.
fn members_of(group: &Field) -> Vec<String> {
    match group.data_type() {
        DataType::Struct(fields) => fields
            .iter()
            .map(|field| format!("{}.{}", group.name(), field.name()))
            .collect(),
        _ => vec![group.name().clone()],
    }
}

/// An object as the Parquet reader reads it.
struct File(ObjectReader);

impl AsyncFileReader for File {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        let read = self.0.read_range(range);
        async move { read.await.map_err(|error| ParquetError::External(Box::new(error))) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        let size = self.0.info().size;
        async move {
            Ok(Arc::new(
                ParquetMetaDataReader::new().load_and_finish(self, size).await?,
            ))
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals() {
        let check = |text: &str, expect: Option<i64>| assert_eq!(interval_ms(text), expect, "{text}");
        check("interval 1 week", Some(604_800_000));
        check("interval 2 days 12 hours", Some(216_000_000));
        check("30 Minutes", Some(1_800_000));
        check("interval 0 seconds", Some(0));
        for bad in [
            "",
            "interval",
            "interval 1",
            "1 month",
            "week 1",
            "interval 99999999999999 weeks",
        ] {
            check(bad, None);
        }
    }
}
