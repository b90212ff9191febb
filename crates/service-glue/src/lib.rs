//! AWS Glue: the Data Catalog.
//!
//! Shapes and errors follow the service model (glue 2017-03-31) and the Glue API reference.

mod batch_create_partition;
mod batch_delete_partition;
mod batch_delete_table;
mod batch_delete_table_version;
mod batch_get_partition;
mod batch_update_partition;
mod catalog_id;
mod create_database;
mod create_partition;
mod create_table;
mod delete_database;
mod delete_partition;
mod delete_table;
mod delete_table_version;
mod errors;
mod get_database;
mod get_databases;
mod get_partition;
mod get_partitions;
mod get_table;
mod get_table_version;
mod get_table_versions;
mod get_tables;
mod get_tags;
mod page;
mod partition_error;
mod search_tables;
mod shapes;
mod tag_resource;
mod tagged;
mod untag_resource;
mod update_database;
mod update_partition;
mod update_table;
mod version_id;

use engine_catalog::Catalog;

/// The service's state: the catalog, and nothing of its own.
pub struct Glue {
    catalog: Catalog,
}

impl Glue {
    pub fn new(catalog: Catalog) -> Self {
        Self { catalog }
    }
}

pub(crate) type Call = protocol_aws::Call<Glue>;

pub fn service(glue: Glue) -> protocol_aws::Service {
    protocol_aws::Service::new("glue", glue)
        .validation_code("InvalidInputException")
        .on("CreateDatabase", create_database::handle)
        .on("GetDatabase", get_database::handle)
        .on("GetDatabases", get_databases::handle)
        .on("UpdateDatabase", update_database::handle)
        .on("DeleteDatabase", delete_database::handle)
        .on("CreateTable", create_table::handle)
        .on("GetTable", get_table::handle)
        .on("GetTables", get_tables::handle)
        .on("UpdateTable", update_table::handle)
        .on("DeleteTable", delete_table::handle)
        .on("BatchDeleteTable", batch_delete_table::handle)
        .on("GetTableVersion", get_table_version::handle)
        .on("GetTableVersions", get_table_versions::handle)
        .on("DeleteTableVersion", delete_table_version::handle)
        .on("BatchDeleteTableVersion", batch_delete_table_version::handle)
        .on("CreatePartition", create_partition::handle)
        .on("GetPartition", get_partition::handle)
        .on("GetPartitions", get_partitions::handle)
        .on("UpdatePartition", update_partition::handle)
        .on("DeletePartition", delete_partition::handle)
        .on("BatchCreatePartition", batch_create_partition::handle)
        .on("BatchGetPartition", batch_get_partition::handle)
        .on("BatchDeletePartition", batch_delete_partition::handle)
        .on("BatchUpdatePartition", batch_update_partition::handle)
        .on("SearchTables", search_tables::handle)
        .on("GetTags", get_tags::handle)
        .on("TagResource", tag_resource::handle)
        .on("UntagResource", untag_resource::handle)
        .build()
}

#[cfg(test)]
mod tests;
