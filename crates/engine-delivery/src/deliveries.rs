//! All delivery streams: made, found, changed, fed and removed.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use base::{Clock, Millis, Random, Scope, Tasks};
use bytes::Bytes;
use engine_catalog::Catalog;
use engine_log::LogError;
use engine_log::streams::{Kind, NewStream, Stream, StreamError, StreamId, Streams};
use parking_lot::RwLock;
use serde_json::Value;
use store_meta::{Keyspace, Meta, Read, Tx};
use store_objects::{Objects, Remote};
use tokio::sync::Mutex;

use crate::DeliveryError;
use crate::buffers::Room;
use crate::checkpoint;
use crate::compactions::Compactions;
use crate::content;
use crate::line::in_force;
use crate::spec::{Delivery, DeliverySpec, Destination, Role, Source};
use crate::worker::Commons;
use crate::worker::{DeliveryStatus, Worker};

const DELIVERIES: Keyspace<(Scope, String), Delivery> = Keyspace::new("delivery/streams");
/// How long direct puts are kept while their destination is down.
const RETENTION_HOURS: u32 = 24;

/// What the buffers of all delivery streams may hold in memory together; beyond it they are spilled.
const BUFFERED_BYTES_MAX: usize = 48 << 20;

/// What delivery streams work with.
#[derive(Clone)]
pub struct DeliveryParts {
    pub meta: Meta,
    pub streams: Streams,
    pub objects: Objects,
    pub catalog: Catalog,
    pub clock: Clock,
    pub random: Random,
    pub tasks: Tasks,
    /// Buckets of somebody else, by the names that deliveries know them by.
    pub remote_buckets: Arc<BTreeMap<String, Remote>>,
    /// Where records wait that have no room in memory.
    pub spill: PathBuf,
    #[cfg(test)]
    pub(crate) faults: crate::tests::Faults,
}

/// What a new delivery stream shall be.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    pub scope: Scope,
    pub name: String,
    pub spec: DeliverySpec,
    /// What the caller asked for, to be described back.
    pub config: Value,
    pub tags: BTreeMap<String, String>,
    /// What direct puts are encrypted with until they are delivered.
    pub encryption_key: Option<String>,
}

/// Where direct puts went: the records follow each other from `base_offset`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Put {
    pub partition: u64,
    pub base_offset: u64,
    pub arrival_ms: Millis,
    pub is_encrypted: bool,
}

/// A handle on all delivery streams; clones share it.
#[derive(Clone)]
pub struct Deliveries(Arc<Inner>);

struct Inner {
    parts: DeliveryParts,
    commons: Commons,
    running: RwLock<HashMap<(Scope, String), Running>>,
    /// Changes to the set are made one at a time.
    changing: Mutex<()>,
}

struct Running {
    delivery: Arc<Delivery>,
    /// The stream of direct puts.
    own: Option<Arc<Stream>>,
    worker: Worker,
}

impl Deliveries {
    /// Takes up every delivery stream where it was left.
    pub fn open(parts: DeliveryParts) -> Result<Self, DeliveryError> {
        let kept = parts
            .meta
            .read(|snapshot| snapshot.scan(&DELIVERIES, &(), None, usize::MAX))?;
        let inner = Inner {
            commons: Commons {
                room: Room::new(BUFFERED_BYTES_MAX),
                compactions: Compactions::default(),
            },
            parts,
            running: RwLock::default(),
            changing: Mutex::new(()),
        };
        let this = Self(Arc::new(inner));
        for (key, delivery) in kept {
            let running = this.start(Arc::new(delivery))?;
            this.0.running.write().insert(key, running);
        }
        this.remove_leftovers()?;
        Ok(this)
    }

    /// Removes in the background what a crash left of delivery streams that were being made or removed.
    fn remove_leftovers(&self) -> Result<(), DeliveryError> {
        for (uid, scope) in checkpoint::being_removed(&self.0.parts.meta)? {
            let parts = self.0.parts.clone();
            self.0.parts.tasks.spawn(async move {
                if let Err(error) = remove(&parts, &uid, &scope).await {
                    tracing::warn!(uid, %error, "what is left of a delivery stream could not be removed");
                }
            });
        }
        Ok(())
    }

    fn start(&self, delivery: Arc<Delivery>) -> Result<Running, DeliveryError> {
        let own = match delivery.spec.source {
            Source::DirectPut => self.0.parts.streams.get(&own_stream(&delivery)),
            Source::Stream { .. } => None,
        };
        let worker = Worker::start(self.0.parts.clone(), self.0.commons.clone(), &delivery)?;
        Ok(Running { delivery, own, worker })
    }

    pub fn clock(&self) -> &Clock {
        &self.0.parts.clock
    }

