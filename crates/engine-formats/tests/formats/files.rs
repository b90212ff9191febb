//! Parquet, ORC and Avro read again, and Avro before fastavro.

use std::fs;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use bytes::Bytes;
use engine_formats::{
    AvroCompression, FileFormat, FormatError, OrcOptions, OrcWriter, ParquetOptions, read_file, write_avro,
    write_parquet,
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
            let whole = concat_batches(&schema, batches).expect("a batch");
            write_parquet(&whole, &ParquetOptions::default()).expect("writes")
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
            let written = rows(&batches);
            assert_eq!(read.len(), written.len(), "{format:?} {seed}");
            let other = (0..read.len()).find(|row| read[*row] != written[*row]);
            assert!(
                other.is_none(),
                "{format:?} {seed}: {:?}\n{:?}\n{:?}",
                batches[0].schema(),
                other.map(|row| &written[row]),
                other.map(|row| &read[row])
            );
        }
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
