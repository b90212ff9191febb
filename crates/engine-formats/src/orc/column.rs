//! A column of the file, and those within it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt64Array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{CastOptions, cast_with_options, filter, take};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::bloom::BloomFilter;
use super::present::PresentWriter;
use super::statistics::{Statistics, Values};
use super::stream::Stream;
use super::types::OrcType;
use super::values::ValueWriter;
use super::{ColumnStream, OrcOptions, StreamKind, StripeParts};
use crate::FormatError;
use crate::protobuf::Message;

#[derive(Debug)]
pub(super) struct ColumnWriter {
    /// Its place in the type tree, whose root is 0.
    number: u32,
    data_type: OrcType,
    present: PresentWriter,
    values: ValueWriter,
    children: Vec<ColumnWriter>,
    /// Of each row group of the stripe: where its values begin.
    positions: Vec<Vec<u64>>,
    /// Of each row group that is finished.
    groups: Vec<Statistics>,
    group: Statistics,
    stripe: Statistics,
    file: Statistics,
    bloom: Option<BloomFilter>,
}

impl ColumnWriter {
    /// The root of the tree.
    pub(super) fn new(data_type: &OrcType, options: &OrcOptions) -> Self {
        Self::within(data_type, Some(String::new()), options, &mut 0)
    }

    /// `path` is the column's name behind those of the structures around it, if it has nothing else around it.
    fn within(data_type: &OrcType, path: Option<String>, options: &OrcOptions, next: &mut u32) -> Self {
        let number = *next;
        *next += 1;
        let mut child = |data_type: &OrcType, path| Self::within(data_type, path, options, next);
        let children = match data_type {
            OrcType::List(item) => vec![child(item, None)],
            OrcType::Map(key, value) => vec![child(key, None), child(value, None)],
            OrcType::Struct(fields) => {
                let of_field = |(name, field): &(String, OrcType)| {
                    let path = path.as_deref().map(|path| match path {
                        "" => name.clone(),
                        path => format!("{path}.{name}"),
                    });
                    child(field, path)
                };
                fields.iter().map(of_field).collect()
            }
            _ => Vec::new(),
        };
        let statistics = Statistics::new(match data_type {
            OrcType::Boolean => Values::Boolean { trues: 0 },
            OrcType::Byte | OrcType::Short | OrcType::Int | OrcType::Long => Values::integer(),
            OrcType::Float | OrcType::Double => Values::double(),
            OrcType::String | OrcType::Varchar(_) | OrcType::Char(_) => Values::text(),
            OrcType::Binary => Values::Binary { sum: 0 },
            OrcType::Date => Values::Date { range: None },
            OrcType::Timestamp | OrcType::Instant => Values::Timestamp { range: None },
            OrcType::Decimal(_, scale) => Values::decimal(*scale),
            OrcType::List(_) | OrcType::Map(..) => Values::Collection { range: None, sum: 0 },
            OrcType::Struct(_) => Values::Struct,
        });
        let wanted = |path: String| {
            let mut names = options.bloom_filter_columns.iter();
            names.any(|name| name.eq_ignore_ascii_case(&path))
        };
        let filtered = !matches!(data_type, OrcType::Boolean) && children.is_empty() && path.is_some_and(wanted);
        Self {
            number,
            data_type: data_type.clone(),
            present: PresentWriter::new(options.compression),
            values: ValueWriter::new(data_type, options),
            children,
            positions: Vec::new(),
            groups: Vec::new(),
            group: statistics.clone(),
            stripe: statistics.clone(),
            file: statistics,
            bloom: filtered.then(|| BloomFilter::new(options.row_index_stride, options.bloom_filter_false_positives)),
        }
    }

