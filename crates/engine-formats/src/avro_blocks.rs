//! Avro's object container files, block by block.
//!
//! The blocks are taken apart here, and their records are put into columns by the crate arrow-avro. Left to itself, that
//! takes a file that is cut off for a whole one, does not look at the marks between blocks, unpacks blocks of any size,
//! and goes round in circles where a block has more bytes than its records.
//!
//! Source: Apache Avro 1.12 Specification, "Object Container Files" and "Schema Resolution".

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use arrow_avro::compression::CompressionCodec;
use arrow_avro::errors::AvroError;
use arrow_avro::reader::{HeaderInfo, ReaderBuilder, read_header_info};
use arrow_avro::schema::AvroSchema;
use bytes::{Buf, Bytes, BytesMut};
use serde_json::{Map, Value, json};

use crate::FormatError;
use crate::avro_schema::{projected, record, with_plain_names};
use crate::compression::Bounded;
use crate::files::{BATCH_ROWS, FileBatches, FileFormat, damaged, guarded};
use crate::protobuf::{put_varint, take_varint, zigzag};
use crate::snappy::read_raw;

const MAGIC: &[u8] = b"Obj\x01";
/// The schema and whatever else is said of a file.
const HEADER_BYTES_MAX: usize = 16 << 20;
/// A block, packed or not. Writers make blocks of 16 KiB to a few MiB.
const BLOCK_BYTES_MAX: usize = 256 << 20;
/// So many bytes of blocks become columns together, if they are there.
const GROUP_BYTES: usize = 4 << 20;
/// Numbers are written as in Protocol Buffers.
const NUMBER_BYTES_MAX: usize = 10;
/// What stands between blocks.
const MARK_BYTES: usize = 16;
/// What stands behind data that Snappy has packed.
const CHECKSUM_BYTES: usize = 4;

/// Takes a file apart as its bytes come in.
pub struct AvroBlocks {
    fed: BytesMut,
    ended: bool,
    reader_schema: Option<String>,
    header: Option<Header>,
    /// Places among the columns.
    projection: Option<Vec<usize>>,
}

struct Header {
    info: HeaderInfo,
    writer: Map<String, Value>,
    /// The writer's own, unless there is another.
    reader: Map<String, Value>,
    columns: Vec<String>,
}

/// The records of some blocks, as an array is written.
struct Group {
    records: Bounded,
    count: u64,
}

impl AvroBlocks {
    /// A reader's schema (`avro.schema.literal`) says which columns there are, and what stands for those that the file
    /// does not have. Without one the columns are the file's own.
    #[must_use]
    pub fn new(reader_schema: Option<&str>) -> Self {
        Self {
            fed: BytesMut::new(),
            ended: false,
            reader_schema: reader_schema.map(str::to_owned),
            header: None,
            projection: None,
        }
    }

    /// Takes bytes when [`Self::columns`] or [`Self::next_batches`] has asked for more.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.fed.extend_from_slice(bytes);
    }

    /// No more bytes come.
    pub fn finish(&mut self) {
        self.ended = true;
    }

    /// The columns' names; `None` asks for more bytes.
    pub fn columns(&mut self) -> Result<Option<&[String]>, FormatError> {
        if self.header.is_none() {
            self.header = self.take_header()?;
        }
        Ok(self.header.as_ref().map(|header| header.columns.as_slice()))
    }

    /// Only these of the columns are wanted, in this order.
    pub fn project(&mut self, columns: Vec<usize>) {
        self.projection = Some(columns);
    }

    /// The batches of the next blocks; `None` asks for more bytes, or is the end.
    pub fn next_batches(&mut self) -> Result<Option<FileBatches>, FormatError> {
        if self.header.is_none() {
            self.header = self.take_header()?;
        }
        let Some(header) = &self.header else {
            return Ok(None);
        };
        let Some(group) = next_group(&mut self.fed, &header.info, self.ended)? else {
            return Ok(None);
        };
        header.batches(group, self.projection.as_deref()).map(Some)
    }

    /// Batches of a file without rows, to know its columns by.
    fn empty(&self) -> Result<FileBatches, FormatError> {
        let nothing = Group {
            records: Bounded::new(0),
            count: 0,
        };
        let header = self.header.as_ref().ok_or_else(|| wrong(&"its header is cut off"))?;
        header.batches(nothing, self.projection.as_deref())
    }

    fn take_header(&mut self) -> Result<Option<Header>, FormatError> {
        let read = guarded(FileFormat::Avro, || Ok(read_header_info(self.fed.as_ref())))?;
        let info = match read {
            Ok(info) => info,
            Err(AvroError::EOF(_)) if !self.ended && self.fed.len() <= HEADER_BYTES_MAX => return Ok(None),
            Err(error) => return Err(wrong(&error)),
        };
        self.fed.advance(info.header_len() as usize);
        let writer = record(&info.writer_schema().map_err(|error| wrong(&error))?.json_string)?;
        let mut reader = match &self.reader_schema {
            Some(reader) => record(reader)?,
            None => writer.clone(),
        };
        // To Avro's own readers the names of the two records themselves do not matter.
        for part in ["name", "namespace"] {
            match writer.get(part) {
                Some(value) => reader.insert(part.to_owned(), value.clone()),
                None => reader.remove(part),
            };
        }
        let [writer, reader] = with_plain_names([&writer, &reader]);
        let fields = reader.get("fields").and_then(Value::as_array).into_iter().flatten();
        let names = fields.map(|field| field.get("name").and_then(Value::as_str).map(str::to_owned));
        let columns = names
            .collect::<Option<_>>()
            .ok_or_else(|| wrong(&"a field has no name"))?;
        Ok(Some(Header {
            info,
            writer,
            reader,
            columns,
        }))
    }
}

