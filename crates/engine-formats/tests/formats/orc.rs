//! ORC files of random tables, read by orc-rust and by Apache ORC for C++ (through PyArrow).

use std::fs::File;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use engine_formats::{OrcCompression, OrcOptions, OrcVersion, OrcWriter};
use orc_rust::ArrowReaderBuilder;
use orc_rust::schema::TimestampPrecision;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::value::{Value, rows};
use crate::{python, random};

const CASES: u64 = 200;

struct Case {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    options: OrcOptions,
}

fn case(seed: u64) -> Case {
    let rng = &mut StdRng::seed_from_u64(seed);
    let columns = rng.random_range(1..=4);
    let schema = random::schema(rng, columns);
    let stripe_bytes = *[1, 5_000, 100_000, 64 << 20].choose(rng).expect("a size");
    // Where every row may be a stripe of its own, few are enough.
    let sizes: &[usize] = if stripe_bytes == 1 {
        &[1, 60]
    } else {
        &[0, 1, 17, 600, 3_000]
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
        bloom_filter_columns: schema
            .fields()
            .iter()
            .map(|field| field.name().to_uppercase())
            .collect(),
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

fn write(case: &Case) -> Vec<u8> {
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

#[test]
fn orc_rust_reads_what_was_written() {
    for seed in 0..CASES {
        let case = case(seed);
        let file = bytes::Bytes::from(write(&case));
        let reader = ArrowReaderBuilder::try_new(file).expect("a file");
        let reader = reader.with_timestamp_precision(TimestampPrecision::Microsecond).build();
        let batches: Vec<RecordBatch> = reader.map(|batch| batch.expect("a batch")).collect();
        assert_same(&rows(&batches), &case, &format!("case {seed}"));
    }
}

/// Turns each ORC file of the directory to Arrow's own format, which says what PyArrow read.
const TO_ARROW: &str = "
import pathlib, sys
from pyarrow import ipc, orc
for path in sorted(pathlib.Path(sys.argv[1]).glob('*.orc')):
    table = orc.ORCFile(path).read()
    with ipc.new_file(path.with_suffix('.arrow'), table.schema) as out:
        out.write_table(table)
";

fn read_arrow(path: &Path) -> Vec<RecordBatch> {
    let file = File::open(path).expect("a file");
    let reader = arrow_ipc::reader::FileReader::try_new(file, None).expect("a reader");
    reader.map(|batch| batch.expect("a batch")).collect()
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
        assert_same(
            &rows(&read_arrow(&path(seed, "arrow"))),
            &case(seed),
            &format!("case {seed}"),
        );
    }
}
