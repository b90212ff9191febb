//! Carries statements out on the catalog.

use std::collections::HashSet;

use engine_catalog::{
    CatalogError, Column, DatabaseSpec, DeleteTables, Parameters, Partition, PartitionFilter, PartitionSpec,
    PartitionValues, Serde, StorageDescriptor, Table, TableSpec, TableUpdate,
};
use regex::Regex;

use super::describe::{describe, describe_formatted, padded};
use super::repair::repair;
use super::show_create::show_create_table;
use super::{CreateTable, Ddl, PartitionPart, TableName, storage};
use crate::engine::{Engine, Session};
use crate::scan::check_value;
use crate::{ColumnInfo, SqlError, TextResult};

/// How often a change starts over because somebody else changed the table meanwhile.
const ATTEMPTS_MAX: usize = 16;
/// How many partitions one transaction adds.
pub(super) const PARTITIONS_PER_WRITE: usize = 1_000;

pub(crate) async fn run(engine: &Engine, session: &Session, ddl: Ddl) -> Result<TextResult, SqlError> {
    let run = Run { engine, session };
    match ddl {
        Ddl::CreateDatabase {
            name,
            if_not_exists,
            comment,
            location,
            properties,
        } => {
            let spec = DatabaseSpec {
                name,
                description: comment,
                location_uri: location,
                parameters: Some(properties).filter(|properties| !properties.is_empty()),
                ..DatabaseSpec::default()
            };
            match engine.catalog().create_database(&session.scope, spec).await {
                Err(CatalogError::DatabaseExists { .. }) if if_not_exists => {}
                outcome => outcome?,
            }
            Ok(TextResult::nothing())
        }
        Ddl::DropDatabase {
            name,
            if_exists,
            cascade,
        } => run.drop_database(&name, if_exists, cascade).await,
        Ddl::CreateTable(create) => run.create_table(*create).await,
        Ddl::DropTable { table, if_exists } => {
            let database = run.database(&table);
            match engine
                .catalog()
                .delete_table(&session.scope, database, &table.table)
                .await
            {
                Err(CatalogError::TableNotFound { .. } | CatalogError::DatabaseNotFound { .. }) if if_exists => {}
                outcome => outcome?,
            }
            Ok(TextResult::nothing())
        }
        Ddl::AddPartitions {
            table,
            if_not_exists,
            partitions,
        } => run.add_partitions(&table, if_not_exists, partitions).await,
        Ddl::DropPartitions {
            table,
            if_exists,
            partitions,
        } => run.drop_partitions(&table, if_exists, partitions).await,
        Ddl::AddColumns { table, columns } => {
            run.update(&table, |spec| {
                let all = spec.columns().iter().chain(&spec.partition_keys).chain(&columns);
                refuse_duplicates(all)?;
                let storage = spec.storage_descriptor.get_or_insert_default();
                storage.columns.extend(columns.clone());
                Ok(())
            })
            .await
        }
        Ddl::SetLocation { table, location } => {
            run.update(&table, |spec| {
                spec.storage_descriptor.get_or_insert_default().location = Some(location.clone());
                Ok(())
            })
            .await
        }
        Ddl::SetProperties { table, properties } => {
            run.update(&table, |spec| {
                spec.parameters.get_or_insert_default().extend(properties.clone());
                Ok(())
            })
            .await
        }
        Ddl::Repair { table } => {
            let lines = repair(engine, session, &run.table(&table)?).await?;
            Ok(TextResult::lines("", lines))
        }
        Ddl::ShowDatabases { pattern } => {
            let matches = pattern_matcher(pattern.as_deref())?;
            let all = engine.catalog().databases(&session.scope, None, usize::MAX)?;
            let names = all
                .into_iter()
                .map(|database| database.spec.name)
                .filter(|name| matches(name));
            Ok(TextResult::lines("database_name", names.collect()))
        }
        Ddl::ShowTables { database, pattern } => {
            let matches = pattern_matcher(pattern.as_deref())?;
            let database = database.as_deref().unwrap_or(&session.database);
            let keep = |table: &Table| matches(&table.spec.name);
            let tables = engine
                .catalog()
                .tables(&session.scope, database, None, usize::MAX, keep)?;
            Ok(TextResult::lines(
                "tab_name",
                tables.into_iter().map(|table| table.spec.name).collect(),
            ))
        }
        Ddl::ShowPartitions { table } => {
            let table = run.table(&table)?;
            if table.spec.partition_keys.is_empty() {
                let (database, name) = (&table.database, &table.spec.name);
                return Err(SqlError::user(format!(
                    "FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. \
                     Table {database}.{name} is not a partitioned table"
                )));
            }
            let partitions = engine.catalog().partitions(
                &session.scope,
                &table.database,
                &table.spec.name,
                None,
                usize::MAX,
                |_| true,
            )?;
            let keys = &table.spec.partition_keys;
            Ok(TextResult::lines(
                "partition",
                partitions.iter().map(|p| p.spec.values.path(keys)).collect(),
            ))
        }
        Ddl::ShowColumns { table } => {
            let table = run.table(&table)?;
            let columns = table.spec.columns().iter().chain(&table.spec.partition_keys);
            Ok(TextResult::lines(
                "field",
                columns.map(|column| padded(&column.name)).collect(),
            ))
        }
        Ddl::ShowProperties { table, key } => {
            let table = run.table(&table)?;
            let parameters = table.spec.parameters.iter().flatten();
            let chosen = parameters.filter(|(name, _)| key.as_ref().is_none_or(|key| key == *name));
            Ok(TextResult::lines(
                "prpt_name",
                chosen.map(|(name, value)| format!("{name}\t{value}")).collect(),
            ))
        }
        Ddl::ShowCreateTable { table } => Ok(TextResult::lines(
            "createtab_stmt",
            show_create_table(&run.table(&table)?),
        )),
        Ddl::Describe { table, formatted } => {
            let table = run.table(&table)?;
            let rows = if formatted {
                describe_formatted(&table)
            } else {
                describe(&table)
            };
            let columns = ["col_name", "data_type", "comment"].map(ColumnInfo::string).to_vec();
            Ok(TextResult { columns, rows })
        }
    }
}

