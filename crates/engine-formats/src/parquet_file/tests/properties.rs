//! Random rows of nested columns, written and read back by the library's reader.

use arrow::array::{Array, AsArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Int64Type, Schema};
use engine_catalog::{Column, HiveType};
use parquet::arrow::arrow_reader::{ArrowReaderOptions, RowSelection, RowSelector};
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::statistics::Statistics;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{JsonDecoder, JsonOptions, arrow_schema, without_views};

/// SplitMix64; of a seed of proptest's.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

const COLUMNS: [(&str, &str); 14] = [
    ("n", "bigint"),
    ("t", "tinyint"),
    ("f", "float"),
    ("x", "double"),
    ("flag", "boolean"),
    ("d5", "decimal(5,2)"),
    ("d15", "decimal(15,4)"),
    ("d30", "decimal(30,6)"),
    ("s", "string"),
    ("day", "date"),
    ("at", "timestamp"),
    ("list", "array<array<string>>"),
    (
        "deep",
        "array<struct<a:int,b:array<double>,c:struct<d:string,e:map<string,array<int>>>>>",
    ),
    ("map", "map<string,struct<x:int,y:string>>"),
];

/// A value of the type. NULLs are as likely as `nulls` says, in 100; values come from few or from many.
fn value(hive: &HiveType, dice: &mut Dice, nulls: u64, few: bool) -> Value {
    if dice.below(100) < nulls {
        return Value::Null;
    }
    let spread = if few { 5 } else { 1 << 40 };
    match hive {
        HiveType::Boolean => json!(dice.below(2) == 0),
        HiveType::Tinyint => json!(dice.below(200) as i64 - 100),
        HiveType::Int => json!((dice.below(spread) % 100_000) as i64 - 50_000),
        HiveType::Bigint => json!(dice.below(spread) as i64 - 1_000),
        HiveType::Float | HiveType::Double => json!(dice.below(spread) as f64 / 8.0 - 100.0),
        HiveType::Decimal(precision, scale) => {
            let whole = dice.below(spread) % 10_u64.pow(u32::from(precision - scale).min(12));
            json!(format!(
                "{}{whole}.{:02}",
                if dice.below(2) == 0 { "-" } else { "" },
                dice.below(100)
            ))
        }
        HiveType::Date => json!(format!("20{:02}-01-{:02}", dice.below(30), 1 + dice.below(28))),
        HiveType::Timestamp => json!(dice.below(spread) as f64 / 1000.0),
        HiveType::Array(item) => {
            let count = dice.below(4);
            (0..count).map(|_| value(item, dice, nulls, few)).collect()
        }
        HiveType::Map(_, item) => {
            let count = dice.below(3);
            let entries = (0..count).map(|n| (format!("k{n}-{}", dice.below(3)), value(item, dice, nulls, few)));
            Value::Object(entries.collect())
        }
        HiveType::Struct(members) => {
            let members = members
                .iter()
                .map(|member| (member.name.clone(), value(&member.data_type, dice, nulls, few)));
            Value::Object(members.collect())
        }
        _ => {
            let length = dice.below(if few { 3 } else { 40 });
            json!(
                (0..length)
                    .map(|_| ['a', 'b', 'ü', '漢', '🛫'][dice.below(5) as usize])
                    .collect::<String>()
            )
        }
    }
}

fn rows_of(batch: &RecordBatch) -> Vec<String> {
    let mut text = Vec::new();
    let mut writer = arrow::json::LineDelimitedWriter::new(&mut text);
    writer.write(batch).expect("writes");
    writer.finish().expect("finishes");
    drop(writer);
    String::from_utf8(text)
        .expect("text")
        .lines()
        .map(str::to_owned)
        .collect()
}

