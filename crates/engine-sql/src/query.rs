//! Queries: planned, then streamed.

use std::sync::Arc;
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

use crate::dialect::{self, Places};
use crate::engine::{Engine, Session};
use crate::failures::{missing_table, sql_error};
use crate::lake::{CATALOG, LakeCatalog};
use crate::objects::{CountingStore, Meter};
use crate::types::type_name;
use crate::work::Work;
use crate::{ColumnInfo, SqlError};

/// Batches that wait for the reader; a slow one slows the query down.
const BATCHES_AHEAD_MAX: usize = 4;

/// A query that parses. It is kept as text, because trees as deep as the parser allows may be walked, copied and even
/// dropped only on the engine's threads.
#[derive(Debug, Clone)]
pub struct Query {
    text: String,
    kind: Kind,
    supported: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Select,
    Explain,
    Insert,
    CreateTable,
    CreateView,
    Delete,
    Update,
    Merge,
    Other,
}

impl Query {
    pub(crate) fn parse(text: String) -> Result<Self, SqlError> {
        let statement = dialect::parse(&text)?;
        let kind = match &statement {
            Statement::Query(_) => Kind::Select,
            Statement::Explain { .. } => Kind::Explain,
            Statement::Insert(_) => Kind::Insert,
            Statement::CreateTable(_) => Kind::CreateTable,
            Statement::CreateView(_) => Kind::CreateView,
            Statement::Delete(_) => Kind::Delete,
            Statement::Update(_) => Kind::Update,
            Statement::Merge(_) => Kind::Merge,
            _ => Kind::Other,
        };
        let supported = is_supported(&statement);
        Ok(Self { text, kind, supported })
    }

    /// `SELECT`, `EXPLAIN` and so on.
    pub fn substatement_type(&self) -> &'static str {
        match self.kind {
            Kind::Select => "SELECT",
            Kind::Explain => "EXPLAIN",
            Kind::Insert => "INSERT",
            Kind::CreateTable => "CREATE_TABLE_AS_SELECT",
            Kind::CreateView => "CREATE_VIEW",
            Kind::Delete => "DELETE",
            Kind::Update => "UPDATE",
            Kind::Merge => "MERGE",
            Kind::Other => "UNSUPPORTED",
        }
    }

    pub fn statement_type(&self) -> &'static str {
        match self.kind {
            Kind::Explain => "UTILITY",
            Kind::CreateView => "DDL",
            _ => "DML",
        }
    }
}

fn is_supported(statement: &Statement) -> bool {
    match statement {
        Statement::Query(query) => !matches!(
            &*query.body,
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_)
        ),
        Statement::Explain { statement, .. } => matches!(&**statement, Statement::Query(_)),
        _ => false,
    }
}

/// A running query's rows. Dropping it stops the query.
pub struct Rows {
    columns: Vec<ColumnInfo>,
    batches: mpsc::Receiver<Result<RecordBatch, SqlError>>,
    meter: Arc<Meter>,
    planning: Duration,
    /// Absent once it has ended.
    work: Option<Work<()>>,
}

impl Rows {
    pub fn columns(&self) -> &[ColumnInfo] {
        &self.columns
    }

    /// The next batch; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<RecordBatch, SqlError>> {
        if let Some(batch) = self.batches.recv().await {
            return Some(batch);
        }
        // A query that died closes the channel as one that is done does. Which it was, its end tells.
        let ended = self.work.as_mut()?.wait().await;
        self.work = None;
        ended.err().map(Err)
    }

    /// Bytes that were read from objects so far.
    pub fn bytes_scanned(&self) -> u64 {
        self.meter.read_bytes()
    }

    /// How long it took from the statement to the plan.
    pub fn planning_time(&self) -> Duration {
        self.planning
    }
}

