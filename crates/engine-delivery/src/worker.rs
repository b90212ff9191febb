//! One delivery stream at work: read, route, buffer, write, move the checkpoint.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base::{Millis, Scope};
use bytes::Bytes;
use chrono_tz::Tz;
use engine_catalog::Table;
use engine_log::streams::{Kind, StreamId};
use engine_log::{Partition, Record};
use parking_lot::Mutex;
use store_objects::{Headers, PutOptions};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::buffers::{Buffer, BufferKey, Buffers};
use crate::checkpoint::{self, InForce, Plan, Progress, Step};
use crate::content::{self, Content};
use crate::deliveries::own_stream;
use crate::error_document::ErrorType;
use crate::prefix::{Prefix, Values};
use crate::register;
use crate::spec::{Delivery, DeliverySpec, Source};
use crate::time_pattern::in_zone;
use crate::{DeliveryError, DeliveryParts, PartitionQuery};

/// What is read of a partition at once.
const READ_BYTES: usize = 4 << 20;
const READ_RECORDS: usize = 10_000;
/// What all buffers may hold; beyond it the largest is written early.
const BUFFERED_BYTES_MAX: usize = 256 << 20;
/// Buffers that are planned and committed together.
const BUFFERS_AT_ONCE: usize = 64;
/// Objects being written at the same time.
const WRITES_AT_ONCE: usize = 2;
/// The first and the longest pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// The source is looked at so often even when nothing happens, because it may have got new shards.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A running delivery stream.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    wanted: Mutex<Arc<Delivery>>,
    changed: Notify,
    stop: CancellationToken,
    figures: Mutex<Figures>,
}

#[derive(Debug, Clone, Default)]
struct Figures {
    lag_records: u64,
    buffered_records: usize,
    buffered_bytes: usize,
    oldest_ms: Option<Millis>,
    delivered_records: u64,
    delivered_objects: u64,
    delivered_bytes: u64,
    failed_records: u64,
    last_object: Option<String>,
    last_error: Option<String>,
}

/// How a delivery stream is getting on.
#[derive(Debug, Clone)]
pub struct DeliveryStatus {
    pub scope: Scope,
    pub name: String,
    /// Records that are in the log and not yet read by the delivery stream.
    pub lag_records: u64,
    /// Records that wait in buffers, and their bytes.
    pub buffered_records: usize,
    pub buffered_bytes: usize,
    /// When the oldest record arrived that is read and not delivered.
    pub oldest_ms: Option<Millis>,
    /// Since the start.
    pub delivered_records: u64,
    pub delivered_objects: u64,
    pub delivered_bytes: u64,
    pub failed_records: u64,
    /// `s3://bucket/key`.
    pub last_object: Option<String>,
    /// Why the last attempt failed, while it fails.
    pub last_error: Option<String>,
}

impl Worker {
    pub(crate) fn start(parts: DeliveryParts, delivery: Arc<Delivery>) -> Result<Self, DeliveryError> {
        let progress = Progress::load(&parts.meta, &delivery.uid)?;
        let shared = Arc::new(Shared {
            wanted: Mutex::new(delivery.clone()),
            changed: Notify::new(),
            stop: parts.tasks.stopping().child_token(),
            figures: Mutex::default(),
        });
        let in_force = progress.in_force.unwrap_or_else(|| InForce {
            version: delivery.version,
            spec: delivery.spec.clone(),
        });
        let tasks = parts.tasks.clone();
        let mut line = Line {
            settings: Settings::new(in_force),
            cursors: HashMap::new(),
            low: progress.low,
            ahead: progress.ahead,
            buffers: Buffers::default(),
            delivery,
            parts,
            shared: shared.clone(),
        };
        let plans = progress.plans;
        let task = tasks.spawn(async move { line.run(plans).await });
        Ok(Self { shared, task })
    }

