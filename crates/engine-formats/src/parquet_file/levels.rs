//! Definition and repetition levels: of each slot of a leaf column, how much of its path is there, and which list on
//! the path it goes on with.
//!
//! Source: Apache Parquet format, "Nested Encoding".

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field};

use crate::FormatError;

/// The slots of a column, or of what is above it on its path, for some rows of a batch.
#[derive(Clone, Copy)]
pub(super) struct Slots<'s> {
    /// How many rows of the file they are.
    pub(super) file_rows: usize,
    pub(super) count: usize,
    /// Of each slot, its repetition level; nothing where there is no list on the path.
    pub(super) repetition: Option<&'s [u8]>,
    pub(super) definition: Definition<'s>,
    /// The definition level of slots that have a value here.
    pub(super) level: u8,
    /// How many lists are on the path.
    lists: u8,
    /// The rows of the Arrow array that the values are in, in their order.
    pub(super) rows: Rows<'s>,
}

#[derive(Clone, Copy)]
pub(super) enum Definition<'s> {
    /// Every slot has a value.
    All,
    /// Of each slot, its definition level.
    Each(&'s [u8]),
}

#[derive(Clone, Copy)]
pub(super) enum Rows<'s> {
    Range(usize, usize),
    Each(&'s [u32]),
}

impl<'s> Slots<'s> {
    /// Rows of a batch.
    pub(super) fn of_rows(rows: Range<usize>) -> Self {
        Self {
            file_rows: rows.len(),
            count: rows.len(),
            repetition: None,
            definition: Definition::All,
            level: 0,
            lists: 0,
            rows: Rows::Range(rows.start, rows.end),
        }
    }
}

impl Rows<'_> {
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let (range, each) = match self {
            Self::Range(start, end) => (*start..*end, &[][..]),
            Self::Each(rows) => (0..0, *rows),
        };
        range.chain(each.iter().map(|row| *row as usize))
    }
}

/// Goes down to the leaves of a column and hands each of them on with its slots, in Parquet's order.
pub(super) fn visit_leaves(
    array: &ArrayRef,
    field: &Field,
    slots: Slots<'_>,
    visit: &mut dyn FnMut(&ArrayRef, Slots<'_>) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    let (mut levels, mut rows) = (Vec::new(), Vec::new());
    let slots = if field.is_nullable() {
        with_nulls(slots, array.nulls(), &mut levels, &mut rows)
    } else {
        slots
    };
    match (field.data_type(), array.data_type()) {
        (DataType::Struct(fields), DataType::Struct(found)) if fields.len() == found.len() => {
            for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                visit_leaves(column, field, slots, visit)?;
            }
            Ok(())
        }
        (DataType::List(item), DataType::List(_)) => {
            let list = array.as_list::<i32>();
            let mut items = Items::default();
            visit_leaves(list.values(), item, items.of(list.offsets(), slots), visit)
        }
        (DataType::Map(entries, _), DataType::Map(..)) => {
            let map = array.as_map();
            let mut items = Items::default();
            let slots = items.of(map.offsets(), slots);
            let DataType::Struct(pair) = entries.data_type() else {
                return Err(FormatError::Encode("a map without pairs".to_owned()));
            };
            for (field, column) in pair.iter().zip(map.entries().columns()) {
                visit_leaves(column, field, slots, visit)?;
            }
            Ok(())
        }
        (wanted, found) if wanted == found => visit(array, slots),
        (wanted, found) => Err(FormatError::Encode(format!("a column of {wanted} is one of {found}"))),
    }
}

/// The slots one level further down, without the values that are NULL.
fn with_nulls<'s>(
    slots: Slots<'s>,
    nulls: Option<&NullBuffer>,
    levels: &'s mut Vec<u8>,
    rows: &'s mut Vec<u32>,
) -> Slots<'s> {
    let level = slots.level + 1;
    let nulls = nulls.filter(|nulls| match slots.rows {
        Rows::Range(start, end) => nulls.slice(start, end - start).null_count() > 0,
        Rows::Each(_) => nulls.null_count() > 0,
    });
    match (nulls, slots.definition) {
        (None, Definition::All) => return Slots { level, ..slots },
        (None, Definition::Each(above)) => {
            levels.extend(above.iter().map(|above| above + u8::from(*above == slots.level)));
            return Slots {
                level,
                definition: Definition::Each(levels),
                ..slots
            };
        }
        (Some(nulls), Definition::All) => {
            rows.extend(
                slots
                    .rows
                    .iter()
                    .filter(|row| nulls.is_valid(*row))
                    .map(|row| row as u32),
            );
            levels.extend(slots.rows.iter().map(|row| slots.level + u8::from(nulls.is_valid(row))));
        }
        (Some(nulls), Definition::Each(above)) => {
            let mut each = slots.rows.iter();
            for above in above {
                let mut own = *above;
                if own == slots.level
                    && let Some(row) = each.next().filter(|row| nulls.is_valid(*row))
                {
                    rows.push(row as u32);
                    own = level;
                }
                levels.push(own);
            }
        }
    }
    Slots {
        level,
        definition: Definition::Each(levels),
        rows: Rows::Each(rows),
        ..slots
    }
}

/// Room for the slots of lists' items.
#[derive(Default)]
struct Items {
    repetition: Vec<u8>,
    definition: Vec<u8>,
    rows: Vec<u32>,
}

impl Items {
    /// A slot for each item, and one for each list that has none or is not there.
    fn of<'s>(&'s mut self, ends: &OffsetBuffer<i32>, slots: Slots<'s>) -> Slots<'s> {
        let Self {
            repetition,
            definition,
            rows,
        } = self;
        let (level, lists) = (slots.level + 1, slots.lists + 1);
        let mut lists_rows = slots.rows.iter();
        let mut contiguous = true;
        let (mut first, mut last) = (0, 0);
        for slot in 0..slots.count {
            let again = slots.repetition.map_or(0, |repetition| repetition[slot]);
            let above = match slots.definition {
                Definition::All => slots.level,
                Definition::Each(definition) => definition[slot],
            };
            repetition.push(again);
            let row = if above == slots.level { lists_rows.next() } else { None };
            let items = row.map_or(0..0, |row| ends[row] as usize..ends[row + 1] as usize);
            if items.is_empty() {
                definition.push(above);
                continue;
            }
            let count = items.len();
            repetition.resize(repetition.len() + count - 1, lists);
            definition.resize(definition.len() + count, level);
            if first == last {
                first = items.start;
            } else if items.start != last && contiguous {
                contiguous = false;
                rows.extend(first as u32..last as u32);
            }
            if !contiguous {
                rows.extend(items.start as u32..items.end as u32);
            }
            last = items.end;
        }
        Slots {
            file_rows: slots.file_rows,
            count: definition.len(),
            repetition: Some(repetition),
            definition: Definition::Each(definition),
            level,
            lists,
            rows: if contiguous {
                Rows::Range(first, last)
            } else {
                Rows::Each(rows)
            },
        }
    }
}
