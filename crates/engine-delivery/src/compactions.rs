//! Delta tables that ask for it are compacted in the background, now and then.

use std::collections::HashMap;
use std::sync::Arc;

use engine_lake::{DeltaTable, LakeError};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::DeliveryParts;

/// A table is looked at again after so many commits.
const COMMITS_BETWEEN: u32 = 32;

/// What is under way, for all delivery streams.
#[derive(Debug, Clone)]
pub(crate) struct Compactions {
    /// By the table's location.
    paces: Arc<Mutex<HashMap<String, Pace>>>,
    /// One at a time, as each has a whole file in memory.
    turn: Arc<Semaphore>,
}

impl Default for Compactions {
    fn default() -> Self {
        Self {
            paces: Arc::default(),
            turn: Arc::new(Semaphore::new(1)),
        }
    }
}

#[derive(Debug)]
struct Pace {
    commits: u32,
    running: Option<JoinHandle<()>>,
}

impl Compactions {
    /// Counts a commit to a table, and compacts it when it is time; at the first commit too, as nobody knows what was
    /// left to do when the server ended.
    pub(crate) fn note_commit(&self, parts: &DeliveryParts, location: &str, table: DeltaTable, target_bytes: u64) {
        let mut paces = self.paces.lock();
        let pace = paces.entry(location.to_owned()).or_insert(Pace {
            commits: COMMITS_BETWEEN - 1,
            running: None,
        });
        pace.commits += 1;
        let is_running = pace.running.as_ref().is_some_and(|work| !work.is_finished());
        if is_running || pace.commits < COMMITS_BETWEEN {
            return;
        }
        let (tasks, stopping) = (parts.tasks.clone(), parts.tasks.stopping().clone());
        let (location, turn) = (location.to_owned(), self.turn.clone());
        let running = parts.tasks.spawn(async move {
            let work = async {
                let _turn = turn.acquire().await;
                let compacted = table.compact(&tasks, target_bytes).await?;
                Ok::<_, LakeError>((compacted, table.clean().await?))
            };
            // A commit is there or not, so the work may end anywhere.
            let outcome = tokio::select! {
                outcome = work => outcome,
                () = stopping.cancelled() => return,
            };
            match outcome {
                Ok((compacted, cleaned)) => {
                    let (files, into) = (compacted.files, compacted.into);
                    tracing::info!(location, files, into, cleaned, "a Delta table was compacted");
                }
                // The next commits bring it here again.
                Err(error) => tracing::warn!(location, %error, "a Delta table could not be compacted"),
            }
        });
        *pace = Pace {
            commits: 0,
            running: Some(running),
        };
    }
}
