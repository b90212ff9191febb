//! Decimals of more digits than 64 bits hold: big-endian numbers of as many bytes as their precision takes.

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::Decimal128Type;
use parquet::basic::Encoding;
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::file::statistics::{Statistics, ValueStatistics};

use super::levels::Rows;
use super::values::{Bounds, Extent, Limits, PageValues, Values, ValuesSummary};
use crate::FormatError;

pub(super) struct WideDecimals {
    bytes: usize,
    page: Vec<u8>,
    extent: Extent<i128>,
}

impl WideDecimals {
    /// Of numbers of so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            bytes,
            page: Vec::new(),
            extent: Extent::default(),
        }
    }

    fn big_endian(&self, value: i128) -> Vec<u8> {
        let bytes = value.to_be_bytes();
        bytes[bytes.len().saturating_sub(self.bytes)..].to_vec()
    }
}

impl Values for WideDecimals {
    fn append(&mut self, array: &ArrayRef, rows: Rows<'_>) -> Result<(), FormatError> {
        let values = array.as_primitive::<Decimal128Type>().values();
        for row in rows.iter() {
            let value = values[row];
            let bytes = value.to_be_bytes();
            self.page
                .extend_from_slice(&bytes[bytes.len().saturating_sub(self.bytes)..]);
            self.extent.widen(Limits::Between(value, value));
        }
        Ok(())
    }

    fn page_bytes(&self) -> usize {
        self.page.len()
    }

    fn finish_page(&mut self, out: &mut Vec<u8>) -> PageValues {
        out.append(&mut self.page);
        let bounds = self.extent.take_page();
        PageValues {
            encoding: Encoding::PLAIN,
            bounds: bounds.map(|(least, most)| Bounds {
                least: self.big_endian(least),
                most: self.big_endian(most),
            }),
        }
    }

    fn take_summary(&mut self, nulls: u64) -> ValuesSummary {
        let (bounds, rises) = self.extent.take_all();
        let bound = |value: i128| FixedLenByteArray::from(ByteArray::from(self.big_endian(value)));
        let (least, most) = bounds.map(|(least, most)| (bound(least), bound(most))).unzip();
        ValuesSummary {
            statistics: Statistics::FixedLenByteArray(ValueStatistics::new(least, most, None, Some(nulls), false)),
            rises,
        }
    }
}
