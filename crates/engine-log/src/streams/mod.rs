//! Streams: named sets of shards, each a partition of the log.
//!
//! A stream is described in the metadata store and its records are in the log. All descriptions are kept in
//! memory too, so that the way of a record asks no store. Changes run one at a time, each to its end even when
//! its caller has gone, so that memory and store never disagree.

mod hash;
mod keys;
mod model;
mod reshard;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Millis, Scope, Tasks};
use parking_lot::RwLock;
use store_meta::{Keyspace, Meta, MetaError, Read};
use tokio::sync::Semaphore;

pub use hash::{HashKey, InvalidHashKey};
pub use model::{Closed, ConsumerInfo, Kind, Mode, Pending, ShardInfo, StreamId, StreamInfo, StreamStatus};
pub use reshard::{Step, even_steps};

use crate::{Batch, DataKey, Log, LogError, Partition};

const STREAMS: Keyspace<(String, Scope, String), StreamInfo> = Keyspace::new("log/streams");
/// The next number for a stream or a partition.
const NEXT_ID: Keyspace<(), u64> = Keyspace::new("log/next-id");
/// How often files past their retention are looked for.
const RECLAIM_EVERY: Duration = Duration::from_secs(60);
const DAY_MS: i64 = 24 * 3_600_000;
/// The tag of a stream whose finished records go to the tier, where there is one, once they are so many hours old.
pub const TIER_TAG: &str = "catchment.tier_after_hours";
pub const RETENTION_HOURS_DEFAULT: u32 = 24;
pub const RECORD_BYTES_MAX_DEFAULT: u32 = 1 << 20;

