//! Small files of a table into larger ones, as OPTIMIZE does it: in one commit that removes files and adds one with the
//! same rows, so that every reader sees the ones or the other.
//!
//! Files are put together with others of about their own size, so that a row is written again only a few times however
//! small the files are that it came in.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::{Schema, SchemaRef};
use base::Tasks;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::checkpoint::{Reconciled, tombstones_from_ms};
use crate::file::Inspected;
use crate::log::State;
use crate::table::{COMMIT_ATTEMPTS_MAX, lines, mismatch};
use crate::{AddedFile, DeltaTable, LakeError};

/// So many files of about one size are worth being put together.
const FILES_MIN: usize = 8;
/// Files up to so many bytes are of one size, then those up to eight times as many, and so on.
const SMALLEST_BYTES: u64 = 64 << 10;

/// What was put together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compacted {
    pub files: usize,
    pub into: usize,
}

/// A line of a log, as far as it is about files.
#[derive(Debug, Default, Deserialize)]
struct Line {
    add: Option<Entry>,
    remove: Option<Entry>,
}

/// A file as the log has it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    path: String,
    #[serde(default)]
    partition_values: Option<BTreeMap<String, Option<String>>>,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    deletion_timestamp: Option<i64>,
    #[serde(default)]
    deletion_vector: Option<Value>,
}

/// Partition values and about how large.
type Group = (BTreeMap<String, Option<String>>, u32);

impl DeltaTable {
    /// Puts files of one partition together that are smaller than half of `target_bytes`, into files of at most so much.
    /// Files that somebody else removes meanwhile are left to him.
    pub async fn compact(&self, tasks: &Tasks, target_bytes: u64) -> Result<Compacted, LakeError> {
        let state = {
            let mut state = self.state.lock().await;
            self.log.refresh(&mut state).await?;
            state.clone()
        };
        let mut groups: BTreeMap<Group, Vec<Entry>> = BTreeMap::new();
        let mut reconciled = Reconciled::open(&self.log, &state, i64::MAX).await?;
        while let Some(rows) = reconciled.next(&self.log).await? {
            for row in rows {
                let line: Line = self.parse(&row.line)?;
                let Some(file) = line.add.filter(|file| file.deletion_vector.is_none()) else {
                    continue;
                };
                let size = file.size.unwrap_or(u64::MAX);
                if size < target_bytes / 2 && !file.path.contains("://") {
                    let group = (file.partition_values.clone().unwrap_or_default(), size_class(size));
                    groups.entry(group).or_default().push(file);
                }
            }
        }
        let mut done = Compacted::default();
        for ((partition_values, _), mut files) in groups {
            // Names of ours begin with when their first record came.
            files.sort_by(|a, b| a.path.cmp(&b.path));
            for files in bins(files, target_bytes) {
                let from = files.len();
                if self.rewrite(tasks, &state, &partition_values, files).await? {
                    done.files += from;
                    done.into += 1;
                }
            }
        }
        Ok(done)
    }

    /// Deletes the files that were removed from the table longer ago than `delta.deletedFileRetentionDuration` says, or
    /// a week, and returns how many these were. Older versions cannot be read any more then.
    pub async fn clean(&self) -> Result<usize, LakeError> {
        let state = self.state.lock().await.clone();
        let from_ms = tombstones_from_ms(&state.metadata, self.clock.now_ms());
        let mut reconciled = Reconciled::open(&self.log, &state, i64::MIN).await?;
        let (objects, location) = (&self.log.objects, &self.log.location);
        let mut cleaned = 0;
        while let Some(rows) = reconciled.next(&self.log).await? {
            for row in rows {
                let line: Line = self.parse(&row.line)?;
                let is_old = |file: &Entry| file.deletion_timestamp.unwrap_or(i64::MAX) < from_ms;
                let Some(file) = line.remove.filter(|file| is_old(file) && !file.path.contains("://")) else {
                    continue;
                };
                let key = location.key(&decoded(&file.path));
                if objects.head(&location.bucket, &key).is_ok() {
                    objects.delete(&location.bucket, &key).await?;
                    cleaned += 1;
                }
            }
        }
        Ok(cleaned)
    }

