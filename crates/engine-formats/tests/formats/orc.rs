//! ORC files of random tables, read by orc-rust and by Apache ORC for C++ (through PyArrow).

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, FixedSizeListArray, LargeStringArray, RecordBatch, StringViewArray, StructArray,
    TimestampMicrosecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use engine_catalog::Column;
use engine_formats::{FormatError, OrcCompression, OrcOptions, OrcVersion, OrcWriter};
use orc_rust::ArrowReaderBuilder;
use orc_rust::schema::TimestampPrecision;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::value::{Value, rows};
use crate::{python, random};

pub(crate) const CASES: u64 = 200;

pub(crate) struct Case {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
    options: OrcOptions,
}

pub(crate) fn case(seed: u64) -> Case {
    let rng = &mut StdRng::seed_from_u64(seed);
    let columns = rng.random_range(1..=4);
    let schema = random::schema(rng, columns);
    let stripe_bytes = *[1, 5_000, 100_000, 64 << 20].choose(rng).expect("a size");
    // Where every row may be a stripe of its own, few are enough; now and then there are many chunks to a stream.
    let sizes: &[usize] = match stripe_bytes {
        1 => &[1, 60],
        _ if seed.is_multiple_of(16) => &[40_000],
        _ => &[0, 1, 17, 600, 3_000],
    };
    let batches = (0..rng.random_range(0..4)).map(|_| {
        let rows = *sizes.choose(rng).expect("rows");
        random::batch(rng, &schema, rows)
    });
    let batches = batches.collect();
    let options = OrcOptions {
        compression: *[OrcCompression::None, OrcCompression::Zlib, OrcCompression::Snappy]
            .choose(rng)
            .expect("a compression"),
        stripe_bytes,
        block_bytes: *[10_000, 256 << 20].choose(rng).expect("a size"),
        row_index_stride: *[1, 10, 100, 1_000, 10_000].choose(rng).expect("a stride"),
        padding: rng.random(),
        padding_tolerance: 0.5,
        bloom_filter_columns: match rng.random() {
            true => schema
                .fields()
                .iter()
                .map(|field| field.name().to_uppercase())
                .collect(),
            false => Vec::new(),
        },
        dictionary_key_threshold: *[0.0, 0.3, 0.8, 1.0].choose(rng).expect("a threshold"),
        version: *[OrcVersion::V0_11, OrcVersion::V0_12].choose(rng).expect("a version"),
        ..OrcOptions::default()
    };
    Case {
        schema,
        batches,
        options,
    }
}

pub(crate) fn write(case: &Case) -> Vec<u8> {
    let mut writer = OrcWriter::new(&case.schema, case.options.clone()).expect("a writer");
    case.batches
        .iter()
        .for_each(|batch| writer.write(batch).expect("writes"));
    writer.finish()
}

fn assert_same(read: &[Vec<Value>], case: &Case, what: &str) {
    let written = rows(&case.batches);
    assert_eq!(read.len(), written.len(), "{what}: rows");
    if let Some(row) = (0..read.len()).find(|row| read[*row] != written[*row]) {
        panic!(
            "{what}: row {row} of {:?} with {:?}\nwritten {:?}\nread    {:?}",
            case.schema, case.options, written[row], read[row]
        );
    }
}

pub(crate) fn open(file: Vec<u8>) -> ArrowReaderBuilder<Bytes> {
    let reader = ArrowReaderBuilder::try_new(Bytes::from(file)).expect("a file");
    reader.with_timestamp_precision(TimestampPrecision::Microsecond)
}

pub(crate) fn read(reader: ArrowReaderBuilder<Bytes>) -> Vec<Vec<Value>> {
    let batches: Vec<RecordBatch> = reader.build().map(|batch| batch.expect("a batch")).collect();
    rows(&batches)
}

#[test]
fn orc_rust_reads_what_was_written() {
    for seed in 0..CASES {
        let case = case(seed);
        assert_same(&read(open(write(&case))), &case, &format!("case {seed}"));
    }
}

/// Turns each ORC file of the directory to Arrow's own format, which says what PyArrow read.
const TO_ARROW: &str = "
import pathlib, sys
from pyarrow import ipc, orc
for path in sorted(pathlib.Path(sys.argv[1]).glob('*.orc')):
    file = orc.ORCFile(path)
    names = ['nrows', 'file_version', 'compression', 'row_index_stride']
    table = file.read().replace_schema_metadata({name: str(getattr(file, name)) for name in names})
    with ipc.new_file(path.with_suffix('.arrow'), table.schema) as out:
        out.write_table(table)
";

fn read_arrow(path: &Path) -> (SchemaRef, Vec<RecordBatch>) {
    let file = File::open(path).expect("a file");
    let reader = arrow_ipc::reader::FileReader::try_new(file, None).expect("a reader");
    (reader.schema(), reader.map(|batch| batch.expect("a batch")).collect())
}