struct Run<'r> {
    engine: &'r Engine,
    session: &'r Session,
}

impl<'r> Run<'r> {
    fn database<'n>(&'n self, name: &'n TableName) -> &'n str {
        name.database.as_deref().unwrap_or(&self.session.database)
    }

    fn table(&self, name: &TableName) -> Result<Table, SqlError> {
        Ok(self
            .engine
            .catalog()
            .table(&self.session.scope, self.database(name), &name.table)?)
    }

    async fn drop_database(&self, name: &str, if_exists: bool, cascade: bool) -> Result<TextResult, SqlError> {
        let (catalog, scope) = (self.engine.catalog(), &self.session.scope);
        let tables = if cascade {
            DeleteTables::Too
        } else {
            DeleteTables::Refuse
        };
        match catalog.delete_database(scope, name, tables).await {
            Err(CatalogError::DatabaseNotFound { .. }) if if_exists => Ok(TextResult::nothing()),
            outcome => Ok(outcome.map(|()| TextResult::nothing())?),
        }
    }

    async fn create_table(&self, create: CreateTable) -> Result<TextResult, SqlError> {
        let database = create.database.clone().unwrap_or_else(|| self.session.database.clone());
        let if_not_exists = create.if_not_exists;
        let spec = table_spec(create)?;
        match self
            .engine
            .catalog()
            .create_table(&self.session.scope, &database, spec)
            .await
        {
            Err(CatalogError::TableExists { .. }) if if_not_exists => {}
            outcome => outcome?,
        }
        Ok(TextResult::nothing())
    }

    async fn add_partitions(
        &self,
        name: &TableName,
        if_not_exists: bool,
        partitions: Vec<(Vec<PartitionPart>, Option<String>)>,
    ) -> Result<TextResult, SqlError> {
        let table = self.table(name)?;
        let specs = partitions
            .into_iter()
            .map(|(parts, location)| {
                let values = full_values(&table, &parts)?;
                check_types(&table, &values)?;
                Ok(partition_spec(&table, values, location))
            })
            .collect::<Result<Vec<_>, SqlError>>()?;
        let (catalog, scope) = (self.engine.catalog(), &self.session.scope);
        for specs in specs.chunks(PARTITIONS_PER_WRITE) {
            if if_not_exists {
                catalog
                    .create_partitions_if_absent(scope, &table.database, &table.spec.name, specs.to_vec())
                    .await?;
            } else {
                let outcomes = catalog
                    .create_partitions(scope, &table.database, &table.spec.name, specs.to_vec())
                    .await?;
                outcomes.into_iter().collect::<Result<(), _>>()?;
            }
        }
        Ok(TextResult::nothing())
    }