    /// Puts files together and commits that; tells whether it came to it.
    async fn rewrite(
        &self,
        tasks: &Tasks,
        state: &State,
        partition_values: &BTreeMap<String, Option<String>>,
        files: Vec<Entry>,
    ) -> Result<bool, LakeError> {
        let (objects, location) = (&self.log.objects, &self.log.location);
        let mut contents = Vec::with_capacity(files.len());
        for file in &files {
            contents.push(
                objects
                    .get_bytes(&location.bucket, &location.key(&decoded(&file.path)))
                    .await?,
            );
        }
        let merged = tasks.spawn_blocking(move || merge(&contents)).await;
        let merged = merged.map_err(|error| self.log.damaged(error.to_string()))?;
        let Some(merged) = merged.map_err(|error| self.log.damaged(format!("a file cannot be read: {error}")))? else {
            tracing::debug!(table = %location, "files whose columns differ are not put together");
            return Ok(false);
        };
        let first = decoded(&files[0].path);
        let directory = first.rsplit_once('/').map(|(directory, _)| format!("{directory}/"));
        let path = format!(
            "{}compacted-{}.parquet",
            directory.unwrap_or_default(),
            self.random.uuid()
        );
        let inspected = Inspected::new(AddedFile {
            path,
            bytes: merged.into(),
            partition_values: partition_values.clone(),
        })?;
        self.check(state, std::slice::from_ref(&inspected))?;
        let path = self.write(&inspected.file).await?;
        let now_ms = self.clock.now_ms();
        let removed = files.iter().map(|file| {
            json!({"remove": {
                "path": file.path,
                "deletionTimestamp": now_ms,
                "dataChange": false,
                "extendedFileMetadata": true,
                "partitionValues": partition_values,
                "size": file.size,
            }})
        });
        let parameters = json!({"predicate": "[]", "zOrderBy": "[]"});
        let mut actions = vec![self.commit_info(state, "OPTIMIZE", parameters, false)];
        actions.extend(removed);
        let add = inspected.add(&path, now_ms, false);
        actions.push(add.map_err(|error| mismatch(&self.log, path.clone(), error.to_string()))?);
        let paths = files.iter().map(|file| file.path.as_str()).collect();
        let committed = self
            .replace(state.version, &paths, &[inspected], lines(&actions))
            .await?;
        if !committed {
            objects.delete(&location.bucket, &location.key(&path)).await?;
        }
        Ok(committed)
    }

    /// Commits what removes these files, unless one of them is gone since the version that was looked at.
    async fn replace(
        &self,
        mut seen: u64,
        paths: &BTreeSet<&str>,
        added: &[Inspected],
        lines: String,
    ) -> Result<bool, LakeError> {
        let mut state = self.state.lock().await;
        for _ in 0..COMMIT_ATTEMPTS_MAX {
            self.log.refresh(&mut state).await?;
            let mut is_gone = false;
            for version in seen + 1..=state.version {
                let take = |_, line: &str| {
                    let removed = serde_json::from_str::<Line>(line).ok().and_then(|line| line.remove);
                    is_gone |= removed.is_some_and(|file| paths.contains(file.path.as_str()));
                };
                self.log.read_commit(version, take).await?;
            }
            if is_gone {
                return Ok(false);
            }
            seen = state.version;
            self.check(&state, added)?;
            if let Some(commit) = self.log.commit(state.version + 1, lines.clone()).await? {
                state.advance(commit);
                self.checkpoint_if_due(&mut state).await;
                return Ok(true);
            }
        }
        Err(LakeError::Contended {
            table: self.log.location.to_string(),
            attempts: COMMIT_ATTEMPTS_MAX,
        })
    }

    fn parse(&self, line: &str) -> Result<Line, LakeError> {
        serde_json::from_str(line).map_err(|error| self.log.damaged(format!("a file in it cannot be read: {error}")))
    }
}

fn size_class(bytes: u64) -> u32 {
    let mut class = 0;
    while bytes >> (3 * class) > SMALLEST_BYTES {
        class += 1;
    }
    class
}

/// The files, in their order, in bins of at most `target_bytes`. A bin has [`FILES_MIN`] files, or is nearly full.
fn bins(files: Vec<Entry>, target_bytes: u64) -> Vec<Vec<Entry>> {
    let mut bins: Vec<(u64, Vec<Entry>)> = Vec::new();
    for file in files {
        let size = file.size.unwrap_or_default();
        match bins.last_mut() {
            Some((bytes, bin)) if *bytes + size <= target_bytes => {
                *bytes += size;
                bin.push(file);
            }
            _ => bins.push((size, vec![file])),
        }
    }
    let is_worth_it =
        |(bytes, bin): &(u64, Vec<Entry>)| bin.len() >= FILES_MIN || bin.len() > 1 && *bytes >= target_bytes / 4 * 3;
    bins.into_iter().filter(is_worth_it).map(|(_, bin)| bin).collect()
}

/// The path as it is, without the encoding that the log has it in.
fn decoded(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

/// The rows of Parquet files as one file; `None` where their columns differ.
fn merge(files: &[Bytes]) -> Result<Option<Vec<u8>>, ParquetError> {
    let mut out: Option<(SchemaRef, ArrowWriter<Vec<u8>>)> = None;
    for file in files {
        let builder = ParquetRecordBatchReaderBuilder::try_new(file.clone())?;
        // What a writer notes beside the columns is its own.
        let schema: SchemaRef = Schema::new(builder.schema().fields().clone()).into();
        let (wanted, writer) = match &mut out {
            Some(out) => out,
            None => {
                let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
                let options = ArrowWriterOptions::new()
                    .with_properties(properties)
                    .with_skip_arrow_metadata(true);
                let writer = ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options)?;
                out.insert((schema.clone(), writer))
            }
        };
        if schema != *wanted {
            return Ok(None);
        }
        for batch in builder.build()? {
            writer.write(&batch?.with_schema(wanted.clone())?)?;
        }
    }
    out.map(|(_, writer)| writer.into_inner()).transpose()
}