    pub async fn create(&self, new: NewDelivery) -> Result<Arc<Delivery>, DeliveryError> {
        let (this, parts) = (self.clone(), self.0.parts.clone());
        // As a task of its own, so that a caller that hangs up leaves nothing half made.
        let work = async move {
            let _changing = this.0.changing.lock().await;
            let key = (new.scope.clone(), new.name.clone());
            if this.0.running.read().contains_key(&key) {
                return Err(DeliveryError::Exists(new.name));
            }
            let now_ms = parts.clock.now_ms();
            let delivery = Delivery {
                scope: new.scope,
                name: new.name,
                uid: parts.random.uuid().to_string(),
                version: 1,
                created_ms: now_ms,
                updated_ms: now_ms,
                spec: new.spec,
                config: new.config,
                tags: new.tags,
            };
            this.check(&delivery.spec)?;
            let low = this.beginnings(&delivery, new.encryption_key).await?;
            let stored = delivery.clone();
            let write = parts.meta.write(move |tx| {
                tx.put(&DELIVERIES, &key, &stored)?;
                for role in Role::of(&stored.spec) {
                    checkpoint::begin(tx, &role.uid(&stored.uid), &in_force(role, &stored), &low)?;
                }
                checkpoint::keep(tx, &stored.uid)
            });
            write.await?;
            let delivery = Arc::new(delivery);
            let running = this.start(delivery.clone())?;
            this.0
                .running
                .write()
                .insert((delivery.scope.clone(), delivery.name.clone()), running);
            Ok(delivery)
        };
        self.0
            .parts
            .tasks
            .spawn(work)
            .await
            .unwrap_or_else(|_| Err(LogError::Closed.into()))
    }

    /// Refuses what has no place to go to or no table to be converted by.
    fn check(&self, spec: &DeliverySpec) -> Result<(), DeliveryError> {
        let parts = &self.0.parts;
        if let Destination::Stream(stream) = &spec.destination
            && parts.streams.get(&stream.id()).is_none()
        {
            return Err(DeliveryError::DataStreamNotFound(stream.name.clone()));
        }
        let Some(conversion) = &spec.conversion else {
            return Ok(());
        };
        let table = conversion.find(&parts.catalog)?;
        content::check(conversion, &table).map_err(DeliveryError::NotConvertible)
    }

    /// The offsets that a new delivery stream begins at; makes its own stream where it takes direct puts.
    async fn beginnings(
        &self,
        delivery: &Delivery,
        encryption_key: Option<String>,
    ) -> Result<Vec<(u64, u64)>, DeliveryError> {
        let streams = &self.0.parts.streams;
        match &delivery.spec.source {
            Source::DirectPut => {
                if let Some(key) = &encryption_key {
                    streams.check_key(&delivery.scope, key).map_err(LogError::Key)?;
                }
                let (uid, scope) = (delivery.uid.clone(), delivery.scope.clone());
                let write = self
                    .0
                    .parts
                    .meta
                    .write(move |tx| checkpoint::remove_at_start(tx, &uid, &scope));
                write.await?;
                let new = NewStream {
                    retention_hours: RETENTION_HOURS,
                    ..NewStream::new(own_stream(delivery), 1)
                };
                streams.create(new).await?;
                let id = own_stream(delivery);
                let set = streams.alter_info(&id, move |info| {
                    info.encryption_key = encryption_key;
                    Ok::<_, StreamError>(())
                });
                set.await?;
                Ok(Vec::new())
            }
            Source::Stream { scope, name } => {
                let stream = streams.get(&StreamId::new(Kind::Data, scope, name.clone()));
                let stream = stream.ok_or_else(|| DeliveryError::DataStreamNotFound(name.clone()))?;
                Ok(ends(&stream))
            }
        }
    }

    /// Where the source of a delivery stream ends now.
    fn source_ends(&self, delivery: &Delivery) -> Vec<(u64, u64)> {
        self.0
            .parts
            .streams
            .get(&source_of(delivery, &delivery.spec.source))
            .map(|stream| ends(&stream))
            .unwrap_or_default()
    }

    pub fn get(&self, scope: &Scope, name: &str) -> Result<Arc<Delivery>, DeliveryError> {
        let running = self.0.running.read();
        let found = running
            .get(&(scope.clone(), name.to_owned()))
            .map(|running| running.delivery.clone());
        found.ok_or_else(|| DeliveryError::NotFound(name.to_owned()))
    }