/// Plans and starts a query on the engine's threads.
pub(crate) async fn start(engine: &Engine, session: &Session, query: Query) -> Result<Rows, SqlError> {
    if !query.supported {
        return Err(SqlError::not_supported(format!(
            "the statement {}",
            query.substatement_type()
        )));
    }
    let meter = Arc::new(Meter::new(session.read_bytes_max));
    let (sender, batches) = mpsc::channel(BATCHES_AHEAD_MAX);
    let (planned, plan) = tokio::sync::oneshot::channel();
    let work = engine.spawn(run(
        engine.clone(),
        session.clone(),
        query,
        meter.clone(),
        planned,
        sender,
    ))?;
    // Held from here on: whoever stops waiting stops the query.
    let mut rows = Rows {
        columns: Vec::new(),
        batches,
        meter,
        planning: Duration::ZERO,
        work: Some(work),
    };
    match plan.await {
        Ok(Ok(planned)) => {
            rows.columns = planned.columns;
            rows.planning = planned.time;
            Ok(rows)
        }
        Ok(Err(error)) => Err(error),
        // Nothing was planned and nothing refused, so the rows have an error instead of a batch.
        Err(_) => match rows.next().await {
            Some(Err(error)) => Err(error),
            _ => Err(SqlError::cancelled()),
        },
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
    meter: Arc<Meter>,
    planned: tokio::sync::oneshot::Sender<Result<Planned, SqlError>>,
    batches: mpsc::Sender<Result<RecordBatch, SqlError>>,
) {
    let started = Instant::now();
    let (statement, places) = match dialect::parse(&query.text) {
        Ok(statement) => {
            let places = Places::of(&statement);
            (statement, places)
        }
        Err(error) => return drop(planned.send(Err(error))),
    };
    let (plan, state, labels) = match plan(&engine, &session, statement, &places, meter.clone()).await {
        Ok(plan) => plan,
        Err(error) => return drop(planned.send(Err(error))),
    };
    // Whatever a read that was refused looks like by the time it comes out of the plan.
    let failure = |error: &DataFusionError| meter.cut_off().unwrap_or_else(|| sql_error(error, &places));
    let stream = async {
        let physical = state.create_physical_plan(&plan).await?;
        execute_stream(physical, state.task_ctx())
    };
    let mut stream = match stream.await {
        Ok(stream) => stream,
        Err(error) => return drop(planned.send(Err(failure(&error)))),
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
        let batch = batch.map_err(|error| failure(&error));
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
    meter: Arc<Meter>,
) -> Result<Plan, SqlError> {
    let rewritten = dialect::rewrite(statement)?;
    let lake = lake(engine, session);
    let mut state = state(engine, session, &lake, meter);
    // The one moment that current_date and its like mean throughout the query.
    state.mark_start_execution();
    let statement = PlannerStatement::Statement(Box::new(rewritten.statement));
    let plan = state
        .statement_to_plan(statement)
        .await
        .map_err(|error| match missing_table(&error) {
            Some((database, table)) => lake.missing(&database, &table, places),
            None => sql_error(&error, places),
        })?;
    Ok((plan, state, rewritten.labels))
}

fn lake(engine: &Engine, session: &Session) -> LakeCatalog {
    LakeCatalog {
        scope: session.scope.clone(),
        catalog: engine.catalog().clone(),
        objects: engine.objects(session),
    }
}

/// A session of its own for each query: its account's catalog, its database, its count of bytes.
fn state(engine: &Engine, session: &Session, lake: &LakeCatalog, meter: Arc<Meter>) -> SessionState {
    let template = engine.template();
    let shared = template.runtime_env();
    let store = CountingStore::new(lake.objects.clone(), meter);
    let runtime = RuntimeEnv {
        memory_pool: shared.memory_pool.clone(),
        disk_manager: shared.disk_manager.clone(),
        cache_manager: shared.cache_manager.clone(),
        object_store_registry: Arc::new(OneStore(Arc::new(store))),
    };
    let catalogs = MemoryCatalogProviderList::new();
    catalogs.register_catalog(CATALOG.to_owned(), Arc::new(lake.clone()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[tokio::test]
    async fn a_query_that_died_has_not_ended() {
        let (sender, batches) = mpsc::channel(1);
        let task = tokio::runtime::Handle::current().spawn(async move {
            let _sender = sender;
            panic!("as a bug would");
        });
        let mut rows = Rows {
            columns: Vec::new(),
            batches,
            meter: Arc::default(),
            planning: Duration::ZERO,
            work: Some(Work::new(task)),
        };
        let Some(Err(error)) = rows.next().await else {
            panic!("the panic was taken for the end")
        };
        assert_eq!(error.kind, ErrorKind::Internal);
        assert!(rows.next().await.is_none());
    }
}
