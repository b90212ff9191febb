//! Queries: planned, then streamed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use datafusion::catalog::{CatalogProviderList, MemoryCatalogProviderList};
use datafusion::error::DataFusionError;
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::sql::parser::Statement as PlannerStatement;
use datafusion::sql::sqlparser::ast::{SetExpr, Statement};
use futures::StreamExt;
use object_store::ObjectStore;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::dialect::{self, Places};
use crate::engine::{Engine, Session};
use crate::failures::{missing_table, sql_error};
use crate::lake::{CATALOG, LakeCatalog};
use crate::objects::CountingStore;
use crate::types::type_name;
use crate::{ColumnInfo, SqlError};

/// Batches that wait for the reader; a slow one slows the query down.
const BATCHES_AHEAD_MAX: usize = 4;

/// A parsed query.
#[derive(Debug, Clone)]
pub struct Query {
    statement: Statement,
    places: Places,
}

impl Query {
    pub(crate) fn parse(text: &str) -> Result<Self, SqlError> {
        let statement = dialect::parse(text)?;
        let places = Places::of(&statement);
        Ok(Self { statement, places })
    }

    /// `SELECT`, `EXPLAIN` and so on.
    pub fn substatement_type(&self) -> &'static str {
        match &self.statement {
            Statement::Query(_) => "SELECT",
            Statement::Explain { .. } => "EXPLAIN",
            Statement::Insert(_) => "INSERT",
            Statement::CreateTable(_) => "CREATE_TABLE_AS_SELECT",
            Statement::CreateView(_) => "CREATE_VIEW",
            Statement::Delete(_) => "DELETE",
            Statement::Update(_) => "UPDATE",
            Statement::Merge(_) => "MERGE",
            _ => "UNSUPPORTED",
        }
    }

    pub fn statement_type(&self) -> &'static str {
        match &self.statement {
            Statement::Explain { .. } => "UTILITY",
            Statement::CreateView(_) => "DDL",
            _ => "DML",
        }
    }

    fn is_supported(&self) -> bool {
        match &self.statement {
            Statement::Query(query) => !matches!(
                &*query.body,
                SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_)
            ),
            Statement::Explain { statement, .. } => matches!(&**statement, Statement::Query(_)),
            _ => false,
        }
    }
}

/// A running query's rows. Dropping it stops the query.
pub struct Rows {
    columns: Vec<ColumnInfo>,
    batches: mpsc::Receiver<Result<RecordBatch, SqlError>>,
    bytes_read: Arc<AtomicU64>,
    planning: Duration,
    task: AbortHandle,
}

impl Rows {
    pub fn columns(&self) -> &[ColumnInfo] {
        &self.columns
    }