impl Header {
    /// The records go to the crate as the items of an array in the one record of a file that is not compressed, and
    /// behind them the file's mark: it is found there if the records have the bytes that they should have.
    fn batches(&self, group: Group, projection: Option<&[usize]>) -> Result<FileBatches, FormatError> {
        let mark = self.info.sync();
        let wrapped = |record: Map<String, Value>| {
            let rows = json!({"name": "rows", "type": {"type": "array", "items": record}});
            let mark = json!({"name": "mark", "type": {"type": "fixed", "name": "CatchmentMark", "size": MARK_BYTES}});
            json!({"type": "record", "name": "CatchmentRows", "fields": [rows, mark]}).to_string()
        };
        let writer = wrapped(self.writer.clone());
        let reader = match projection {
            Some(places) => projected(&self.reader, places),
            None => self.reader.clone(),
        };
        let mut records = group.records.into_bytes();
        put_number(0, &mut records);
        records.extend_from_slice(&mark);
        let mut file = Vec::with_capacity(writer.len() + records.len() + 128);
        file.extend_from_slice(MAGIC);
        put_number(1, &mut file);
        for text in ["avro.schema", &writer] {
            put_number(text.len() as i64, &mut file);
            file.extend_from_slice(text.as_bytes());
        }
        put_number(0, &mut file);
        file.extend_from_slice(&mark);
        put_number(1, &mut file);
        put_number(records.len() as i64, &mut file);
        file.extend_from_slice(&records);
        file.extend_from_slice(&mark);
        guarded(FileFormat::Avro, || {
            let builder = ReaderBuilder::new()
                .with_batch_size(1)
                .with_reader_schema(AvroSchema::new(wrapped(reader)));
            let reader = builder
                .build(Cursor::new(Bytes::from(file)))
                .map_err(|error| wrong(&error))?;
            let schema = match reader.schema().fields().first().map(|field| field.data_type().clone()) {
                Some(DataType::List(item)) => match item.data_type() {
                    DataType::Struct(fields) => Arc::new(Schema::new(fields.clone())),
                    _ => return Err(wrong(&"its schema is no record")),
                },
                _ => return Err(wrong(&"its schema is no record")),
            };
            let rows = Rows {
                reader: Some(Box::new(reader)),
                batch: RecordBatch::new_empty(schema.clone()),
                count: group.count,
                mark,
            };
            Ok(FileBatches::new(FileFormat::Avro, schema, Box::new(rows)))
        })
    }
}

/// The rows of the one array that the reader has, in parts.
struct Rows {
    reader: Option<Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>>,
    batch: RecordBatch,
    count: u64,
    mark: [u8; MARK_BYTES],
}

impl Rows {
    fn read(
        &self,
        mut reader: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
    ) -> Result<RecordBatch, ArrowError> {
        let other = || ArrowError::ParseError("its blocks have other records than they say".to_owned());
        let wrapped = reader.next().ok_or_else(other)??;
        let mark = wrapped.column(1).as_fixed_size_binary_opt().ok_or_else(other)?;
        if mark.value(0) != self.mark {
            return Err(other());
        }
        let rows = wrapped.column(0).as_list::<i32>().value(0);
        if rows.len() as u64 != self.count {
            return Err(other());
        }
        Ok(RecordBatch::from(rows.as_struct()))
    }
}

