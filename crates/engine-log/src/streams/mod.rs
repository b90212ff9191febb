//! Streams: named sets of shards, each a partition of the log.
//!
//! A stream is described in the metadata store and its records are in the log. All descriptions are kept in
//! memory too, so that the way of a record asks no store. Changes run one at a time, each to its end even when
//! its caller has gone, so that memory and store never disagree.

mod hash;
mod model;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Scope, Tasks};
use parking_lot::RwLock;
use store_meta::{Keyspace, Meta, MetaError, Read};
use tokio::sync::Semaphore;

pub use hash::{HashKey, InvalidHashKey};
pub use model::{Closed, Kind, Mode, ShardInfo, StreamId, StreamInfo, StreamStatus};

use crate::{Log, LogError, Partition};

const STREAMS: Keyspace<(String, Scope, String), StreamInfo> = Keyspace::new("log/streams");
/// The next number for a stream or a partition.
const NEXT_ID: Keyspace<(), u64> = Keyspace::new("log/next-id");
/// How often files past their retention are looked for.
const RECLAIM_EVERY: Duration = Duration::from_secs(60);
pub const RETENTION_HOURS_DEFAULT: u32 = 24;
pub const RECORD_BYTES_MAX_DEFAULT: u32 = 1 << 20;

#[derive(Debug, Clone, thiserror::Error)]
pub enum StreamError {
    #[error("a stream of this name exists already")]
    Exists,
    #[error("there is no such stream")]
    NotFound,
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
        }
    }
}

/// A stream as it was at one moment; see [`StreamInfo`].
#[derive(Debug)]
pub struct Stream {
    info: StreamInfo,
    partitions: Vec<Partition>,
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
            partition.set_retention(Duration::from_secs(u64::from(info.retention_hours) * 3600));
            partition.trim(shard.trimmed_below);
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
        Self { info, partitions, open }
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
    streams: RwLock<BTreeMap<(Kind, Scope, String), Arc<Stream>>>,
}

impl Streams {
    /// Loads all streams and lets the log forget what belongs to none. Must run inside the runtime.
    pub fn open(log: Log, meta: Meta, clock: Clock, tasks: Tasks) -> Result<Self, StreamError> {
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
            streams,
        }));
        opened.reclaim_regularly();
        Ok(opened)
    }

    pub fn log(&self) -> &Log {
        &self.0.log
    }

    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub fn get(&self, id: &StreamId) -> Option<Arc<Stream>> {
        self.0.streams.read().get(&map_key(id)).cloned()
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
                    closed: None,
                    trimmed_below: 0,
                });
                let info = StreamInfo {
                    uid,
                    created_ms,
                    status: StreamStatus::Active,
                    mode: new.mode,
                    retention_hours: new.retention_hours,
                    record_bytes_max: new.record_bytes_max,
                    tags: new.tags,
                    shards: shards.collect(),
                    id: new.id,
                };
                tx.put(&STREAMS, &key, &info)?;
                Ok(info)
            });
            Ok(this.take_up(info.await?))
        })
        .await
    }

    /// Deletes a stream with its records; their room is given back as files become free of others'.
    pub async fn delete(&self, id: &StreamId) -> Result<(), StreamError> {
        let (this, id) = (self.clone(), id.clone());
        self.in_turn(async move {
            let key = id.key();
            if !this
                .0
                .meta
                .write(move |tx| tx.delete(&STREAMS, &key))
                .await
                .map_err(StreamError::Store)?
            {
                return Err(StreamError::NotFound);
            }
            let removed = this.0.streams.write().remove(&map_key(&id));
            for shard in removed.iter().flat_map(|stream| &stream.shards) {
                this.0.log.remove_partition(shard.partition);
            }
            this.0.log.reclaim();
            Ok(())
        })
        .await
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

fn map_key(id: &StreamId) -> (Kind, Scope, String) {
    (id.kind, id.scope.clone(), id.name.clone())
}
