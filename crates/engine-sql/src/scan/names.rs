//! Parquet files whose columns are not in lower case, as the catalog's are.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, StructArray};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, internal_err};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};
use datafusion::physical_plan::{ColumnarValue, PhysicalExpr};

/// Finds a file's columns, and the fields within them, whatever the case of their names.
#[derive(Debug)]
pub(super) struct AnyCase;

impl PhysicalExprAdapterFactory for AnyCase {
    fn create(&self, table: SchemaRef, file: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let fields = lower_fields(file.fields());
        if fields == *file.fields() {
            return DefaultPhysicalExprAdapterFactory.create(table, file);
        }
        let lowered = Arc::new(Schema::new_with_metadata(fields, file.metadata().clone()));
        Ok(Arc::new(AnyCaseAdapter {
            inner: DefaultPhysicalExprAdapterFactory.create(table, lowered)?,
            file,
        }))
    }
}

#[derive(Debug)]
struct AnyCaseAdapter {
    inner: Arc<dyn PhysicalExprAdapter>,
    file: SchemaRef,
}

impl PhysicalExprAdapter for AnyCaseAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let rewritten = self.inner.rewrite(expr)?;
        // The reader knows the columns by the file's own names.
        let own_names = rewritten.transform_up(|expr| {
            let Some(column) = expr.downcast_ref::<Column>() else {
                return Ok(Transformed::no(expr));
            };
            let Some(field) = self.file.fields().get(column.index()) else {
                return internal_err!("the column {column} is not in the file");
            };
            let own: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), column.index()));
            Ok(Transformed::yes(
                if lower_type(field.data_type()) == *field.data_type() {
                    own
                } else {
                    Arc::new(LowerNames(own))
                },
            ))
        });
        own_names.data()
    }
}

/// A column with the names of the fields within it in lower case.
#[derive(Debug, Eq)]
struct LowerNames(Arc<dyn PhysicalExpr>);

// Derived, the comparison would move the expression.
impl PartialEq for LowerNames {
    fn eq(&self, other: &Self) -> bool {
        *self.0 == *other.0
    }
}

impl Hash for LowerNames {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for LowerNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lower_names({})", self.0)
    }
}

impl PhysicalExpr for LowerNames {
    fn return_field(&self, schema: &Schema) -> Result<FieldRef> {
        let field = self.0.return_field(schema)?;
        let data_type = lower_type(field.data_type());
        Ok(Arc::new(field.as_ref().clone().with_data_type(data_type)))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let array = self.0.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(ColumnarValue::Array(lower_array(&array)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.0]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        match children.pop() {
            Some(child) => Ok(Arc::new(Self(child))),
            None => internal_err!("lower_names has one argument"),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lower_names(")?;
        self.0.fmt_sql(f)?;
        write!(f, ")")
    }
}

/// A name that stands in lower case beside keeps the other from being folded onto it.
fn lower_fields(fields: &Fields) -> Fields {
    let mut taken: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
    let lower = |field: &FieldRef| {
        let name = field.name().to_lowercase();
        let name = if taken.contains(&name) {
            field.name().clone()
        } else {
            name
        };
        taken.push(name.clone());
        lower_field(field, name)
    };
    fields.iter().map(lower).collect()
}

fn lower_field(field: &FieldRef, name: String) -> FieldRef {
    let data_type = lower_type(field.data_type());
    Arc::new(Field::clone(field).with_name(name).with_data_type(data_type))
}

fn lower_type(data_type: &DataType) -> DataType {
    let within = |field: &FieldRef| lower_field(field, field.name().clone());
    match data_type {
        DataType::Struct(fields) => DataType::Struct(lower_fields(fields)),
        DataType::List(item) => DataType::List(within(item)),
        DataType::Map(entries, sorted) => DataType::Map(within(entries), *sorted),
        other => other.clone(),
    }
}

fn lower_array(array: &ArrayRef) -> ArrayRef {
    match lower_type(array.data_type()) {
        same if same == *array.data_type() => array.clone(),
        DataType::Struct(fields) => lower_struct(array.as_struct(), fields),
        DataType::List(item) => {
            let list: &ListArray = array.as_list();
            let values = lower_array(list.values());
            Arc::new(ListArray::new(
                item,
                list.offsets().clone(),
                values,
                list.nulls().cloned(),
            ))
        }
        DataType::Map(entries, sorted) => {
            let map = array.as_map();
            let DataType::Struct(fields) = entries.data_type() else {
                return array.clone();
            };
            let pairs = lower_struct(map.entries(), fields.clone());
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            Arc::new(MapArray::new(
                entries,
                offsets,
                StructArray::clone(pairs.as_struct()),
                nulls,
                sorted,
            ))
        }
        _ => array.clone(),
    }
}

fn lower_struct(rows: &StructArray, fields: Fields) -> ArrayRef {
    let columns = rows.columns().iter().map(lower_array).collect();
    Arc::new(StructArray::new(fields, columns, rows.nulls().cloned()))
}
