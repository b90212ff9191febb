//! Lists, maps and structures on their way into Arrow arrays.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray, MapArray, NullBufferBuilder, StructArray};
use arrow::datatypes::{DataType, FieldRef, Fields};

use super::ColumnBuilder;
use super::buffers::Ends;
use crate::JsonOptions;
use crate::json::KeyTable;

pub struct ListBuilder {
    field: FieldRef,
    pub(crate) items: ColumnBuilder,
    pub(crate) ends: Ends,
}

impl ListBuilder {
    pub(super) fn new(field: &FieldRef, options: &JsonOptions) -> Self {
        Self {
            field: field.clone(),
            items: ColumnBuilder::for_json(field.data_type(), options),
            ends: Ends::new(),
        }
    }

    pub(super) fn data_type(&self) -> DataType {
        DataType::List(self.field.clone())
    }

    pub(super) fn push_null(&mut self) {
        self.ends.push_null();
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows);
        self.items.truncate(self.ends.last());
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        let (ends, valid) = self.ends.finish();
        Arc::new(ListArray::new(self.field.clone(), ends, self.items.finish(), valid))
    }
}

pub struct MapBuilder {
    field: FieldRef,
    pair: Fields,
    pub(crate) keys: ColumnBuilder,
    pub(crate) values: ColumnBuilder,
    pub(crate) ends: Ends,
}

impl MapBuilder {
    pub(super) fn new(field: &FieldRef, pair: &Fields, options: &JsonOptions) -> Self {
        Self {
            field: field.clone(),
            pair: pair.clone(),
            keys: ColumnBuilder::for_json(pair[0].data_type(), options),
            values: ColumnBuilder::for_json(pair[1].data_type(), options),
            ends: Ends::new(),
        }
    }

    pub(super) fn data_type(&self) -> DataType {
        DataType::Map(self.field.clone(), false)
    }

    pub(super) fn push_null(&mut self) {
        self.ends.push_null();
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows);
        self.keys.truncate(self.ends.last());
        self.values.truncate(self.ends.last());
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        let (ends, valid) = self.ends.finish();
        let columns = vec![self.keys.finish(), self.values.finish()];
        let entries = StructArray::new(self.pair.clone(), columns, None);
        Arc::new(MapArray::new(self.field.clone(), ends, entries, valid, false))
    }
}

pub struct StructBuilder {
    pub(crate) fields: Fields,
    pub(crate) columns: Vec<ColumnBuilder>,
    /// Which member a key names.
    pub(crate) keys: KeyTable,
    pub(crate) valid: NullBufferBuilder,
}

impl StructBuilder {
    /// A structure's members or, if they are not nested, a row's columns.
    pub(crate) fn new(fields: &Fields, options: &JsonOptions, nested: bool) -> Self {
        let column = |field: &FieldRef| ColumnBuilder::for_json(field.data_type(), options);
        Self {
            fields: fields.clone(),
            columns: fields.iter().map(column).collect(),
            keys: KeyTable::new(fields, options, nested),
            valid: NullBufferBuilder::new(0),
        }
    }

    pub(super) fn data_type(&self) -> DataType {
        DataType::Struct(self.fields.clone())
    }

    pub(super) fn push_null(&mut self) {
        self.columns.iter_mut().for_each(ColumnBuilder::append_null);
        self.valid.append_null();
    }

    pub(super) fn len(&self) -> usize {
        self.valid.len()
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.columns.iter_mut().for_each(|column| column.truncate(rows));
        self.valid.truncate(rows);
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        let rows = self.valid.len();
        let columns = self.columns.iter_mut().map(ColumnBuilder::finish).collect();
        let valid = self.valid.finish();
        if self.fields.is_empty() {
            return Arc::new(StructArray::new_empty_fields(rows, valid));
        }
        Arc::new(StructArray::new(self.fields.clone(), columns, valid))
    }
}
