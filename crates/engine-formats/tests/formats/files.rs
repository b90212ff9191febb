//! Parquet, ORC and Avro read again, and Avro before fastavro.

use std::fs;

use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use bytes::Bytes;
use engine_formats::{
    AvroCompression, FileFormat, FormatError, OrcOptions, OrcWriter, ParquetFile, ParquetOptions, hive_columns,
    read_file, write_avro,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::value::{Value, rows};
use crate::{python, random};

const FORMATS: [FileFormat; 3] = [FileFormat::Parquet, FileFormat::Orc, FileFormat::Avro];
const AVRO_COMPRESSIONS: [AvroCompression; 5] = [
    AvroCompression::None,
    AvroCompression::Deflate,
    AvroCompression::Snappy,
    AvroCompression::Zstd,
    AvroCompression::Bzip2,
];

/// A random table. Avro's maps have keys of text only.
fn table(seed: u64, format: FileFormat) -> Vec<RecordBatch> {
    let rng = &mut StdRng::seed_from_u64(seed);
    let schema = loop {
        let columns = rng.random_range(1..=4);
        let schema = random::schema(rng, columns);
        let other_keys = ["Int32, \"entries\"", "key\": non-null Int32", "key\": non-null Date32"];
        let text = format!("{schema:?}");
        if format != FileFormat::Avro || !other_keys.iter().any(|key| text.contains(key)) {
            break schema;
        }
    };
    (0..rng.random_range(1..4))
        .map(|_| random::batch(rng, &schema, 700))
        .collect()
}

fn write(batches: &[RecordBatch], format: FileFormat, seed: u64) -> Vec<u8> {
    let schema = batches[0].schema();
    match format {
        FileFormat::Parquet => {
            let mut file = ParquetFile::new(schema, ParquetOptions::default()).expect("a file");
            batches.iter().for_each(|batch| file.write(batch).expect("writes"));
            file.finish().expect("finishes")
        }
        FileFormat::Orc => {
            let mut writer = OrcWriter::new(&schema, OrcOptions::default()).expect("a writer");
            batches.iter().for_each(|batch| writer.write(batch).expect("writes"));
            writer.finish()
        }
        FileFormat::Avro => {
            let compression = AVRO_COMPRESSIONS[seed as usize % AVRO_COMPRESSIONS.len()];
            write_avro(&schema, batches, compression).expect("writes")
        }
    }
}

fn read(data: Vec<u8>, format: FileFormat) -> Result<Vec<Vec<Value>>, FormatError> {
    let batches = read_file(Bytes::from(data), format)?.collect::<Result<Vec<_>, _>>()?;
    Ok(rows(&batches))
}

#[test]
fn each_format_reads_back() {
    for format in FORMATS {
        for seed in 0..60 {
            let batches = table(seed, format);
            let file = write(&batches, format, seed);
            assert_eq!(FileFormat::detect(&file), Some(format));
            let read = read(file, format).expect("reads");
            assert_same(&read, &rows(&batches), &format!("{format:?} {seed}"));
        }
    }
}

fn assert_same(read: &[Vec<Value>], written: &[Vec<Value>], what: &str) {
    assert_eq!(read.len(), written.len(), "{what}");
    if let Some(row) = (0..read.len()).find(|row| read[*row] != written[*row]) {
        panic!(
            "{what}: row {row}
written {:?}
read    {:?}",
            written[row], read[row]
        );
    }
}

/// Python's maps have each key once, at its first place and with its last value.
fn with_distinct_keys(value: Value) -> Value {
    match value {
        Value::Map(entries) => {
            let mut distinct: Vec<(Value, Value)> = Vec::new();
            for (key, value) in entries {
                let value = with_distinct_keys(value);
                match distinct.iter_mut().find(|(known, _)| *known == key) {
                    Some(entry) => entry.1 = value,
                    None => distinct.push((key, value)),
                }
            }
            Value::Map(distinct)
        }
        Value::List(items) => Value::List(items.into_iter().map(with_distinct_keys).collect()),
        Value::Struct(fields) => Value::Struct(fields.into_iter().map(with_distinct_keys).collect()),
        other => other,
    }
}

/// Damaged and cut off files are errors or other values, but never panics.
#[test]
fn damage_is_an_error() {
    for format in FORMATS {
        let mut errors = 0;
        for seed in 0..20 {
            let file = write(&table(seed, format)[..1], format, seed);
            let rng = &mut StdRng::seed_from_u64(seed);
            for _ in 0..20 {
                let mut damaged = file.clone();
                for _ in 0..rng.random_range(1..4) {
                    let at = rng.random_range(0..damaged.len());
                    damaged[at] = rng.random();
                }
                if rng.random() {
                    damaged.truncate(rng.random_range(0..damaged.len()));
                }
                match read(damaged, format) {
                    Ok(_) => {}
                    Err(FormatError::Decode(_)) => errors += 1,
                    Err(other) => panic!("{other}"),
                }
            }
        }
        assert!(errors > 200, "{format:?}: {errors} of 400");
    }
}

/// Writes each file's records, as fastavro reads them, again; and one file of what Arrow would not write.
const THROUGH_FASTAVRO: &str = "
import datetime, decimal, pathlib, sys
import fastavro
decimal.getcontext().prec = 50
directory = pathlib.Path(sys.argv[1])
for path in sorted(directory.glob('ours.*')):
    with path.open('rb') as file:
        reader = fastavro.reader(file)
        records = list(reader)
    with path.with_stem('theirs').open('wb') as file:
        fastavro.writer(file, reader.writer_schema, records, codec='deflate', sync_interval=500)
schema = {'type': 'record', 'name': 'Event', 'namespace': 'a.b', 'fields': [
    {'name': 'Kind', 'type': {'type': 'enum', 'name': 'Kind', 'symbols': ['OPEN', 'CLOSE']}},
    {'name': 'at', 'type': {'type': 'long', 'logicalType': 'timestamp-millis'}},
    {'name': 'price', 'type': ['null', {'type': 'bytes', 'logicalType': 'decimal', 'precision': 9, 'scale': 2}], 'default': None},
    {'name': 'digest', 'type': {'type': 'fixed', 'name': 'Md5', 'size': 4}},
    {'name': 'counts', 'type': {'type': 'map', 'values': 'long'}},
    {'name': 'parts', 'type': {'type': 'array', 'items': ['null', {'type': 'record', 'name': 'Part', 'fields': [
        {'name': 'id', 'type': 'int'}]}]}},
]}
records = [
    {'Kind': 'CLOSE', 'at': datetime.datetime(2020, 2, 29, 12, 0, 0, 1000, datetime.timezone.utc),
     'price': decimal.Decimal('-12.50'), 'digest': b'abcd', 'counts': {'x': -1}, 'parts': [{'id': 7}, None]},
    {'Kind': 'OPEN', 'at': datetime.datetime(1969, 1, 1, tzinfo=datetime.timezone.utc),
     'price': None, 'digest': bytes(4), 'counts': {}, 'parts': []},
]
with (directory / 'foreign.avro').open('wb') as file:
    fastavro.writer(file, schema, records, codec='null')
";

#[test]
fn fastavro_reads_ours_and_we_read_fastavros() {
    let Some(python) = python::interpreter() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    for seed in 0..60 {
        let batches = table(seed, FileFormat::Avro);
        // For the other two kinds fastavro wants further libraries.
        let compressions = [AvroCompression::None, AvroCompression::Deflate, AvroCompression::Bzip2];
        let compression = compressions[seed as usize % compressions.len()];
        let file = write_avro(&batches[0].schema(), &batches, compression).expect("writes");
        fs::write(path(&format!("ours.{seed}")), file).expect("writes");
    }
    python::run(&python, THROUGH_FASTAVRO, directory.path());
    for seed in 0..60 {
        let theirs = fs::read(path(&format!("theirs.{seed}"))).expect("a file");
        let read = read(theirs, FileFormat::Avro).expect("reads");
        let written = rows(&table(seed, FileFormat::Avro)).into_iter();
        let written: Vec<Vec<_>> = written
            .map(|row| row.into_iter().map(with_distinct_keys).collect())
            .collect();
        assert_same(&read, &written, &format!("fastavro {seed}"));
    }

    let foreign = fs::read(path("foreign.avro")).expect("a file");
    let reader = read_file(Bytes::from(foreign), FileFormat::Avro).expect("reads");
    let columns = hive_columns(reader.schema()).expect("columns");
    let types: Vec<_> = columns
        .iter()
        .map(|column| column.type_name.as_deref().unwrap_or_default())
        .collect();
    let expect = [
        "string",
        "timestamp",
        "decimal(9,2)",
        "binary",
        "map<string,bigint>",
        "array<struct<id:int>>",
    ];
    assert_eq!(types, expect);
    let batch = reader.collect::<Result<Vec<_>, _>>().expect("reads").remove(0);
    let shown = |column: usize, row| array_value_to_string(batch.column(column), row).expect("a value");
    let first: Vec<_> = (0..6).map(|column| shown(column, 0)).collect();
    let expect = [
        "CLOSE",
        "2020-02-29T12:00:00.001Z",
        "-12.50",
        "61626364",
        "{x: -1}",
        "[{id: 7}, ]",
    ];
    assert_eq!(first, expect);
    assert_eq!(
        (shown(1, 1), shown(2, 1)),
        ("1969-01-01T00:00:00Z".to_owned(), String::new())
    );
}
