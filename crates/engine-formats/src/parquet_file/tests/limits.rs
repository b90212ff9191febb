//! Sizes that are kept to, and what is refused.

use arrow::array::{Array, TimestampMillisecondArray, new_null_array};
use arrow::datatypes::TimeUnit;
use arrow::record_batch::RecordBatchOptions;
use parquet::column::page::Page;

use super::*;

fn one_column(column: ArrayRef) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("c", column.data_type().clone(), true)]);
    RecordBatch::try_new(Arc::new(schema), vec![column]).expect("a batch")
}

/// Lists of NULLs and of values that are all the same take next to no bytes, but have slots all the same.
#[test]
fn pages_end_when_they_have_very_many_slots() {
    const ITEMS: usize = 5_000;
    const ROWS: usize = 1_200;
    let item = Arc::new(Field::new("item", DataType::Int64, true));
    let nulls = new_null_array(&DataType::Int64, ITEMS * ROWS);
    let same: ArrayRef = Arc::new(Int64Array::from_value(7, ITEMS * ROWS));
    for items in [nulls, same] {
        let ends = OffsetBuffer::from_repeated_length(ITEMS, ROWS);
        let batch = one_column(Arc::new(ListArray::new(item.clone(), ends, items, None)));
        let options = ParquetOptions {
            page_bytes: PAGE_BYTES_MAX,
            ..ParquetOptions::default()
        };
        let pieces: Vec<_> = (0..ROWS / 100).map(|piece| batch.slice(piece * 100, 100)).collect();
        let reader = SerializedFileReader::new(file(&options, &pieces)).expect("Parquet");
        let group = reader.get_row_group(0).expect("a row group");
        let pages = group.get_column_page_reader(0).expect("pages");
        let pages: Vec<Page> = pages.map(|page| page.expect("a page")).collect();
        let slots: Vec<u32> = pages
            .iter()
            .filter(|page| page.is_data_page())
            .map(Page::num_values)
            .collect();
        assert_eq!(slots.iter().sum::<u32>() as usize, ITEMS * ROWS);
        assert!(
            slots.len() >= 4 && slots.iter().all(|slots| *slots <= 1_600_000),
            "{slots:?}"
        );
    }
}

