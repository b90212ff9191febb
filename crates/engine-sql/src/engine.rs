//! The engine: its threads, its bounds and what it reads from.

use std::sync::Arc;

use base::Scope;
use datafusion::config::ConfigOptions;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::execution::cache::cache_manager::CacheManagerConfig;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{FunctionRegistry, SessionStateBuilder};
use datafusion::prelude::SessionConfig;
use engine_catalog::Catalog;
use futures::FutureExt;
use futures::future::BoxFuture;
use store_objects::Objects;
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ddl::{self, Ddl};
use crate::dialect;
use crate::objects::LakeObjects;
use crate::query::{self, Query, Rows};
use crate::work::Work;
use crate::{Settings, SqlError, TextResult, functions};

/// The stack of an engine's thread. Planning walks trees as deep as [`crate::dialect`] lets them be, and takes some
/// kilobytes for each level; what is not used costs nothing but addresses.
const STACK_BYTES: usize = 64 << 20;
/// What all queries together may spill. A query that needs more than this is a mistake more often than not, and the
/// disk is also where the objects are.
const SPILL_BYTES_MAX: u64 = 32 << 30;
/// How many of the largest users of memory an error names.
const CONSUMERS_NAMED: std::num::NonZeroUsize = std::num::NonZeroUsize::new(3).expect("three is not zero");

/// Runs statements. Clones share one engine.
///
/// Futures that reach into DataFusion are boxed: a crate that polls one as it is compiles all of it again.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    catalog: Catalog,
    objects: Objects,
    /// What every query's session starts from.
    template: SessionState,
    slots: Arc<Semaphore>,
    /// Absent only while it is being dropped.
    runtime: Option<Runtime>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Waiting for the threads is not allowed where the last handle may be dropped.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// For whom a statement runs, and where names without a database belong.
#[derive(Debug, Clone)]
pub struct Session {
    pub scope: Scope,
    pub database: String,
    /// What a query may read, in bytes; where it would be more, the query ends.
    pub read_bytes_max: Option<u64>,
}

/// A parsed statement.
#[derive(Debug, Clone)]
pub enum Statement {
    Query(Box<Query>),
    Ddl(Box<Ddl>),
}

impl Statement {
    /// `DML`, `DDL` or `UTILITY`.
    pub fn statement_type(&self) -> &'static str {
        match self {
            Self::Query(query) => query.statement_type(),
            Self::Ddl(ddl) => ddl.statement_type(),
        }
    }

    pub fn substatement_type(&self) -> &'static str {
        match self {
            Self::Query(query) => query.substatement_type(),
            Self::Ddl(ddl) => ddl.substatement_type(),
        }
    }
}

/// What a statement answers.
pub enum Outcome {
    Rows(Rows),
    Text(TextResult),
}

/// The right to run a query.
pub struct Slot {
    _permit: OwnedSemaphorePermit,
}