    /// The next batch; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<RecordBatch, SqlError>> {
        self.batches.recv().await
    }

    /// Bytes that were read from objects so far.
    pub fn bytes_scanned(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// How long it took from the statement to the plan.
    pub fn planning_time(&self) -> Duration {
        self.planning
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Plans and starts a query on the engine's threads.
pub(crate) async fn start(engine: &Engine, session: &Session, query: Query) -> Result<Rows, SqlError> {
    if !query.is_supported() {
        return Err(SqlError::not_supported(format!(
            "the statement {}",
            query.substatement_type()
        )));
    }
    let bytes_read = Arc::new(AtomicU64::new(0));
    let (sender, batches) = mpsc::channel(BATCHES_AHEAD_MAX);
    let (planned, plan) = tokio::sync::oneshot::channel();
    let task = engine.spawn(run(
        engine.clone(),
        session.clone(),
        query,
        bytes_read.clone(),
        planned,
        sender,
    ))?;
    // Held from here on: whoever stops waiting stops the query.
    let mut rows = Rows {
        columns: Vec::new(),
        batches,
        bytes_read,
        planning: Duration::ZERO,
        task: task.abort_handle(),
    };
    match plan.await {
        Ok(Ok(planned)) => {
            rows.columns = planned.columns;
            rows.planning = planned.time;
            Ok(rows)
        }
        Ok(Err(error)) => Err(error),
        Err(_) => Err(match task.await {
            Err(error) if error.is_panic() => SqlError::internal("the query failed inside the engine"),
            _ => SqlError::cancelled(),
        }),
    }
}

struct Planned {
    columns: Vec<ColumnInfo>,
    time: Duration,
}

async fn run(
    engine: Engine,
    session: Session,
    query: Query,
    bytes_read: Arc<AtomicU64>,
    planned: tokio::sync::oneshot::Sender<Result<Planned, SqlError>>,
    batches: mpsc::Sender<Result<RecordBatch, SqlError>>,
) {
    let started = Instant::now();
    let places = query.places;
    let (plan, state, labels) = match plan(&engine, &session, query.statement, &places, bytes_read).await {
        Ok(plan) => plan,
        Err(error) => return drop(planned.send(Err(error))),
    };
    let stream = async {
        let physical = state.create_physical_plan(&plan).await?;
        execute_stream(physical, state.task_ctx())
    };
    let mut stream = match stream.await {
        Ok(stream) => stream,
        Err(error) => return drop(planned.send(Err(sql_error(&error, &places)))),
    };
    let label = |name: &str| {
        labels
            .iter()
            .find(|(unique, _)| unique == name)
            .map_or(name, |(_, label)| label)
            .to_owned()
    };
    // Names are those of the statement; types are those of the rows, which the analysis may have changed.
    let types = stream.schema();
    let column = |(index, field): (usize, &arrow::datatypes::FieldRef)| {
        let data_type = types
            .fields()
            .get(index)
            .map_or(field.data_type(), |field| field.data_type());
        let (type_name, precision, scale) = type_name(data_type);
        let case_sensitive = matches!(type_name, "varchar" | "char");
        ColumnInfo {
            name: label(field.name()),
            type_name,
            precision,
            scale,
            case_sensitive,
        }
    };
    let columns = plan.schema().fields().iter().enumerate().map(column).collect();
    if planned
        .send(Ok(Planned {
            columns,
            time: started.elapsed(),
        }))
        .is_err()
    {
        return;
    }
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|error| sql_error(&error, &places));
        let failed = batch.is_err();
        if batches.send(batch).await.is_err() || failed {
            return;
        }
    }
}

type Plan = (LogicalPlan, SessionState, Vec<(String, String)>);

async fn plan(
    engine: &Engine,
    session: &Session,
    statement: Statement,
    places: &Places,
    bytes_read: Arc<AtomicU64>,
) -> Result<Plan, SqlError> {
    let rewritten = dialect::rewrite(statement)?;
    let mut state = state(engine, session, bytes_read);
    // The one moment that current_date and its like mean throughout the query.
    state.mark_start_execution();
    let statement = PlannerStatement::Statement(Box::new(rewritten.statement));
    let plan = state
        .statement_to_plan(statement)
        .await
        .map_err(|error| match missing_table(&error) {
            Some((database, table)) => lake(engine, session).missing(&database, &table, places),
            None => sql_error(&error, places),
        })?;
    Ok((plan, state, rewritten.labels))
}

fn lake(engine: &Engine, session: &Session) -> LakeCatalog {
    LakeCatalog {
        scope: session.scope.clone(),
        catalog: engine.catalog().clone(),
        objects: engine.objects().clone(),
    }
}

/// A session of its own for each query: its account's catalog, its database, its count of bytes.
fn state(engine: &Engine, session: &Session, bytes_read: Arc<AtomicU64>) -> SessionState {
    let template = engine.template();
    let shared = template.runtime_env();
    let store = CountingStore::new(engine.objects().clone(), bytes_read);
    let runtime = RuntimeEnv {
        memory_pool: shared.memory_pool.clone(),
        disk_manager: shared.disk_manager.clone(),
        cache_manager: shared.cache_manager.clone(),
        object_store_registry: Arc::new(OneStore(Arc::new(store))),
    };
    let catalogs = MemoryCatalogProviderList::new();
    catalogs.register_catalog(CATALOG.to_owned(), Arc::new(lake(engine, session)));
    let database = session.database.to_lowercase();
    SessionStateBuilder::new_from_existing(template.clone())
        .with_config(
            template
                .config()
                .clone()
                .with_default_catalog_and_schema(CATALOG, database),
        )
        .with_runtime_env(Arc::new(runtime))
        .with_catalog_list(Arc::new(catalogs))
        .build()
}

/// Every address leads to the store that holds all buckets.
#[derive(Debug)]
struct OneStore(Arc<dyn ObjectStore>);

impl ObjectStoreRegistry for OneStore {
    fn register_store(&self, _: &url::Url, _: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, _: &url::Url) -> Result<Arc<dyn ObjectStore>, DataFusionError> {
        Ok(self.0.clone())
    }
}