    /// Values that belong to the row group that was started last.
    pub(super) fn write(&mut self, array: &ArrayRef) -> Result<(), FormatError> {
        let array = held(array, &self.data_type)?;
        self.add_presence(array.len(), array.nulls());
        match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                self.write_lists(list.offsets(), list.nulls(), &[list.values()])
            }
            DataType::Map(..) => {
                let map = array.as_map();
                self.write_lists(map.offsets(), map.nulls(), &[map.keys(), map.values()])
            }
            DataType::Struct(_) => self.write_fields(array.as_struct().columns(), array.nulls()),
            _ => {
                let Self {
                    values, group, bloom, ..
                } = self;
                values.write(&array, &mut group.values, bloom.as_mut());
                Ok(())
            }
        }
    }

    fn add_presence(&mut self, count: usize, nulls: Option<&NullBuffer>) {
        self.present.write(count, nulls);
        let absent = nulls.map_or(0, NullBuffer::null_count);
        self.group.count += (count - absent) as u64;
        self.group.has_null |= absent > 0;
    }

    /// The rows of the root, which are always there.
    pub(super) fn write_rows(&mut self, count: usize, columns: &[ArrayRef]) -> Result<(), FormatError> {
        self.add_presence(count, None);
        self.write_fields(columns, None)
    }

    /// Structures that are NULL have no fields in the file.
    fn write_fields(&mut self, columns: &[ArrayRef], nulls: Option<&NullBuffer>) -> Result<(), FormatError> {
        if columns.len() != self.children.len() {
            return Err(FormatError::Encode(format!(
                "{} columns are given for a structure of {}",
                columns.len(),
                self.children.len()
            )));
        }
        let there = nulls
            .filter(|nulls| nulls.null_count() > 0)
            .map(|nulls| BooleanArray::new(nulls.inner().clone(), None));
        for (child, column) in self.children.iter_mut().zip(columns) {
            match &there {
                None => child.write(column)?,
                Some(there) => child.write(&filter(column, there).map_err(encode)?)?,
            }
        }
        Ok(())
    }

    /// Lists, or maps with their keys and values. What Arrow keeps for one that is NULL does not go into the file.
    fn write_lists(
        &mut self,
        offsets: &OffsetBuffer<i32>,
        nulls: Option<&NullBuffer>,
        items: &[&ArrayRef],
    ) -> Result<(), FormatError> {
        let mut hidden = false;
        for (index, length) in offsets.lengths().enumerate() {
            if nulls.is_some_and(|nulls| nulls.is_null(index)) {
                hidden |= length > 0;
            } else {
                self.group.values.add_length(length as u64);
                if let ValueWriter::Lengths(lengths) = &mut self.values {
                    lengths.push(length as i64);
                }
            }
        }
        let (first, last) = (offsets[0] as usize, offsets[offsets.len() - 1] as usize);
        let kept = hidden.then(|| {
            let there = offsets
                .windows(2)
                .enumerate()
                .filter(|(index, _)| nulls.is_none_or(|nulls| nulls.is_valid(*index)));
            UInt64Array::from_iter_values(there.flat_map(|(_, ends)| ends[0] as u64..ends[1] as u64))
        });
        for (child, items) in self.children.iter_mut().zip(items) {
            match &kept {
                None => child.write(&items.slice(first, last - first))?,
                Some(kept) => child.write(&take(items, kept, None).map_err(encode)?)?,
            }
        }
        Ok(())
    }

    pub(super) fn start_group(&mut self) {
        self.present.start_group();
        self.positions.push(self.values.start_group());
        self.children.iter_mut().for_each(Self::start_group);
    }

    pub(super) fn end_group(&mut self) {
        let group = self.group.take();
        self.stripe.merge(&group);
        self.groups.push(group);
        if let Some(bloom) = &mut self.bloom {
            bloom.end_group();
        }
        self.values.end_group();
        self.children.iter_mut().for_each(Self::end_group);
    }

    /// Bytes of the stripe so far, some of them not yet compressed.
    pub(super) fn buffered_bytes(&self) -> usize {
        let children = self.children.iter().map(Self::buffered_bytes).sum::<usize>();
        self.present.buffered_bytes() + self.values.buffered_bytes() + children
    }

    /// The column's share of the stripe, and its children's. The last row group must have ended.
    pub(super) fn finish_stripe(&mut self, options: &OrcOptions, parts: &mut StripeParts) {
        let values = self.values.finish(options.version);
        let mut positions = std::mem::take(&mut self.positions);
        if let Some(later) = values.positions {
            positions = later;
        }
        let mut streams = values.streams;
        if let Some((bits, present)) = self.present.finish() {
            streams.insert(0, (StreamKind::Present, bits));
            positions = present
                .into_iter()
                .zip(positions)
                .map(|(mut all, rest)| {
                    all.extend(rest);
                    all
                })
                .collect();
        }
        let stream = |kind, bytes| ColumnStream {
            kind,
            column: self.number,
            bytes,
        };

        let mut index = Message::default();
        for (position, statistics) in positions.iter().zip(self.groups.drain(..)) {
            let mut entry = Message::default();
            entry.packed(1, position);
            entry.message(2, &statistics.message());
            index.message(1, &entry);
        }
        let compressed = |message: &Message| Stream::of(message.as_bytes(), options.compression);
        parts.index.push(stream(StreamKind::RowIndex, compressed(&index)));
        let mut encoding = values.encoding;
        if let Some(bloom) = &mut self.bloom {
            parts
                .index
                .push(stream(StreamKind::BloomFilterUtf8, compressed(&bloom.finish())));
            // The filters of timestamps are by UTC, as they are of this encoding's.
            encoding.uint(3, 1);
        }
        parts.encodings.push(encoding);

        let mut stripe = self.stripe.take();
        stripe.bytes_on_disk = streams.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        self.file.merge(&stripe);
        parts.statistics.push(stripe.message());
        parts
            .data
            .extend(streams.into_iter().map(|(kind, bytes)| stream(kind, bytes)));
        for child in &mut self.children {
            child.finish_stripe(options, parts);
        }
    }

    /// `ColumnStatistics` of the whole file, of this column and its children.
    pub(super) fn file_statistics(&self, out: &mut Vec<Message>) {
        out.push(self.file.message());
        self.children.iter().for_each(|child| child.file_statistics(out));
    }
}