#[test]
fn pyarrow_reads_what_was_written() {
    let Some(python) = python::interpreter() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let path = |seed: u64, extension: &str| directory.path().join(format!("{seed:04}.{extension}"));
    for seed in 0..CASES {
        std::fs::write(path(seed, "orc"), write(&case(seed))).expect("writes");
    }
    python::run(&python, TO_ARROW, directory.path());
    for seed in 0..CASES {
        let case = case(seed);
        let (schema, batches) = read_arrow(&path(seed, "arrow"));
        assert_same(&rows(&batches), &case, &format!("case {seed}"));
        let told = |name: &str| schema.metadata()[name].as_str();
        let rows: usize = case.batches.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(told("nrows"), rows.to_string());
        let version = match case.options.version {
            OrcVersion::V0_11 => "0.11",
            OrcVersion::V0_12 => "0.12",
        };
        assert_eq!(told("file_version"), version);
        let compression = match case.options.compression {
            OrcCompression::None => "UNCOMPRESSED",
            OrcCompression::Zlib => "ZLIB",
            OrcCompression::Snappy => "SNAPPY",
        };
        assert_eq!(told("compression"), compression);
        assert_eq!(told("row_index_stride"), case.options.row_index_stride.to_string());
    }
}

/// A file of one column, as orc-rust reads it.
fn read_one(array: ArrayRef) -> Vec<Value> {
    let batch = RecordBatch::try_from_iter([("c", array)]).expect("a batch");
    let mut writer = OrcWriter::new(&batch.schema(), OrcOptions::default()).expect("a writer");
    writer.write(&batch).expect("writes");
    let rows = read(open(writer.finish()));
    rows.into_iter().map(|mut row| row.remove(0)).collect()
}

/// Apache ORC's readers take a second off a negative time with more than 999,999 nanoseconds, so of the last second
/// before 1970 they know its first millisecond only.
#[test]
fn times_far_off_and_the_second_that_cannot_be_written() {
    let (year_1, year_9999) = (-62_135_596_800_000_000, 253_402_300_799_999_999);
    let micros = [
        year_1, year_9999, -1_000_000, -999_001, -1_500_000, 0, 1, -1, -500_000, -999_000,
    ];
    let read = read_one(Arc::new(TimestampMicrosecondArray::from(micros.to_vec())));
    let late = [0, 0, 0, 0, 0, 0, 0, 1_000_000, 1_000_000, 1_000_000];
    let expect = micros
        .iter()
        .zip(late)
        .map(|(written, late)| Value::Timestamp(i128::from(written + late) * 1_000));
    assert_eq!(read, expect.collect::<Vec<_>>());
}

#[test]
fn kinds_of_arrays_that_tables_do_not_have() {
    let text = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| Value::Text((*text).to_owned()))
            .collect::<Vec<_>>()
    };
    let dictionary: DictionaryArray<Int32Type> = ["b", "a", "b"].into_iter().collect();
    assert_eq!(read_one(Arc::new(dictionary)), text(&["b", "a", "b"]));
    let large = LargeStringArray::from(vec!["x", ""]);
    assert_eq!(read_one(Arc::new(large)), text(&["x", ""]));
    let unsigned = UInt64Array::from(vec![u64::MAX, 0]);
    let expect = [Value::Decimal(u64::MAX.into(), 0), Value::Decimal(0, 0)];
    assert_eq!(read_one(Arc::new(unsigned)), expect);
    let seconds = TimestampSecondArray::from(vec![-5, 5]);
    let expect = [-5, 5].map(|seconds| Value::Timestamp(seconds * 1_000_000_000));
    assert_eq!(read_one(Arc::new(seconds)), expect);
    let instants = TimestampNanosecondArray::from(vec![-1_500_000_000, 1_000]).with_timezone("+01:00");
    assert_eq!(
        read_one(Arc::new(instants)),
        [-1_500_000_000, 1_000].map(Value::Timestamp)
    );
    let lists = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None]), None], 2);
    let expect = [Value::List(vec![Value::Integer(1), Value::Null]), Value::Null];
    assert_eq!(read_one(Arc::new(lists)), expect);

    let duration = Schema::new(vec![Field::new("d", DataType::Duration(TimeUnit::Second), true)]);
    let refused = OrcWriter::new(&duration, OrcOptions::default()).expect_err("no such type");
    assert!(
        matches!(&refused, FormatError::Schema(text) if text.contains("column d")),
        "{refused}"
    );
}

/// `varchar` and `char` are types of their own, and their lengths count characters.
#[test]
fn texts_have_the_lengths_that_the_table_says() {
    let columns = [
        Column::new("v", "varchar(3)"),
        Column::new("c", "char(3)"),
        Column::new("s", "struct<Inner:varchar(1)>"),
    ];
    let schema = engine_formats::arrow_schema(&columns).expect("a schema");
    let texts = || Arc::new(StringViewArray::from(vec![Some("üüüü"), Some("a"), None])) as ArrayRef;
    let DataType::Struct(fields) = schema.field(2).data_type().clone() else {
        panic!()
    };
    let inner = StructArray::new(fields, vec![texts()], None);
    let batch = RecordBatch::try_new(schema, vec![texts(), texts(), Arc::new(inner)]).expect("a batch");
    let mut writer = OrcWriter::for_columns(&columns, OrcOptions::default()).expect("a writer");
    writer.write(&batch).expect("writes");
    let file = writer.finish();
    let types = open(file.clone())
        .file_metadata()
        .root_data_type()
        .to_string()
        .to_lowercase();
    assert!(
        types.contains("varchar") && types.contains("char(3)") && types.contains("inner"),
        "{types}"
    );
    let text = |text: &str| Value::Text(text.to_owned());
    let within = |value| Value::Struct(vec![value]);
    let expect = [
        [text("üüü"), text("üüü"), within(text("ü"))],
        [text("a"), text("a  "), within(text("a"))],
        [Value::Null, Value::Null, within(Value::Null)],
    ];
    assert_eq!(read(open(file)), expect);
}
