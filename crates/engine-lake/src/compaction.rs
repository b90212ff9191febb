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

use crate::action::Action;
use crate::checkpoint::{Reconciled, tombstones_from_ms};
use crate::file::Inspected;
use crate::log::State;
use crate::table::{COMMIT_ATTEMPTS_MAX, lines, mismatch};
use crate::{AddedFile, DeltaTable, LakeError};

/// So many files of about one size are worth being put together.
const FILES_MIN: usize = 8;
/// Files up to so many bytes are of one size, then those up to eight times as many, and so on.
const SMALLEST_BYTES: u64 = 64 << 10;
/// Encoded bytes of a row group, all of which is in memory until it is complete.
const ROW_GROUP_BYTES: usize = 32 << 20;

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
                match self.rewrite(tasks, &state, &partition_values, files).await {
                    Ok(from) => {
                        done.files += from;
                        done.into += usize::from(from > 0);
                    }
                    Err(error @ LakeError::Gone(_)) => return Err(error),
                    // The others are none the worse for it.
                    Err(error) => {
                        tracing::warn!(table = %self.log.location, %error, "small files could not be put together");
                    }
                }
            }
        }
        Ok(done)
    }

    /// Deletes the files that were removed from the table longer ago than `delta.deletedFileRetentionDuration` says, or
    /// a week, and returns how many these were. Older versions cannot be read any more then.
    pub async fn clean(&self) -> Result<usize, LakeError> {
        let state = {
            let mut state = self.state.lock().await;
            self.log.refresh(&mut state).await?;
            state.clone()
        };
        let from_ms = tombstones_from_ms(&state.metadata, self.clock.now_ms());
        // A path can be removed under one deletion vector and stay under another; it counts what happened to it last.
        let (mut removed, mut kept) = (BTreeMap::new(), BTreeSet::new());
        let mut reconciled = Reconciled::open(&self.log, &state, i64::MIN).await?;
        while let Some(rows) = reconciled.next(&self.log).await? {
            for row in rows {
                let line: Line = self.parse(&row.line)?;
                if let Some(file) = line.add {
                    kept.insert(decoded(&file.path));
                } else if let Some(file) = line.remove {
                    let at_ms = file.deletion_timestamp.unwrap_or(i64::MAX);
                    let last_ms = removed.entry(decoded(&file.path)).or_insert(at_ms);
                    *last_ms = at_ms.max(*last_ms);
                }
            }
        }
        let (objects, location) = (&self.log.objects, &self.log.location);
        let mut cleaned = 0;
        for (path, last_ms) in removed {
            let key = location.key(&path);
            if last_ms < from_ms
                && !kept.contains(&path)
                && !path.contains("://")
                && objects.head(&location.bucket, &key).is_ok()
            {
                objects.delete(&location.bucket, &key).await?;
                cleaned += 1;
            }
        }
        Ok(cleaned)
    }

    /// Puts files together, those whose columns are the same, and commits that. Gives how many were put together.
    async fn rewrite(
        &self,
        tasks: &Tasks,
        state: &State,
        partition_values: &BTreeMap<String, Option<String>>,
        mut files: Vec<Entry>,
    ) -> Result<usize, LakeError> {
        let merged = loop {
            let (merged, others) = self.merge(tasks, files).await?;
            // A file that stands alone with its columns does not hold up the others.
            files = match merged.files.len() {
                0 => return Ok(0),
                1 if others.len() > 1 => others,
                1 => return Ok(0),
                _ => break merged,
            };
        };
        let (objects, location) = (&self.log.objects, &self.log.location);
        let files = merged.files;
        let first = decoded(&files[0].path);
        let directory = first.rsplit_once('/').map(|(directory, _)| format!("{directory}/"));
        let path = format!(
            "{}compacted-{}.parquet",
            directory.unwrap_or_default(),
            self.random.uuid()
        );
        let inspected = Inspected::new(AddedFile {
            path,
            bytes: merged.bytes.into(),
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
        if self.replace(state, &paths, &[inspected], lines(&actions)).await? {
            return Ok(files.len());
        }
        objects.delete(&location.bucket, &location.key(&path)).await?;
        Ok(0)
    }

    /// Puts the rows of the first file and of all that have the same columns into one, and gives the other files back.
    async fn merge(&self, tasks: &Tasks, files: Vec<Entry>) -> Result<(Merged, Vec<Entry>), LakeError> {
        let (objects, location) = (&self.log.objects, &self.log.location);
        let (mut merging, mut merged, mut others) = (None, Vec::new(), Vec::new());
        for file in files {
            let content = objects
                .get_bytes(&location.bucket, &location.key(&decoded(&file.path)))
                .await?;
            let work = tasks.spawn_blocking(move || Merging::take(merging, content)).await;
            let work = work.map_err(|error| self.log.damaged(error.to_string()))?;
            let unreadable = |error: ParquetError| LakeError::File {
                path: file.path.clone(),
                reason: error.to_string(),
            };
            let (so_far, is_taken) = work.map_err(unreadable)?;
            merging = Some(so_far);
            match is_taken {
                true => merged.push(file),
                false => others.push(file),
            }
        }
        let bytes = match merging.filter(|_| merged.len() > 1) {
            Some(merging) => merging
                .writer
                .into_inner()
                .map_err(|error| self.log.damaged(error.to_string()))?,
            None => Vec::new(),
        };
        Ok((Merged { files: merged, bytes }, others))
    }

    /// Commits what removes these files, unless one of them is gone since the state that was looked at.
    pub(crate) async fn replace(
        &self,
        looked_at: &State,
        paths: &BTreeSet<&str>,
        added: &[Inspected],
        lines: String,
    ) -> Result<bool, LakeError> {
        let mut state = self.state.lock().await;
        let mut seen = looked_at.version;
        for _ in 0..COMMIT_ATTEMPTS_MAX {
            self.log.refresh(&mut state).await?;
            // Somebody may have made the table anew, or changed what it is.
            let mut is_gone = state.metadata.id != looked_at.metadata.id || state.version < seen;
            for version in seen + 1..=state.version {
                let take = |action: Action, _: &str| {
                    is_gone |= action.remove.is_some_and(|file| paths.contains(file.path()));
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

/// Files that were put together, and the file that has their rows. It is not made of one alone.
struct Merged {
    files: Vec<Entry>,
    bytes: Vec<u8>,
}

/// A file on its way, with the columns that it has.
struct Merging {
    schema: SchemaRef,
    writer: ArrowWriter<Vec<u8>>,
}

impl Merging {
    /// Adds the rows of a Parquet file, if it has the same columns; the first decides.
    fn take(merging: Option<Self>, file: Bytes) -> Result<(Self, bool), ParquetError> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
        // What a writer notes beside the columns is its own.
        let schema: SchemaRef = Schema::new(builder.schema().fields().clone()).into();
        let mut merging = match merging {
            Some(merging) => merging,
            None => Self::begin(schema.clone())?,
        };
        if schema != merging.schema {
            return Ok((merging, false));
        }
        for batch in builder.build()? {
            merging.writer.write(&batch?.with_schema(schema.clone())?)?;
            if merging.writer.in_progress_size() >= ROW_GROUP_BYTES {
                merging.writer.flush()?;
            }
        }
        Ok((merging, true))
    }

    fn begin(schema: SchemaRef) -> Result<Self, ParquetError> {
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let options = ArrowWriterOptions::new()
            .with_properties(properties)
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options)?;
        Ok(Self { schema, writer })
    }
}