impl Iterator for Rows {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(reader) = self.reader.take() {
            match self.read(reader) {
                Ok(batch) => self.batch = batch,
                Err(error) => return Some(Err(error)),
            }
        }
        let rows = self.batch.num_rows().min(BATCH_ROWS);
        if rows == 0 {
            return None;
        }
        let batch = self.batch.slice(0, rows);
        self.batch = self.batch.slice(rows, self.batch.num_rows() - rows);
        Some(Ok(batch))
    }
}

/// All of a file.
pub(crate) fn read_avro(data: &Bytes) -> Result<FileBatches, FormatError> {
    let mut blocks = AvroBlocks::new(None);
    blocks.feed(data);
    blocks.finish();
    blocks.columns()?;
    let schema = blocks.empty()?.schema().clone();
    let batches = std::iter::from_fn(move || blocks.next_batches().transpose()).flat_map(|batches| {
        let (batches, error) = match batches {
            Ok(batches) => (Some(batches), None),
            Err(error) => (None, Some(Err(error))),
        };
        batches.into_iter().flatten().chain(error)
    });
    let batches = batches.map(|batch| batch.map_err(|error| ArrowError::ExternalError(Box::new(error))));
    Ok(FileBatches::new(FileFormat::Avro, schema, Box::new(batches)))
}

/// Whole blocks out of what was fed, `None` where there is not even one.
fn next_group(fed: &mut BytesMut, info: &HeaderInfo, ended: bool) -> Result<Option<Group>, FormatError> {
    let codec = info.compression().map_err(|error| wrong(&error))?;
    let mut group = Group {
        records: Bounded::new(BLOCK_BYTES_MAX + GROUP_BYTES),
        count: 0,
    };
    let mut blocks = 0;
    while group.records.len() < GROUP_BYTES {
        let Some((count, packed)) = next_block(fed, info.sync())? else {
            if ended && !fed.is_empty() {
                return Err(wrong(&"a block is cut off"));
            }
            break;
        };
        blocks += 1;
        // An array ends where no items follow.
        if count > 0 {
            let mut number = Vec::new();
            put_number(count, &mut number);
            group.records.extend(&number)?;
        }
        let begin = group.records.len();
        unpack(codec, &packed, &mut group.records)?;
        // A record takes a byte at least, unless it has nothing in it.
        let bytes = (group.records.len() - begin) as u64;
        if count as u64 > bytes || count == 0 && bytes > 0 {
            return Err(wrong(&"a block has other records than it says"));
        }
        group.count += count as u64;
    }
    Ok((blocks > 0).then_some(group))
}

/// How many records a block has, and its data, once it is all there.
fn next_block(fed: &mut BytesMut, mark: [u8; MARK_BYTES]) -> Result<Option<(i64, Bytes)>, FormatError> {
    let mut rest = fed.as_ref();
    let (Some(count), Some(bytes)) = (number(&mut rest)?, number(&mut rest)?) else {
        return Ok(None);
    };
    let bytes = usize::try_from(bytes).ok().filter(|_| count >= 0);
    let bytes = bytes.ok_or_else(|| wrong(&"a block has less than no records or bytes"))?;
    if bytes > BLOCK_BYTES_MAX {
        return Err(FormatError::TooLarge(BLOCK_BYTES_MAX));
    }
    if rest.len() < bytes + MARK_BYTES {
        return Ok(None);
    }
    fed.advance(fed.len() - rest.len());
    let packed = fed.split_to(bytes).freeze();
    if fed.split_to(MARK_BYTES) != mark.as_slice() {
        return Err(wrong(&"a block does not end with the file's mark"));
    }
    Ok(Some((count, packed)))
}

fn unpack(codec: Option<CompressionCodec>, packed: &[u8], records: &mut Bounded) -> Result<(), FormatError> {
    match codec {
        None => records.extend(packed),
        Some(CompressionCodec::Deflate) => records.read(flate2::bufread::DeflateDecoder::new(packed), "deflate"),
        Some(CompressionCodec::Bzip2) => records.read(bzip2::bufread::BzDecoder::new(packed), "bzip2"),
        Some(CompressionCodec::ZStandard) => {
            let decoder = zstd::stream::read::Decoder::with_buffer(packed);
            records.read(decoder.map_err(|error| wrong(&error))?, "zstd")
        }
        Some(CompressionCodec::Snappy) => {
            let (packed, checksum) = packed
                .split_last_chunk::<CHECKSUM_BYTES>()
                .ok_or_else(|| wrong(&"a block has no checksum"))?;
            let begin = records.len();
            read_raw(packed, records)?;
            let mut found = flate2::Crc::new();
            found.update(records.from(begin));
            if found.sum() != u32::from_be_bytes(*checksum) {
                return Err(wrong(&"a block has another checksum than it says"));
            }
            Ok(())
        }
        Some(other) => Err(wrong(&format!("its compression, {other:?}, cannot be read"))),
    }
}

