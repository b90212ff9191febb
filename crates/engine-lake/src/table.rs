//! A table: opening it, and committing batches to it.

use std::collections::BTreeSet;

use arrow::datatypes::SchemaRef;
use base::{Clock, Random};
use serde_json::{Value, json};
use store_objects::{Condition, ObjectError, Objects, PutOptions};
use tokio::sync::Mutex;

use crate::action::{Format, Metadata};
use crate::file::{Inspected, check_columns};
use crate::log::{Log, State};
use crate::schema::{Field, fields_of};
use crate::{AddedFile, LakeError, Location, checkpoint, support};

/// How often a commit is tried while other writers are faster.
pub(crate) const COMMIT_ATTEMPTS_MAX: usize = 100;
/// Commits between checkpoints, where the table's `delta.checkpointInterval` says nothing else.
const CHECKPOINT_INTERVAL: u64 = 100;

/// What a table is to be like.
#[derive(Debug, Clone)]
pub struct TableSpec {
    /// All columns, the partition columns among them. Timestamps without a time zone ask more of the table's readers
    /// (the table feature `timestampNtz`) than those in UTC; both have microseconds.
    pub schema: SchemaRef,
    pub partition_columns: Vec<String>,
    pub name: Option<String>,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is the table's version `version`, and its files are at these keys of the table's bucket.
    Committed { version: u64, keys: Vec<String> },
    /// The application had come as far before, so nothing was written.
    AlreadyCommitted,
}

/// An open table. Appends through one handle wait for each other; other handles and foreign writers may append at
/// the same time.
pub struct DeltaTable {
    pub(crate) log: Log,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) state: Mutex<State>,
}

impl DeltaTable {
    /// Opens the table at a place, or makes it where there is none. A table that is there must have all the columns of
    /// `spec`, with the same types, and the same partition columns; it may have more columns and another name.
    pub async fn open_or_create(
        objects: Objects,
        clock: Clock,
        random: Random,
        location: Location,
        spec: &TableSpec,
    ) -> Result<Self, LakeError> {
        let fields = fields_of(spec.schema.fields().iter().map(AsRef::as_ref)).map_err(LakeError::Columns)?;
        let log = Log { objects, location };
        let mut loaded = log.load().await?;
        if loaded.is_none() {
            let lines = creation(spec, &fields, &random, clock.now_ms())?;
            // If somebody else makes the table at the same moment, it is theirs that we find.
            log.commit(0, lines).await?;
            loaded = log.load().await?;
        }
        let state = loaded.ok_or_else(|| LakeError::Gone(log.location.to_string()))?;
        let partitions = &state.metadata.partition_columns;
        let fits = check_columns(&fields, &state.columns).and_then(|()| match *partitions == spec.partition_columns {
            true => Ok(()),
            false => Err(format!(
                "its partition columns are {partitions:?}, not {:?}",
                spec.partition_columns
            )),
        });
        fits.map_err(|reason| mismatch(&log, "the schema".to_owned(), reason))?;
        Ok(Self {
            log,
            clock,
            random,
            state: Mutex::new(state),
        })
    }

    /// Whether the table at a place has step `version` of an application, or a later one. Where there is no table there
    /// is no step.
    pub async fn has_step(objects: Objects, location: Location, app_id: &str, version: i64) -> Result<bool, LakeError> {
        let state = Log { objects, location }.load().await?;
        let there = state.and_then(|state| state.transactions.get(app_id).copied());
        Ok(there.is_some_and(|there| there >= version))
    }

    /// Commits files as step `version` of an application, at once or not at all. Where the table has that step or a
    /// later one of the application, nothing happens; so whoever is not sure calls again with the same arguments.
    pub async fn append(&self, app_id: &str, version: i64, files: Vec<AddedFile>) -> Result<Outcome, LakeError> {
        let mut state = self.state.lock().await;
        let has_it = |state: &State| state.transactions.get(app_id).is_some_and(|there| *there >= version);
        self.log.refresh(&mut state).await?;
        if has_it(&state) {
            return Ok(Outcome::AlreadyCommitted);
        }
        let files = files.into_iter().map(Inspected::new).collect::<Result<Vec<_>, _>>()?;
        self.check(&state, &files)?;
        let mut keys = Vec::new();
        let mut actions = vec![
            self.commit_info(
                &state,
                "WRITE",
                json!({"mode": "Append", "partitionBy": partition_by(&state)}),
                true,
            ),
            json!({"txn": {"appId": app_id, "version": version, "lastUpdated": self.clock.now_ms()}}),
        ];
        for file in &files {
            let path = self.write(&file.file).await?;
            let add = file.add(&path, self.clock.now_ms(), true);
            actions.push(add.map_err(|error| mismatch(&self.log, path.clone(), error.to_string()))?);
            keys.push(self.log.location.key(&path));
        }
        let lines = lines(&actions);
        for _ in 0..COMMIT_ATTEMPTS_MAX {
            if let Some(commit) = self.log.commit(state.version + 1, lines.clone()).await? {
                state.advance(commit);
                state.transactions.insert(app_id.to_owned(), version);
                self.checkpoint_if_due(&mut state).await;
                return Ok(Outcome::Committed {
                    version: state.version,
                    keys,
                });
            }
            self.log.refresh(&mut state).await?;
            if has_it(&state) {
                return Ok(Outcome::AlreadyCommitted);
            }
            // Files that others added or removed do not touch ours. Their changes to the table may.
            self.check(&state, &files)?;
        }
        Err(LakeError::Contended {
            table: self.log.location.to_string(),
            attempts: COMMIT_ATTEMPTS_MAX,
        })
    }

