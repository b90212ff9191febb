//! Rows as text: read again by us, and by Python's own modules.

use std::fs;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use engine_formats::{
    Delimited, JsonDecoder, JsonLines, JsonOptions, Quoted, TextDecoder, TextFormat, write_delimited, write_json_lines,
    write_quoted,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::value::{Value, rows};
use crate::{python, random};

/// Whether text holds the type as it is: our readers take binary data for text.
fn is_textual(data_type: &DataType) -> bool {
    match data_type {
        DataType::BinaryView => false,
        DataType::List(item) => is_textual(item.data_type()),
        DataType::Map(entries, _) => is_textual(entries.data_type()),
        DataType::Struct(fields) => fields.iter().all(|field| is_textual(field.data_type())),
        _ => true,
    }
}

fn table(seed: u64, allowed: fn(&DataType) -> bool) -> RecordBatch {
    let rng = &mut StdRng::seed_from_u64(seed);
    loop {
        let columns = rng.random_range(1..=5);
        let schema = random::schema(rng, columns);
        if schema.fields().iter().all(|field| allowed(field.data_type())) {
            return random::batch(rng, &schema, 200);
        }
    }
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    assert_eq!(lines.pop(), Some(&b""[..]));
    lines
}

fn read(format: TextFormat, schema: SchemaRef, text: &[u8]) -> Vec<Vec<Value>> {
    let mut decoder = TextDecoder::new(format, schema).expect("a decoder");
    let (batch, rejected) = decoder.decode(&lines(text)).expect("decodes");
    assert!(rejected.is_empty(), "{rejected:?}");
    rows([&batch])
}

/// Maps have each key once in JSON as we read it.
fn has_maps(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map(..) => true,
        DataType::List(item) => has_maps(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_maps(field.data_type())),
        _ => false,
    }
}

#[test]
fn json_lines_are_read_as_they_were() {
    for seed in 0..60 {
        let batch = table(seed, |data_type| is_textual(data_type) && !has_maps(data_type));
        let nulls = seed % 2 == 0;
        let text = write_json_lines(&batch, JsonLines { nulls }).expect("writes");
        let mut decoder = JsonDecoder::new(batch.schema(), JsonOptions::default());
        let (read, rejected) = decoder.decode(&lines(&text)).expect("decodes");
        assert!(rejected.is_empty(), "{seed}: {:?} {:?}", rejected[0], batch.schema());
        assert_eq!(rows([&read]), rows([&batch]), "{seed}");
    }
}

#[test]
fn delimited_lines_are_read_as_they_were() {
    for seed in 0..60 {
        let batch = table(seed, |data_type| is_textual(data_type) && !data_type.is_nested());
        let format = Delimited {
            field: [b',', 1, b'\t'][seed as usize % 3].into(),
            escape: Some(b'\\'.into()),
            // No value is this one.
            null: "\u{2400}".to_owned(),
            ..Delimited::default()
        };
        let text = write_delimited(&batch, &format).expect("writes");
        let read = read(TextFormat::Delimited(format), batch.schema(), &text);
        assert_eq!(read, rows([&batch]), "{seed}");
    }
}

#[test]
fn quoted_lines_are_read_as_they_were() {
    let mut tables = 0;
    for seed in 0..200 {
        let batch = table(seed, |data_type| {
            *data_type == DataType::Utf8View || *data_type == DataType::Boolean
        });
        // The SerDe has no NULL and no line ends within values.
        if batch.columns().iter().any(|column| column.null_count() > 0) {
            continue;
        }
        tables += 1;
        for escape in [b'\\', b'"'] {
            let format = Quoted {
                escape: escape.into(),
                ..Quoted::default()
            };
            let text = write_quoted(&batch, &format).expect("writes");
            let read = read(TextFormat::Quoted(format), batch.schema(), &text);
            assert_eq!(read, rows([&batch]), "{seed}");
        }
    }
    assert!(tables > 20, "{tables}");
}

/// Compares what the two modules read with each other.
const READ: &str = "
import csv, json, pathlib, sys
directory = pathlib.Path(sys.argv[1])
for path in sorted(directory.glob('*.json')):
    objects = [json.loads(line) for line in path.open(encoding='utf-8', newline='')]
    with path.with_suffix('.csv').open(encoding='utf-8', newline='') as file:
        for values, row in zip(csv.reader(file, strict=True), objects, strict=True):
            for value, member in zip(values or [''], row.values(), strict=True):
                match member:
                    case None: assert value == '', value
                    case bool(): assert value == str(member).lower(), value
                    case int(): assert int(value) == member, value
                    case float(): assert float(value) == member, value
                    case _: assert value == member, value
print('same')
";

#[test]
fn python_reads_the_same_from_csv_and_json() {
    let Some(python) = python::interpreter() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    for seed in 0..60 {
        let batch = table(seed, |data_type| !data_type.is_nested());
        let path = |extension: &str| directory.path().join(format!("{seed}.{extension}"));
        let doubled = Quoted {
            escape: b'"'.into(),
            ..Quoted::default()
        };
        fs::write(path("csv"), write_quoted(&batch, &doubled).expect("writes")).expect("writes");
        let json = write_json_lines(&batch, JsonLines { nulls: true }).expect("writes");
        fs::write(path("json"), json).expect("writes");
    }
    assert_eq!(python::run(&python, READ, directory.path()), "same\n");
}