/// What is held of a row group grows to a block, and no further, however many batches come.
#[test]
fn row_groups_with_dictionaries_keep_to_their_blocks() {
    const BLOCK: usize = 200_000;
    let options = ParquetOptions {
        compression: ParquetCompression::Uncompressed,
        block_bytes: BLOCK,
        ..ParquetOptions::default()
    };
    let fields = (0..8).map(|column| Field::new(format!("c{column}"), DataType::Utf8, true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let mut written = ParquetFile::new(schema.clone(), options).expect("a file");
    for batch in 0..400_u64 {
        let column = |column: u64| {
            let texts = (0..100).map(|row| {
                let number = (batch * 100 + row).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
                format!("a text like many others: {:05}", (number + column) % 10_000)
            });
            Arc::new(StringArray::from_iter_values(texts)) as ArrayRef
        };
        let columns = (0..8).map(column).collect();
        let batch = RecordBatch::try_new(schema.clone(), columns).expect("a batch");
        written.write(&batch).expect("writes");
        assert!(written.in_progress_bytes() <= BLOCK, "{}", written.in_progress_bytes());
    }
    let content: Bytes = written.finish().expect("finishes").into();
    assert_eq!(read(content.clone()).num_rows(), 40_000);
    let reader = SerializedFileReader::new(content).expect("Parquet");
    let sizes: Vec<i64> = reader
        .metadata()
        .row_groups()
        .iter()
        .map(|group| group.compressed_size())
        .collect();
    assert!(
        sizes.len() > 2 && sizes.iter().all(|bytes| *bytes as usize <= BLOCK),
        "{sizes:?}"
    );
}

/// Padding is for what is left of a block, and there is nothing left where one begins.
#[test]
fn whole_blocks_are_not_padded() {
    let options = ParquetOptions {
        block_bytes: 5_000,
        padding_bytes_max: 1 << 40,
        ..ParquetOptions::default()
    };
    let pieces: Vec<_> = (0..40).map(|n| batch(n * 100, 100)).collect();
    let content = file(&options, &pieces);
    let reader = SerializedFileReader::new(content.clone()).expect("Parquet");
    let groups = reader.metadata().row_groups();
    assert!(groups.len() > 5);
    for pair in groups.windows(2) {
        let (begin, next) = (pair[0].file_offset(), pair[1].file_offset());
        let begin_and_next = begin.zip(next).expect("offsets");
        assert!(begin_and_next.1 - begin_and_next.0 <= 5_000, "{begin_and_next:?}");
    }
    assert_eq!(read(content).num_rows(), 4_000);
}

/// A file that lacks some columns of some rows must not come to be.
#[test]
fn nothing_is_finished_behind_an_error() {
    let good = batch(0, 10);
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a"; 10]));
    for column in 0..3 {
        let mut file = ParquetFile::new(good.schema(), ParquetOptions::default()).expect("a file");
        file.write(&good).expect("writes");
        let mut columns = good.columns().to_vec();
        columns[column] = match column {
            0 => texts.clone(),
            _ => Arc::new(Int64Array::from(vec![1; 10])),
        };
        let names = ["a", "b", "c"].into_iter().zip(columns);
        let bad = RecordBatch::try_from_iter(names).expect("a batch");
        let refused = file.write(&bad).expect_err("another type").to_string();
        assert!(refused.contains("Utf8") && refused.contains("Int64"), "{refused}");
        let refused = file.write(&good).expect_err("a gap").to_string();
        assert!(refused.contains("could not be written"), "{refused}");
        let refused = file.finish().expect_err("a gap").to_string();
        assert!(refused.contains("could not be written"), "{refused}");
    }
    let mut file = ParquetFile::new(good.schema(), ParquetOptions::default()).expect("a file");
    let refused = file
        .write(&good.project(&[0, 1]).expect("two columns"))
        .expect_err("too few");
    assert!(refused.to_string().contains("2 columns instead of 3"), "{refused}");
}

#[test]
fn what_cannot_be_written_is_refused() {
    let new = |schema: Schema| ParquetFile::new(Arc::new(schema), ParquetOptions::default());
    assert!(new(Schema::empty()).is_err());
    let nested = |depth| {
        let wrap = |inner, _| DataType::List(Arc::new(Field::new("item", inner, true)));
        let data_type = (0..depth).fold(DataType::Int64, wrap);
        new(Schema::new(vec![Field::new("c", data_type, true)]))
    };
    assert!(nested(64).is_ok());
    let refused = nested(128).err().expect("too deep").to_string();
    assert!(refused.contains("deeper"), "{refused}");

    for data_type in [
        DataType::Timestamp(TimeUnit::Millisecond, None),
        DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        DataType::UInt32,
        DataType::LargeUtf8,
        DataType::FixedSizeBinary(3),
        DataType::LargeList(Arc::new(Field::new("item", DataType::Int64, true))),
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
    ] {
        let batch = one_column(new_null_array(&data_type, 3));
        let mut file = new(batch.schema().as_ref().clone()).expect("a file");
        let refused = file.write(&batch).expect_err("no such column").to_string();
        assert!(refused.contains("not written"), "{data_type}: {refused}");
    }
    let instants = one_column(Arc::new(TimestampMillisecondArray::from(vec![1])));
    let mut file = new(instants.schema().as_ref().clone()).expect("a file");
    assert!(file.write(&instants).is_err());
    let rows = RecordBatchOptions::new().with_row_count(Some(3));
    let rows = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &rows).expect("rows");
    let mut file = new(instants.schema().as_ref().clone()).expect("a file");
    assert!(file.write(&rows).is_err());
}
