//! Carries a query from its submission to its result.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use base::Scope;
use engine_sql::{ColumnInfo, ErrorKind, Outcome, Session, SqlError, Statement};
use tokio_util::sync::CancellationToken;

use crate::Athena;
use crate::executions::{Column, Execution, Failure, State};
use crate::output::{self, OutputError, Written, elapsed_ms};

/// The database of queries that name none.
const DATABASE_DEFAULT: &str = "default";

pub(crate) struct Job {
    pub(crate) scope: Scope,
    pub(crate) execution: Execution,
    pub(crate) statement: Statement,
    pub(crate) cutoff_bytes: Option<u64>,
    pub(crate) cancel: CancellationToken,
}

/// Why a query has no result.
enum End {
    Failed(SqlError),
    Cancelled(String),
}

pub(crate) async fn run(athena: Arc<Athena>, job: Job) {
    let Job {
        scope,
        mut execution,
        statement,
        cutoff_bytes,
        cancel,
    } = job;
    let work = guarded(work(&athena, &scope, &mut execution, statement, cutoff_bytes));
    let stopping = athena.tasks.stopping();
    let ended = tokio::select! {
        ended = work => ended.unwrap_or_else(|Panicked| {
            Err(End::Failed(SqlError::new(ErrorKind::Internal, "The query failed inside the server.")))
        }),
        () = cancel.cancelled() => Err(End::Cancelled("Query cancelled by user".to_owned())),
        () = stopping.cancelled() => Err(End::Failed(SqlError::new(
            ErrorKind::Internal,
            "The server stopped while the query was running. Run the query again.",
        ))),
    };
    let now = athena.clock.now_ms();
    execution.completed_ms = Some(now);
    execution.statistics.total_ms = elapsed_ms(execution.submitted_ms, now);
    match ended {
        Ok(written) => {
            execution.state = State::Succeeded;
            execution.statistics.output_bytes = written.bytes;
            execution.statistics.output_rows = written.rows;
        }
        Err(End::Cancelled(reason)) => {
            execution.state = State::Cancelled;
            execution.reason = Some(reason);
        }
        Err(End::Failed(error)) => {
            execution.state = State::Failed;
            execution.reason = Some(error.message.clone());
            execution.failure = Some(failure(&error));
        }
    }
    tracing::debug!(
        id = execution.id,
        state = execution.state.as_str(),
        reason = execution.reason,
        "a query has ended"
    );
    athena
        .executions
        .finish(&scope, execution, &athena.clock, stopping)
        .await;
}

#[derive(Debug)]
struct Panicked;

/// Runs `work`; a panic in it is an outcome, because somebody waits for one.
async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        polled.map_or(Poll::Ready(Err(Panicked)), |poll| poll.map(Ok))
    })
    .await
}

impl From<SqlError> for End {
    fn from(error: SqlError) -> Self {
        match error.kind {
            ErrorKind::Cancelled | ErrorKind::CutOff => Self::Cancelled(error.message),
            _ => Self::Failed(error),
        }
    }
}

async fn work(
    athena: &Athena,
    scope: &Scope,
    execution: &mut Execution,
    statement: Statement,
    cutoff_bytes: Option<u64>,
) -> Result<Written, End> {
    let slot = athena.engine.slot().await.map_err(End::from)?;
    let started = athena.clock.now_ms();
    execution.statistics.queue_ms = elapsed_ms(execution.submitted_ms, started);
    athena.executions.mark_running(&execution.id);
    let bucket = execution.output_bucket.clone();
    // Found out before the work is done, not after.
    let owner = athena
        .objects
        .bucket(&bucket)
        .map_err(|error| End::Failed(output::store_failure(&error, &bucket)))?
        .owner;
    if owner.account != scope.account {
        return Err(End::Failed(output::denied(&execution.output_url())));
    }
    let database = execution
        .request
        .database
        .clone()
        .unwrap_or_else(|| DATABASE_DEFAULT.to_owned());
    let session = Session {
        scope: scope.clone(),
        database,
        read_bytes_max: cutoff_bytes,
    };
    let outcome = athena.engine.run(&session, statement).await.map_err(End::from)?;
    let key = execution.output_key.clone();
    let place = (bucket.as_str(), key.as_str());
    let objects = &athena.objects;
    let written = match outcome {
        Outcome::Text(result) => {
            execution.columns = result.columns.iter().map(Column::from).collect();
            let metadata = output::write_metadata(objects, place, &execution.columns);
            both(output::write_lines(objects, place, &result), metadata).await
        }
        Outcome::Rows(mut rows) => {
            execution.statistics.planning_ms = rows.planning_time().as_millis() as u64;
            let written = if execution.has_header() {
                execution.columns = rows.columns().iter().map(Column::from).collect();
                let metadata = output::write_metadata(objects, place, &execution.columns);
                both(output::write_rows(objects, place, &mut rows), metadata).await
            } else {
                let plan = ColumnInfo {
                    name: "Query Plan".to_owned(),
                    type_name: "varchar",
                    precision: i32::MAX,
                    scale: 0,
                    case_sensitive: true,
                };
                execution.columns = vec![Column::from(&plan)];
                let metadata = output::write_metadata(objects, place, &execution.columns);
                both(output::write_row_lines(objects, place, &mut rows), metadata).await
            };
            execution.statistics.scanned_bytes = rows.bytes_scanned();
            written
        }
    };
    drop(slot);
    execution.statistics.engine_ms = elapsed_ms(started, athena.clock.now_ms());
    written.map_err(|error| match error {
        OutputError::Query(error) => End::from(error),
        OutputError::Store(error) => End::Failed(output::store_failure(&error, &bucket)),
    })
}

/// The result and its description are written side by side: each waits for the disk.
async fn both(
    result: impl Future<Output = Result<Written, OutputError>>,
    metadata: impl Future<Output = Result<(), store_objects::ObjectError>>,
) -> Result<Written, OutputError> {
    let (written, described) = tokio::join!(result, metadata);
    let written = written?;
    described?;
    Ok(written)
}

/// Category and type as the service's error catalogue has them (Athena User Guide, "Athena error catalog").
fn failure(error: &SqlError) -> Failure {
    const SYSTEM: i32 = 1;
    const USER: i32 = 2;
    let (category, kind, retryable) = match error.kind {
        ErrorKind::Syntax => (USER, 1006, false),
        ErrorKind::DatabaseNotFound | ErrorKind::TableNotFound => (USER, 1110, false),
        ErrorKind::ColumnNotFound => (USER, 1006, false),
        ErrorKind::BadData => (USER, 1001, false),
        ErrorKind::User | ErrorKind::NotSupported => (USER, 1000, false),
        ErrorKind::ResourcesExhausted => (SYSTEM, 0, true),
        ErrorKind::Cancelled | ErrorKind::CutOff | ErrorKind::Internal => (SYSTEM, 1, true),
    };
    Failure {
        category,
        kind,
        retryable,
        message: error.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_outcome() {
        assert!(guarded(async { panic!("as a bug would") }).await.is_err());
        assert_eq!(guarded(async { tokio::task::yield_now().await }).await.ok(), Some(()));
    }
}