    pub(crate) fn check(&self, state: &State, files: &[Inspected]) -> Result<(), LakeError> {
        let mut paths = BTreeSet::new();
        for Inspected { file, .. } in files {
            if !paths.insert(&file.path) {
                return Err(LakeError::File {
                    path: file.path.clone(),
                    reason: "the batch has two files of this name".to_owned(),
                });
            }
        }
        let fits = |file: &Inspected| {
            let unfit = |reason| mismatch(&self.log, format!("the file {:?}", file.file.path), reason);
            let value = |reason| LakeError::PartitionValue {
                table: self.log.location.to_string(),
                path: file.file.path.clone(),
                reason,
            };
            file.check(&state.columns, &state.metadata.partition_columns)
                .map_err(unfit)?;
            file.check_values(&state.columns).map_err(value)
        };
        files.iter().try_for_each(fits)
    }

    /// Writes a data file and returns its path. No file is ever overwritten: one that is there might be in the table.
    pub(crate) async fn write(&self, file: &AddedFile) -> Result<String, LakeError> {
        let (objects, bucket) = (&self.log.objects, &self.log.location.bucket);
        let mut path = file.path.clone();
        loop {
            let key = self.log.location.key(&path);
            let options = PutOptions {
                condition: Condition::create(),
                ..PutOptions::default()
            };
            match objects.put_bytes(bucket, &key, file.bytes.clone(), options).await {
                Ok(_) => return Ok(path),
                Err(ObjectError::PreconditionFailed(_)) => {}
                Err(error) => return Err(error.into()),
            }
            // What an attempt left that was cut off before its commit is mostly the same file.
            match objects.get_bytes(bucket, &key).await {
                Ok(there) if there == file.bytes => return Ok(path),
                Ok(_) | Err(ObjectError::NoSuchKey { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let (stem, ending) = match file.path.rsplit_once('.') {
                Some((stem, ending)) if !ending.contains('/') => (stem, format!(".{ending}")),
                _ => (file.path.as_str(), String::new()),
            };
            path = format!("{stem}-{}{ending}", self.random.uuid());
        }
    }

    /// `is_blind` tells that the commit depends on no file of the table.
    pub(crate) fn commit_info(&self, state: &State, operation: &str, parameters: Value, is_blind: bool) -> Value {
        json!({"commitInfo": {
            "timestamp": self.clock.now_ms(),
            "operation": operation,
            "operationParameters": parameters,
            "readVersion": state.version,
            "isBlindAppend": is_blind,
            "engineInfo": ENGINE,
        }})
    }

    /// The batch is committed, so an error here is no error of it; the next append tries again.
    pub(crate) async fn checkpoint_if_due(&self, state: &mut State) {
        let interval = state
            .metadata
            .property("delta.checkpointInterval")
            .and_then(|text| text.parse().ok());
        let interval = interval.unwrap_or(CHECKPOINT_INTERVAL).max(1);
        if state.version.saturating_sub(state.checkpoint.unwrap_or_default()) < interval
            || !checkpoint::is_ours(&state.metadata)
        {
            return;
        }
        match checkpoint::write(&self.log, state, self.clock.now_ms()).await {
            Ok(()) => state.checkpoint = Some(state.version),
            Err(error) => tracing::warn!(%error, table = %self.log.location, "no checkpoint could be written"),
        }
    }
}

const ENGINE: &str = concat!("catchment/", env!("CARGO_PKG_VERSION"));

/// The first commit of a table.
fn creation(spec: &TableSpec, fields: &[Field], random: &Random, now_ms: i64) -> Result<String, LakeError> {
    let is_partition = |field: &&Field| spec.partition_columns.contains(&field.name);
    let partitions: Vec<&Field> = fields.iter().filter(is_partition).collect();
    if partitions.len() != spec.partition_columns.len() || partitions.iter().any(|field| !field.data_type.is_string()) {
        let names = &spec.partition_columns;
        return Err(LakeError::Columns(format!("{names:?} cannot be the partition columns")));
    }
    if partitions.len() == fields.len() {
        return Err(LakeError::Columns(
            "there is none that is no partition column".to_owned(),
        ));
    }
    let metadata = Metadata {
        id: random.uuid().to_string(),
        name: spec.name.clone(),
        format: Format {
            provider: "parquet".to_owned(),
            options: Some([].into()),
        },
        schema_string: json!({"type": "struct", "fields": fields}).to_string(),
        partition_columns: spec.partition_columns.clone(),
        created_time: Some(now_ms),
        configuration: Some([].into()),
    };
    let info = json!({"timestamp": now_ms, "operation": "CREATE TABLE", "engineInfo": ENGINE});
    Ok(lines(&[
        json!({"commitInfo": info}),
        json!({"protocol": support::protocol_for(fields)}),
        json!({"metaData": metadata}),
    ]))
}

fn partition_by(state: &State) -> String {
    Value::from(state.metadata.partition_columns.clone()).to_string()
}

pub(crate) fn lines(actions: &[Value]) -> String {
    actions.iter().map(|action| format!("{action}\n")).collect()
}

pub(crate) fn mismatch(log: &Log, what: String, reason: String) -> LakeError {
    LakeError::Mismatch {
        table: log.location.to_string(),
        what,
        reason,
    }
}
