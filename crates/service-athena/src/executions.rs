//! Query executions: what is kept of each, and which are running.
//!
//! A record is written when a query is accepted and when it has ended; in between, its state is in memory. So
//! a record without an end that the start-up finds was interrupted.

use std::collections::HashMap;
use std::sync::Arc;

use base::{Millis, Scope};
use engine_sql::ColumnInfo;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use store_meta::{Keyspace, Meta, MetaError, Read};
use tokio_util::sync::CancellationToken;

/// Executions are forgotten after this, as the service does (Athena User Guide, "View recent queries").
const KEPT_MS: Millis = 45 * 24 * 3_600 * 1_000;

const EXECUTIONS: Keyspace<(Scope, String), Execution> = Keyspace::new("athena/executions");
/// By work group and the time of submission counted backwards, so that the newest come first.
const BY_TIME: Keyspace<(Scope, String, u64, String), ()> = Keyspace::new("athena/executions-by-time");
const UNFINISHED: Keyspace<(Scope, String), ()> = Keyspace::new("athena/executions-unfinished");
const TOKENS: Keyspace<(Scope, String), Token> = Keyspace::new("athena/request-tokens");

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum State {
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

impl State {
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

/// What a client asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) query: String,
    pub(crate) work_group: String,
    pub(crate) database: Option<String>,
    pub(crate) catalog: Option<String>,
    /// `s3://bucket/prefix/`, with its slash.
    pub(crate) output: String,
    pub(crate) parameters: Vec<String>,
    /// The rest of the result configuration, as it came.
    #[serde(default)]
    pub(crate) result_configuration: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) category: i32,
    pub(crate) kind: i32,
    pub(crate) retryable: bool,
    pub(crate) message: String,
}

/// A column of the result, as it is described to clients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) type_name: String,
    pub(crate) precision: i32,
    pub(crate) scale: i32,
    pub(crate) case_sensitive: bool,
}

impl From<&ColumnInfo> for Column {
    fn from(info: &ColumnInfo) -> Self {
        Self {
            name: info.name.clone(),
            type_name: info.type_name.to_owned(),
            precision: info.precision,
            scale: info.scale,
            case_sensitive: info.case_sensitive,
        }
    }
}

/// Times in milliseconds; sizes in bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Statistics {
    pub(crate) queue_ms: u64,
    pub(crate) planning_ms: u64,
    pub(crate) engine_ms: u64,
    pub(crate) service_ms: u64,
    pub(crate) total_ms: u64,
    pub(crate) scanned_bytes: u64,
    pub(crate) output_bytes: u64,
    pub(crate) output_rows: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Execution {
    pub(crate) id: String,
    pub(crate) request: Request,
    pub(crate) statement_type: String,
    pub(crate) substatement_type: String,
    /// The file of the result: `.csv` for rows and `.txt` for lines.
    pub(crate) output_key: String,
    pub(crate) output_bucket: String,
    pub(crate) state: State,
    pub(crate) reason: Option<String>,
    pub(crate) failure: Option<Failure>,
    pub(crate) submitted_ms: Millis,
    pub(crate) completed_ms: Option<Millis>,
    pub(crate) statistics: Statistics,
    pub(crate) columns: Vec<Column>,
}

impl Execution {
    /// Whether the result is rows under a header, or lines of text.
    pub(crate) fn has_header(&self) -> bool {
        self.output_key.ends_with(".csv")
    }

