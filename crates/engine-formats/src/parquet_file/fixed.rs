//! Values of a fixed size: numbers and what Parquet holds as numbers.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::datatypes::{
    ArrowNativeType, DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimeUnit, TimestampMicrosecondType, ToByteSlice,
};
use parquet::basic::Encoding;
use parquet::file::statistics::{Statistics, ValueStatistics};

use super::hybrid;
use super::interner::FixedDictionary;
use super::levels::Rows;
use super::values::{Bounds, Extent, Limits, PageValues, Values, ValuesSummary};
use crate::FormatError;

/// A physical type of Parquet's with a fixed size of at most 8 bytes.
pub(super) trait FixedValue: ArrowNativeType {
    /// What tells one value from another.
    fn bits(self) -> u64;
    /// The least and the greatest of the values, in Parquet's order.
    fn limits(values: &[Self]) -> Limits<Self>;
    /// As it stands in bounds.
    fn bound_bytes(self) -> Vec<u8>;
    fn statistics(bounds: Option<(Self, Self)>, nulls: u64) -> Statistics;
    /// The values in the rows, which need not be copied where they lie one behind the other.
    fn of_array<'a>(array: &'a ArrayRef, rows: Rows<'_>, room: &'a mut Vec<Self>) -> Result<&'a [Self], FormatError>;
}

pub(super) struct Fixed<T> {
    /// The page's values, where they are no references into the dictionary.
    plain: Vec<u8>,
    references: Vec<u32>,
    dictionary: Option<FixedDictionary<T>>,
    /// Whether row groups begin with a dictionary.
    with_dictionary: bool,
    closed: bool,
    extent: Extent<T>,
    room: Vec<T>,
}

impl<T: FixedValue> Fixed<T> {
    pub(super) fn new(with_dictionary: bool) -> Self {
        Self {
            plain: Vec::new(),
            references: Vec::new(),
            dictionary: None,
            with_dictionary,
            closed: false,
            extent: Extent::default(),
            room: Vec::new(),
        }
    }
}

impl<T: FixedValue> Values for Fixed<T> {
    fn append(&mut self, array: &ArrayRef, rows: Rows<'_>) -> Result<(), FormatError> {
        let mut room = std::mem::take(&mut self.room);
        let values = T::of_array(array, rows, &mut room)?;
        self.extent.widen(T::limits(values));
        if self.with_dictionary && !self.closed {
            let dictionary = self.dictionary.get_or_insert_with(FixedDictionary::new);
            self.references
                .extend(values.iter().map(|value| dictionary.number(*value)));
        } else {
            self.plain.extend_from_slice(values.to_byte_slice());
        }
        self.room = room;
        Ok(())
    }

    fn page_bytes(&self) -> usize {
        let dictionary = self
            .dictionary
            .as_ref()
            .map_or(0, |dictionary| dictionary.values().len());
        self.plain.len() + self.references.len() * hybrid::bit_width(dictionary as u32) as usize / 8
    }

    fn finish_page(&mut self, out: &mut Vec<u8>) -> PageValues {
        let bounds = self.extent.take_page().map(|(least, most)| Bounds {
            least: least.bound_bytes(),
            most: most.bound_bytes(),
        });
        let encoding = match &self.dictionary {
            Some(dictionary) if !self.closed => {
                let bit_width = hybrid::bit_width(dictionary.values().len().saturating_sub(1) as u32);
                out.push(bit_width as u8);
                hybrid::encode(&self.references, bit_width, out);
                self.references.clear();
                Encoding::RLE_DICTIONARY
            }
            _ => {
                out.append(&mut self.plain);
                Encoding::PLAIN
            }
        };
        PageValues { encoding, bounds }
    }

    fn dictionary_is_full(&self, bytes_max: usize) -> bool {
        let full = |dictionary: &FixedDictionary<T>| {
            dictionary.is_exhausted() || size_of_val(dictionary.values()) >= bytes_max
        };
        !self.closed && self.dictionary.as_ref().is_some_and(full)
    }

    fn close_dictionary(&mut self) {
        self.closed = true;
    }

    fn dictionary_bytes(&self) -> usize {
        let bytes = |dictionary: &FixedDictionary<T>| size_of_val(dictionary.values());
        self.dictionary.as_ref().map_or(0, bytes)
    }

    fn take_dictionary(&mut self) -> Option<(Vec<u8>, usize)> {
        self.closed = false;
        let dictionary = self.dictionary.take()?;
        Some((dictionary.values().to_byte_slice().to_vec(), dictionary.values().len()))
    }

    fn take_summary(&mut self, nulls: u64) -> ValuesSummary {
        let (bounds, rises) = self.extent.take_all();
        ValuesSummary {
            statistics: T::statistics(bounds, nulls),
            rises,
        }
    }
}

fn picked<'a, T: Copy>(values: &'a [T], rows: Rows<'_>, room: &'a mut Vec<T>) -> &'a [T] {
    match rows {
        Rows::Range(start, end) => &values[start..end],
        Rows::Each(rows) => {
            room.clear();
            room.extend(rows.iter().map(|row| values[*row as usize]));
            room
        }
    }
}

fn converted<'a, A: ArrowPrimitiveType, T>(
    array: &ArrayRef,
    rows: Rows<'_>,
    room: &'a mut Vec<T>,
    convert: impl Fn(A::Native) -> T,
) -> &'a [T] {
    let values = array.as_primitive::<A>().values();
    room.clear();
    room.extend(rows.iter().map(|row| convert(values[row])));
    room
}

