//! What Parquet files say about their values: statistics of row groups and of pages, by which readers pass over rows.

use std::cmp::Ordering;

use bytes::Bytes;
use parquet::basic::{BoundaryOrder, Encoding, PageType};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType, FixedLenByteArray};
use parquet::file::metadata::{ColumnChunkMetaData, PageIndexPolicy, ParquetMetaDataOptions, ParquetMetaDataReader};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::serialized_reader::ReadOptionsBuilder;

use crate::parquet::{CASES, case, write};

/// A value of a leaf, in the order that its column has.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum Key {
    Integer(i128),
    Real(f64),
    Bytes(Vec<u8>),
}

trait ToKey {
    fn key(&self) -> Key;
}

macro_rules! to_key {
    ($($native:ty: $value:ident => $key:expr),*) => {
        $(impl ToKey for $native {
            fn key(&self) -> Key {
                let $value = self;
                $key
            }
        })*
    };
}

to_key!(
    bool: value => Key::Integer((*value).into()),
    i32: value => Key::Integer((*value).into()),
    i64: value => Key::Integer((*value).into()),
    f32: value => Key::Real((*value).into()),
    f64: value => Key::Real(*value),
    ByteArray: value => Key::Bytes(value.data().to_vec()),
    FixedLenByteArray: value => decimal(value.data())
);

/// A big-endian number of two's complement.
fn decimal(bytes: &[u8]) -> Key {
    let sign = if bytes[0] < 0x80 { 0 } else { -1 };
    Key::Integer(
        bytes
            .iter()
            .fold(sign, |number: i128, byte| number << 8 | i128::from(*byte)),
    )
}

