//! DataFusion's errors in the service's words.

use arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

use crate::dialect::Places;
use crate::{ErrorKind, SqlError};

/// `places` tells where a table or column that is missing stands in the statement.
pub(crate) fn sql_error(error: &DataFusionError, places: &Places) -> SqlError {
    match error.find_root() {
        DataFusionError::External(external) => match external.downcast_ref::<SqlError>() {
            Some(own) => own.clone(),
            None => SqlError::internal(external.to_string()),
        },
        DataFusionError::SchemaError(schema, _) => schema_error(schema, places),
        DataFusionError::ResourcesExhausted(message) => SqlError::new(
            ErrorKind::ResourcesExhausted,
            format!("EXCEEDED_LOCAL_MEMORY_LIMIT: Query exhausted resources at this scale factor: {message}"),
        ),
        DataFusionError::NotImplemented(message) => SqlError::not_supported(message.clone()),
        DataFusionError::ArrowError(arrow, _) => arrow_error(arrow),
        DataFusionError::Plan(message) => plan_error(message),
        DataFusionError::Execution(message) => SqlError::user(message.clone()),
        DataFusionError::SQL(error, _) => SqlError::syntax(error.to_string()),
        DataFusionError::ParquetError(error) => {
            // A failing read of ours may be inside.
            SqlError::new(ErrorKind::BadData, format!("HIVE_CURSOR_ERROR: {error}"))
        }
        DataFusionError::ObjectStore(error) => {
            SqlError::new(ErrorKind::BadData, format!("HIVE_CANNOT_OPEN_SPLIT: {error}"))
        }
        other => SqlError::internal(other.strip_backtrace()),
    }
}

fn schema_error(error: &SchemaError, places: &Places) -> SqlError {
    match error {
        SchemaError::FieldNotFound { field, .. } => {
            let name = field.name();
            let shown = match &field.relation {
                Some(relation) => format!("{}.{name}", relation.table()),
                None => name.to_owned(),
            };
            let place = places.column(name);
            SqlError::new(
                ErrorKind::ColumnNotFound,
                format!(
                    "COLUMN_NOT_FOUND: {place}Column '{shown}' cannot be resolved or requester is not authorized to \
                     access requested resources"
                ),
            )
        }
        SchemaError::AmbiguousReference { field } => {
            let place = places.column(field.name());
            SqlError::user(format!("AMBIGUOUS_NAME: {place}Column '{}' is ambiguous", field.name()))
        }
        other => SqlError::user(format!("SYNTAX_ERROR: {other}")),
    }
}

fn arrow_error(error: &ArrowError) -> SqlError {
    match error {
        ArrowError::DivideByZero => SqlError::user("DIVISION_BY_ZERO: Division by zero"),
        ArrowError::CastError(message) => SqlError::user(format!("INVALID_CAST_ARGUMENT: {message}")),
        ArrowError::ArithmeticOverflow(message) => SqlError::user(format!("NUMERIC_VALUE_OUT_OF_RANGE: {message}")),
        ArrowError::ParseError(message) => SqlError::user(format!("INVALID_CAST_ARGUMENT: {message}")),
        ArrowError::ExternalError(external) => match external.downcast_ref::<SqlError>() {
            Some(own) => own.clone(),
            None => SqlError::internal(external.to_string()),
        },
        other => SqlError::user(format!("GENERIC_USER_ERROR: {other}")),
    }
}

/// The database and table that the planner looked for in vain.
pub(crate) fn missing_table(error: &DataFusionError) -> Option<(String, String)> {
    let DataFusionError::Plan(message) = error.find_root() else {
        return None;
    };
    let name = message.strip_prefix("table '")?.split("' not found").next()?;
    let mut parts = name.rsplitn(3, '.').map(str::to_owned);
    let (table, database) = (parts.next()?, parts.next()?);
    Some((database, table))
}

fn plan_error(message: &str) -> SqlError {
    let first_line = message.lines().next().unwrap_or(message);
    if let Some(name) = first_line
        .strip_prefix("Invalid function '")
        .and_then(|rest| rest.split('\'').next())
    {
        return SqlError::user(format!("FUNCTION_NOT_FOUND: Function '{name}' not registered"));
    }
    // What the planner lacks and what the user got wrong cannot be told apart here; the text says which.
    SqlError::user(format!("SYNTAX_ERROR: {first_line}"))
}