    pub(crate) fn output_url(&self) -> String {
        format!("s3://{}/{}", self.output_bucket, self.output_key)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Token {
    execution: String,
    request: Request,
}

/// What submitting came to.
pub(crate) enum Submitted {
    New,
    /// The same request with the same token came before.
    Repeated(String),
    /// Another request came with the same token.
    Conflict,
}

struct Running {
    state: State,
    cancel: CancellationToken,
}

/// The store of executions. Clones share it.
#[derive(Clone)]
pub(crate) struct Executions {
    meta: Meta,
    running: Arc<RwLock<HashMap<String, Running>>>,
}

impl Executions {
    /// Opens the store: what a crash interrupted has failed, and what is too old is forgotten.
    pub(crate) fn open(meta: Meta, now: Millis) -> Result<Self, MetaError> {
        meta.write_blocking(move |tx| {
            for (key, ()) in tx.scan(&UNFINISHED, &(), None, usize::MAX)? {
                tx.delete(&UNFINISHED, &key)?;
                if let Some(mut execution) = tx.get(&EXECUTIONS, &key)? {
                    const REASON: &str = "The server stopped while the query was running. Run the query again.";
                    execution.state = State::Failed;
                    execution.reason = Some(REASON.to_owned());
                    execution.failure = Some(Failure {
                        category: 1,
                        kind: 1,
                        retryable: true,
                        message: REASON.to_owned(),
                    });
                    execution.completed_ms = Some(now);
                    tx.put(&EXECUTIONS, &key, &execution)?;
                }
            }
            let oldest = u64::MAX - now.saturating_sub(KEPT_MS).max(0) as u64;
            let mut forgotten = Vec::new();
            tx.visit(&BY_TIME, &(), None, |key, ()| {
                if key.2 > oldest {
                    forgotten.push(key);
                }
                true
            })?;
            for key in forgotten {
                tx.delete(&EXECUTIONS, &(key.0.clone(), key.3.clone()))?;
                tx.delete(&BY_TIME, &key)?;
            }
            let mut spent = Vec::new();
            tx.visit(&TOKENS, &(), None, |key, token| {
                spent.push((key, token.execution));
                true
            })?;
            for (key, execution) in spent {
                if tx.get(&EXECUTIONS, &(key.0.clone(), execution))?.is_none() {
                    tx.delete(&TOKENS, &key)?;
                }
            }
            Ok::<_, MetaError>(())
        })?;
        Ok(Self {
            meta,
            running: Arc::default(),
        })
    }

    /// Keeps a new execution, unless its token was used. The returned token cancels the query.
    pub(crate) async fn submit(
        &self,
        scope: &Scope,
        execution: Execution,
        token: Option<String>,
    ) -> Result<(Submitted, CancellationToken), MetaError> {
        let cancel = CancellationToken::new();
        let id = execution.id.clone();
        let running = Running {
            state: State::Queued,
            cancel: cancel.clone(),
        };
        self.running.write().insert(id.clone(), running);
        let scope = scope.clone();
        let submitted = self
            .meta
            .write(move |tx| {
                if let Some(token) = token {
                    let key = (scope.clone(), token);
                    match tx.get(&TOKENS, &key)? {
                        Some(before) if before.request == execution.request => {
                            return Ok(Submitted::Repeated(before.execution));
                        }
                        Some(_) => return Ok(Submitted::Conflict),
                        None => {
                            let token = Token {
                                execution: execution.id.clone(),
                                request: execution.request.clone(),
                            };
                            tx.put(&TOKENS, &key, &token)?;
                        }
                    }
                }
                let key = (scope.clone(), execution.id.clone());
                let at = u64::MAX - execution.submitted_ms.max(0) as u64;
                let by_time = (scope, execution.request.work_group.clone(), at, execution.id.clone());
                tx.put(&EXECUTIONS, &key, &execution)?;
                tx.put(&UNFINISHED, &key, &())?;
                tx.put(&BY_TIME, &by_time, &())?;
                Ok(Submitted::New)
            })
            .await;
        if !matches!(submitted, Ok(Submitted::New)) {
            self.running.write().remove(&id);
        }
        Ok((submitted?, cancel))
    }

    pub(crate) fn mark_running(&self, id: &str) {
        if let Some(running) = self.running.write().get_mut(id) {
            running.state = State::Running;
        }
    }

    /// Keeps how an execution ended.
    pub(crate) async fn finish(&self, scope: &Scope, execution: Execution) -> Result<(), MetaError> {
        let key = (scope.clone(), execution.id.clone());
        let id = execution.id.clone();
        let kept = self
            .meta
            .write(move |tx| {
                // Its work group may have been deleted with all that was in it.
                if tx.get(&EXECUTIONS, &key)?.is_some() {
                    tx.put(&EXECUTIONS, &key, &execution)?;
                }
                tx.delete(&UNFINISHED, &key)?;
                Ok(())
            })
            .await;
        self.running.write().remove(&id);
        kept
    }

    /// The execution with its state of this moment.
    pub(crate) fn get(&self, scope: &Scope, id: &str) -> Result<Option<Execution>, MetaError> {
        // Looked at first: what ends in between is then found ended in the store.
        let state = self.running.read().get(id).map(|running| running.state);
        let mut found = self
            .meta
            .read(|s| s.get(&EXECUTIONS, &(scope.clone(), id.to_owned())))?;
        if let (Some(execution), Some(state)) = (&mut found, state)
            && !execution.state.is_final()
        {
            execution.state = state;
        }
        Ok(found)
    }

    /// Asks a running query to stop; one that has ended stays as it is.
    pub(crate) fn cancel(&self, id: &str) {
        if let Some(running) = self.running.read().get(id) {
            running.cancel.cancel();
        }
    }

    /// At most `limit` ids of a work group, newest first, behind `after` where it is given.
    pub(crate) fn list(
        &self,
        scope: &Scope,
        work_group: &str,
        after: Option<&(u64, String)>,
        limit: usize,
    ) -> Result<Vec<(u64, String)>, MetaError> {
        let prefix = (scope.clone(), work_group.to_owned());
        let after = after.map(|(at, id)| (scope.clone(), work_group.to_owned(), *at, id.clone()));
        let found = self.meta.read(|s| s.scan(&BY_TIME, &prefix, after.as_ref(), limit))?;
        Ok(found.into_iter().map(|((_, _, at, id), ())| (at, id)).collect())
    }

    /// Forgets the executions of a work group.
    pub(crate) async fn forget(&self, scope: &Scope, work_group: &str) -> Result<(), MetaError> {
        let prefix = (scope.clone(), work_group.to_owned());
        self.meta
            .write(move |tx| {
                for (key, ()) in tx.scan(&BY_TIME, &prefix, None, usize::MAX)? {
                    tx.delete(&EXECUTIONS, &(key.0.clone(), key.3.clone()))?;
                    tx.delete(&BY_TIME, &key)?;
                }
                Ok(())
            })
            .await
    }
}
