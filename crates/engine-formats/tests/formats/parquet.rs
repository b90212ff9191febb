//! Parquet files of random tables, read whole and through filters by PyArrow and by DuckDB.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use engine_formats::{ParquetCompression, ParquetFile, ParquetOptions, WriterVersion, without_views};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::value::{Value, rows};
use crate::{python, random};

pub(crate) const CASES: u64 = 40;

pub(crate) struct Case {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) options: ParquetOptions,
}

/// A table whose first column has the rows' numbers. Pages and row groups are small, so that there are many.
pub(crate) fn case(seed: u64) -> Case {
    let rng = &mut StdRng::seed_from_u64(seed);
    if seed % 16 == 7 {
        return with_giants(rng);
    }
    let columns = rng.random_range(1..=5);
    let random = random::schema(rng, columns);
    let mut fields = vec![Arc::new(Field::new("row", DataType::Int64, false))];
    fields.extend(random.fields().iter().cloned());
    let schema = Arc::new(Schema::new(fields));
    let sizes: &[usize] = match seed {
        _ if seed.is_multiple_of(16) => &[4_000],
        _ => &[0, 1, 17, 600, 3_000],
    };
    let mut first = 0;
    let batches = (0..rng.random_range(0..4)).map(|_| {
        let rows = *sizes.choose(rng).expect("rows");
        let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values(first..first + rows as i64))];
        first += rows as i64;
        columns.extend(random::batch(rng, &random, rows).columns().iter().cloned());
        RecordBatch::try_new(schema.clone(), columns).expect("a batch")
    });
    let batches: Vec<RecordBatch> = batches.collect();
    let (schema, batches) = if rng.random() {
        plain(&schema, &batches)
    } else {
        (schema, batches)
    };
    Case {
        schema,
        batches,
        options: options(rng),
    }
}

fn options(rng: &mut StdRng) -> ParquetOptions {
    let compressions = [
        ParquetCompression::Uncompressed,
        ParquetCompression::Gzip,
        ParquetCompression::Snappy,
    ];
    ParquetOptions {
        compression: *compressions.choose(rng).expect("a compression"),
        dictionary: rng.random(),
        block_bytes: *[20_000, 300_000, 256 << 20].choose(rng).expect("a size"),
        page_bytes: *[1, 300, 4_000, 1 << 20].choose(rng).expect("a size"),
        padding_bytes_max: *[0, 0, 1_000, 1 << 30].choose(rng).expect("a size"),
        version: *[WriterVersion::V1, WriterVersion::V2].choose(rng).expect("a version"),
    }
}

/// Among short rows a few of many pages' size, and of more than a block's.
fn with_giants(rng: &mut StdRng) -> Case {
    const ROWS: usize = 200;
    const GIANT_BYTES: usize = 50_000;
    let column = |distinct: usize| -> StringArray {
        let length = |row: usize| if row % 67 == 5 { GIANT_BYTES } else { 3 };
        (0..ROWS)
            .map(|row| Some(format!("{}-", row % distinct).repeat(length(row) / 3)))
            .collect()
    };
    let texts: ArrayRef = Arc::new(column(ROWS));
    let repeated: ArrayRef = Arc::new(column(40));
    let lengths: Vec<usize> = (0..ROWS)
        .map(|row| if row % 50 == 9 { 20_000 } else { row % 3 })
        .collect();
    let items: usize = lengths.iter().sum();
    let items: ArrayRef = Arc::new(Int64Array::from_iter(
        (0..items).map(|_| rng.random_bool(0.7).then(|| rng.random_range(0..1_000))),
    ));
    let item = Arc::new(Field::new("item", DataType::Int64, true));
    let lists = ListArray::new(item, OffsetBuffer::from_lengths(lengths), items, None);
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS as i64));
    let columns = [
        ("row", numbers),
        ("texts", texts),
        ("repeated", repeated),
        ("lists", Arc::new(lists)),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    Case {
        schema: batch.schema(),
        batches: vec![batch],
        options: options(rng),
    }
}

/// The same with strings that are no views.
fn plain(schema: &Schema, batches: &[RecordBatch]) -> (SchemaRef, Vec<RecordBatch>) {
    let schema = without_views(schema);
    let batch = |batch: &RecordBatch| {
        let columns = batch.columns().iter().zip(schema.fields());
        let columns = columns.map(|(column, field)| cast(column, field.data_type()).expect("the same"));
        RecordBatch::try_new(schema.clone(), columns.collect()).expect("a batch")
    };
    let batches = batches.iter().map(batch).collect();
    (schema, batches)
}

pub(crate) fn write(case: &Case) -> Vec<u8> {
    let mut file = ParquetFile::new(case.schema.clone(), case.options.clone()).expect("a file");
    case.batches.iter().for_each(|batch| file.write(batch).expect("writes"));
    file.finish().expect("finishes")
}

fn to_arrow(path: &Path, case: &Case) {
    // PyArrow does not filter views.
    let (schema, batches) = plain(&case.schema, &case.batches);
    let file = File::create(path).expect("a file");
    let mut writer = arrow_ipc::writer::FileWriter::try_new(file, &schema).expect("a writer");
    batches.iter().for_each(|batch| writer.write(batch).expect("writes"));
    writer.finish().expect("finishes");
}

