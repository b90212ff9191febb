//! The statements of Hive that look at and change the catalog.

mod describe;
mod lexer;
mod parser;
mod repair;
mod run;
mod show_create;
mod storage;

use engine_catalog::{Column, Parameters};

pub(crate) use parser::parse;
pub(crate) use run::run;

/// A table's name; the database is the session's where it is not given.
#[derive(Debug, Clone, PartialEq)]
pub struct TableName {
    pub database: Option<String>,
    pub table: String,
}

/// Key and value of a partition key, such as `year='2013'`.
pub(crate) type PartitionPart = (String, String);

#[derive(Debug, Clone, PartialEq)]
pub enum Ddl {
    CreateDatabase {
        name: String,
        if_not_exists: bool,
        comment: Option<String>,
        location: Option<String>,
        properties: Parameters,
    },
    DropDatabase {
        name: String,
        if_exists: bool,
        cascade: bool,
    },
    CreateTable(Box<CreateTable>),
    DropTable {
        table: TableName,
        if_exists: bool,
    },
    AddPartitions {
        table: TableName,
        if_not_exists: bool,
        partitions: Vec<(Vec<PartitionPart>, Option<String>)>,
    },
    DropPartitions {
        table: TableName,
        if_exists: bool,
        partitions: Vec<Vec<PartitionPart>>,
    },
    AddColumns {
        table: TableName,
        columns: Vec<Column>,
    },
    SetLocation {
        table: TableName,
        location: String,
    },
    SetProperties {
        table: TableName,
        properties: Parameters,
    },
    Repair {
        table: TableName,
    },
    ShowDatabases {
        pattern: Option<String>,
    },
    ShowTables {
        database: Option<String>,
        pattern: Option<String>,
    },
    ShowPartitions {
        table: TableName,
    },
    ShowColumns {
        table: TableName,
    },
    ShowProperties {
        table: TableName,
        key: Option<String>,
    },
    ShowCreateTable {
        table: TableName,
    },
    Describe {
        table: TableName,
        formatted: bool,
    },
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct CreateTable {
    pub database: Option<String>,
    pub table: String,
    pub if_not_exists: bool,
    pub columns: Vec<Column>,
    pub comment: Option<String>,
    pub partitioned_by: Vec<Column>,
    pub clustered_by: Option<(Vec<String>, i64)>,
    /// The row format's class and parameters.
    pub serde: Option<String>,
    pub serde_parameters: Parameters,
    /// `STORED AS PARQUET`.
    pub stored_as: Option<String>,
    pub input_format: Option<String>,
    pub output_format: Option<String>,
    pub location: Option<String>,
    pub properties: Parameters,
}

impl Ddl {
    /// `DDL` changes the catalog and `UTILITY` only looks at it.
    pub fn statement_type(&self) -> &'static str {
        match self {
            Self::ShowDatabases { .. }
            | Self::ShowTables { .. }
            | Self::ShowPartitions { .. }
            | Self::ShowColumns { .. }
            | Self::ShowProperties { .. }
            | Self::ShowCreateTable { .. }
            | Self::Describe { .. } => "UTILITY",
            _ => "DDL",
        }
    }

    /// The statement's kind as the service reports it.
    pub fn substatement_type(&self) -> &'static str {
        match self {
            Self::CreateDatabase { .. } => "CREATE_DATABASE",
            Self::DropDatabase { .. } => "DROP_DATABASE",
            Self::CreateTable(_) => "CREATE_TABLE",
            Self::DropTable { .. } => "DROP_TABLE",
            Self::AddPartitions { .. } => "ALTER_TABLE_ADD_PARTITION",
            Self::DropPartitions { .. } => "ALTER_TABLE_DROP_PARTITION",
            Self::AddColumns { .. } => "ALTER_TABLE_ADD_COLUMNS",
            Self::SetLocation { .. } => "ALTER_TABLE_SET_LOCATION",
            Self::SetProperties { .. } => "ALTER_TABLE_SET_TBLPROPERTIES",
            Self::Repair { .. } => "MSCK_REPAIR_TABLE",
            Self::ShowDatabases { .. } => "SHOW_DATABASES",
            Self::ShowTables { .. } => "SHOW_TABLES",
            Self::ShowPartitions { .. } => "SHOW_PARTITIONS",
            Self::ShowColumns { .. } => "SHOW_COLUMNS",
            Self::ShowProperties { .. } => "SHOW_TBLPROPERTIES",
            Self::ShowCreateTable { .. } => "SHOW_CREATE_TABLE",
            Self::Describe { .. } => "DESCRIBE_TABLE",
        }
    }
}