/// The values of the next so many rows, and how many of their slots have none.
fn next_rows(reader: &mut ColumnReader, rows: usize) -> (Vec<Key>, i64) {
    fn read<T: DataType>(reader: &mut ColumnReaderImpl<T>, rows: usize) -> (Vec<Key>, i64)
    where
        T::T: ToKey,
    {
        let (mut definition, mut repetition, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let (mut read, mut slots) = (0, 0);
        while read < rows {
            let (records, _, levels) = reader
                .read_records(rows - read, Some(&mut definition), Some(&mut repetition), &mut values)
                .expect("reads");
            assert!(records > 0, "{read} of {rows} rows");
            read += records;
            slots += levels;
        }
        (values.iter().map(ToKey::key).collect(), (slots - values.len()) as i64)
    }
    match reader {
        ColumnReader::BoolColumnReader(reader) => read(reader, rows),
        ColumnReader::Int32ColumnReader(reader) => read(reader, rows),
        ColumnReader::Int64ColumnReader(reader) => read(reader, rows),
        ColumnReader::FloatColumnReader(reader) => read(reader, rows),
        ColumnReader::DoubleColumnReader(reader) => read(reader, rows),
        ColumnReader::ByteArrayColumnReader(reader) => read(reader, rows),
        ColumnReader::FixedLenByteArrayColumnReader(reader) => read(reader, rows),
        ColumnReader::Int96ColumnReader(_) => panic!("no such column"),
    }
}

/// What an index says of a page.
struct Page {
    is_null: bool,
    nulls: i64,
    bounds: Option<(Key, Key)>,
}

fn pages(index: &ColumnIndexMetaData) -> Option<(BoundaryOrder, Vec<Page>)> {
    macro_rules! pages {
        ($index:ident, $key:expr) => {{
            let page = |at: usize| Page {
                is_null: $index.is_null_page(at),
                nulls: $index.null_count(at).expect("a count"),
                bounds: $index
                    .min_value(at)
                    .zip($index.max_value(at))
                    .map(|(least, most)| ($key(least), $key(most))),
            };
            (0..$index.num_pages() as usize).map(page).collect()
        }};
    }
    let pages = match index {
        ColumnIndexMetaData::NONE => return None,
        ColumnIndexMetaData::BOOLEAN(index) => pages!(index, ToKey::key),
        ColumnIndexMetaData::INT32(index) => pages!(index, ToKey::key),
        ColumnIndexMetaData::INT64(index) => pages!(index, ToKey::key),
        ColumnIndexMetaData::FLOAT(index) => pages!(index, ToKey::key),
        ColumnIndexMetaData::DOUBLE(index) => pages!(index, ToKey::key),
        ColumnIndexMetaData::BYTE_ARRAY(index) => pages!(index, |bytes: &[u8]| Key::Bytes(bytes.to_vec())),
        ColumnIndexMetaData::FIXED_LEN_BYTE_ARRAY(index) => pages!(index, decimal),
        ColumnIndexMetaData::INT96(_) => panic!("no such column"),
    };
    Some((index.get_boundary_order()?, pages))
}

/// The least and the greatest; nothing where there are values that stand in no order.
fn extent(values: &[Key]) -> Option<(Key, Key)> {
    let compare = |a: &&Key, b: &&Key| a.partial_cmp(b).unwrap_or(Ordering::Equal);
    let ordered = values.iter().all(|value| value.partial_cmp(value).is_some());
    let (least, most) = (values.iter().min_by(compare)?, values.iter().max_by(compare)?);
    ordered.then(|| (least.clone(), most.clone()))
}

/// Bounds that hold for the values; those that are no longer than they may be are values.
fn check_bounds(told: Option<&(Key, Key)>, values: &[Key], what: &str) {
    const BOUND_BYTES: usize = 64;
    let Some((least, most)) = extent(values) else {
        assert!(told.is_none(), "{what}: {told:?} of {} values", values.len());
        return;
    };
    let long = |key: &Key| matches!(key, Key::Bytes(bytes) if bytes.len() > BOUND_BYTES);
    let Some((lower, upper)) = told else {
        assert!(long(&most), "{what}: no bounds of {least:?} to {most:?}");
        return;
    };
    assert!(
        *lower <= least && (long(&least) || *lower == least),
        "{what}: {lower:?} for {least:?}"
    );
    assert!(
        *upper >= most && (long(&most) || *upper == most),
        "{what}: {upper:?} for {most:?}"
    );
    // Whoever looks for a zero may compare its sign too.
    let bits = |key: &Key| matches!(key, Key::Real(zero) if *zero == 0.0).then(|| key.clone());
    if let Some(Key::Real(zero)) = bits(lower) {
        assert!(zero.is_sign_negative(), "{what}");
    }
    if let Some(Key::Real(zero)) = bits(upper) {
        assert!(zero.is_sign_positive(), "{what}");
    }
}

fn check_order(order: BoundaryOrder, pages: &[Page], what: &str) {
    let bounds: Vec<&(Key, Key)> = pages.iter().filter_map(|page| page.bounds.as_ref()).collect();
    for pair in bounds.windows(2) {
        let rises = pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1;
        let falls = pair[0].0 >= pair[1].0 && pair[0].1 >= pair[1].1;
        match order {
            BoundaryOrder::ASCENDING => assert!(rises, "{what}: {pair:?}"),
            BoundaryOrder::DESCENDING => assert!(falls, "{what}: {pair:?}"),
            BoundaryOrder::UNORDERED => {}
        }
    }
}

fn statistics(chunk: &ColumnChunkMetaData) -> (Option<(Key, Key)>, u64) {
    let statistics = chunk.statistics().expect("statistics");
    assert!(!statistics.is_min_max_deprecated() || statistics.min_bytes_opt().is_none());
    // Readers differ in what they make of a lower bound without an upper one.
    assert_eq!(
        statistics.min_bytes_opt().is_some(),
        statistics.max_bytes_opt().is_some()
    );
    let key = |bytes: &[u8]| {
        let number = || i64::from_le_bytes(std::array::from_fn(|at| bytes.get(at).copied().unwrap_or(0)));
        match chunk.column_type() {
            parquet::basic::Type::BOOLEAN => Key::Integer(bytes[0].into()),
            parquet::basic::Type::INT32 => Key::Integer((number() as i32).into()),
            parquet::basic::Type::INT64 => Key::Integer(number().into()),
            parquet::basic::Type::FLOAT => Key::Real(f32::from_bits(number() as u32).into()),
            parquet::basic::Type::DOUBLE => Key::Real(f64::from_bits(number() as u64)),
            parquet::basic::Type::FIXED_LEN_BYTE_ARRAY => decimal(bytes),
            _ => Key::Bytes(bytes.to_vec()),
        }
    };
    let bounds = statistics.min_bytes_opt().zip(statistics.max_bytes_opt());
    (
        bounds.map(|(least, most)| (key(least), key(most))),
        statistics.null_count_opt().expect("a count of nulls"),
    )
}

#[test]
fn bounds_and_orders_are_those_of_the_values() {
    let (mut ordered, mut null_pages, mut without) = (0, 0, 0);
    for seed in 0..3 * CASES {
        let case = case(seed);
        let content = Bytes::from(write(&case));
        let options = ReadOptionsBuilder::new().with_page_index();
        let reader = SerializedFileReader::new_with_options(content.clone(), options.build()).expect("a file");
        let metadata = ParquetMetaDataReader::new()
            .with_page_index_policy(PageIndexPolicy::Required)
            .with_metadata_options(Some(ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false)));
        let metadata = metadata.parse_and_finish(&content).expect("metadata");
        let rows: usize = case.batches.iter().map(|batch| batch.num_rows()).sum();
        assert_eq!(metadata.file_metadata().num_rows() as usize, rows);
        for (group_at, group) in metadata.row_groups().iter().enumerate() {
            let pages_reader = reader.get_row_group(group_at).expect("a row group");
            for (at, chunk) in group.columns().iter().enumerate() {
                let what = format!("case {seed}, row group {group_at}, {}", chunk.column_path());
                let index = metadata.column_index().map(|index| &index[group_at][at]);
                let index = index.and_then(pages);
                let places = &metadata.offset_index().expect("an index")[group_at][at].page_locations;
                let mut column = pages_reader.get_column_reader(at).expect("a reader");
                let (mut all, mut nulls) = (Vec::new(), 0);
                for (page, place) in places.iter().enumerate() {
                    let next = places.get(page + 1).map(|place| place.first_row_index);
                    let rows = next.unwrap_or(group.num_rows()) - place.first_row_index;
                    let (values, page_nulls) = next_rows(&mut column, rows as usize);
                    if let Some((_, told)) = &index {
                        let what = format!("{what}, page {page}");
                        assert_eq!(told[page].nulls, page_nulls, "{what}");
                        assert_eq!(told[page].is_null, values.is_empty(), "{what}");
                        null_pages += usize::from(values.is_empty());
                        check_bounds(told[page].bounds.as_ref(), &values, &what);
                    }
                    all.extend(values);
                    nulls += page_nulls;
                }
                match &index {
                    Some((order, told)) => {
                        assert_eq!(told.len(), places.len(), "{what}");
                        check_order(*order, told, &what);
                        ordered += usize::from(told.len() > 1 && *order == BoundaryOrder::ASCENDING);
                    }
                    None => without += 1,
                }
                let (bounds, told_nulls) = statistics(chunk);
                check_bounds(bounds.as_ref(), &all, &what);
                assert_eq!(told_nulls as i64, nulls, "{what}");
                assert_eq!(chunk.num_values(), all.len() as i64 + nulls, "{what}");
                check_places(&content, chunk, at, &*pages_reader, &what);
            }
        }
    }
    assert!(
        ordered > 20 && null_pages > 50 && without > 10,
        "{ordered}, {null_pages}, {without}"
    );
}

