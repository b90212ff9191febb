//! Work on the engine's threads.

use tokio::task::JoinHandle;

use crate::SqlError;

/// Running work. Dropping it stops the work.
pub(crate) struct Work<T>(JoinHandle<T>);

impl<T> Work<T> {
    pub(crate) fn new(task: JoinHandle<T>) -> Self {
        Self(task)
    }

    /// Waits for the end. A panic is an error, and never taken for an end.
    pub(crate) async fn end(mut self) -> Result<T, SqlError> {
        self.wait().await
    }

    /// [`Work::end`] for those who keep the work; may be called until it has returned once.
    pub(crate) async fn wait(&mut self) -> Result<T, SqlError> {
        (&mut self.0).await.map_err(|error| {
            if error.is_panic() {
                SqlError::internal("the query failed inside the engine")
            } else {
                SqlError::cancelled()
            }
        })
    }
}

impl<T> Drop for Work<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