    /// Ends the work after the object that is being written.
    pub(crate) async fn stop(self) {
        self.shared.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a delivery stream's worker died");
        }
    }

    pub(crate) fn settings_changed(&self, delivery: Arc<Delivery>) {
        *self.shared.wanted.lock() = delivery;
        self.shared.changed.notify_one();
    }

    pub(crate) fn status(&self, delivery: &Delivery) -> DeliveryStatus {
        let figures = self.shared.figures.lock().clone();
        DeliveryStatus {
            scope: delivery.scope.clone(),
            name: delivery.name.clone(),
            lag_records: figures.lag_records,
            buffered_records: figures.buffered_records,
            buffered_bytes: figures.buffered_bytes,
            oldest_ms: figures.oldest_ms,
            delivered_records: figures.delivered_records,
            delivered_objects: figures.delivered_objects,
            delivered_bytes: figures.delivered_bytes,
            failed_records: figures.failed_records,
            last_object: figures.last_object,
            last_error: figures.last_error,
        }
    }
}

/// The settings in force, with what is parsed from them.
struct Settings {
    in_force: InForce,
    prefix: Result<Prefix, String>,
    error_prefix: Result<Prefix, String>,
    query: Option<Result<PartitionQuery, String>>,
    zone: Tz,
}

impl Settings {
    fn new(in_force: InForce) -> Self {
        let spec = &in_force.spec;
        Self {
            prefix: Prefix::parse(&spec.prefix).map_err(|error| error.to_string()),
            error_prefix: Prefix::parse(&spec.error_prefix).map_err(|error| error.to_string()),
            query: spec
                .partition_query
                .as_ref()
                .map(|query| PartitionQuery::compile(query).map_err(|error| error.to_string())),
            zone: spec.time_zone.parse().unwrap_or(Tz::UTC),
            in_force,
        }
    }

    fn spec(&self) -> &DeliverySpec {
        &self.in_force.spec
    }

    /// The buffer that a record belongs to. The same record gives the same key every time.
    fn route(&self, record: &Record) -> BufferKey {
        let keys = match &self.query {
            None => return BufferKey::Partition(Vec::new()),
            Some(Ok(query)) => query.keys(&record.data),
            Some(Err(error)) => Err(error.clone()),
        };
        match keys {
            Ok(keys) => BufferKey::Partition(keys),
            Err(reason) => BufferKey::Error(ErrorType::MetadataExtractionFailed, reason),
        }
    }
}

/// What becomes of one round of reading.
enum Round {
    /// There may be more at once.
    Read,
    /// Everything is read.
    Idle,
}

struct Line {
    parts: DeliveryParts,
    delivery: Arc<Delivery>,
    shared: Arc<Shared>,
    settings: Settings,
    /// By partition, where reading goes on.
    cursors: HashMap<u64, u64>,
    low: HashMap<u64, u64>,
    /// By buffer key and partition, what is delivered above the low mark.
    ahead: HashMap<(String, u64), u64>,
    buffers: Buffers,
}

/// A buffer with its plan and what it becomes.
struct Write {
    key: BufferKey,
    buffer: Arc<Buffer>,
    plan: Plan,
}

