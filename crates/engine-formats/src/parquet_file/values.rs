//! The values of a leaf column on their way into pages, whatever their type.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use parquet::basic::{Encoding, Type};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescriptor;

use super::bits::Bits;
use super::decimals::WideDecimals;
use super::fixed::Fixed;
use super::levels::Rows;
use super::texts::Texts;
use crate::FormatError;

pub(super) trait Values: Send {
    /// Appends the values in the rows, none of which is NULL.
    fn append(&mut self, array: &ArrayRef, rows: Rows<'_>) -> Result<(), FormatError>;

    /// About how many bytes the page's values take so far.
    fn page_bytes(&self) -> usize;

    /// Appends the page's values to its other parts.
    fn finish_page(&mut self, out: &mut Vec<u8>) -> PageValues;

    /// Whether values go into a dictionary that has so many bytes, or is not worth its making.
    fn dictionary_is_full(&self, bytes_max: usize) -> bool {
        _ = bytes_max;
        false
    }

    /// Sees to it that the values of the next pages of the row group do not go into the dictionary.
    fn close_dictionary(&mut self) {}

    /// How many bytes the row group's dictionary has so far.
    fn dictionary_bytes(&self) -> usize {
        0
    }

    /// The row group's dictionary, if there is one, as its page has it, and how many values it holds.
    fn take_dictionary(&mut self) -> Option<(Vec<u8>, usize)> {
        None
    }

    /// What is to be said of the row group's values, beside which there are so many NULLs.
    fn take_summary(&mut self, nulls: u64) -> ValuesSummary;
}

pub(super) struct ValuesSummary {
    pub(super) statistics: Statistics,
    /// Whether the bounds of pages only rise.
    pub(super) rises: bool,
}

pub(super) struct PageValues {
    pub(super) encoding: Encoding,
    /// Nothing where there are no values, or some that stand in no order.
    pub(super) bounds: Option<Bounds>,
}

/// The least value and the greatest, as indexes have them.
pub(super) struct Bounds {
    pub(super) least: Vec<u8>,
    pub(super) most: Vec<u8>,
}

/// The least and the greatest of some values.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) enum Limits<T> {
    /// Of no values at all.
    #[default]
    Empty,
    Between(T, T),
    /// Some of the values are not-a-numbers. To some readers these are greater than every number, and to others in no
    /// order, so no limits would do for both.
    Unordered,
}

impl<T: Copy + PartialOrd> Limits<T> {
    #[inline]
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unordered, _) | (_, Self::Unordered) => Self::Unordered,
            (Self::Empty, limits) | (limits, Self::Empty) => limits,
            (Self::Between(lesser, greater), Self::Between(least, most)) => Self::Between(
                if least < lesser { least } else { lesser },
                if most > greater { most } else { greater },
            ),
        }
    }

    fn told(self) -> Option<(T, T)> {
        match self {
            Self::Between(least, most) => Some((least, most)),
            Self::Empty | Self::Unordered => None,
        }
    }
}

/// The least and the greatest value of a page and of a row group, and whether those of pages only rise.
pub(super) struct Extent<T> {
    page: Limits<T>,
    all: Limits<T>,
    /// Of the last page that had any.
    last: Option<(T, T)>,
    falls: bool,
}

impl<T> Default for Extent<T> {
    fn default() -> Self {
        Self {
            page: Limits::Empty,
            all: Limits::Empty,
            last: None,
            falls: false,
        }
    }
}

impl<T: Copy + PartialOrd> Extent<T> {
    #[inline]
    pub(super) fn widen(&mut self, limits: Limits<T>) {
        self.page = self.page.and(limits);
    }

    /// Ends a page and returns its bounds.
    pub(super) fn take_page(&mut self) -> Option<(T, T)> {
        let page = std::mem::take(&mut self.page);
        self.all = self.all.and(page);
        let page = page.told()?;
        self.falls |= self.last.is_some_and(|(least, most)| page.0 < least || page.1 < most);
        self.last = Some(page);
        Some(page)
    }

    /// Ends a row group and returns its bounds, and whether those of its pages only rise.
    pub(super) fn take_all(&mut self) -> (Option<(T, T)>, bool) {
        let ended = std::mem::take(self);
        (ended.all.told(), !ended.falls)
    }
}

/// For a leaf column of this type.
pub(super) fn of_column(
    column: &ColumnDescriptor,
    data_type: &DataType,
    dictionary: bool,
) -> Result<Box<dyn Values>, FormatError> {
    Ok(match (column.physical_type(), data_type) {
        (Type::BOOLEAN, DataType::Boolean) => Box::new(Bits::default()),
        (Type::INT32, _) => Box::new(Fixed::<i32>::new(dictionary)),
        (Type::INT64, _) => Box::new(Fixed::<i64>::new(dictionary)),
        (Type::FLOAT, _) => Box::new(Fixed::<f32>::new(dictionary)),
        (Type::DOUBLE, _) => Box::new(Fixed::<f64>::new(dictionary)),
        (Type::FIXED_LEN_BYTE_ARRAY, DataType::Decimal128(..)) => {
            Box::new(WideDecimals::new(usize::try_from(column.type_length()).unwrap_or(0)))
        }
        (Type::BYTE_ARRAY, DataType::Utf8 | DataType::Utf8View) => Box::new(Texts::new(true, dictionary)),
        (Type::BYTE_ARRAY, DataType::Binary | DataType::BinaryView) => Box::new(Texts::new(false, dictionary)),
        _ => return Err(FormatError::Encode(format!("columns of {data_type} are not written"))),
    })
}
