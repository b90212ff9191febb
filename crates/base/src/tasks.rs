//! Background work that shutdown can stop and wait for.

use std::future::Future;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Spawns tasks; clones share one set. [`Tasks::shutdown`] asks all of them to stop and waits.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    ending: CancellationToken,
    stopping: CancellationToken,
}

impl Tasks {
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `work` in the background. Work that loops must watch [`Tasks::stopping`].
    pub fn spawn<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn(work)
    }

    /// Runs `work` on the blocking pool: file I/O and long computation.
    pub fn spawn_blocking<F, T>(&self, work: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.tracker.spawn_blocking(work)
    }

    /// Cancelled when no new work comes any more and answers that would go on for long should end.
    pub fn ending(&self) -> &CancellationToken {
        &self.ending
    }

    /// Cancelled when shutdown begins.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Asks every task to stop and returns when all have.
    pub async fn shutdown(&self) {
        self.ending.cancel();
        self.stopping.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}
