//! What fuzzing asks of the readers of other people's data: they end, never panic, and hold no more than a bounded
//! multiple of what they are given. `fuzz/` calls these with bytes that a fuzzer makes, our own tests with random ones.

use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::{Bytes, BytesMut};
use engine_catalog::Column;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};

use crate::{
    AvroBlocks, AvroCompression, Charset, Compression, Decompressor, Delimited, FileFormat, FormatError, Grok,
    JsonLines, OrcFile, OrcOptions, OrcWriter, Quoted, ReadRange, RecordIoOptions, Regex, TensorType, TextDecoder,
    TextFormat, Unmatched, arrow_schema, read_file, read_record_io, write_avro, write_delimited, write_json_lines,
    write_quoted, write_record_io,
};

/// Decompressed bytes that are looked at.
const UNPACKED_BYTES_MAX: usize = 1 << 20;
/// Rows of a file that are looked at: a few bytes may be any number of rows.
const ROWS_MAX: usize = 100_000;
const PATTERN_END: u8 = 0;

fn columns(columns: &[(&str, &str)]) -> SchemaRef {
    let columns: Vec<Column> = columns.iter().map(|(name, hive)| Column::new(*name, *hive)).collect();
    arrow_schema(&columns).expect("a schema")
}

fn every_type() -> SchemaRef {
    columns(&[
        ("s", "string"),
        ("i", "int"),
        ("f", "double"),
        ("c", "decimal(10,3)"),
        ("b", "boolean"),
        ("d", "date"),
        ("t", "timestamp"),
        ("x", "binary"),
        ("l", "array<map<string,struct<a:int,b:array<string>>>>"),
    ])
}

/// Lines of text, in a format that the first bytes choose. Behind them stand, for patterns, the pattern and a zero, and
/// then the lines. What is read can be written again, and JSON that is written is JSON.
///
/// # Panics
/// Where that does not hold.
pub fn text(data: &[u8]) {
    let Some(([kind, flags, first, second], rest)) = data.split_first_chunk() else {
        return;
    };
    let flag = |bit: u8| flags >> bit & 1 == 1;
    let unmatched = if flag(0) { Unmatched::Null } else { Unmatched::Refuse };
    let (pattern, behind) = match rest.iter().position(|byte| *byte == PATTERN_END) {
        Some(end) => (&rest[..end], &rest[end + 1..]),
        None => (rest, &b""[..]),
    };
    let pattern = || String::from_utf8_lossy(pattern).into_owned();
    let (format, lines) = match kind % 4 {
        0 => {
            let delimited = Delimited {
                field: (*first).into(),
                item: (*second).into(),
                escape: flag(1).then(|| b'\\'.into()),
                last_takes_rest: flag(2),
                charset: Charset::named(if flag(3) { "GBK" } else { "" }),
                ..Delimited::default()
            };
            (TextFormat::Delimited(delimited), rest)
        }
        1 => {
            let quoted = Quoted {
                separator: (*first).into(),
                quote: (*second).into(),
                unix_times: flag(1),
                invalid: unmatched,
                ..Quoted::default()
            };
            (TextFormat::Quoted(quoted), rest)
        }
        2 => {
            let regex = Regex {
                pattern: pattern(),
                case_insensitive: flag(1),
                unmatched,
            };
            (TextFormat::Regex(regex), behind)
        }
        _ => {
            let (pattern, custom_patterns) = match pattern().split_once('\n') {
                Some((pattern, custom)) => (pattern.to_owned(), custom.to_owned()),
                None => (pattern(), String::new()),
            };
            let grok = Grok {
                pattern,
                custom_patterns,
                unmatched,
            };
            _ = grok.columns();
            (TextFormat::Grok(grok), behind)
        }
    };
    let Ok(mut decoder) = TextDecoder::new(format, every_type()) else {
        return;
    };
    let lines: Vec<&[u8]> = lines.split(|byte| *byte == b'\n').collect();
    let (batch, rejected) = decoder.decode(&lines).expect("what is not rejected is a batch");
    assert_eq!(batch.num_rows() + rejected.len(), lines.len());
    write_again(&batch);
}

fn write_again(batch: &RecordBatch) {
    let json = write_json_lines(batch, JsonLines::default());
    // Dates may be too far off.
    for line in json
        .iter()
        .flat_map(|json| json.split(|byte| *byte == b'\n'))
        .filter(|line| !line.is_empty())
    {
        let object: serde_json::Value = serde_json::from_slice(line).expect("JSON");
        assert!(object.is_object());
    }
    _ = write_delimited(batch, &Delimited::default());
    _ = write_quoted(batch, &Quoted::default());
}

