//! One delivery stream's worker: started, told of new settings, asked how it is, stopped.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
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
use crate::line::Line;
use crate::spec::Delivery;
use crate::{DeliveryError, DeliveryParts};

/// How long a worker rests after a panic before it begins anew.
const PAUSE_AFTER_PANIC: Duration = Duration::from_secs(1);

/// A running delivery stream.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What a worker and those who ask it share.
pub(crate) struct Shared {
    pub wanted: Mutex<Arc<Delivery>>,
    pub changed: Notify,
    pub stop: CancellationToken,
    pub figures: Mutex<Figures>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub lag_records: u64,
    pub buffered_records: usize,
    pub buffered_bytes: usize,
    pub oldest_ms: Option<Millis>,
    pub delivered_records: u64,
    pub delivered_objects: u64,
    pub delivered_bytes: u64,
    pub failed_records: u64,
    pub last_object: Option<String>,
    pub last_error: Option<String>,
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
    pub(crate) fn start(parts: DeliveryParts, room: Room, delivery: Arc<Delivery>) -> Result<Self, DeliveryError> {
        let progress = Progress::load(&parts.meta, &delivery.uid)?;
        let shared = Arc::new(Shared {
            wanted: Mutex::new(delivery.clone()),
            changed: Notify::new(),
            stop: parts.tasks.stopping().child_token(),
            figures: Mutex::default(),
        });
        let tasks = parts.tasks.clone();
        let task = tasks.spawn(keep_running(parts, room, delivery, shared.clone(), progress));
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
        let mut wanted = self.shared.wanted.lock();
        // Two callers may come here in another order than their changes were kept in.
        if delivery.version > wanted.version {
            *wanted = delivery;
            self.shared.changed.notify_one();
        }
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

/// Delivers until the end is asked for, over panics too: what is kept says where to go on.
async fn keep_running(
    parts: DeliveryParts,
    room: Room,
    delivery: Arc<Delivery>,
    shared: Arc<Shared>,
    progress: Progress,
) {
    let mut progress: Result<_, MetaError> = Ok(progress);
    loop {
        let failure = match progress {
            Ok(progress) => {
                let mut line = Line::new(&parts, &room, &delivery, &shared, &progress);
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
        progress = Progress::load(&parts.meta, &delivery.uid);
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
        let worker = Worker::start(platform.parts.clone(), Room::new(usize::MAX), version(1)).expect("starts");
        worker.settings_changed(version(3));
        worker.settings_changed(version(2));
        assert_eq!(worker.shared.wanted.lock().version, 3);
        worker.stop().await;
        platform.close().await;
    }
}