impl Engine {
    /// Starts the engine's threads. Files that an earlier run spilled are removed.
    pub fn open(catalog: Catalog, objects: Objects, settings: &Settings) -> Result<Self, SqlError> {
        let failed = |what: &str, error: &dyn std::fmt::Display| SqlError::internal(format!("{what}: {error}"));
        let spill = &settings.spill_dir;
        match std::fs::remove_dir_all(spill) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed("the spill directory cannot be emptied", &error));
            }
            _ => {}
        }
        std::fs::create_dir_all(spill).map_err(|e| failed("the spill directory cannot be made", &e))?;
        let template = template(settings).map_err(|e| failed("the query engine cannot be set up", &e))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(settings.threads.max(1))
            .thread_name("sql")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|e| failed("the query engine's threads cannot be started", &e))?;
        Ok(Self(Arc::new(Inner {
            catalog,
            objects,
            template,
            slots: Arc::new(Semaphore::new(settings.queries_max.max(1))),
            runtime: Some(runtime),
        })))
    }

    /// Reads a statement without looking at the catalog, on the engine's threads, whose stacks are made for it.
    pub fn parse(&self, text: &str) -> BoxFuture<'_, Result<Statement, SqlError>> {
        let text = text.to_owned();
        async move {
            let parsed = self.spawn(async move {
                match ddl::parse(&text)? {
                    Some(ddl) => Ok(Statement::Ddl(Box::new(ddl))),
                    None => Ok(Statement::Query(Box::new(Query::parse(text)?))),
                }
            })?;
            parsed.end().await?
        }
        .boxed()
    }

    /// The text that may stand in place of a parameter that was given as `text`. Refuses what is not one expression.
    pub fn operand(&self, text: &str) -> BoxFuture<'_, Result<String, SqlError>> {
        let text = text.to_owned();
        async move { self.spawn(async move { dialect::operand(&text) })?.end().await? }.boxed()
    }

    /// Waits until a query may run; queries take their turns in order.
    pub async fn slot(&self) -> Result<Slot, SqlError> {
        let permit = self.0.slots.clone().acquire_owned().await;
        permit
            .map(|permit| Slot { _permit: permit })
            .map_err(|_| SqlError::cancelled())
    }

    /// Runs a statement. Of a query, the rows follow as they are read. Dropping the future, or the rows, stops
    /// the query.
    pub fn run<'a>(&'a self, session: &'a Session, statement: Statement) -> BoxFuture<'a, Result<Outcome, SqlError>> {
        async move {
            match statement {
                Statement::Query(query) => query::start(self, session, *query).await.map(Outcome::Rows),
                Statement::Ddl(ddl) => {
                    let (engine, session) = (self.clone(), session.clone());
                    let work = self.spawn(async move { ddl::run(&engine, &session, *ddl).await })?;
                    work.end().await?.map(Outcome::Text)
                }
            }
        }
        .boxed()
    }

    pub fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    /// The objects that `session` may read.
    pub(crate) fn objects(&self, session: &Session) -> LakeObjects {
        LakeObjects::new(self.0.objects.clone(), session.scope.clone())
    }

    pub(crate) fn template(&self) -> &SessionState {
        &self.0.template
    }

    /// How many tasks the engine's threads have.
    #[cfg(test)]
    pub(crate) fn running(&self) -> usize {
        let runtime = self.0.runtime.as_ref();
        runtime.map_or(0, |runtime| runtime.metrics().num_alive_tasks())
    }

    pub(crate) fn spawn<F>(&self, work: F) -> Result<Work<F::Output>, SqlError>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let runtime = self.0.runtime.as_ref().ok_or_else(SqlError::cancelled)?;
        Ok(Work::new(runtime.spawn(work)))
    }
}

fn template(settings: &Settings) -> Result<SessionState, DataFusionError> {
    let memory = TrackConsumersPool::new(FairSpillPool::new(settings.memory_bytes_max), CONSUMERS_NAMED);
    let spill = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![settings.spill_dir.clone()]))
        .with_max_temp_directory_size(SPILL_BYTES_MAX);
    let caches = CacheManagerConfig::default().with_metadata_cache_limit(settings.metadata_cache_bytes_max);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(memory))
        .with_disk_manager_builder(spill)
        .with_cache_manager(caches)
        .build_arc()?;
    let mut state = SessionStateBuilder::new_with_default_features()
        .with_config(config(settings))
        .with_runtime_env(runtime)
        .build();
    for name in functions::LEFT_OUT {
        state.deregister_udf(name)?;
    }
    for function in functions::scalar() {
        state.register_udf(function)?;
    }
    for rewrite in functions::rewrites() {
        state.register_function_rewrite(rewrite)?;
    }
    Ok(state)
}

fn config(settings: &Settings) -> SessionConfig {
    let mut options = ConfigOptions::default();
    options.catalog.create_default_catalog_and_schema = false;
    options.catalog.information_schema = true;
    options.sql_parser.default_null_ordering = "nulls_last".to_owned();
    options.sql_parser.parse_float_as_decimal = true;
    options.execution.target_partitions = settings.threads.max(1);
    options.execution.time_zone = Some("UTC".to_owned());
    options.execution.parquet.coerce_int96 = Some("us".to_owned());
    SessionConfig::from(options)
}
