//! Query executions: what is kept of each, and which are running.
//!
//! A record is written when a query is accepted and when it has ended; in between, its state is in memory. So
//! a record without an end that the start-up finds was interrupted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Millis, Scope};
use engine_sql::ColumnInfo;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use store_meta::{Keyspace, Meta, MetaError, Read, Tx};
use tokio_util::sync::CancellationToken;

/// Executions are forgotten after this, as the service does (Athena User Guide, "View recent queries").
const KEPT_MS: Millis = 45 * 24 * 3_600 * 1_000;

/// Executions of one account in one region that may be queued or running (Athena User Guide, "Service Quotas": active
/// DML queries).
const ACTIVE_MAX: usize = 200;
/// How long the store is left alone after it could not keep the end of an execution: from the first to the last.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));

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
    /// The client's token, which is forgotten with the execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
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
    /// The account has as many queued and running as it may.
    TooMany,
}

struct Running {
    scope: Scope,
    state: State,
    /// How it ended, until the store has kept that.
    ended: Option<Execution>,
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
            forget_old(tx, now)
        })?;
        Ok(Self {
            meta,
            running: Arc::default(),
        })
    }

    /// Forgets what is too old.
    pub(crate) async fn prune(&self, now: Millis) -> Result<(), MetaError> {
        self.meta.write(move |tx| forget_old(tx, now)).await
    }

    /// Keeps a new execution, unless its token was used. The returned token cancels the query.
    pub(crate) async fn submit(
        &self,
        scope: &Scope,
        execution: Execution,
    ) -> Result<(Submitted, CancellationToken), MetaError> {
        let cancel = CancellationToken::new();
        let id = execution.id.clone();
        let entry = Running {
            scope: scope.clone(),
            state: State::Queued,
            ended: None,
            cancel: cancel.clone(),
        };
        let full = {
            let mut running = self.running.write();
            let active = running
                .values()
                .filter(|one| one.scope == *scope && one.ended.is_none());
            let full = active.count() >= ACTIVE_MAX;
            running.insert(id.clone(), entry);
            full
        };
        let scope = scope.clone();
        let submitted = self
            .meta
            .write(move |tx| {
                let token = execution.token.clone().map(|token| (scope.clone(), token));
                if let Some(key) = &token {
                    match tx.get(&TOKENS, key)? {
                        Some(before) if before.request == execution.request => {
                            return Ok(Submitted::Repeated(before.execution));
                        }
                        Some(_) => return Ok(Submitted::Conflict),
                        None => {}
                    }
                }
                if full {
                    return Ok(Submitted::TooMany);
                }
                if let Some(key) = &token {
                    let token = Token {
                        execution: execution.id.clone(),
                        request: execution.request.clone(),
                    };
                    tx.put(&TOKENS, key, &token)?;
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

    /// Keeps how an execution ended, however often that has to be tried. Meanwhile it is answered from memory. Where
    /// `stopping` comes first, the next start finds the execution interrupted.
    pub(crate) async fn finish(
        &self,
        scope: &Scope,
        execution: Execution,
        clock: &Clock,
        stopping: &CancellationToken,
    ) {
        let id = execution.id.clone();
        if let Some(running) = self.running.write().get_mut(&id) {
            running.ended = Some(execution.clone());
        }
        let (mut wait, longest) = RETRY_AFTER;
        while let Err(error) = self.keep_end(scope, execution.clone()).await {
            tracing::error!(%error, id, "the end of a query could not be kept");
            tokio::select! {
                () = clock.sleep(wait) => wait = longest.min(wait * 2),
                () = stopping.cancelled() => return,
            }
        }
        self.running.write().remove(&id);
    }

    async fn keep_end(&self, scope: &Scope, execution: Execution) -> Result<(), MetaError> {
        let key = (scope.clone(), execution.id.clone());
        self.meta
            .write(move |tx| {
                // Its work group may have been deleted with all that was in it.
                if tx.get(&EXECUTIONS, &key)?.is_some() {
                    tx.put(&EXECUTIONS, &key, &execution)?;
                }
                tx.delete(&UNFINISHED, &key)?;
                Ok(())
            })
            .await
    }

    /// The execution with its state of this moment.
    pub(crate) fn get(&self, scope: &Scope, id: &str) -> Result<Option<Execution>, MetaError> {
        // Looked at first: what ends in between is then found ended in the store.
        let state = match self.running.read().get(id).filter(|running| running.scope == *scope) {
            Some(Running { ended: Some(ended), .. }) => return Ok(Some(ended.clone())),
            running => running.map(|running| running.state),
        };
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
}

/// Whether a work group has no executions.
pub(crate) fn none_in(tx: &Tx<'_>, scope: &Scope, work_group: &str) -> Result<bool, MetaError> {
    let prefix = (scope.clone(), work_group.to_owned());
    Ok(tx.scan(&BY_TIME, &prefix, None, 1)?.is_empty())
}

/// Forgets the executions of a work group.
pub(crate) fn forget_all_in(tx: &mut Tx<'_>, scope: &Scope, work_group: &str) -> Result<(), MetaError> {
    let prefix = (scope.clone(), work_group.to_owned());
    for (key, ()) in tx.scan(&BY_TIME, &prefix, None, usize::MAX)? {
        forget(tx, &key)?;
    }
    Ok(())
}

fn forget_old(tx: &mut Tx<'_>, now: Millis) -> Result<(), MetaError> {
    let oldest = u64::MAX - now.saturating_sub(KEPT_MS).max(0) as u64;
    let mut old = Vec::new();
    tx.visit(&BY_TIME, &(), None, |key, ()| {
        if key.2 > oldest {
            old.push(key);
        }
        true
    })?;
    for key in old {
        forget(tx, &key)?;
    }
    Ok(())
}

/// Forgets an execution, and its token with it.
fn forget(tx: &mut Tx<'_>, by_time: &(Scope, String, u64, String)) -> Result<(), MetaError> {
    let key = (by_time.0.clone(), by_time.3.clone());
    if let Some(token) = tx.get(&EXECUTIONS, &key)?.and_then(|execution| execution.token) {
        tx.delete(&TOKENS, &(key.0.clone(), token))?;
    }
    tx.delete(&EXECUTIONS, &key)?;
    tx.delete(&BY_TIME, by_time)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use base::ManualClock;

    use super::*;

    fn execution(id: &str, token: Option<&str>, submitted_ms: Millis) -> Execution {
        Execution {
            id: id.to_owned(),
            request: Request {
                query: "select 1".to_owned(),
                work_group: "primary".to_owned(),
                database: None,
                catalog: None,
                output: "s3://results/".to_owned(),
                parameters: Vec::new(),
                result_configuration: serde_json::Map::new(),
            },
            statement_type: "DML".to_owned(),
            substatement_type: "SELECT".to_owned(),
            output_key: format!("{id}.csv"),
            output_bucket: "results".to_owned(),
            state: State::Queued,
            reason: None,
            failure: None,
            submitted_ms,
            completed_ms: None,
            statistics: Statistics::default(),
            columns: Vec::new(),
            token: token.map(str::to_owned),
        }
    }

    fn open(now: Millis) -> (tempfile::TempDir, Meta, Executions) {
        let dir = tempfile::tempdir().unwrap();
        let meta = Meta::open(dir.path().join("meta.redb")).unwrap();
        let executions = Executions::open(meta.clone(), now).unwrap();
        (dir, meta, executions)
    }

    #[tokio::test]
    async fn an_account_has_so_many_active_and_no_more() {
        let (_dir, _meta, executions) = open(0);
        let scope = Scope::default();
        for n in 0..ACTIVE_MAX {
            let token = (n == 0).then_some("first");
            let (submitted, _) = executions
                .submit(&scope, execution(&format!("id-{n}"), token, 0))
                .await
                .unwrap();
            assert!(matches!(submitted, Submitted::New));
        }
        let submit = |id, token| executions.submit(&scope, execution(id, token, 0));
        assert!(matches!(submit("over", None).await.unwrap().0, Submitted::TooMany));
        assert_eq!(executions.get(&scope, "over").unwrap(), None);
        // What was accepted before is still told.
        assert!(matches!(submit("again", Some("first")).await.unwrap().0, Submitted::Repeated(id) if id == "id-0"));
        let other = Scope::new("123456789012".parse().unwrap(), scope.region.clone());
        let elsewhere = executions.submit(&other, execution("other", None, 0)).await;
        assert!(matches!(elsewhere.unwrap().0, Submitted::New));
        // One that has ended makes room.
        let ended = Execution {
            state: State::Succeeded,
            ..execution("id-1", None, 0)
        };
        let (clock, stopping) = (ManualClock::at(0).clock(), CancellationToken::new());
        executions.finish(&scope, ended, &clock, &stopping).await;
        assert!(matches!(submit("next", None).await.unwrap().0, Submitted::New));
    }

    #[tokio::test]
    async fn an_end_that_could_not_be_kept_is_told_all_the_same() {
        let (_dir, meta, executions) = open(0);
        let scope = Scope::default();
        executions.submit(&scope, execution("id", None, 0)).await.unwrap();
        let ended = Execution {
            state: State::Succeeded,
            ..execution("id", None, 0)
        };
        // The store takes its writes in turn, so as long as this one runs, the end is not kept.
        let (release, held) = std::sync::mpsc::channel::<()>();
        let blocked = tokio::task::spawn_blocking(move || {
            meta.write_blocking(move |_| {
                _ = held.recv();
                Ok::<_, MetaError>(())
            })
        });
        let (clock, stopping) = (ManualClock::at(0).clock(), CancellationToken::new());
        let finish = executions.finish(&scope, ended.clone(), &clock, &stopping);
        tokio::pin!(finish);
        let told = async {
            loop {
                if let Ok(Some(found)) = executions.get(&scope, "id")
                    && found.state.is_final()
                {
                    return found;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = &mut finish => {}
            found = told => {
                assert_eq!(found, ended);
                release.send(()).unwrap();
                finish.await;
            }
        }
        drop(release);
        blocked.await.unwrap().unwrap();
        assert_eq!(executions.get(&scope, "id").unwrap(), Some(ended));
        assert!(executions.running.read().is_empty());
    }

    #[tokio::test]
    async fn tokens_are_forgotten_with_their_executions() {
        let (_dir, meta, executions) = open(0);
        let scope = Scope::default();
        executions.submit(&scope, execution("old", Some("t"), 0)).await.unwrap();
        executions.prune(KEPT_MS).await.unwrap();
        assert!(executions.get(&scope, "old").unwrap().is_some());
        executions.prune(KEPT_MS + 1).await.unwrap();
        assert_eq!(executions.get(&scope, "old").unwrap(), None);
        assert!(meta.read(|s| s.scan(&TOKENS, &(), None, 1)).unwrap().is_empty());
    }
}