    async fn drop_partitions(
        &self,
        name: &TableName,
        if_exists: bool,
        partitions: Vec<Vec<PartitionPart>>,
    ) -> Result<TextResult, SqlError> {
        let table = self.table(name)?;
        let (catalog, scope) = (self.engine.catalog(), &self.session.scope);
        let mut dropped: Vec<PartitionValues> = Vec::new();
        for parts in partitions {
            // A part of the keys stands for every partition that agrees with it.
            let matchers = parts
                .iter()
                .map(|part| PartMatcher::new(&table, part))
                .collect::<Result<Vec<_>, _>>()?;
            let keep = |partition: &Partition| matchers.iter().all(|matcher| matcher.matches(&partition.spec.values));
            let found = catalog.partitions(scope, &table.database, &table.spec.name, None, usize::MAX, keep)?;
            if found.is_empty() && !if_exists {
                let parts: Vec<_> = parts.iter().map(|(key, value)| format!("{key}='{value}'")).collect();
                return Err(SqlError::user(format!(
                    "FAILED: SemanticException [Error 10006]: Partition not found ({})",
                    parts.join(", ")
                )));
            }
            dropped.extend(found.into_iter().map(|partition| partition.spec.values));
        }
        catalog
            .delete_partitions(scope, &table.database, &table.spec.name, dropped)
            .await?;
        Ok(TextResult::nothing())
    }

    /// Changes the table, starting over where somebody else was faster.
    async fn update(
        &self,
        name: &TableName,
        change: impl Fn(&mut TableSpec) -> Result<(), SqlError>,
    ) -> Result<TextResult, SqlError> {
        for _ in 0..ATTEMPTS_MAX {
            let table = self.table(name)?;
            let mut spec = table.spec;
            change(&mut spec)?;
            let update = TableUpdate {
                expected_version: Some(table.version),
                skip_archive: false,
            };
            match self
                .engine
                .catalog()
                .update_table(&self.session.scope, &table.database, spec, update)
                .await
            {
                Err(CatalogError::VersionMismatch { .. }) => {}
                outcome => return outcome.map(|_| TextResult::nothing()).map_err(SqlError::from),
            }
        }
        Err(SqlError::user(
            "FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. The table is changed too often.",
        ))
    }
}

fn table_spec(create: CreateTable) -> Result<TableSpec, SqlError> {
    let Some(location) = create.location else {
        return Err(SqlError::user(
            "FAILED: SemanticException table is not partitioned but partition spec exists or LOCATION is missing: \
             an external table needs a LOCATION",
        ));
    };
    if !location.starts_with("s3://") && !location.starts_with("s3a://") && !location.starts_with("s3n://") {
        return Err(SqlError::user(format!(
            "FAILED: SemanticException the LOCATION {location} is not an s3:// path"
        )));
    }
    refuse_duplicates(create.columns.iter().chain(&create.partitioned_by))?;
    let format = create.stored_as.as_deref().unwrap_or("TEXTFILE");
    let [input, output, serde] = storage::named(format).ok_or_else(|| {
        SqlError::user(format!(
            "FAILED: SemanticException Unrecognized file format in STORED AS clause: {format}"
        ))
    })?;
    let mut serde_parameters = create.serde_parameters;
    serde_parameters
        .entry("serialization.format".to_owned())
        .or_insert_with(|| "1".to_owned());
    let (bucket_columns, number_of_buckets) = match create.clustered_by {
        Some((columns, buckets)) => (Some(columns), buckets),
        None => (None, -1),
    };
    let mut parameters: Parameters = create.properties;
    parameters.insert("EXTERNAL".to_owned(), "TRUE".to_owned());
    Ok(TableSpec {
        name: create.table,
        description: create.comment,
        owner: Some("hadoop".to_owned()),
        storage_descriptor: Some(StorageDescriptor {
            columns: create.columns,
            location: Some(location),
            input_format: Some(create.input_format.unwrap_or_else(|| input.to_owned())),
            output_format: Some(create.output_format.unwrap_or_else(|| output.to_owned())),
            compressed: Some(false),
            number_of_buckets: Some(number_of_buckets),
            serde: Some(Serde {
                name: None,
                serialization_library: Some(create.serde.unwrap_or_else(|| serde.to_owned())),
                parameters: Some(serde_parameters),
            }),
            bucket_columns,
            ..StorageDescriptor::default()
        }),
        partition_keys: create.partitioned_by,
        table_type: Some("EXTERNAL_TABLE".to_owned()),
        parameters: Some(parameters),
        ..TableSpec::default()
    })
}

