//! One delivery stream's worker: started, told of new settings, asked how it is, stopped.

use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base::{Millis, Scope};
use futures::FutureExt;
use parking_lot::Mutex;
use store_meta::MetaError;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::buffers::Room;
use crate::checkpoint::Progress;
use crate::compactions::Compactions;
use crate::deliveries::source_of;
use crate::line::Line;
use crate::spec::{Delivery, Role};
use crate::{DeliveryError, DeliveryParts};

/// How long a worker rests after a panic before it begins anew.
const PAUSE_AFTER_PANIC: Duration = Duration::from_secs(1);

/// What all delivery streams share.
#[derive(Clone)]
pub(crate) struct Commons {
    pub room: Room,
    pub compactions: Compactions,
}

/// A running delivery stream.
pub(crate) struct Worker {
    parts: DeliveryParts,
    commons: Commons,
    marks: Arc<Marks>,
    lines: Mutex<Vec<Running>>,
    incoming: Incoming,
}

/// Direct puts since the start.
#[derive(Default)]
struct Incoming {
    records: AtomicU64,
    bytes: AtomicU64,
}

/// One of its works.
struct Running {
    role: Role,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What a worker and those who ask it share.
pub(crate) struct Shared {
    pub wanted: Mutex<Arc<Delivery>>,
    pub changed: Notify,
    pub stop: CancellationToken,
    pub figures: Mutex<Figures>,
    pub marks: Arc<Marks>,
}

impl Shared {
    /// Whether other settings are wanted than those of the version.
    pub(crate) fn is_superseded(&self, version: u64) -> bool {
        self.wanted.lock().version != version
    }

    /// Tells of an attempt that failed and is made again, or is the last.
    pub(crate) fn note_failure(&self, why: String) {
        let mut figures = self.figures.lock();
        figures.last_error = Some(why);
        figures.failed_attempts += 1;
    }
}

/// How far each work of a delivery stream is: records of its own may go when all have delivered them.
#[derive(Default)]
pub(crate) struct Marks(Mutex<HashMap<Role, HashMap<u64, u64>>>);

impl Marks {
    pub(crate) fn set(&self, role: Role, low: &HashMap<u64, u64>) {
        self.0.lock().insert(role, low.clone());
    }

    /// Up to where all have delivered a partition.
    pub(crate) fn lowest(&self, partition: u64) -> u64 {
        let marks = self.0.lock();
        let low = |low: &HashMap<u64, u64>| low.get(&partition).copied().unwrap_or(0);
        marks.values().map(low).min().unwrap_or(0)
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    /// By partition of the source, how far it is read.
    pub cursors: HashMap<u64, u64>,
    pub buffered_records: usize,
    pub buffered_bytes: usize,
    pub oldest_ms: Option<Millis>,
    pub delivered_records: u64,
    pub delivered_objects: u64,
    pub delivered_bytes: u64,
    pub failed_records: u64,
    /// Records that were gone from the source before they were read.
    pub lost_records: u64,
    /// When the oldest of the records arrived that are being written.
    pub writing_since_ms: Option<Millis>,
    pub failed_attempts: u64,
    pub last_object: Option<String>,
    pub last_error: Option<String>,
}

/// How a delivery stream is getting on.
#[derive(Debug, Clone)]
pub struct DeliveryStatus {
    pub scope: Scope,
    pub name: String,
    /// `direct put` or the stream's name, and `s3://bucket/prefix` or a URL.
    pub source: String,
    pub destination: String,
    /// Direct puts since the start, and their bytes.
    pub incoming_records: u64,
    pub incoming_bytes: u64,
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
    /// Attempts that failed, the backup's too.
    pub failed_attempts: u64,
    /// Records that were gone from the source, past its retention or damaged, before they were read.
    pub lost_records: u64,
    /// When the oldest record arrived that is read for the backup and not in it.
    pub backup_oldest_ms: Option<Millis>,
    /// Source records in the backup.
    pub backed_up_records: u64,
    pub backed_up_objects: u64,
    pub backed_up_bytes: u64,
    /// `s3://bucket/key`.
    pub last_object: Option<String>,
    /// Why the last attempt failed, until one succeeds.
    pub last_error: Option<String>,
}

impl Figures {
    fn waits_since_ms(&self) -> Option<Millis> {
        self.oldest_ms.into_iter().chain(self.writing_since_ms).min()
    }
}

impl Worker {
    pub(crate) fn start(
        parts: DeliveryParts,
        commons: Commons,
        delivery: &Arc<Delivery>,
    ) -> Result<Self, DeliveryError> {
        let worker = Self {
            parts,
            commons,
            marks: Arc::default(),
            lines: Mutex::default(),
            incoming: Incoming::default(),
        };
        worker.start_lines(delivery)?;
        Ok(worker)
    }

    /// Starts the works that the delivery stream has and that do not run yet.
    fn start_lines(&self, delivery: &Arc<Delivery>) -> Result<(), DeliveryError> {
        let mut lines = self.lines.lock();
        let mut found = Vec::new();
        for role in Role::of(&delivery.spec).filter(|role| lines.iter().all(|line| line.role != *role)) {
            let progress = Progress::load(&self.parts.meta, &role.uid(&delivery.uid))?;
            self.marks.set(role, &progress.low);
            found.push((role, progress));
        }
        // All marks are known before the first work lets go of records.
        for (role, progress) in found {
            let shared = Arc::new(Shared {
                wanted: Mutex::new(delivery.clone()),
                changed: Notify::new(),
                stop: self.parts.tasks.stopping().child_token(),
                figures: Mutex::default(),
                marks: self.marks.clone(),
            });
            let (parts, commons) = (self.parts.clone(), self.commons.clone());
            let work = keep_running(parts, commons, delivery.clone(), role, shared.clone(), progress);
            let task = self.parts.tasks.spawn(work);
            lines.push(Running { role, shared, task });
        }
        Ok(())
    }