    /// At most `limit` delivery streams of the scope by name, behind `after` where given.
    pub fn list(&self, scope: &Scope, after: Option<&str>, limit: usize) -> Vec<Arc<Delivery>> {
        let running = self.0.running.read();
        let behind = |name: &str| after.is_none_or(|after| name > after);
        let mut found: Vec<_> = running
            .values()
            .map(|running| &running.delivery)
            .filter(|delivery| delivery.scope == *scope && behind(&delivery.name))
            .cloned()
            .collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found.truncate(limit);
        found
    }

    /// Stops the delivery and forgets it. Records that are not delivered yet are gone.
    pub async fn delete(&self, scope: &Scope, name: &str) -> Result<(), DeliveryError> {
        let (this, key) = (self.clone(), (scope.clone(), name.to_owned()));
        let work = async move {
            let _changing = this.0.changing.lock().await;
            let parts = &this.0.parts;
            let delivery = this.get(&key.0, &key.1)?;
            let (stored, gone) = (key.clone(), delivery.clone());
            let write = parts.meta.write(move |tx| {
                tx.delete(&DELIVERIES, &stored)?;
                checkpoint::remove_at_start(tx, &gone.uid, &gone.scope)
            });
            write.await?;
            let running = this.0.running.write().remove(&key);
            if let Some(running) = running {
                running.worker.stop().await;
            }
            remove(parts, &delivery.uid, &delivery.scope).await?;
            Ok(())
        };
        self.0
            .parts
            .tasks
            .spawn(work)
            .await
            .unwrap_or_else(|_| Err(LogError::Closed.into()))
    }

    /// Changes the settings. What is buffered is delivered by the old ones first.
    pub async fn update(
        &self,
        scope: &Scope,
        name: &str,
        expected_version: u64,
        spec: DeliverySpec,
        config: Value,
    ) -> Result<Arc<Delivery>, DeliveryError> {
        let now_ms = self.0.parts.clock.now_ms();
        self.check(&spec)?;
        let low = self.source_ends(&*self.get(scope, name)?);
        let changed = self.change(scope, name, move |tx, delivery| {
            if delivery.version != expected_version {
                return Err(DeliveryError::VersionMismatch {
                    expected: expected_version,
                    current: delivery.version,
                });
            }
            let had_backup = delivery.spec.backup.is_some();
            (delivery.spec, delivery.config) = (spec, config);
            delivery.version += 1;
            delivery.updated_ms = now_ms;
            if delivery.spec.backup.is_some() && !had_backup {
                let in_force = in_force(Role::Backup, delivery);
                checkpoint::begin(tx, &Role::Backup.uid(&delivery.uid), &in_force, &low)?;
            }
            Ok(())
        });
        let delivery = changed.await?;
        if let Some(running) = self.0.running.read().get(&(scope.clone(), name.to_owned())) {
            running.worker.settings_changed(&delivery)?;
        }
        Ok(delivery)
    }