fn unsuitable<T>(array: &ArrayRef) -> Result<T, FormatError> {
    Err(FormatError::Encode(format!(
        "columns of {} are not written",
        array.data_type()
    )))
}

fn ordered<T: Copy + Ord>(values: &[T]) -> Limits<T> {
    let Some((first, rest)) = values.split_first() else {
        return Limits::Empty;
    };
    let (mut least, mut most) = (*first, *first);
    for value in rest {
        least = least.min(*value);
        most = most.max(*value);
    }
    Limits::Between(least, most)
}

/// Zeros of either sign are equal, and the limits have the one that holds for both.
///
/// Source: Apache Parquet format, parquet.thrift, ColumnOrder.
macro_rules! ordered_floats {
    ($values:expr) => {{
        let Some(first) = $values.first() else {
            return Limits::Empty;
        };
        let (mut least, mut most, mut unordered) = (*first, *first, false);
        for value in $values {
            unordered |= value.is_nan();
            least = if *value < least { *value } else { least };
            most = if *value > most { *value } else { most };
        }
        if unordered {
            return Limits::Unordered;
        }
        let least = if least == 0.0 { -0.0 } else { least };
        let most = if most == 0.0 { 0.0 } else { most };
        Limits::Between(least, most)
    }};
}

macro_rules! statistics {
    ($variant:ident, $bounds:expr, $nulls:expr) => {{
        let (least, most) = $bounds.unzip();
        let statistics = ValueStatistics::new(least, most, None, Some($nulls), false);
        Statistics::$variant(statistics.with_backwards_compatible_min_max(true))
    }};
}

impl FixedValue for i32 {
    fn bits(self) -> u64 {
        u64::from(self as u32)
    }

    fn limits(values: &[Self]) -> Limits<Self> {
        ordered(values)
    }

    fn bound_bytes(self) -> Vec<u8> {
        self.to_le_bytes().to_vec()
    }

    fn statistics(bounds: Option<(Self, Self)>, nulls: u64) -> Statistics {
        statistics!(Int32, bounds, nulls)
    }

    fn of_array<'a>(array: &'a ArrayRef, rows: Rows<'_>, room: &'a mut Vec<Self>) -> Result<&'a [Self], FormatError> {
        Ok(match array.data_type() {
            DataType::Int32 => picked(array.as_primitive::<Int32Type>().values(), rows, room),
            DataType::Date32 => picked(array.as_primitive::<Date32Type>().values(), rows, room),
            DataType::Int8 => converted::<Int8Type, _>(array, rows, room, Self::from),
            DataType::Int16 => converted::<Int16Type, _>(array, rows, room, Self::from),
            // Of so few digits that they fit.
            DataType::Decimal128(..) => converted::<Decimal128Type, _>(array, rows, room, |value| value as Self),
            _ => return unsuitable(array),
        })
    }
}

impl FixedValue for i64 {
    fn bits(self) -> u64 {
        self as u64
    }

    fn limits(values: &[Self]) -> Limits<Self> {
        ordered(values)
    }

    fn bound_bytes(self) -> Vec<u8> {
        self.to_le_bytes().to_vec()
    }

    fn statistics(bounds: Option<(Self, Self)>, nulls: u64) -> Statistics {
        statistics!(Int64, bounds, nulls)
    }

    fn of_array<'a>(array: &'a ArrayRef, rows: Rows<'_>, room: &'a mut Vec<Self>) -> Result<&'a [Self], FormatError> {
        Ok(match array.data_type() {
            DataType::Int64 => picked(array.as_primitive::<Int64Type>().values(), rows, room),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                picked(array.as_primitive::<TimestampMicrosecondType>().values(), rows, room)
            }
            // Of so few digits that they fit.
            DataType::Decimal128(..) => converted::<Decimal128Type, _>(array, rows, room, |value| value as Self),
            _ => return unsuitable(array),
        })
    }
}

impl FixedValue for f32 {
    fn bits(self) -> u64 {
        u64::from(self.to_bits())
    }

    fn limits(values: &[Self]) -> Limits<Self> {
        ordered_floats!(values)
    }

    fn bound_bytes(self) -> Vec<u8> {
        self.to_le_bytes().to_vec()
    }

    fn statistics(bounds: Option<(Self, Self)>, nulls: u64) -> Statistics {
        statistics!(Float, bounds, nulls)
    }

    fn of_array<'a>(array: &'a ArrayRef, rows: Rows<'_>, room: &'a mut Vec<Self>) -> Result<&'a [Self], FormatError> {
        match array.data_type() {
            DataType::Float32 => Ok(picked(array.as_primitive::<Float32Type>().values(), rows, room)),
            _ => unsuitable(array),
        }
    }
}

impl FixedValue for f64 {
    fn bits(self) -> u64 {
        self.to_bits()
    }

    fn limits(values: &[Self]) -> Limits<Self> {
        ordered_floats!(values)
    }

    fn bound_bytes(self) -> Vec<u8> {
        self.to_le_bytes().to_vec()
    }

    fn statistics(bounds: Option<(Self, Self)>, nulls: u64) -> Statistics {
        statistics!(Double, bounds, nulls)
    }

    fn of_array<'a>(array: &'a ArrayRef, rows: Rows<'_>, room: &'a mut Vec<Self>) -> Result<&'a [Self], FormatError> {
        match array.data_type() {
            DataType::Float64 => Ok(picked(array.as_primitive::<Float64Type>().values(), rows, room)),
            _ => unsuitable(array),
        }
    }
}