    /// Ends the work after the objects that are being written.
    pub(crate) async fn stop(self) {
        let lines = self.lines.into_inner();
        lines.iter().for_each(|line| line.shared.stop.cancel());
        for line in lines {
            if let Err(error) = line.task.await {
                tracing::error!(%error, "a delivery stream's worker died");
            }
        }
    }

    pub(crate) fn settings_changed(&self, delivery: &Arc<Delivery>) -> Result<(), DeliveryError> {
        for line in self.lines.lock().iter() {
            let mut wanted = line.shared.wanted.lock();
            // Two callers may come here in another order than their changes were kept in.
            if delivery.version > wanted.version {
                wanted.clone_from(delivery);
                line.shared.changed.notify_one();
            }
        }
        self.start_lines(delivery)
    }

    pub(crate) fn note_put(&self, records: usize, bytes: usize) {
        self.incoming.records.fetch_add(records as u64, Ordering::Relaxed);
        self.incoming.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn status(&self, delivery: &Delivery) -> DeliveryStatus {
        let figures = |role: Role| {
            let lines = self.lines.lock();
            let line = lines.iter().find(|line| line.role == role);
            line.map(|line| line.shared.figures.lock().clone()).unwrap_or_default()
        };
        let (main, backup) = (figures(Role::Main), figures(Role::Backup));
        let source = self.parts.streams.get(&source_of(delivery, &delivery.spec.source));
        let partitions = source.iter().flat_map(|stream| stream.partitions());
        let unread = partitions.map(|partition| {
            let cursor = main.cursors.get(&partition.id()).copied().unwrap_or(0);
            partition.end_offset().saturating_sub(cursor)
        });
        let lag_records = unread.sum();
        let no_source = source
            .is_none()
            .then(|| format!("the source {} is not there", delivery.spec.source));
        let backup_error = backup.last_error.as_ref().map(|error| format!("backup: {error}"));
        DeliveryStatus {
            scope: delivery.scope.clone(),
            name: delivery.name.clone(),
            lag_records,
            buffered_records: main.buffered_records,
            buffered_bytes: main.buffered_bytes,
            source: delivery.spec.source.to_string(),
            destination: delivery.spec.place(),
            incoming_records: self.incoming.records.load(Ordering::Relaxed),
            incoming_bytes: self.incoming.bytes.load(Ordering::Relaxed),
            oldest_ms: main.waits_since_ms(),
            failed_attempts: main.failed_attempts + backup.failed_attempts,
            lost_records: main.lost_records,
            backed_up_bytes: backup.delivered_bytes,
            backed_up_objects: backup.delivered_objects,
            delivered_records: main.delivered_records,
            delivered_objects: main.delivered_objects,
            delivered_bytes: main.delivered_bytes,
            failed_records: main.failed_records,
            backed_up_records: backup.delivered_records,
            backup_oldest_ms: backup.waits_since_ms(),
            last_object: main.last_object,
            last_error: main.last_error.or(no_source).or(backup_error),
        }
    }
}

/// Delivers until the end is asked for, over panics too: what is kept says where to go on.
async fn keep_running(
    parts: DeliveryParts,
    commons: Commons,
    delivery: Arc<Delivery>,
    role: Role,
    shared: Arc<Shared>,
    progress: Progress,
) {
    let mut progress: Result<_, MetaError> = Ok(progress);
    loop {
        let failure = match progress {
            Ok(progress) => {
                let mut line = Line::new(&parts, &commons, &delivery, role, &shared, &progress);
                match AssertUnwindSafe(line.run(progress.plans)).catch_unwind().await {
                    Ok(()) => return,
                    Err(panic) => format!("the delivery panicked: {}", panic_text(&*panic)),
                }
            }
            Err(error) => error.to_string(),
        };
        tracing::error!(
            delivery = delivery.name,
            failure,
            "a delivery stream's worker begins anew"
        );
        shared.figures.lock().last_error = Some(failure);
        tokio::select! {
            () = parts.clock.sleep(PAUSE_AFTER_PANIC) => {}
            () = shared.stop.cancelled() => return,
        }
        progress = Progress::load(&parts.meta, &role.uid(&delivery.uid));
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Platform, spec};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_change_that_comes_late_is_passed_over() {
        let dir = tempfile::tempdir().expect("a directory");
        let platform = Platform::open(dir.path());
        platform.create(spec()).await;
        let delivery = platform.deliveries.get(&Scope::default(), "flights").expect("is there");
        let version = |version| {
            Arc::new(Delivery {
                version,
                ..(*delivery).clone()
            })
        };
        let commons = Commons {
            room: Room::new(usize::MAX),
            compactions: Compactions::default(),
        };
        let worker = Worker::start(platform.parts.clone(), commons, &version(1)).expect("starts");
        worker.settings_changed(&version(3)).expect("changes");
        worker.settings_changed(&version(2)).expect("changes");
        assert_eq!(worker.lines.lock()[0].shared.wanted.lock().version, 3);
        worker.stop().await;
        platform.close().await;
    }
}