/// Inputs to start from.
///
/// # Panics
/// Never: they are always the same.
#[must_use]
pub fn text_seeds() -> Vec<Vec<u8>> {
    let input = |signs: [u8; 4], text: &str| [&signs, text.as_bytes()].concat();
    vec![
        input(
            [0, 0b10, b',', b'|'],
            "a\\,b,1,.5,1.25,true,2020-01-01,2020-01-01 00:00:00,YQ==,k\u{3}1\u{4}x\u{5}y|\\N\n\\N,x",
        ),
        input([0, 0b1110, b'\t', 2], "\u{1}\tx\n\ty"),
        input(
            [1, 0b10, b',', b'"'],
            "\"a,\"\"b\\\"\",1,2,3,false,18276,1579059880000\n\"open,1\n a\"b\"c,",
        ),
        input([2, 0, 0, 0], r"^(?!#)([^ ]+)\s+(\d+)(?: (.*?))?$")
            .into_iter()
            .chain(*b"\0a 1 2\n# no\nb x")
            .collect(),
        input(
            [2, 0b11, 0, 0],
            r#"(["'])([\w\p{L}&&[^b]]*+)\1(?>\Q.*\E|\x41\u0042)(?<=x)"#,
        )
        .into_iter()
        .chain(*b"\0'a'.*x")
        .collect(),
        input(
            [3, 1, 0, 0],
            "%{COMBINEDAPACHELOG} %{MINE:i:int} %{X:s=[a-c]+}\nMINE %{INT}|x",
        )
        .into_iter()
        .chain(*b"\0::1 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" 200 - \"-\" \"-\" 12 abc")
        .collect(),
    ]
}

/// A file or an object, of a kind that the first byte chooses. In pieces it is read as it is as a whole.
///
/// # Panics
/// Where that does not hold.
pub fn files(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    match kind % 8 {
        0 | 1 => avro(data),
        2 | 3 => orc(data),
        4 => {
            let schema = columns(&[("label", "float"), ("a", "double"), ("b", "int"), ("c", "array<float>")]);
            for tensor in [TensorType::Float32, TensorType::Float64, TensorType::Int32] {
                let options = RecordIoOptions {
                    label: Some("label".to_owned()),
                    tensor,
                };
                _ = read_record_io(data, &schema, &options);
            }
        }
        5 => unpack(data, "a.gz", Compression::Gzip),
        6 => unpack(data, "a.bz2", Compression::Bzip2),
        _ => {
            unpack(data, "a.zst", Compression::Zstd);
            _ = unpacked(data, "a.snappy");
        }
    }
}

/// Rows, or that there was an error.
type Outcome = Result<usize, ()>;

fn avro(data: &[u8]) {
    let whole = rows(read_file(Bytes::copy_from_slice(data), FileFormat::Avro));
    let mut blocks = AvroBlocks::new(None);
    let mut pieces = || {
        let mut rows = 0;
        let mut drain = |blocks: &mut AvroBlocks| -> Result<(), FormatError> {
            while let Some(batches) = blocks.next_batches()? {
                for batch in batches {
                    rows += batch?.num_rows();
                }
            }
            Ok(())
        };
        for piece in data.chunks(7) {
            blocks.feed(piece);
            drain(&mut blocks)?;
        }
        blocks.finish();
        drain(&mut blocks)?;
        Ok::<_, FormatError>(rows)
    };
    assert_eq!(pieces().map_err(drop), whole);
}

fn rows(batches: Result<impl Iterator<Item = Result<RecordBatch, FormatError>>, FormatError>) -> Outcome {
    let mut rows = 0;
    for batch in batches.map_err(drop)? {
        rows += batch.map_err(drop)?.num_rows();
        if rows > ROWS_MAX {
            return Ok(rows);
        }
    }
    Ok(rows)
}

fn orc(data: &[u8]) {
    let data = Bytes::copy_from_slice(data);
    let whole = rows(read_file(data.clone(), FileFormat::Orc));
    let opened = OrcFile::open(InMemory(data.clone()), data.len() as u64).now_or_never();
    let pieces = match opened.expect("memory is always ready") {
        Ok(file) => {
            let all: Vec<usize> = (0..file.schema().fields().len()).collect();
            let mut batches = file.read(&all, None);
            let next = std::iter::from_fn(|| batches.next().now_or_never().expect("memory is always ready"));
            rows(Ok(next))
        }
        Err(_) => Err(()),
    };
    assert_eq!(pieces, whole);
}

