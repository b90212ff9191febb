//! Amazon Athena.
//!
//! Statements run on [`engine_sql`]; their results are files in buckets, as the service's clients expect them.
//! Shapes and errors follow the service model (athena 2017-05-18) and the Athena API reference.

mod batch_get_named_query;
mod batch_get_query_execution;
mod create_named_query;
mod create_prepared_statement;
mod create_work_group;
mod delete_named_query;
mod delete_prepared_statement;
mod delete_work_group;
mod errors;
mod executions;
mod get_data_catalog;
mod get_database;
mod get_named_query;
mod get_prepared_statement;
mod get_query_execution;
mod get_query_results;
mod get_query_runtime_statistics;
mod get_table_metadata;
mod get_work_group;
mod library;
mod list_data_catalogs;
mod list_databases;
mod list_engine_versions;
mod list_named_queries;
mod list_prepared_statements;
mod list_query_executions;
mod list_table_metadata;
mod list_tags_for_resource;
mod list_work_groups;
mod metadata;
mod output;
mod page;
mod parameters;
mod results;
mod runner;
mod shapes;
mod start_query_execution;
mod stop_query_execution;
mod tag_resource;
mod tags;
mod untag_resource;
mod update_named_query;
mod update_prepared_statement;
mod update_work_group;
mod work_group;

use std::time::Duration;

use base::{Clock, Random, Scope, Tasks};
use engine_sql::Engine;
use protocol_aws::AwsError;
use store_meta::{Meta, MetaError, Read};
use store_objects::Objects;
use tokio_util::sync::CancellationToken;

use executions::{Executions, Request};
use library::{NAMED_QUERIES, NamedQuery, PREPARED, PreparedStatement};

/// How often old executions are forgotten.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);

/// The service's state.
pub struct Athena {
    meta: Meta,
    clock: Clock,
    random: Random,
    tasks: Tasks,
    engine: Engine,
    objects: Objects,
    executions: Executions,
}

impl Athena {
    /// Opens the service's records. Queries that a crash interrupted have failed. Blocks on the disk.
    pub fn open(
        meta: Meta,
        engine: Engine,
        objects: Objects,
        clock: Clock,
        random: Random,
        tasks: Tasks,
    ) -> Result<Self, MetaError> {
        let executions = Executions::open(meta.clone(), clock.now_ms())?;
        let stopping = tasks.stopping().clone();
        tasks.spawn(prune(executions.clone(), meta.clone(), clock.clone(), stopping));
        Ok(Self {
            meta,
            clock,
            random,
            tasks,
            engine,
            objects,
            executions,
        })
    }

    /// The statement that a request runs: its parameters bound, or a prepared one in its place.
    async fn statement_text(&self, scope: &Scope, request: &Request) -> Result<String, AwsError> {
        match parameters::execute_statement(&request.query) {
            Some((name, using)) => {
                let found = self.prepared(scope, &request.work_group, &name)?;
                let found = found.ok_or_else(|| errors::invalid(format!("PreparedStatement {name} was not found")))?;
                let given = if using.is_empty() { &request.parameters } else { &using };
                parameters::bind(&found.query, &self.operands(given).await?)
            }
            None if request.parameters.is_empty() => Ok(request.query.clone()),
            None => parameters::bind(&request.query, &self.operands(&request.parameters).await?),
        }
    }

    /// Parameters as they may stand in a statement, each one an expression that nothing around it takes apart.
    async fn operands(&self, parameters: &[String]) -> Result<Vec<String>, AwsError> {
        let mut operands = Vec::with_capacity(parameters.len());
        for parameter in parameters {
            let operand = self.engine.operand(parameter).await;
            operands.push(operand.map_err(|error| errors::malformed(&error))?);
        }
        Ok(operands)
    }

    fn named_query(&self, scope: &Scope, id: &str) -> Result<Option<NamedQuery>, AwsError> {
        self.meta
            .read(|s| s.get(&NAMED_QUERIES, &(scope.clone(), id.to_owned())))
            .map_err(errors::from_meta)
    }

    fn prepared(&self, scope: &Scope, work_group: &str, name: &str) -> Result<Option<PreparedStatement>, AwsError> {
        let key = (scope.clone(), work_group.to_owned(), name.to_owned());
        self.meta.read(|s| s.get(&PREPARED, &key)).map_err(errors::from_meta)
    }
}

/// Forgets from time to time what is too old.
async fn prune(executions: Executions, meta: Meta, clock: Clock, stopping: CancellationToken) {
    loop {
        tokio::select! {
            () = clock.sleep(PRUNE_EVERY) => {}
            () = stopping.cancelled() => return,
        }
        let pruned = executions.prune(clock.now_ms()).await;
        let pruned = match pruned {
            Ok(()) => meta.write(library::forget_spent_tokens).await,
            failed => failed,
        };
        if let Err(error) = pruned {
            tracing::error!(%error, "old queries could not be forgotten");
        }
    }
}

pub(crate) type Call = protocol_aws::Call<Athena>;

pub fn service(athena: Athena) -> protocol_aws::Service {
    protocol_aws::Service::new("athena", athena)
        .validation_code("InvalidRequestException")
        .on("CreateWorkGroup", create_work_group::handle)
        .on("GetWorkGroup", get_work_group::handle)
        .on("ListWorkGroups", list_work_groups::handle)
        .on("UpdateWorkGroup", update_work_group::handle)
        .on("DeleteWorkGroup", delete_work_group::handle)
        .on("StartQueryExecution", start_query_execution::handle)
        .on("GetQueryExecution", get_query_execution::handle)
        .on("BatchGetQueryExecution", batch_get_query_execution::handle)
        .on("ListQueryExecutions", list_query_executions::handle)
        .on("StopQueryExecution", stop_query_execution::handle)
        .on("GetQueryResults", get_query_results::handle)
        .on("GetQueryRuntimeStatistics", get_query_runtime_statistics::handle)
        .on("GetDatabase", get_database::handle)
        .on("ListDatabases", list_databases::handle)
        .on("GetTableMetadata", get_table_metadata::handle)
        .on("ListTableMetadata", list_table_metadata::handle)
        .on("GetDataCatalog", get_data_catalog::handle)
        .on("ListDataCatalogs", list_data_catalogs::handle)
        .on("ListEngineVersions", list_engine_versions::handle)
        .on("CreateNamedQuery", create_named_query::handle)
        .on("GetNamedQuery", get_named_query::handle)
        .on("BatchGetNamedQuery", batch_get_named_query::handle)
        .on("ListNamedQueries", list_named_queries::handle)
        .on("UpdateNamedQuery", update_named_query::handle)
        .on("DeleteNamedQuery", delete_named_query::handle)
        .on("CreatePreparedStatement", create_prepared_statement::handle)
        .on("GetPreparedStatement", get_prepared_statement::handle)
        .on("UpdatePreparedStatement", update_prepared_statement::handle)
        .on("DeletePreparedStatement", delete_prepared_statement::handle)
        .on("ListPreparedStatements", list_prepared_statements::handle)
        .on("ListTagsForResource", list_tags_for_resource::handle)
        .on("TagResource", tag_resource::handle)
        .on("UntagResource", untag_resource::handle)
        .build()
}

#[cfg(test)]
mod tests;