/// The array as one that the column's values can be written from.
fn held(array: &ArrayRef, data_type: &OrcType) -> Result<ArrayRef, FormatError> {
    let wanted = match (data_type, array.data_type()) {
        (OrcType::String | OrcType::Varchar(_) | OrcType::Char(_), DataType::Utf8 | DataType::LargeUtf8)
        | (OrcType::Binary, DataType::Binary | DataType::LargeBinary)
        | (OrcType::Timestamp, DataType::Timestamp(_, None))
        | (OrcType::Instant, DataType::Timestamp(_, Some(_)))
        | (OrcType::List(_), DataType::List(_))
        | (OrcType::Map(..), DataType::Map(..))
        | (OrcType::Struct(_), DataType::Struct(_)) => None,
        (OrcType::List(_), DataType::LargeList(item) | DataType::FixedSizeList(item, _)) => {
            Some(DataType::List(Arc::clone(item)))
        }
        (_, DataType::Dictionary(_, values)) => Some(DataType::clone(values)),
        (_, given) => match data_type.held() {
            Some(wanted) => (wanted != *given).then_some(wanted),
            None => {
                return Err(FormatError::Encode(format!(
                    "{data_type:?} cannot be written from {given}"
                )));
            }
        },
    };
    let Some(wanted) = wanted else {
        return Ok(Arc::clone(array));
    };
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let array = cast_with_options(array, &wanted, &strict).map_err(encode)?;
    match array.data_type() == &wanted {
        // A dictionary's values may want a second step.
        true if data_type.held().is_none_or(|simple| simple == wanted) => Ok(array),
        _ => held(&array, data_type),
    }
}

fn encode(error: ArrowError) -> FormatError {
    FormatError::Encode(error.to_string())
}
