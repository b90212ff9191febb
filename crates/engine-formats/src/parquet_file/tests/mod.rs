//! What the files are like inside; whether others can read them is for the tests with DuckDB and PyArrow.

mod bounds;
mod limits;
mod properties;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Decimal128Array, Int64Array, ListArray, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Encoding, Type};
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::*;

const ROWS: i64 = 10_000;

/// Numbers from `from` on, a text that repeats, and one that does not.
fn batch(from: i64, rows: i64) -> RecordBatch {
    let numbers = || from..from + rows;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(numbers())),
        Arc::new(StringArray::from_iter_values(
            numbers().map(|n| format!("kind-{}", n % 7)),
        )),
        Arc::new(StringArray::from_iter_values(
            numbers().map(|n| format!("{:016x}", (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))),
        )),
    ];
    let field = |name: &str, data_type| Field::new(name, data_type, true);
    let schema = Schema::new(vec![
        field("n", DataType::Int64),
        field("kind", DataType::Utf8),
        field("id", DataType::Utf8),
    ]);
    RecordBatch::try_new(Arc::new(schema), columns).expect("a batch")
}

fn file(options: &ParquetOptions, batches: &[RecordBatch]) -> Bytes {
    let mut file = ParquetFile::new(batches[0].schema(), options.clone()).expect("a file");
    for batch in batches {
        file.write(batch).expect("writes");
    }
    file.finish().expect("finishes").into()
}

fn read(file: Bytes) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
    let reader = reader.build().expect("a reader");
    let batches: Vec<_> = reader.collect::<Result<_, _>>().expect("reads");
    concat_batches(&batches[0].schema(), &batches).expect("one batch")
}

#[test]
fn pieces_make_the_same_rows_as_one_batch() {
    for version in [WriterVersion::V1, WriterVersion::V2] {
        for compression in [
            ParquetCompression::Uncompressed,
            ParquetCompression::Gzip,
            ParquetCompression::Snappy,
        ] {
            let options = ParquetOptions {
                compression,
                version,
                ..ParquetOptions::default()
            };
            let pieces: Vec<_> = (0..10).map(|n| batch(n * ROWS / 10, ROWS / 10)).collect();
            let whole = batch(0, ROWS);
            assert_eq!(read(file(&options, &pieces)).columns(), whole.columns());
            assert_eq!(
                read(file(&options, std::slice::from_ref(&whole))).columns(),
                whole.columns()
            );
        }
    }
    let nothing = file(&ParquetOptions::default(), &[batch(0, 0)]);
    let reader = SerializedFileReader::new(nothing).expect("Parquet");
    assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
}

#[test]
fn dictionaries_are_made_where_they_pay() {
    let encodings = |options: &ParquetOptions| {
        let reader = SerializedFileReader::new(file(options, &[batch(0, ROWS)])).expect("Parquet");
        let group = reader.metadata().row_group(0).clone();
        let dictionary = |column: usize| {
            let mut encodings = group.column(column).encodings();
            encodings.any(|encoding| encoding == Encoding::RLE_DICTIONARY)
        };
        [dictionary(0), dictionary(1), dictionary(2)]
    };
    assert_eq!(encodings(&ParquetOptions::default()), [false, true, false]);
    let without = ParquetOptions {
        dictionary: false,
        ..ParquetOptions::default()
    };
    assert_eq!(encodings(&without), [false; 3]);
}

#[test]
fn row_groups_keep_to_their_blocks() {
    const BLOCK: usize = 100_000;
    let starts = |padding_bytes_max| {
        let options = ParquetOptions {
            compression: ParquetCompression::Uncompressed,
            block_bytes: BLOCK,
            page_bytes: 10_000,
            padding_bytes_max,
            ..ParquetOptions::default()
        };
        let pieces: Vec<_> = (0..20).map(|n| batch(n * ROWS, ROWS)).collect();
        let content = file(&options, &pieces);
        assert_eq!(read(content.clone()).num_rows() as i64, 20 * ROWS);
        let reader = SerializedFileReader::new(content).expect("Parquet");
        let groups = reader.metadata().row_groups().to_vec();
        let sizes: Vec<_> = groups.iter().map(|group| group.compressed_size() as usize).collect();
        assert!(
            sizes.len() > 20 && sizes.iter().all(|bytes| *bytes <= BLOCK),
            "{sizes:?}"
        );
        groups
            .iter()
            .map(|group| group.file_offset().expect("an offset") as usize)
            .collect::<Vec<_>>()
    };
    let padded = starts(BLOCK / 2);
    assert!(padded.iter().skip(1).all(|start| start % BLOCK == 0), "{padded:?}");
    let unpadded = starts(0);
    assert!(unpadded.iter().skip(1).any(|start| start % BLOCK != 0), "{unpadded:?}");
}