#[derive(Debug, Clone, thiserror::Error)]
pub enum StreamError {
    #[error("a stream of this name exists already")]
    Exists,
    #[error("there is no such stream")]
    NotFound,
    /// A shard to split or merge is not there, is closed, or does not have the range for it.
    #[error("the shards cannot be split and merged like that")]
    InvalidSteps,
    #[error(transparent)]
    Store(#[from] MetaError),
    #[error(transparent)]
    Log(#[from] LogError),
    /// The process is ending.
    #[error("streams cannot be changed any more: the process is ending")]
    Stopping,
}

/// What a new stream shall be.
#[derive(Debug, Clone)]
pub struct NewStream {
    pub id: StreamId,
    /// At least 1.
    pub shards: u32,
    pub mode: Mode,
    pub retention_hours: u32,
    pub record_bytes_max: u32,
    pub tags: BTreeMap<String, String>,
    pub warm_throughput_mibps: Option<u32>,
}

impl NewStream {
    pub fn new(id: StreamId, shards: u32) -> Self {
        Self {
            id,
            shards,
            mode: Mode::Provisioned,
            retention_hours: RETENTION_HOURS_DEFAULT,
            record_bytes_max: RECORD_BYTES_MAX_DEFAULT,
            tags: BTreeMap::new(),
            warm_throughput_mibps: None,
        }
    }
}

/// A stream as it was at one moment; see [`StreamInfo`].
#[derive(Debug)]
pub struct Stream {
    info: StreamInfo,
    partitions: Vec<Partition>,
    encryption: Option<DataKey>,
    /// The last hash key and the index of each open shard, in order.
    open: Vec<(HashKey, usize)>,
}

impl Deref for Stream {
    type Target = StreamInfo;

    fn deref(&self) -> &StreamInfo {
        &self.info
    }
}

impl Stream {
    fn new(info: StreamInfo, log: &Log) -> Self {
        let partition = |shard: &ShardInfo| {
            let partition = log.partition(shard.partition);
            partition.set_retention(hours(info.retention_hours));
            partition.trim(shard.trimmed_below);
            partition.set_tiering(info.uid, info.tier_after_hours().map(hours));
            partition
        };
        let partitions = info.shards.iter().map(partition).collect();
        let open = info
            .shards
            .iter()
            .enumerate()
            .filter(|(_, shard)| shard.closed.is_none());
        let mut open = open.map(|(index, shard)| (shard.last_hash, index)).collect::<Vec<_>>();
        open.sort_unstable();
        let encryption = info.encryption_key.as_ref().zip(log.keys());
        let encryption = encryption.map(|(key, keys)| keys.key(&keys::full_name(&info.id.scope, key)));
        Self {
            info,
            partitions,
            encryption,
            open,
        }
    }

    /// An empty batch for the shard of this index, whose values are encrypted where the stream's are.
    pub fn batch(&self, log: &Log, shard: usize, created_ms: Millis, capacity_bytes: usize) -> Result<Batch, LogError> {
        let mut batch = Batch::new(&self.partitions[shard], created_ms, capacity_bytes);
        if let (Some(key), Some(keys)) = (&self.encryption, log.keys()) {
            batch.encrypt(keys, key.clone())?;
        }
        Ok(batch)
    }

    /// The partitions of the shards, by the same index.
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// The index of the open shard that takes this hash key.
    pub fn shard_for(&self, key: HashKey) -> Option<usize> {
        let at = self.open.partition_point(|(last, _)| *last < key);
        self.open.get(at).map(|(_, index)| *index)
    }

    pub fn open_shards(&self) -> usize {
        self.open.len()
    }
}

/// A handle on all streams; clones share it.
#[derive(Clone)]
pub struct Streams(Arc<Inner>);

struct Inner {
    log: Log,
    meta: Meta,
    clock: Clock,
    tasks: Tasks,
    /// One change at a time: a queue rather than a lock, held over I/O.
    turn: Semaphore,
    /// How long a stream stays creating, updating and deleting.
    state_delay: Duration,
    streams: RwLock<BTreeMap<(Kind, Scope, String), Arc<Stream>>>,
}

impl Streams {
    /// Loads all streams and lets the log forget what belongs to none. Must run inside the runtime.
    pub fn open(log: Log, meta: Meta, clock: Clock, tasks: Tasks) -> Result<Self, StreamError> {
        Self::open_with(log, meta, clock, tasks, Duration::ZERO)
    }

    /// Like [`Streams::open`], where data streams stay creating, updating and deleting for `state_delay`.
    pub fn open_with(
        log: Log,
        meta: Meta,
        clock: Clock,
        tasks: Tasks,
        state_delay: Duration,
    ) -> Result<Self, StreamError> {
        keys::load(&log, &meta)?;
        let infos = meta.read(|snapshot| snapshot.scan(&STREAMS, &(), None, usize::MAX))?;
        let mut streams = BTreeMap::new();
        let mut known = HashSet::new();
        for (_, info) in infos {
            known.extend(info.shards.iter().map(|shard| shard.partition));
            streams.insert(map_key(&info.id), Arc::new(Stream::new(info, &log)));
        }
        log.keep_only(&known);
        let streams = RwLock::new(streams);
        let opened = Self(Arc::new(Inner {
            log,
            meta,
            clock,
            tasks,
            turn: Semaphore::new(1),
            state_delay,
            streams,
        }));
        for stream in opened.all() {
            opened.settle_later(&stream);
        }
        opened.reclaim_regularly();
        Ok(opened)
    }

    pub fn log(&self) -> &Log {
        &self.0.log
    }

    pub fn tasks(&self) -> &Tasks {
        &self.0.tasks
    }

    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub fn get(&self, id: &StreamId) -> Option<Arc<Stream>> {
        self.0.streams.read().get(&map_key(id)).cloned()
    }

    /// Every stream of every kind.
    pub fn all(&self) -> Vec<Arc<Stream>> {
        self.0.streams.read().values().cloned().collect()
    }

    /// At most `limit` streams in the order of their names, those behind `after` where it is given.
    pub fn list(&self, kind: Kind, scope: &Scope, after: Option<&str>, limit: usize) -> Vec<Arc<Stream>> {
        let from = (kind, scope.clone(), after.unwrap_or_default().to_owned());
        let streams = self.0.streams.read();
        let inside = streams
            .range(from..)
            .take_while(|((k, s, _), _)| *k == kind && s == scope);
        let behind = inside.filter(|((_, _, name), _)| after.is_none_or(|after| name.as_str() > after));
        behind.take(limit).map(|(_, stream)| stream.clone()).collect()
    }

    /// How many open shards the streams of a kind have together.
    pub fn open_shards(&self, kind: Kind, scope: &Scope) -> usize {
        let streams = self.0.streams.read();
        let inside = streams.iter().filter(|((k, s, _), _)| *k == kind && s == scope);
        inside.map(|(_, stream)| stream.open_shards()).sum()
    }

    pub async fn create(&self, new: NewStream) -> Result<Arc<Stream>, StreamError> {
        let this = self.clone();
        self.in_turn(async move {
            let created_ms = this.0.clock.now_ms();
            // Nobody waits for what the platform makes for itself.
            let is_instant = this.0.state_delay.is_zero() || new.id.kind == Kind::Internal;
            let info = this.0.meta.write(move |tx| {
                let key = new.id.key();
                if tx.get(&STREAMS, &key)?.is_some() {
                    return Err(StreamError::Exists);
                }
                let uid = tx.get(&NEXT_ID, &())?.unwrap_or(1);
                let ranges = hash::even_ranges(new.shards.max(1));
                tx.put(&NEXT_ID, &(), &(uid + 1 + ranges.len() as u64))?;
                let shards = (0..).zip(ranges).map(|(number, (first_hash, last_hash))| ShardInfo {
                    number,
                    partition: uid + 1 + u64::from(number),
                    first_hash,
                    last_hash,
                    parents: Vec::new(),
                    created_ms,
                    numbered_from_s: (created_ms / 1000) as u64,
                    closed: None,
                    trimmed_below: 0,
                });
                let (status, pending) = match is_instant {
                    true => (StreamStatus::Active, None),
                    false => (StreamStatus::Creating, Some(Pending::Active)),
                };
                let info = StreamInfo {
                    uid,
                    created_ms,
                    status,
                    pending,
                    mode: new.mode,
                    retention_hours: new.retention_hours,
                    record_bytes_max: new.record_bytes_max,
                    tags: new.tags,
                    encryption_key: None,
                    shard_metrics: BTreeSet::new(),
                    policy: None,
                    consumers: Vec::new(),
                    warm_throughput_mibps: new.warm_throughput_mibps,
                    mode_changes_ms: Vec::new(),
                    count_changes_ms: Vec::new(),
                    shards: shards.collect(),
                    id: new.id,
                };
                tx.put(&STREAMS, &key, &info)?;
                Ok(info)
            });
            let created = this.take_up(info.await?);
            this.settle_later(&created);
            Ok(created)
        })
        .await
    }

    /// Deletes a stream with its records; their room is given back as files become free of others'.
    pub async fn delete(&self, id: &StreamId) -> Result<(), StreamError> {
        self.delete_if(id, |_| Ok(())).await
    }

    /// Deletes a stream, unless `check` has something against it.
    pub async fn delete_if<E>(
        &self,
        id: &StreamId,
        check: impl FnOnce(&Stream) -> Result<(), E> + Send + 'static,
    ) -> Result<(), E>
    where
        E: From<StreamError> + Send + 'static,
    {
        self.alter(id, StreamStatus::Deleting, move |stream| {
            check(stream)?;
            Ok(Pending::Delete)
        })
        .await
    }

    /// Splits and merges shards as `plan` says. No steps change nothing.
    pub async fn reshard<E>(
        &self,
        id: &StreamId,
        plan: impl FnOnce(&Stream) -> Result<Vec<Step>, E> + Send + 'static,
    ) -> Result<(), E>
    where
        E: From<StreamError> + Send + 'static,
    {
        self.take_plan(id, false, plan).await
    }

    /// Like [`Streams::reshard`], and notes that the number of shards was changed.
    pub async fn rescale<E>(
        &self,
        id: &StreamId,
        plan: impl FnOnce(&Stream) -> Result<Vec<Step>, E> + Send + 'static,
    ) -> Result<(), E>
    where
        E: From<StreamError> + Send + 'static,
    {
        self.take_plan(id, true, plan).await
    }

    async fn take_plan<E>(
        &self,
        id: &StreamId,
        is_rescale: bool,
        plan: impl FnOnce(&Stream) -> Result<Vec<Step>, E> + Send + 'static,
    ) -> Result<(), E>
    where
        E: From<StreamError> + Send + 'static,
    {
        self.alter(id, StreamStatus::Updating, move |stream| {
            let steps = plan(stream)?;
            Ok(Pending::Reshard { steps, is_rescale })
        })
        .await
    }

    /// How long streams stay creating, updating and deleting.
    pub fn state_delay(&self) -> Duration {
        self.0.state_delay
    }

    /// Changes what is kept of a stream, after which it is updating for as long as such things take.
    pub async fn alter_info<E>(
        &self,
        id: &StreamId,
        change: impl FnOnce(&mut StreamInfo) -> Result<(), E> + Send + 'static,
    ) -> Result<(), E>
    where
        E: From<StreamError> + Send + 'static,
    {
        let is_instant = self.0.state_delay.is_zero();
        let changed = self.update(id, move |info| {
            change(info)?;
            if !is_instant {
                (info.status, info.pending) = (StreamStatus::Updating, Some(Pending::Active));
            }
            Ok::<_, E>(())
        });
        let changed = changed.await?;
        self.settle_later(&changed);
        Ok(())
    }

    /// Returns once the changes that are under way or wait for their turn now are done.
    pub async fn settled(&self) {
        // It fails only when everything ends.
        drop(self.0.turn.acquire().await);
    }

    /// Brings a stream into a passing status and, when its time is over, out of it.
    async fn alter<E>(
        &self,
        id: &StreamId,
        status: StreamStatus,
        plan: impl FnOnce(&Stream) -> Result<Pending, E> + Send + 'static,
    ) -> Result<(), E>
    where
        E: From<StreamError> + Send + 'static,
    {
        let (this, id) = (self.clone(), id.clone());
        self.in_turn(async move {
            let stream = this.get(&id).ok_or(StreamError::NotFound)?;
            let pending = plan(&stream)?;
            if this.0.state_delay.is_zero() || id.kind == Kind::Internal {
                return Ok(this.perform(id, pending).await?);
            }
            let changed = this.change(id, move |info| {
                (info.status, info.pending) = (status, Some(pending));
                Ok::<_, StreamError>(())
            });
            let changed: Arc<Stream> = changed.await?;
            this.settle_later(&changed);
            Ok(())
        })
        .await
    }

    /// Does what a stream in a passing status waits for, when the time has come.
    fn settle_later(&self, stream: &Stream) {
        if stream.pending.is_none() {
            return;
        }
        let (this, id, uid) = (self.clone(), stream.id.clone(), stream.uid);
        self.0.tasks.spawn(async move {
            let stopping = this.0.tasks.stopping();
            loop {
                tokio::select! {
                    () = stopping.cancelled() => return,
                    () = this.0.clock.sleep(this.0.state_delay) => {}
                }
                let (that, id) = (this.clone(), id.clone());
                let settled = this.in_turn(async move {
                    let stream = that.get(&id).filter(|stream| stream.uid == uid);
                    let Some(pending) = stream.and_then(|stream| stream.pending.clone()) else {
                        return Ok(());
                    };
                    that.perform(id, pending).await
                });
                match settled.await {
                    Ok(()) | Err(StreamError::Stopping | StreamError::NotFound | StreamError::InvalidSteps) => return,
                    Err(error) => tracing::error!(%error, "a change to a stream is tried again"),
                }
            }
        });
    }

    /// Has its turn.
    async fn perform(&self, id: StreamId, pending: Pending) -> Result<(), StreamError> {
        match pending {
            Pending::Active => {
                self.change(id, |info| {
                    (info.status, info.pending) = (StreamStatus::Active, None);
                    Ok::<_, StreamError>(())
                })
                .await?;
            }
            Pending::Delete => self.remove(id).await?,
            Pending::Reshard { steps, is_rescale } => {
                let taken = self.take_steps(id.clone(), steps, is_rescale).await;
                if matches!(taken, Err(StreamError::InvalidSteps)) {
                    // They will never do, so the stream does not wait for them.
                    self.change(id, |info| {
                        (info.status, info.pending) = (StreamStatus::Active, None);
                        Ok::<_, StreamError>(())
                    })
                    .await?;
                }
                taken?;
            }
        }
        Ok(())
    }

    async fn remove(&self, id: StreamId) -> Result<(), StreamError> {
        let key = id.key();
        if !self.0.meta.write(move |tx| tx.delete(&STREAMS, &key)).await? {
            return Err(StreamError::NotFound);
        }
        let removed = self.0.streams.write().remove(&map_key(&id));
        for shard in removed.iter().flat_map(|stream| &stream.shards) {
            self.0.log.remove_partition(shard.partition);
        }
        self.0.log.reclaim();
        Ok(())
    }

    async fn take_steps(&self, id: StreamId, steps: Vec<Step>, is_rescale: bool) -> Result<(), StreamError> {
        let stream = self.get(&id).ok_or(StreamError::NotFound)?;
        // A store that takes no writes any more must not leave shards fenced for a change that never began.
        self.0.meta.write(|_| Ok::<_, StreamError>(())).await?;
        let parents = reshard::closing(&steps, &stream.shards);
        let closing: Vec<Partition> = parents
            .iter()
            .map(|number| stream.partitions()[*number as usize].clone())
            .collect();
        if !closing.is_empty() {
            self.0.log.fence(&closing).await?;
        }
        let ends = parents
            .into_iter()
            .zip(closing.iter().map(Partition::end_offset))
            .collect();
        let now_ms = self.0.clock.now_ms();
        let changed = self.0.meta.write(move |tx| {
            let key = id.key();
            let mut info = tx.get(&STREAMS, &key)?.ok_or(StreamError::NotFound)?;
            let mut next_id = tx.get(&NEXT_ID, &())?.unwrap_or(1);
            reshard::apply(&mut info.shards, &steps, &ends, &mut next_id, now_ms).ok_or(StreamError::InvalidSteps)?;
            tx.put(&NEXT_ID, &(), &next_id)?;
            if is_rescale {
                info.count_changes_ms.retain(|at_ms| now_ms - at_ms < DAY_MS);
                info.count_changes_ms.push(now_ms);
            }
            (info.status, info.pending) = (StreamStatus::Active, None);
            tx.put(&STREAMS, &key, &info)?;
            Ok(info)
        });
        match changed.await {
            Ok(info) => {
                self.take_up(info);
                self.0.log.wake(&closing);
                Ok(())
            }
            // The change may have been kept, as the next start will show; what were appended now would lie behind the
            // shards' ends.
            Err(error @ StreamError::Store(MetaError::Uncertain(_))) => Err(error),
            Err(error) => {
                self.0.log.unfence(&closing);
                Err(error)
            }
        }
    }

    /// Changes what is kept of a stream; an error of `change` leaves it as it was. Retention has its own call.
    pub async fn update<E>(
        &self,
        id: &StreamId,
        change: impl FnOnce(&mut StreamInfo) -> Result<(), E> + Send + 'static,
    ) -> Result<Arc<Stream>, E>
    where
        E: From<StreamError> + Send + 'static,
    {
        let (this, id) = (self.clone(), id.clone());
        self.in_turn(async move { this.change(id, change).await }).await
    }

    /// Sets how long records are kept. What is past the present retention stays gone when it is raised.
    pub async fn set_retention<E>(
        &self,
        id: &StreamId,
        hours: u32,
        check: impl FnOnce(&StreamInfo) -> Result<(), E> + Send + 'static,
    ) -> Result<Arc<Stream>, E>
    where
        E: From<StreamError> + Send + 'static,
    {
        let (this, id) = (self.clone(), id.clone());
        self.in_turn(async move {
            let stream = this.get(&id).ok_or(StreamError::NotFound)?;
            let mut starts = Vec::new();
            for partition in stream.partitions() {
                starts.push(this.0.log.start_offset(partition).await.map_err(StreamError::Log)?);
            }
            let change = move |info: &mut StreamInfo| -> Result<(), E> {
                check(info)?;
                info.retention_hours = hours;
                for (shard, start) in info.shards.iter_mut().zip(starts) {
                    shard.trimmed_below = shard.trimmed_below.max(start);
                }
                Ok(())
            };
            let changed = this.change(id, change).await?;
            this.0.log.reclaim();
            Ok(changed)
        })
        .await
    }

    async fn change<E>(
        &self,
        id: StreamId,
        change: impl FnOnce(&mut StreamInfo) -> Result<(), E> + Send + 'static,
    ) -> Result<Arc<Stream>, E>
    where
        E: From<StreamError> + Send + 'static,
    {
        let written = self.0.meta.write(move |tx| {
            let key = id.key();
            let found = tx.get(&STREAMS, &key).map_err(|error| Failure::Own(error.into()))?;
            let mut info = found.ok_or(Failure::Own(StreamError::NotFound))?;
            change(&mut info).map_err(Failure::Callers)?;
            tx.put(&STREAMS, &key, &info)
                .map_err(|error| Failure::Own(error.into()))?;
            Ok(info)
        });
        match written.await {
            Ok(info) => Ok(self.take_up(info)),
            Err(Failure::Own(error)) => Err(error.into()),
            Err(Failure::Callers(error)) => Err(error),
        }
    }

    fn take_up(&self, info: StreamInfo) -> Arc<Stream> {
        let key = map_key(&info.id);
        let stream = Arc::new(Stream::new(info, &self.0.log));
        self.0.streams.write().insert(key, stream.clone());
        stream
    }

    /// Runs a change when all before it are done, and to its end even if the caller goes away.
    async fn in_turn<T, E>(&self, change: impl Future<Output = Result<T, E>> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StreamError> + Send + 'static,
    {
        let this = self.clone();
        let task = self.0.tasks.spawn(async move {
            let _turn = this.0.turn.acquire().await.map_err(|_| StreamError::Stopping)?;
            change.await
        });
        task.await.unwrap_or_else(|_| Err(StreamError::Stopping.into()))
    }

    fn reclaim_regularly(&self) {
        let (log, clock, tasks) = (self.0.log.clone(), self.0.clock.clone(), self.0.tasks.clone());
        self.0.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = tasks.stopping().cancelled() => return,
                    () = clock.sleep(RECLAIM_EVERY) => log.reclaim(),
                }
            }
        });
    }
}

/// Tells the caller's error from the store's inside one transaction.
enum Failure<E> {
    Own(StreamError),
    Callers(E),
}

impl<E> From<MetaError> for Failure<E> {
    fn from(error: MetaError) -> Self {
        Self::Own(error.into())
    }
}

fn hours(count: u32) -> Duration {
    Duration::from_secs(u64::from(count) * 3600)
}

fn map_key(id: &StreamId) -> (Kind, Scope, String) {
    (id.kind, id.scope.clone(), id.name.clone())
}