fn from_arrow(path: &Path) -> Vec<Vec<Value>> {
    let file = File::open(path).expect("a file");
    let reader = arrow_ipc::reader::FileReader::try_new(file, None).expect("a reader");
    let batches: Vec<RecordBatch> = reader.map(|batch| batch.expect("a batch")).collect();
    rows(&batches)
}

/// Writes each file of the directory again as Arrow's own format, once as PyArrow reads it and once as DuckDB does.
/// Then asks both for the rows that a filter leaves, and compares them with those of the table that was written.
const READ: &str = "
import math, pathlib, random, sys
import duckdb, pyarrow as pa, pyarrow.compute as pc, pyarrow.parquet as pq
from duckdb import ColumnExpression, ConstantExpression
from pyarrow import ipc

def save(table, path):
    with ipc.new_file(path, table.schema) as out:
        out.write_table(table)

def leaves(field, path):
    if pa.types.is_struct(field.type):
        for at in range(field.type.num_fields):
            yield from leaves(field.type.field(at), [*path, field.type.field(at).name])
    elif not pa.types.is_nested(field.type):
        yield path, field.type

def is_nan(value):
    return isinstance(value, float) and math.isnan(value)

filtered = 0
for source in sorted(pathlib.Path(sys.argv[1]).glob('*.truth')):
    dice = random.Random(source.name)
    parquet = str(source.with_suffix('.parquet'))
    save(pq.read_table(parquet), source.with_suffix('.pyarrow'))
    duck = duckdb.connect()
    save(duck.read_parquet(parquet).to_arrow_table(), source.with_suffix('.duckdb'))
    truth = ipc.open_file(source).read_all()
    # DuckDB wants maps with distinct keys, and filters have no use for them.
    plain = truth.select([field.name for field in truth.schema if 'map<' not in str(field.type)])
    duck.execute('CREATE TABLE truth AS SELECT * FROM plain')
    for field in plain.schema:
        for path, kind in leaves(field, [field.name]):
            column = truth.column(path[0])
            for name in path[1:]:
                column = pc.struct_field(column, name)
            values = [value for value in column.to_pylist() if value is not None]
            name = '.'.join(path)
            known = ColumnExpression(*path)
            other = pc.field(tuple(path))
            checks = [
                (f'{name} IS NULL', known.isnull(), other.is_null()),
                (f'{name} IS NOT NULL', known.isnotnull(), other.is_valid()),
            ]
            literals = dice.sample(values, min(2, len(values)))
            if values and not any(map(is_nan, values)):
                literals += [min(values), max(values)]
            if values and pa.types.is_floating(kind):
                literals += [0.0, -0.0, math.inf, -math.inf, 1e300 if kind == pa.float64() else 1e30]
            for value in literals:
                one = ConstantExpression(value)
                if pa.types.is_floating(kind):
                    one = one.cast('FLOAT' if kind == pa.float32() else 'DOUBLE')
                arrow = pa.scalar(value, kind)
                for sign, in_duck, in_arrow in [
                    ('=', known == one, other == arrow), ('<>', known != one, other != arrow),
                    ('<', known < one, other < arrow), ('<=', known <= one, other <= arrow),
                    ('>', known > one, other > arrow), ('>=', known >= one, other >= arrow),
                ]:
                    checks.append((f'{name} {sign} {value!r}', in_duck, in_arrow))
            for what, in_duck, in_arrow in dice.sample(checks, min(12, len(checks))):
                def rows(relation):
                    return relation.filter(in_duck).aggregate('count(row), sum(hash(row)::HUGEINT)').fetchone()
                expect = rows(duck.table('truth'))
                found = rows(duck.read_parquet(parquet))
                assert found == expect, f'DuckDB, {source.stem}: {what}: {found[0]} rows instead of {expect[0]}'
                expect = truth.filter(in_arrow).column('row').to_pylist()
                found = pq.read_table(parquet, columns=['row'], filters=in_arrow).column('row').to_pylist()
                assert found == expect, f'PyArrow, {source.stem}: {what}: {len(found)} rows instead of {len(expect)}'
                filtered += 1
    duck.close()
print(filtered)
";

#[test]
fn pyarrow_and_duckdb_read_what_was_written() {
    let Some(python) = python::interpreter() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let path = |seed: u64, extension: &str| directory.path().join(format!("{seed:04}.{extension}"));
    for seed in 0..CASES {
        let case = case(seed);
        std::fs::write(path(seed, "parquet"), write(&case)).expect("writes");
        to_arrow(&path(seed, "truth"), &case);
    }
    let filtered = python::run(&python, READ, directory.path());
    let count: u64 = filtered.trim().parse().expect(&filtered);
    assert!(count > 10 * CASES, "{count}");
    for seed in 0..CASES {
        let case = case(seed);
        let written = rows(&case.batches);
        for reader in ["pyarrow", "duckdb"] {
            let read = from_arrow(&path(seed, reader));
            assert_eq!(read.len(), written.len(), "case {seed}, {reader}");
            if let Some(row) = (0..read.len()).find(|row| read[*row] != written[*row]) {
                panic!(
                    "case {seed}, {reader}: row {row} of {:?} with {:?}\nwritten {:?}\nread    {:?}",
                    case.schema, case.options, written[row], read[row]
                );
            }
        }
    }
}