#[test]
fn pages_are_of_the_size_asked_for() {
    let pages = |page_bytes| {
        let options = ParquetOptions {
            compression: ParquetCompression::Uncompressed,
            dictionary: false,
            page_bytes,
            ..ParquetOptions::default()
        };
        let reader = SerializedFileReader::new(file(&options, &[batch(0, ROWS)])).expect("Parquet");
        let group = reader.get_row_group(0).expect("a row group");
        let pages = group.get_column_page_reader(2).expect("pages");
        let sizes: Vec<_> = pages.map(|page| page.expect("a page").buffer().len()).collect();
        sizes
    };
    // 20 bytes each.
    assert_eq!(pages(1 << 20).len(), 1);
    let small = pages(50_000);
    assert!(
        small.len() >= 4 && small.iter().all(|bytes| *bytes < 75_000),
        "{small:?}"
    );
}

/// Arrow lets a list that is NULL have items all the same; nobody is to see them.
#[test]
fn items_of_null_lists_are_passed_over() {
    let item = Arc::new(Field::new("item", DataType::Int64, true));
    let lists = |nulls: Vec<bool>| {
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..8));
        let ends = OffsetBuffer::from_lengths([2, 2, 1, 0, 3]);
        let array: ArrayRef = Arc::new(ListArray::new(item.clone(), ends, values, Some(nulls.into())));
        let schema = Schema::new(vec![Field::new("list", array.data_type().clone(), true)]);
        RecordBatch::try_new(Arc::new(schema), vec![array]).expect("a batch")
    };
    for nulls in [
        vec![true, false, true, true, true],
        vec![true, false, false, true, true],
        vec![false, true, false, false, true],
        vec![false; 5],
    ] {
        let batch = lists(nulls);
        let found = read(file(&ParquetOptions::default(), std::slice::from_ref(&batch)));
        assert_eq!(found.columns(), batch.columns());
        let part = batch.slice(1, 3);
        let found = read(file(&ParquetOptions::default(), std::slice::from_ref(&part)));
        assert_eq!(found.columns(), part.columns());
    }
}

/// Of any number of digits, in the column itself and further down.
#[test]
fn decimals_are_as_narrow_as_their_digits_allow() {
    for precision in 1..=38_u8 {
        let digit = 10_i128.pow(u32::from(precision) - 1);
        let numbers = Decimal128Array::from_iter_values([-9 * digit, 9 * digit, 0]);
        let numbers: ArrayRef = Arc::new(numbers.with_precision_and_scale(precision, 0).expect("decimals"));
        let ends = OffsetBuffer::from_lengths([1, 0, 2]);
        let item = Arc::new(Field::new("item", numbers.data_type().clone(), true));
        let lists: ArrayRef = Arc::new(ListArray::new(item, ends, numbers.clone(), None));
        let batch = RecordBatch::try_from_iter([("n", numbers), ("list", lists)]).expect("a batch");
        let content = file(&ParquetOptions::default(), std::slice::from_ref(&batch));
        let reader = SerializedFileReader::new(content.clone()).expect("Parquet");
        let expect = match precision {
            1..=9 => Type::INT32,
            10..=18 => Type::INT64,
            _ => Type::FIXED_LEN_BYTE_ARRAY,
        };
        let columns = reader.metadata().file_metadata().schema_descr().columns();
        assert!(
            columns.iter().all(|column| column.physical_type() == expect),
            "{precision}"
        );
        assert_eq!(read(content).columns(), batch.columns());
    }
}