/// The values of a leaf at the top, as bytes in the order that its statistics have.
fn check_statistics(batch: &RecordBatch, statistics: &Statistics, column: usize) {
    let array = batch.column(column);
    assert_eq!(statistics.null_count_opt(), Some(array.null_count() as u64));
    match (array.data_type(), statistics) {
        (DataType::Int64, Statistics::Int64(statistics)) => {
            let values = || array.as_primitive::<Int64Type>().iter().flatten();
            assert_eq!(
                (statistics.min_opt().copied(), statistics.max_opt().copied()),
                (values().min(), values().max())
            );
        }
        (DataType::Utf8, Statistics::ByteArray(statistics)) => {
            let values = || array.as_string::<i32>().iter().flatten();
            if let (Some(least), Some(most)) = (values().min(), values().max()) {
                assert!(
                    statistics
                        .min_opt()
                        .is_some_and(|bound| bound.data() <= least.as_bytes())
                );
                assert!(statistics.max_opt().is_none_or(|bound| bound.data() >= most.as_bytes()));
            } else {
                assert_eq!(statistics.min_opt(), None);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(
        seed in any::<u64>(),
        rows in 1..900_usize,
        batch_rows in 1..500_usize,
        nulls in prop_oneof![Just(0), Just(10), Just(100)],
        few in any::<bool>(),
        v2 in any::<bool>(),
        dictionary in any::<bool>(),
        page_bytes in prop_oneof![Just(200_usize), Just(3_000), Just(1 << 20)],
        block_bytes in prop_oneof![Just(20_000_usize), Just(1 << 30)],
        (skipped, taken) in (0..400_usize, 1..400_usize),
    ) {
        let mut dice = Dice(seed);
        let types = COLUMNS.map(|(name, hive)| (name, hive.parse::<HiveType>().expect("a type")));
        let schema = without_views(&arrow_schema(&COLUMNS.map(|(name, hive)| Column::new(name, hive))).expect("a schema"));
        let mut decoder = JsonDecoder::new(schema.clone(), JsonOptions::default());
        let options = ParquetOptions {
            compression: if few { ParquetCompression::Snappy } else { ParquetCompression::Uncompressed },
            version: if v2 { WriterVersion::V2 } else { WriterVersion::V1 },
            dictionary,
            page_bytes,
            block_bytes,
            ..ParquetOptions::default()
        };
        let mut file = ParquetFile::new(schema.clone(), options).expect("a file");
        let mut batches = Vec::new();
        for row in 0..rows {
            let members = types.iter().map(|(name, hive)| ((*name).to_owned(), value(hive, &mut dice, nulls, few)));
            let record = Value::Object(members.collect()).to_string();
            decoder.push(record.as_bytes()).expect(&record);
            if decoder.rows() == batch_rows || row + 1 == rows {
                batches.push(decoder.finish().expect("a batch"));
                file.write(batches.last().expect("one")).expect("writes");
            }
        }
        let content = Bytes::from(file.finish().expect("finishes"));
        let written = concat_batches(&schema, &batches).expect("one batch");
        prop_assert_eq!(rows_of(&read(content.clone())), rows_of(&written));

        // Some of the rows, found by the index of pages.
        let reader_options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(content.clone(), reader_options).expect("Parquet");
        let selection = [RowSelector::skip(skipped.min(rows)), RowSelector::select(taken.min(rows - skipped.min(rows)))];
        let selected = builder.with_row_selection(RowSelection::from(selection.to_vec())).build().expect("a reader");
        let selected: Vec<String> = selected.flat_map(|batch| rows_of(&batch.expect("a batch"))).collect();
        let expected: Vec<String> = rows_of(&written).into_iter().skip(skipped).take(taken).collect();
        prop_assert_eq!(selected, expected);

        let reader = SerializedFileReader::new(content).expect("Parquet");
        let mut begin = 0;
        for group in reader.metadata().row_groups() {
            let rows = group.num_rows() as usize;
            let part = written.slice(begin, rows);
            begin += rows;
            for column in [0, 8] {
                check_statistics(&part, group.column(column).statistics().expect("statistics"), column);
            }
        }
    }
}

/// Columns of one type, of few and of very many values, in the sizes around which encodings change.
#[test]
fn references_of_any_width_are_read() {
    for distinct in [1_i64, 2, 3, 8, 9, 255, 256, 257, 4_096, 70_000] {
        let rows = (distinct * 3).max(1_000);
        let numbers = Int64Array::from_iter_values((0..rows).map(|n| (n * 7_919) % distinct));
        let texts = StringArray::from_iter_values((0..rows).map(|n| format!("{}", (n * n + n / 3) % distinct)));
        let field = |name: &str, data_type| Field::new(name, data_type, false);
        let schema = Schema::new(vec![field("n", DataType::Int64), field("s", DataType::Utf8)]);
        let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(numbers), Arc::new(texts)]).expect("a batch");
        assert_eq!(
            read(file(&ParquetOptions::default(), std::slice::from_ref(&batch))).columns(),
            batch.columns(),
            "{distinct}"
        );
    }
}
