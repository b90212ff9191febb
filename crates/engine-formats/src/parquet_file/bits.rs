//! Truth values.

use arrow::array::{ArrayRef, AsArray};
use parquet::basic::Encoding;
use parquet::file::statistics::{Statistics, ValueStatistics};

use super::levels::Rows;
use super::values::{Bounds, Extent, Limits, PageValues, Values, ValuesSummary};
use crate::FormatError;

#[derive(Default)]
pub(super) struct Bits {
    page: Vec<u8>,
    /// How many bits the page has.
    count: usize,
    extent: Extent<bool>,
}

impl Values for Bits {
    fn append(&mut self, array: &ArrayRef, rows: Rows<'_>) -> Result<(), FormatError> {
        let values = array.as_boolean().values();
        for row in rows.iter() {
            let value = values.value(row);
            if self.count.is_multiple_of(8) {
                self.page.push(0);
            }
            if let Some(last) = self.page.last_mut() {
                *last |= u8::from(value) << (self.count % 8);
            }
            self.count += 1;
            self.extent.widen(Limits::Between(value, value));
        }
        Ok(())
    }

    fn page_bytes(&self) -> usize {
        self.page.len()
    }

    fn finish_page(&mut self, out: &mut Vec<u8>) -> PageValues {
        out.append(&mut self.page);
        self.count = 0;
        PageValues {
            encoding: Encoding::PLAIN,
            bounds: self.extent.take_page().map(|(least, most)| Bounds {
                least: vec![least.into()],
                most: vec![most.into()],
            }),
        }
    }

    fn take_summary(&mut self, nulls: u64) -> ValuesSummary {
        let (bounds, rises) = self.extent.take_all();
        let (least, most) = bounds.unzip();
        let statistics = ValueStatistics::new(least, most, None, Some(nulls), false);
        ValuesSummary {
            statistics: Statistics::Boolean(statistics.with_backwards_compatible_min_max(true)),
            rises,
        }
    }
}