    /// Puts what `change` makes of the tags in their place. Nobody else changes them meanwhile; an error of `change`
    /// leaves them as they were.
    pub async fn change_tags<E>(
        &self,
        scope: &Scope,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), E> + Send + 'static,
    ) -> Result<(), E>
    where
        E: From<DeliveryError> + Send + 'static,
    {
        self.change(scope, name, move |_, delivery| change(&mut delivery.tags))
            .await
            .map(drop)
    }

    async fn change<E>(
        &self,
        scope: &Scope,
        name: &str,
        change: impl FnOnce(&mut Tx<'_>, &mut Delivery) -> Result<(), E> + Send + 'static,
    ) -> Result<Arc<Delivery>, E>
    where
        E: From<DeliveryError> + Send + 'static,
    {
        let _changing = self.0.changing.lock().await;
        let key = (scope.clone(), name.to_owned());
        let (stored, missing) = (key.clone(), name.to_owned());
        // The store's errors and those of `change` are kept apart: what `change` refuses is no fault.
        let write = self.0.parts.meta.write(move |tx| {
            let mut delivery = tx.get(&DELIVERIES, &stored)?.ok_or(DeliveryError::NotFound(missing))?;
            change(tx, &mut delivery).map_err(Refused::ByCaller)?;
            tx.put(&DELIVERIES, &stored, &delivery)?;
            Ok::<_, Refused<E>>(delivery)
        });
        let delivery = match write.await {
            Ok(delivery) => Arc::new(delivery),
            Err(Refused::ByCaller(error)) => return Err(error),
            Err(Refused::Here(error)) => return Err(error.into()),
        };
        if let Some(running) = self.0.running.write().get_mut(&key) {
            running.delivery = delivery.clone();
        }
        Ok(delivery)
    }

    /// The key that direct puts are encrypted with until they are delivered.
    pub fn encryption_key(&self, scope: &Scope, name: &str) -> Result<Option<String>, DeliveryError> {
        Ok(self.own(scope, name)?.encryption_key.clone())
    }

    /// Encrypts the direct puts that come from now on with a key, or leaves them as they are.
    pub async fn set_encryption_key(
        &self,
        scope: &Scope,
        name: &str,
        key: Option<String>,
    ) -> Result<(), DeliveryError> {
        let _changing = self.0.changing.lock().await;
        let streams = &self.0.parts.streams;
        let id = self.own(scope, name)?.id.clone();
        if let Some(key) = &key {
            streams.check_key(scope, key).map_err(LogError::Key)?;
        }
        let changed = streams.alter_info(&id, move |info| {
            info.encryption_key = key;
            Ok::<_, StreamError>(())
        });
        changed.await?;
        if let Some(running) = self.0.running.write().get_mut(&(scope.clone(), name.to_owned())) {
            running.own = streams.get(&id);
        }
        Ok(())
    }

    fn own(&self, scope: &Scope, name: &str) -> Result<Arc<Stream>, DeliveryError> {
        let running = self.0.running.read();
        let found = running.get(&(scope.clone(), name.to_owned()));
        let found = found.ok_or_else(|| DeliveryError::NotFound(name.to_owned()))?;
        let own = found.own.clone();
        own.ok_or_else(|| DeliveryError::NoDirectPuts(name.to_owned()))
    }

    /// Takes records from a caller; they are durable when this returns.
    pub async fn put(&self, scope: &Scope, name: &str, records: Vec<Bytes>) -> Result<Put, DeliveryError> {
        let own = self.own(scope, name)?;
        if own.partitions().is_empty() {
            return Err(LogError::NoPartition.into());
        }
        if records.is_empty() {
            return Ok(Put::default());
        }
        let bytes = records.iter().map(|record| record.len() + 16).sum();
        let log = self.0.parts.streams.log();
        let mut batch = own.batch(log, 0, self.0.parts.clock.now_ms(), bytes)?;
        records.iter().for_each(|record| batch.push(&[], None, record));
        let appended = log.append(vec![batch]).await?;
        let appended = appended.first().ok_or(LogError::Closed)?;
        if let Some(running) = self.0.running.read().get(&(scope.clone(), name.to_owned())) {
            let bytes = records.iter().map(Bytes::len).sum();
            running.worker.note_put(records.len(), bytes);
        }
        let (partition, base_offset, arrival_ms) = (appended.partition, appended.base_offset, appended.arrival_ms);
        Ok(Put {
            partition,
            base_offset,
            arrival_ms,
            is_encrypted: own.encryption_key.is_some(),
        })
    }

    /// How every delivery stream is getting on.
    pub fn status(&self) -> Vec<DeliveryStatus> {
        let running = self.0.running.read();
        let mut all: Vec<_> = running
            .values()
            .map(|running| running.worker.status(&running.delivery))
            .collect();
        all.sort_by(|a, b| (&a.scope, &a.name).cmp(&(&b.scope, &b.name)));
        all
    }
}

/// Why a change did not come about.
enum Refused<E> {
    ByCaller(E),
    Here(DeliveryError),
}

impl<E, F: Into<DeliveryError>> From<F> for Refused<E> {
    fn from(error: F) -> Self {
        Self::Here(error.into())
    }
}

/// Removes everything of a delivery stream that [`checkpoint::remove_at_start`] names.
async fn remove(parts: &DeliveryParts, uid: &str, scope: &Scope) -> Result<(), DeliveryError> {
    match parts.streams.delete(&own_stream_of(uid, scope)).await {
        Ok(()) | Err(StreamError::NotFound) => {}
        Err(error) => return Err(error.into()),
    }
    let uid = uid.to_owned();
    let forget = parts.meta.write(move |tx| {
        for role in [Role::Main, Role::Backup] {
            checkpoint::forget(tx, &role.uid(&uid))?;
        }
        checkpoint::keep(tx, &uid)
    });
    Ok(forget.await?)
}

fn ends(stream: &Stream) -> Vec<(u64, u64)> {
    let partitions = stream.partitions().iter();
    partitions
        .map(|partition| (partition.id(), partition.end_offset()))
        .collect()
}

/// The stream that records come from.
pub(crate) fn source_of(delivery: &Delivery, source: &Source) -> StreamId {
    match source {
        Source::DirectPut => own_stream(delivery),
        Source::Stream { scope, name } => StreamId::new(Kind::Data, scope, name.clone()),
    }
}

pub(crate) fn own_stream(delivery: &Delivery) -> StreamId {
    own_stream_of(&delivery.uid, &delivery.scope)
}

fn own_stream_of(uid: &str, scope: &Scope) -> StreamId {
    StreamId::new(Kind::Internal, scope, format!("delivery/{uid}"))
}