fn refuse_duplicates<'c>(columns: impl Iterator<Item = &'c Column>) -> Result<(), SqlError> {
    let mut seen = HashSet::new();
    for column in columns {
        if !seen.insert(column.name.to_lowercase()) {
            return Err(SqlError::user(format!(
                "FAILED: SemanticException [Error 10036]: Duplicate column name: {}",
                column.name
            )));
        }
    }
    Ok(())
}

fn check_types(table: &Table, values: &PartitionValues) -> Result<(), SqlError> {
    for (value, key) in values.0.iter().zip(&table.spec.partition_keys) {
        if !check_value(value, key)? {
            let key_type = key.type_name.as_deref().unwrap_or("string");
            return Err(SqlError::user(format!(
                "FAILED: SemanticException [Error 10248]: Cannot add partition column {} of type string as it cannot \
                 be converted to type {key_type}",
                key.name
            )));
        }
    }
    Ok(())
}

/// Which partitions one `key='value'` stands for.
struct PartMatcher {
    place: usize,
    value: String,
    /// By the key's type, where the value is of it: `'01'` is 1.
    typed: Option<PartitionFilter>,
}

impl PartMatcher {
    fn new(table: &Table, (key, value): &PartitionPart) -> Result<Self, SqlError> {
        let keys = &table.spec.partition_keys;
        let place = keys.iter().position(|own| own.name.eq_ignore_ascii_case(key));
        let place = place.ok_or_else(|| {
            SqlError::user(format!(
                "FAILED: SemanticException [Error 10098]: {key} is no partition key of the table"
            ))
        })?;
        let condition = format!("\"{key}\" = '{}'", value.replace('\'', "''"));
        Ok(Self {
            place,
            value: value.clone(),
            typed: PartitionFilter::parse(&condition, keys).ok(),
        })
    }

    /// The same text first, so that a partition whose value is not of its key's type can be dropped too.
    fn matches(&self, values: &PartitionValues) -> bool {
        values.0.get(self.place) == Some(&self.value) || self.typed.as_ref().is_some_and(|typed| typed.matches(values))
    }
}

/// The values of all the table's keys, in their order.
fn full_values(table: &Table, parts: &[PartitionPart]) -> Result<PartitionValues, SqlError> {
    let keys = &table.spec.partition_keys;
    let value = |key: &str| {
        parts
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.clone())
    };
    let values: Option<Vec<String>> = keys.iter().map(|key| value(&key.name)).collect();
    match values {
        Some(values) if values.len() == parts.len() && !values.is_empty() => Ok(PartitionValues(values)),
        _ => {
            let keys: Vec<_> = keys.iter().map(|key| key.name.as_str()).collect();
            Err(SqlError::user(format!(
                "FAILED: SemanticException [Error 10098]: the partition must give each of the keys ({}) once",
                keys.join(", ")
            )))
        }
    }
}

/// A partition that is read as its table is, at `location` or where Hive puts it.
pub(super) fn partition_spec(table: &Table, values: PartitionValues, location: Option<String>) -> PartitionSpec {
    let mut storage = table.spec.storage_descriptor.clone().unwrap_or_default();
    storage.location = location.or_else(|| {
        let table_location = storage.location.as_deref()?;
        Some(format!(
            "{}/{}",
            table_location.trim_end_matches('/'),
            values.path(&table.spec.partition_keys)
        ))
    });
    PartitionSpec {
        values,
        storage_descriptor: Some(storage),
        ..PartitionSpec::default()
    }
}

/// Hive's patterns: `*` is any text and `|` separates alternatives.
fn pattern_matcher(pattern: Option<&str>) -> Result<impl Fn(&str) -> bool, SqlError> {
    let regex = match pattern {
        Some(pattern) => {
            let alternatives: Vec<_> = pattern
                .split('|')
                .map(|text| regex::escape(text).replace("\\*", ".*").replace('%', ".*"))
                .collect();
            let regex = Regex::new(&format!("(?i)^(?:{})$", alternatives.join("|")));
            Some(regex.map_err(|e| SqlError::user(e.to_string()))?)
        }
        None => None,
    };
    Ok(move |name: &str| regex.as_ref().is_none_or(|regex| regex.is_match(name)))
}
