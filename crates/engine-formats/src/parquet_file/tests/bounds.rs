//! Bounds in cases that are easily got wrong.

use arrow::array::{
    Array, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, new_null_array,
};
use arrow::compute::concat;
use parquet::basic::BoundaryOrder;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::statistics::Statistics;

use super::*;

/// Of a file of one column whose pages are no larger than must be.
fn metadata(column: ArrayRef) -> ParquetMetaData {
    let schema = Schema::new(vec![Field::new("c", column.data_type().clone(), true)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![column]).expect("a batch");
    let options = ParquetOptions {
        page_bytes: 1,
        ..ParquetOptions::default()
    };
    let reader =
        ParquetMetaDataReader::new().with_page_index_policy(parquet::file::metadata::PageIndexPolicy::Optional);
    reader.parse_and_finish(&file(&options, &[batch])).expect("metadata")
}

fn is_indexed(metadata: &ParquetMetaData) -> bool {
    metadata.row_group(0).column(0).column_index_offset().is_some()
}

/// Readers search ordered pages by halves, and miss rows where the order is wrong.
#[test]
fn pages_of_nulls_do_not_hide_that_bounds_fall() {
    let decimals = |values| {
        let array = Decimal128Array::from_iter_values(values);
        Arc::new(array.with_precision_and_scale(30, 2).expect("decimals")) as ArrayRef
    };
    let lesser_and_greater: [(ArrayRef, ArrayRef); 7] = [
        (
            Arc::new(StringArray::from(vec!["b"])),
            Arc::new(StringArray::from(vec!["n"])),
        ),
        (
            Arc::new(BinaryArray::from(vec![&b"\x7F"[..]])),
            Arc::new(BinaryArray::from(vec![&b"\x80"[..]])),
        ),
        (
            Arc::new(Int64Array::from(vec![-3])),
            Arc::new(Int64Array::from(vec![2])),
        ),
        (
            Arc::new(Date32Array::from(vec![-3])),
            Arc::new(Date32Array::from(vec![2])),
        ),
        (
            Arc::new(Float64Array::from(vec![-1e300])),
            Arc::new(Float64Array::from(vec![f64::INFINITY])),
        ),
        (
            Arc::new(BooleanArray::from(vec![false])),
            Arc::new(BooleanArray::from(vec![true])),
        ),
        (decimals([-5]), decimals([5])),
    ];
    for (lesser, greater) in lesser_and_greater {
        // Their levels take a byte.
        let none = new_null_array(lesser.data_type(), 8);
        let order = |pages: &[&ArrayRef]| {
            let pages: Vec<&dyn Array> = pages.iter().map(|page| page.as_ref()).collect();
            let metadata = metadata(concat(&pages).expect("one array"));
            let index = metadata.column_index().expect("an index")[0][0].clone();
            assert_eq!(index.num_pages() as usize, pages.len());
            index.get_boundary_order().expect("an order")
        };
        assert_eq!(order(&[&lesser, &greater]), BoundaryOrder::ASCENDING);
        assert_eq!(
            order(&[&none, &lesser, &none, &none, &greater, &none]),
            BoundaryOrder::ASCENDING
        );
        assert_eq!(order(&[&greater, &lesser]), BoundaryOrder::UNORDERED);
        assert_eq!(order(&[&greater, &none, &lesser]), BoundaryOrder::UNORDERED);
        assert_eq!(
            order(&[&none, &greater, &none, &none, &lesser]),
            BoundaryOrder::UNORDERED
        );
    }
}

/// DuckDB, Spark and DataFusion hold not-a-numbers for greater than every number: an upper bound that leaves them out
/// would hide them from a search for what is greater than it.
#[test]
fn numbers_beside_some_that_are_none_have_no_bounds() {
    let nan = f64::NAN;
    for (values, bounds) in [
        (&[-0.0, 3.5, 0.0][..], Some((-0.0_f64, 3.5_f64))),
        (&[0.0, -7.0], Some((-7.0, 0.0))),
        (&[-0.0], Some((-0.0, 0.0))),
        (
            &[f64::NEG_INFINITY, f64::INFINITY],
            Some((f64::NEG_INFINITY, f64::INFINITY)),
        ),
        (&[nan, 1.0], None),
        (&[1.0, nan], None),
        (&[1.0, -nan, 2.0], None),
        (&[nan], None),
    ] {
        let doubles = metadata(Arc::new(Float64Array::from(values.to_vec())));
        let Some(Statistics::Double(statistics)) = doubles.row_group(0).column(0).statistics() else {
            panic!("no statistics of doubles");
        };
        let found = statistics.min_opt().copied().zip(statistics.max_opt().copied());
        let bits = |bounds: Option<(f64, f64)>| bounds.map(|(least, most)| (least.to_bits(), most.to_bits()));
        assert_eq!(bits(found), bits(bounds), "{values:?}");
        assert_eq!(is_indexed(&doubles), bounds.is_some(), "{values:?}");

        let floats = metadata(Arc::new(Float32Array::from_iter_values(
            values.iter().map(|value| *value as f32),
        )));
        let Some(Statistics::Float(statistics)) = floats.row_group(0).column(0).statistics() else {
            panic!("no statistics of floats");
        };
        let found = statistics.min_opt().zip(statistics.max_opt());
        let found = found.map(|(least, most)| (f64::from(*least), f64::from(*most)));
        assert_eq!(bits(found), bits(bounds), "{values:?}");
        assert_eq!(is_indexed(&floats), bounds.is_some(), "{values:?}");
    }
}

/// A missing upper bound is an empty one to some readers.
#[test]
fn no_lower_bound_stands_alone() {
    for (column, bounded) in [
        (Arc::new(BinaryArray::from(vec![&[0xFF; 64][..]])) as ArrayRef, true),
        (Arc::new(BinaryArray::from(vec![&[0xFF; 65][..], b"a"])), false),
        (Arc::new(StringArray::from(vec!["\u{10FFFF}".repeat(16)])), true),
        (
            Arc::new(StringArray::from(vec!["a".to_owned(), "\u{10FFFF}".repeat(17)])),
            false,
        ),
    ] {
        let metadata = metadata(column);
        let statistics = metadata.row_group(0).column(0).statistics().expect("statistics");
        assert_eq!(statistics.null_count_opt(), Some(0));
        assert_eq!(statistics.min_bytes_opt().is_some(), bounded);
        assert_eq!(statistics.max_bytes_opt().is_some(), bounded);
        assert_eq!(is_indexed(&metadata), bounded);
    }
}
