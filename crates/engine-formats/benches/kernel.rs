//! JSON to Parquet, stage by stage: `cargo bench -p engine-formats`.

mod events;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine_formats::{
    Documents, JsonDecoder, JsonOptions, ParquetCompression, ParquetFile, ParquetOptions, WriterVersion, arrow_schema,
    without_views,
};

/// The server's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BYTES: usize = 8_000_000;
/// Rows of one batch of columns.
const BATCH_ROWS: usize = 6_000;

fn kernel(criterion: &mut Criterion) {
    let lines = events::lines(BYTES);
    let records: Vec<&[u8]> = lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .collect();
    let columns = arrow_schema(&events::columns()).expect("a schema");
    let schema = without_views(&columns);
    let mut group = criterion.benchmark_group("json to parquet");
    group.throughput(Throughput::Bytes(lines.len() as u64));

    for (name, schema) in [("decode", &schema), ("decode to views", &columns)] {
        let mut decoder = JsonDecoder::new(schema.clone(), JsonOptions::default());
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for records in records.chunks(BATCH_ROWS) {
                    for record in records {
                        decoder.push(record).expect("a good record");
                    }
                    decoder.finish().expect("a batch");
                }
            });
        });
    }
    group.bench_function("cut into documents", |bencher| {
        bencher.iter(|| Documents::new(&lines).count())
    });

    let mut decoder = JsonDecoder::new(schema.clone(), JsonOptions::default());
    let batches: Vec<_> = records
        .chunks(BATCH_ROWS)
        .map(|records| decoder.decode(records).expect("a batch").0)
        .collect();
    let options = |compression, version, dictionary| ParquetOptions {
        compression,
        version,
        dictionary,
        ..ParquetOptions::default()
    };
    for (name, options) in [
        ("encode", ParquetOptions::default()),
        (
            "encode without compression",
            options(ParquetCompression::Uncompressed, WriterVersion::V1, true),
        ),
        (
            "encode without dictionaries",
            options(ParquetCompression::Snappy, WriterVersion::V1, false),
        ),
        (
            "encode as V2",
            options(ParquetCompression::Snappy, WriterVersion::V2, true),
        ),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut file = ParquetFile::new(schema.clone(), options.clone());
                for batch in &batches {
                    file.write(batch).expect("writes");
                }
                file.finish().expect("a file")
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = kernel_group;
    config = Criterion::default().sample_size(20);
    targets = kernel
}
criterion_main!(kernel_group);