/// A number of either sign; `None` where it is cut off.
fn number(bytes: &mut &[u8]) -> Result<Option<i64>, FormatError> {
    match take_varint(bytes) {
        Some(coded) => Ok(Some((coded >> 1) as i64 ^ -((coded & 1) as i64))),
        None if bytes.len() >= NUMBER_BYTES_MAX => Err(wrong(&"a number is too long")),
        None => Ok(None),
    }
}

fn put_number(value: i64, out: &mut Vec<u8>) {
    put_varint(out, zigzag(value));
}

fn wrong(why: &dyn std::fmt::Display) -> FormatError {
    damaged(FileFormat::Avro, why)
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int32Array, StringArray};
    use arrow::datatypes::Field;

    use super::*;
    use crate::{AvroCompression, JsonLines, write_avro, write_json_lines};

    const ALL: [AvroCompression; 5] = [
        AvroCompression::None,
        AvroCompression::Deflate,
        AvroCompression::Snappy,
        AvroCompression::Zstd,
        AvroCompression::Bzip2,
    ];

    /// Three blocks of rows that count on.
    fn file(compression: AvroCompression) -> Vec<u8> {
        let schema = Schema::new(vec![
            Field::new("n", DataType::Int32, false),
            Field::new("Text", DataType::Utf8, true),
        ]);
        let batches = [0..3_000, 3_000..12_000, 12_000..12_001].map(|rows: std::ops::Range<i32>| {
            let texts = rows.clone().map(|n| (n % 7 > 0).then(|| format!("row {n}")));
            let columns: Vec<ArrayRef> = vec![
                Arc::new(Int32Array::from_iter_values(rows.clone())),
                Arc::new(texts.collect::<StringArray>()),
            ];
            RecordBatch::try_new(Arc::new(schema.clone()), columns).expect("a batch")
        });
        write_avro(&schema, &batches, compression).expect("writes")
    }

    /// The rows as JSON, from pieces of so many bytes.
    fn read(mut blocks: AvroBlocks, file: &[u8], piece_bytes: usize, project: &[&str]) -> Result<String, FormatError> {
        let mut out = Vec::new();
        let mut drain = |blocks: &mut AvroBlocks| {
            let Some(columns) = blocks.columns()? else {
                return Ok(());
            };
            let places = project
                .iter()
                .filter_map(|name| columns.iter().position(|column| column == name));
            let places: Vec<usize> = places.collect();
            if !project.is_empty() {
                blocks.project(places);
            }
            while let Some(batches) = blocks.next_batches()? {
                for batch in batches {
                    let batch = batch?;
                    assert!(batch.num_rows() <= BATCH_ROWS);
                    out.extend(write_json_lines(&batch, JsonLines::default())?);
                }
            }
            Ok::<_, FormatError>(())
        };
        for piece in file.chunks(piece_bytes) {
            blocks.feed(piece);
            drain(&mut blocks)?;
        }
        blocks.finish();
        drain(&mut blocks)?;
        Ok(String::from_utf8(out).expect("text"))
    }

    fn rows(row: impl Fn(i32) -> String) -> String {
        (0..12_001).map(|n| row(n) + "\n").collect()
    }

    #[test]
    fn pieces_of_any_size() {
        let expect = rows(|n| match n % 7 {
            0 => format!(r#"{{"n":{n}}}"#),
            _ => format!(r#"{{"n":{n},"Text":"row {n}"}}"#),
        });
        for compression in ALL {
            let file = file(compression);
            for piece_bytes in [100, 5_000, file.len()] {
                let found = read(AvroBlocks::new(None), &file, piece_bytes, &[]).expect("reads");
                assert!(found == expect, "{compression:?} {piece_bytes}");
            }
            for cut in [0, 3, 40, file.len() / 2, file.len() - 1] {
                let refused = read(AvroBlocks::new(None), &file[..cut], 1_000, &[]);
                assert!(matches!(refused, Err(FormatError::Decode(_))), "{compression:?} {cut}");
            }
            let mut other_mark = file.clone();
            *other_mark.last_mut().expect("a byte") ^= 1;
            assert!(read(AvroBlocks::new(None), &other_mark, 1_000, &[]).is_err());
        }
    }

    #[test]
    fn a_reader_has_its_own_schema() {
        let literal = r#"{"type": "record", "name": "Other", "namespace": "x.y", "fields": [
            {"name": "new", "type": ["null", "string"], "default": null},
            {"name": "level", "type": "string", "default": "low"},
            {"name": "n", "type": ["null", "double"], "default": null}]}"#;
        let file = file(AvroCompression::Deflate);
        let found = read(AvroBlocks::new(Some(literal)), &file, 1_000, &[]).expect("reads");
        assert!(found == rows(|n| format!(r#"{{"level":"low","n":{n}.0}}"#)));
        let found = read(AvroBlocks::new(Some(literal)), &file, 1_000, &["n", "new"]).expect("reads");
        assert!(found == rows(|n| format!(r#"{{"n":{n}.0}}"#)));
        for literal in ["", "{}", "\"int\"", &literal.replace(", \"default\": \"low\"", "")] {
            let refused = read(AvroBlocks::new(Some(literal)), &file, 1_000, &[]);
            assert!(matches!(refused, Err(FormatError::Decode(_))), "{literal}");
        }
    }

    /// A file of one block.
    fn made(schema: &str, count: i64, records: &[u8]) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        put_number(1, &mut file);
        for text in ["avro.schema", schema] {
            put_number(text.len() as i64, &mut file);
            file.extend_from_slice(text.as_bytes());
        }
        file.extend_from_slice(&[0; 1 + MARK_BYTES]);
        put_number(count, &mut file);
        put_number(records.len() as i64, &mut file);
        file.extend_from_slice(records);
        file.extend_from_slice(&[0; MARK_BYTES]);
        file
    }

    #[test]
    fn what_says_more_than_it_has_ends() {
        let record = |fields: &str| format!(r#"{{"type": "record", "name": "R", "fields": [{fields}]}}"#);
        let number = record(r#"{"name": "n", "type": "long"}"#);
        let read = |file: &[u8]| read(AvroBlocks::new(None), file, 1_000, &[]);
        assert_eq!(
            read(&made(&number, 2, &[2, 4])).expect("reads"),
            "{\"n\":1}\n{\"n\":2}\n"
        );
        let endless = record(r#"{"name": "l", "type": {"type": "array", "items": "null"}}"#);
        let named = r#"{"name": "a", "type": {"type": "record", "name": "x.Nothing", "fields": []}},
            {"name": "l", "type": ["null", {"type": "array", "items": "Nothing"}]}"#;
        let nothing = record(r#"{"name": "l", "type": "null"}"#);
        // Types of two types each, types that lie deep within each other, and one within itself.
        let chain = |fields: &str| {
            let link = |n: u32| {
                let fields = fields.replace("BEFORE", &format!("R{}", n - 1));
                format!(r#"{{"name": "f{n}", "type": {{"type": "record", "name": "R{n}", "fields": [{fields}]}}}}"#)
            };
            let first =
                r#"{"name": "f0", "type": {"type": "record", "name": "R0", "fields": [{"name": "n", "type": "int"}]}}"#;
            let links: String = (1..2_000).map(|n| format!(",{}", link(n))).collect();
            record(&format!("{first}{links}"))
        };
        let doubled = chain(r#"{"name": "a", "type": "BEFORE"}, {"name": "b", "type": "BEFORE"}"#);
        let deep = chain(r#"{"name": "a", "type": "BEFORE"}"#);
        let within_itself = record(r#"{"name": "next", "type": ["null", "R"]}"#);
        for file in [
            made(&number, 1, &[2, 4]),
            made(&number, 0, &[2, 4]),
            made(&number, 3, &[2, 4]),
            made(&number, -1, &[2, 4]),
            made(&number, i64::MAX, &[2, 4]),
            made(&endless, 1, &[254, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0]),
            made(
                &record(named),
                1,
                &[2, 254, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0],
            ),
            made(&nothing, i64::MAX, &[]),
            made(&nothing, 5, &[]),
            made(&doubled, 1, &[2; 9_000]),
            made(&deep, 1, &[2; 9_000]),
            made(&within_itself, 1, &[2, 2, 2, 0]),
        ] {
            assert!(matches!(read(&file), Err(FormatError::Decode(_))), "{file:?}");
        }
        let mut long = made(&number, 1, &[]);
        let at = long.len() - MARK_BYTES - 1;
        long.splice(at.., [254, 255, 255, 255, 255, 1]);
        assert!(matches!(read(&long), Err(FormatError::TooLarge(_))));
    }
}