impl Line {
    async fn run(&mut self, plans: Vec<(String, Plan)>) {
        let mut pause = PAUSE;
        let mut plans = plans;
        while !self.shared.stop.is_cancelled() {
            let outcome = match plans.is_empty() {
                false => self.redo(&mut plans).await.map(|()| Round::Read),
                true => self.round().await,
            };
            match outcome {
                Ok(round) => {
                    pause = PAUSE;
                    self.shared.figures.lock().last_error = None;
                    if matches!(round, Round::Idle) {
                        self.wait().await;
                    }
                }
                Err(error) => {
                    tracing::warn!(
                        delivery = self.delivery.name,
                        error,
                        "a delivery failed and is tried again"
                    );
                    self.shared.figures.lock().last_error = Some(error);
                    tokio::select! {
                        () = self.parts.clock.sleep(pause) => {}
                        () = self.shared.stop.cancelled() => {}
                    }
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    /// Reads what there is, once around all partitions, and writes what is due.
    async fn round(&mut self) -> Result<Round, String> {
        self.take_up_settings().await?;
        let partitions = self.partitions();
        let mut found = false;
        let mut lag = 0;
        for partition in &partitions {
            if self.buffers.bytes() >= BUFFERED_BYTES_MAX {
                break;
            }
            found |= self.read(partition).await?;
            lag += partition.end_offset().saturating_sub(self.cursor(partition.id()));
        }
        {
            let mut figures = self.shared.figures.lock();
            figures.lag_records = lag;
        }
        self.write_due(!found).await?;
        self.note_figures();
        Ok(if found { Round::Read } else { Round::Idle })
    }

    /// Delivers what is buffered by the old settings before new ones come into force.
    async fn take_up_settings(&mut self) -> Result<(), String> {
        let wanted = self.shared.wanted.lock().clone();
        if wanted.version == self.settings.in_force.version {
            return Ok(());
        }
        while !self.buffers.is_empty() {
            let keys = self.buffers.keys(BUFFERS_AT_ONCE);
            self.write(keys).await?;
        }
        let in_force = InForce {
            version: wanted.version,
            spec: wanted.spec.clone(),
        };
        checkpoint::save_in_force(&self.parts.meta, &self.delivery.uid, in_force.clone())
            .await
            .map_err(text)?;
        self.settings = Settings::new(in_force);
        Ok(())
    }

    fn partitions(&self) -> Vec<Partition> {
        let id = match &self.settings.spec().source {
            Source::DirectPut => own_stream(&self.delivery),
            Source::Stream { scope, name } => StreamId::new(Kind::Data, scope, name.clone()),
        };
        self.parts
            .streams
            .get(&id)
            .map(|stream| stream.partitions().to_vec())
            .unwrap_or_default()
    }

    fn cursor(&self, partition: u64) -> u64 {
        let low = || self.low.get(&partition).copied().unwrap_or(0);
        self.cursors.get(&partition).copied().unwrap_or_else(low)
    }

    /// Reads once from a partition; tells whether there was anything.
    async fn read(&mut self, partition: &Partition) -> Result<bool, String> {
        let id = partition.id();
        let from = self.cursor(id);
        let read = self
            .parts
            .streams
            .log()
            .read(partition, from, READ_BYTES, READ_RECORDS)
            .await
            .map_err(text)?;
        let now_ms = self.parts.clock.now_ms();
        for record in &read.records {
            let key = self.settings.route(record);
            if !self.is_delivered(&key, id, record.offset) {
                self.buffers.push(key, id, record, now_ms);
            }
        }
        self.cursors.insert(id, read.next_offset.max(from));
        Ok(!read.records.is_empty())
    }

    fn is_delivered(&self, key: &BufferKey, partition: u64, offset: u64) -> bool {
        if self.ahead.is_empty() {
            return false;
        }
        self.ahead
            .get(&(key.to_text(), partition))
            .is_some_and(|mark| offset < *mark)
    }

    /// Writes buffers that are full or old. `all_read` tells that nothing more is there at the moment: a buffer
    /// that need not wait at all is not cut in the middle of what can be read.
    async fn write_due(&mut self, all_read: bool) -> Result<(), String> {
        let (bytes, interval_ms) = (
            self.settings.spec().buffer_bytes,
            self.settings.spec().buffer_interval_ms,
        );
        let interval_ms = if interval_ms == 0 && !all_read {
            Millis::MAX / 2
        } else {
            interval_ms
        };
        loop {
            let due = self
                .buffers
                .due(bytes, interval_ms, self.parts.clock.now_ms(), BUFFERS_AT_ONCE);
            if !due.is_empty() {
                self.write(due).await?;
            } else if self.buffers.bytes() >= BUFFERED_BYTES_MAX
                && let Some(largest) = self.buffers.largest()
            {
                self.write(vec![largest]).await?;
            } else {
                return Ok(());
            }
        }
    }

    /// Plans, writes and commits buffers. On failure they stay planned, and [`Line::finish`] tries them again
    /// under the same names.
    async fn write(&mut self, keys: Vec<BufferKey>) -> Result<(), String> {
        // All plans stand before any buffer leaves the set: a failure here changes nothing.
        let mut planned = Vec::with_capacity(keys.len());
        for key in keys {
            if let Some(buffer) = self.buffers.get(&key) {
                let plan = self.plan(&key, buffer)?;
                planned.push((key, plan));
            }
        }
        let mut writes = Vec::with_capacity(planned.len());
        for (key, plan) in planned {
            if let Some(buffer) = self.buffers.take(&key) {
                writes.push(Write {
                    key,
                    buffer: Arc::new(buffer),
                    plan,
                });
            }
        }
        let plans = writes
            .iter()
            .map(|write| (write.key.to_text(), write.plan.clone()))
            .collect();
        let mut pause = PAUSE;
        let mut saved = false;
        // The buffers are out of the set now, so this goes on until they are written or the work ends; what is
        // not written then is planned, or still in the log above the low mark.
        loop {
            let outcome = async {
                if !saved {
                    checkpoint::save_plans(&self.parts.meta, &self.delivery.uid, Clone::clone(&plans))
                        .await
                        .map_err(text)?;
                }
                saved = true;
                self.finish(&writes).await
            };
            let Err(error) = outcome.await else { return Ok(()) };
            if self.shared.stop.is_cancelled() {
                return Err(error);
            }
            tracing::warn!(
                delivery = self.delivery.name,
                error,
                "a delivery failed and is tried again"
            );
            self.shared.figures.lock().last_error = Some(error);
            tokio::select! {
                () = self.parts.clock.sleep(pause) => {}
                () = self.shared.stop.cancelled() => {}
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn plan(&self, key: &BufferKey, buffer: &Buffer) -> Result<Plan, String> {
        let spec = self.settings.spec();
        let (random, zone) = (&self.parts.random, self.settings.zone);
        let time = in_zone(buffer.oldest_ms, zone).format("%Y-%m-%d-%H-%M-%S");
        let name = format!(
            "{}-{}-{time}-{}",
            self.delivery.name,
            self.settings.in_force.version,
            random.uuid()
        );
        let place = |prefix: &Result<Prefix, String>, error_type, partition_keys: &[(String, String)]| {
            let values = Values {
                time_ms: buffer.oldest_ms,
                zone,
                error_type,
                partition_keys,
            };
            prefix
                .as_ref()
                .map_err(Clone::clone)?
                .evaluate(&values, random)
                .map_err(|error| error.to_string())
        };
        let error_place = |kind: ErrorType| {
            let mut found = place(&self.settings.error_prefix, Some(kind.as_str()), &[])?;
            // Without expressions of its own the service sorts errors by their type.
            if !self.settings.error_prefix.as_ref().is_ok_and(Prefix::has_expressions) {
                found = format!(
                    "{}{}/{}",
                    spec.error_prefix,
                    kind.as_str(),
                    &found[spec.error_prefix.len()..]
                );
            }
            Ok::<_, String>(format!("{found}{name}"))
        };
        let error_key = error_place(ErrorType::FormatConversionFailed)?;
        let object_key = match key {
            BufferKey::Partition(keys) => {
                let extension = match (&spec.file_extension, &spec.conversion) {
                    (Some(extension), _) => extension,
                    (None, Some(_)) => ".parquet",
                    (None, None) => spec.compression.extension(),
                };
                format!("{}{name}{extension}", place(&self.settings.prefix, None, keys)?)
            }
            BufferKey::Error(kind, _) => error_place(*kind)?,
        };
        Ok(Plan {
            bucket: spec.bucket.clone(),
            object_key,
            error_key,
            ranges: buffer.ranges.clone(),
        })
    }

    /// Writes the objects of planned buffers and commits them.
    async fn finish(&mut self, writes: &[Write]) -> Result<(), String> {
        let table = self.table()?;
        let mut failed = 0;
        let mut bytes = 0;
        for group in writes.chunks(WRITES_AT_ONCE) {
            let work = group.iter().map(|write| self.write_object(write, table.as_ref()));
            for done in futures::future::try_join_all(work).await? {
                failed += done.failed;
                bytes += done.bytes;
            }
        }
        self.commit(writes).await?;
        let mut figures = self.shared.figures.lock();
        figures.delivered_objects += writes.len() as u64;
        figures.delivered_bytes += bytes;
        figures.delivered_records += writes.iter().map(|write| write.buffer.len() as u64).sum::<u64>() - failed;
        figures.failed_records += failed;
        figures.last_error = None;
        if let Some(last) = writes.last() {
            figures.last_object = Some(format!("s3://{}/{}", last.plan.bucket, last.plan.object_key));
        }
        Ok(())
    }

    fn table(&self) -> Result<Option<Arc<Table>>, String> {
        let Some(conversion) = &self.settings.spec().conversion else {
            return Ok(None);
        };
        let found = self
            .parts
            .catalog
            .table(&conversion.scope, &conversion.database, &conversion.table);
        found.map(|table| Some(Arc::new(table))).map_err(text)
    }

    async fn write_object(&self, write: &Write, table: Option<&Arc<Table>>) -> Result<Done, String> {
        let spec = self.settings.spec().clone();
        let (key, buffer, now_ms) = (write.key.clone(), write.buffer.clone(), self.parts.clock.now_ms());
        let entry_name = self.parts.random.uuid().to_string();
        let given = table.cloned();
        let encode = self.parts.tasks.spawn_blocking(move || match key {
            BufferKey::Partition(_) => content::of_records(&spec, given.as_deref(), &buffer, &entry_name, now_ms),
            BufferKey::Error(kind, _) => Ok(content::of_failures(kind, &buffer, now_ms)),
        });
        let Content { object, errors } = encode.await.map_err(text)??;
        let failed = match write.key {
            BufferKey::Error(..) => write.buffer.len() as u64,
            BufferKey::Partition(_) => errors.iter().filter(|byte| **byte == b'\n').count() as u64,
        };
        let bytes = (object.len() + errors.len()) as u64;
        let Plan {
            bucket,
            object_key,
            error_key,
            ..
        } = &write.plan;
        for (key, content) in [(error_key, errors), (object_key, object)] {
            if !content.is_empty() {
                let headers = Headers {
                    content_type: Some("application/octet-stream".into()),
                    ..Headers::default()
                };
                let options = PutOptions {
                    headers,
                    ..PutOptions::default()
                };
                self.parts
                    .objects
                    .put_bytes(bucket, key, Bytes::from(content), options)
                    .await
                    .map_err(text)?;
            }
        }
        if let (Some(table), Some(conversion), BufferKey::Partition(_)) =
            (table, &self.settings.spec().conversion, &write.key)
        {
            let registered = register::partition_of(&self.parts.catalog, &conversion.scope, table, bucket, object_key);
            registered.await.map_err(text)?;
        }
        Ok(Done { failed, bytes })
    }

    /// Clears the plans and moves the marks.
    async fn commit(&mut self, writes: &[Write]) -> Result<(), String> {
        let mut step = Step {
            plans_done: writes.iter().map(|write| write.key.to_text()).collect(),
            ..Step::default()
        };
        // What is being written is not in the buffers any more, so what they hold bounds the low mark.
        let waiting = self.buffers.first_offsets();
        let mut low = self.low.clone();
        for (partition, cursor) in &self.cursors {
            let mark = waiting.get(partition).copied().unwrap_or(*cursor);
            if low.get(partition) != Some(&mark) {
                low.insert(*partition, mark);
                step.low.push((*partition, mark));
            }
        }
        let mut ahead = self.ahead.clone();
        for write in writes {
            for range in &write.plan.ranges {
                if low.get(&range.partition).is_none_or(|low| range.to > *low) {
                    let key = (write.key.to_text(), range.partition);
                    ahead.insert(key.clone(), range.to);
                    step.ahead.push((key, range.to));
                }
            }
        }
        let past = |key: &(String, u64), mark: &u64| low.get(&key.1).is_some_and(|low| mark <= low);
        step.ahead_past = ahead
            .iter()
            .filter(|(key, mark)| past(key, mark))
            .map(|(key, _)| key.clone())
            .collect();
        ahead.retain(|key, mark| !past(key, mark));
        checkpoint::save_step(&self.parts.meta, &self.delivery.uid, step)
            .await
            .map_err(text)?;
        (self.low, self.ahead) = (low, ahead);
        self.trim();
        Ok(())
    }

    /// Lets go of direct puts that are delivered.
    fn trim(&self) {
        if self.settings.spec().source == Source::DirectPut {
            for partition in self.partitions() {
                if let Some(low) = self.low.get(&partition.id()) {
                    partition.trim(*low);
                }
            }
        }
    }

    /// Carries out plans that a crash left: the same records onto the same objects.
    async fn redo(&mut self, plans: &mut Vec<(String, Plan)>) -> Result<(), String> {
        while let Some((key_text, plan)) = plans.last() {
            let (key_text, plan) = (key_text.clone(), plan.clone());
            let partitions = self.partitions();
            let mut buffer = Buffer::default();
            let mut key = None;
            for range in &plan.ranges {
                let Some(partition) = partitions.iter().find(|partition| partition.id() == range.partition) else {
                    continue;
                };
                let mut from = range.from;
                while from < range.to {
                    let read = self
                        .parts
                        .streams
                        .log()
                        .read(partition, from, READ_BYTES, READ_RECORDS)
                        .await
                        .map_err(text)?;
                    for record in read.records.iter().filter(|record| record.offset < range.to) {
                        let routed = self.settings.route(record);
                        if routed.to_text() == key_text && !self.is_delivered(&routed, range.partition, record.offset) {
                            let reason = match &routed {
                                BufferKey::Error(_, reason) => Some(reason.clone().into_boxed_str()),
                                BufferKey::Partition(_) => None,
                            };
                            buffer.push(range.partition, record, reason, self.parts.clock.now_ms());
                            key.get_or_insert(routed);
                        }
                    }
                    if read.records.is_empty() {
                        break;
                    }
                    from = read.next_offset;
                }
            }
            match key {
                Some(key) => {
                    self.finish(&[Write {
                        key,
                        buffer: Arc::new(buffer),
                        plan,
                    }])
                    .await?
                }
                None => {
                    // Its records are gone from the log, past their retention or with their stream.
                    let step = Step {
                        plans_done: vec![key_text],
                        ..Step::default()
                    };
                    checkpoint::save_step(&self.parts.meta, &self.delivery.uid, step)
                        .await
                        .map_err(text)?;
                }
            }
            plans.pop();
        }
        Ok(())
    }

    /// Waits for records, for a buffer that gets due, for new settings or the end.
    async fn wait(&self) {
        let interval_ms = self.settings.spec().buffer_interval_ms;
        let due_ms = self.buffers.next_due_ms(interval_ms).unwrap_or(Millis::MAX);
        let until_due = due_ms
            .saturating_sub(self.parts.clock.now_ms())
            .clamp(0, LOOK_AGAIN.as_millis() as Millis);
        let partitions = self.partitions();
        let arrivals = partitions.iter().map(|partition| Box::pin(self.arrival(partition)));
        let arrivals: Vec<_> = arrivals.collect();
        let any = async {
            if arrivals.is_empty() {
                std::future::pending::<()>().await;
            } else {
                futures::future::select_all(arrivals).await;
            }
        };
        tokio::select! {
            () = any => {}
            () = self.parts.clock.sleep(Duration::from_millis(until_due as u64)) => {}
            () = self.shared.changed.notified() => {}
            () = self.shared.stop.cancelled() => {}
        }
    }

    async fn arrival(&self, partition: &Partition) {
        let waited = self
            .parts
            .streams
            .log()
            .wait_for(partition, self.cursor(partition.id()))
            .await;
        if waited.is_err() {
            // The partition is gone; the next look at the source tells.
            std::future::pending::<()>().await;
        }
    }

    fn note_figures(&self) {
        let mut figures = self.shared.figures.lock();
        figures.buffered_records = self.buffers.records();
        figures.buffered_bytes = self.buffers.bytes();
        figures.oldest_ms = self.buffers.oldest_ms();
    }
}

/// What one object took.
struct Done {
    failed: u64,
    bytes: u64,
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