/// Pages lie one behind the other where the metadata has them, and are as many as it says.
fn check_places(
    content: &Bytes,
    chunk: &ColumnChunkMetaData,
    at: usize,
    group: &dyn parquet::file::reader::RowGroupReader,
    what: &str,
) {
    let (begin, bytes) = chunk.byte_range();
    assert!(begin + bytes <= content.len() as u64, "{what}");
    let pages: Vec<_> = group
        .get_column_page_reader(at)
        .expect("pages")
        .map(|page| page.expect("a page"))
        .collect();
    let dictionaries = pages.iter().filter(|page| page.is_dictionary_page()).count();
    assert_eq!(
        dictionaries,
        usize::from(chunk.dictionary_page_offset().is_some()),
        "{what}"
    );
    assert!(pages.iter().skip(1).all(|page| page.is_data_page()), "{what}");
    let told = chunk.page_encoding_stats().expect("counts of pages");
    let mut counts: Vec<(PageType, Encoding, i32)> = Vec::new();
    for page in &pages {
        let (page_type, encoding) = (page.page_type(), page.encoding());
        match counts
            .iter_mut()
            .find(|count| (count.0, count.1) == (page_type, encoding))
        {
            Some(count) => count.2 += 1,
            None => counts.push((page_type, encoding, 1)),
        }
    }
    let told: Vec<_> = told
        .iter()
        .map(|told| (told.page_type, told.encoding, told.count))
        .collect();
    assert_eq!(told, counts, "{what}");
    for (_, encoding, _) in counts {
        assert!(chunk.encodings().any(|told| told == encoding), "{what}");
    }
}