struct InMemory(Bytes);

impl ReadRange for InMemory {
    fn read_range(&mut self, range: Range<u64>) -> BoxFuture<'_, std::io::Result<Bytes>> {
        let bytes = self.0.slice(range.start as usize..range.end as usize);
        std::future::ready(Ok(bytes)).boxed()
    }
}

fn unpack(data: &[u8], name: &str, compression: Compression) {
    let whole = match compression.decompress(data, UNPACKED_BYTES_MAX) {
        Ok(bytes) => Some(bytes),
        Err(FormatError::TooLarge(_)) => return,
        Err(_) => None,
    };
    assert_eq!(unpacked(data, name), whole);
}

fn unpacked(data: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut decompressor = Decompressor::named(name).ok().flatten().expect("a codec");
    let mut out = BytesMut::new();
    for piece in data.chunks(7) {
        decompressor.feed(Bytes::copy_from_slice(piece));
        while decompressor.read(&mut out).ok()? && out.len() <= UNPACKED_BYTES_MAX {}
    }
    decompressor.finish();
    while decompressor.read(&mut out).ok()? && out.len() <= UNPACKED_BYTES_MAX {}
    Some(out.to_vec())
}

/// Inputs to start from.
///
/// # Panics
/// Never: they are always the same.
#[must_use]
pub fn file_seeds() -> Vec<Vec<u8>> {
    let mut decoder = TextDecoder::new(TextFormat::Delimited(Delimited::default()), every_type()).expect("a decoder");
    for line in [
        "a\u{1}1\u{1}.5\u{1}1.25\u{1}true\u{1}2020-01-01\u{1}2020-01-01 00:00:00\u{1}YQ==\u{1}k\u{4}1\u{5}x\u{6}y",
        "\\N\u{1}\\N",
        "b\u{1}2",
    ] {
        decoder.push(line.as_bytes()).expect("a row");
    }
    let batch = decoder.finish().expect("a batch");
    let mut seeds = Vec::new();
    let mut seed = |kind: u8, file: Vec<u8>| seeds.push([vec![kind], file].concat());
    for compression in [
        AvroCompression::None,
        AvroCompression::Deflate,
        AvroCompression::Snappy,
        AvroCompression::Zstd,
        AvroCompression::Bzip2,
    ] {
        seed(
            0,
            write_avro(&batch.schema(), [&batch, &batch], compression).expect("writes"),
        );
    }
    let mut writer = OrcWriter::new(&batch.schema(), OrcOptions::default()).expect("a writer");
    writer.write(&batch).expect("writes");
    seed(2, writer.finish());
    let numbers = columns(&[("label", "float"), ("a", "double"), ("b", "int")]);
    let format = TextFormat::Quoted(Quoted::default());
    let mut decoder = TextDecoder::new(format, numbers).expect("a decoder");
    decoder.push(b"1,2.5,3").expect("a row");
    let options = RecordIoOptions {
        label: Some("label".to_owned()),
        tensor: TensorType::Float64,
    };
    seed(
        4,
        write_record_io(&decoder.finish().expect("a batch"), &options).expect("writes"),
    );
    let lines = b"one\ntwo\nthree\n".repeat(9);
    for (kind, compression) in [
        (5, Compression::Gzip),
        (6, Compression::Bzip2),
        (7, Compression::Zstd),
        (7, Compression::Snappy),
        (7, Compression::HadoopSnappy),
        (7, Compression::FramedSnappy),
    ] {
        seed(kind, compression.compress(lines.clone(), "").expect("packs"));
    }
    seeds
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// Each seed, and what becomes of it when bytes are changed, cut off or doubled.
    fn changed(seeds: &[Vec<u8>], times: u64, run: fn(&[u8])) {
        for seed in seeds {
            run(seed);
            for time in 0..times {
                let rng = &mut StdRng::seed_from_u64(time);
                let mut data = seed.clone();
                for _ in 0..rng.random_range(1..5) {
                    let at = rng.random_range(1..data.len());
                    match rng.random_range(0..4) {
                        0 => data.truncate(at.max(2)),
                        1 => data.insert(at, rng.random()),
                        2 => data[at] ^= 1 << rng.random_range(0..8),
                        _ => data[at] = rng.random(),
                    }
                }
                run(&data);
            }
        }
    }

    #[test]
    fn text_of_any_kind() {
        changed(&text_seeds(), 300, text);
    }

    #[test]
    fn files_of_any_kind() {
        changed(&file_seeds(), 100, files);
    }
}
