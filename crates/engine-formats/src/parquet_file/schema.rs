//! The schemas of files.

use std::sync::Arc;

use arrow::datatypes::Schema;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};

/// Columns that hold what the Arrow schema says.
pub(super) fn of_arrow(schema: &Schema) -> Result<SchemaDescriptor, ParquetError> {
    let mut root = ArrowSchemaConverter::new().convert(schema)?.root_schema_ptr();
    with_narrow_digits(&mut root);
    Ok(SchemaDescriptor::new(root))
}

/// Makes decimals of a single digit numbers of 32 bits, as those of two to nine digits are. The library makes them
/// numbers of 64 bits, which the format allows but which Spark 4.0 cannot read where they have a dictionary.
fn with_narrow_digits(node: &mut TypePtr) {
    match Arc::make_mut(node) {
        Type::PrimitiveType {
            physical_type,
            precision: 1,
            ..
        } => *physical_type = PhysicalType::INT32,
        Type::PrimitiveType { .. } => {}
        Type::GroupType { fields, .. } => fields.iter_mut().for_each(with_narrow_digits),
    }
}
