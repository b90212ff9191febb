//! Pages of a result, read back from its file.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};
use store_objects::{ObjectError, ObjectReader, Objects};

use crate::errors;
use crate::executions::Execution;

/// How much of the file one read takes.
const PIECE_BYTES: u64 = 256 << 10;

/// Cells of one row; NULL is `None`.
pub(crate) type Row = Vec<Option<String>>;

/// Where the next page begins.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) byte: u64,
}

pub(crate) struct Page {
    pub(crate) rows: Vec<Row>,
    pub(crate) next: Option<Place>,
}

/// At most `limit` rows from `from` on.
pub(crate) async fn page(
    objects: &Objects,
    execution: &Execution,
    from: Place,
    limit: usize,
) -> Result<Page, AwsError> {
    let reader = objects
        .open_object(&execution.output_bucket, &execution.output_key)
        .await
        .map_err(|error| match error {
            ObjectError::NoSuchBucket(_) | ObjectError::NoSuchKey { .. } => errors::invalid("Could not find results"),
            other => AwsError::internal(other),
        })?;
    let mut pieces = Pieces {
        reader,
        next_byte: from.byte,
        text: Vec::new(),
        at: 0,
    };
    let mut rows = Vec::new();
    let mut place = from;
    while rows.len() < limit {
        let line = match execution.has_header() {
            true => pieces.record().await?,
            false => pieces.line().await?,
        };
        let Some((row, bytes)) = line else {
            return Ok(Page { rows, next: None });
        };
        place.byte += bytes;
        rows.push(row);
    }
    let more = place.byte < pieces.reader.info().size;
    Ok(Page {
        rows,
        next: more.then_some(place),
    })
}

struct Pieces {
    reader: ObjectReader,
    next_byte: u64,
    text: Vec<u8>,
    at: usize,
}

impl Pieces {
    /// Fetches more text; false at the end of the file.
    async fn more(&mut self) -> Result<bool, AwsError> {
        let size = self.reader.info().size;
        if self.next_byte >= size {
            return Ok(false);
        }
        let end = size.min(self.next_byte + PIECE_BYTES);
        let bytes = self
            .reader
            .read_range(self.next_byte..end)
            .await
            .map_err(AwsError::internal)?;
        self.text.drain(..self.at);
        self.at = 0;
        self.text.extend_from_slice(&bytes);
        self.next_byte = end;
        Ok(true)
    }

    /// A line as one cell, and the bytes it took.
    async fn line(&mut self) -> Result<Option<(Row, u64)>, AwsError> {
        loop {
            let rest = &self.text[self.at..];
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&rest[..end]).into_owned();
                self.at += end + 1;
                return Ok(Some((vec![Some(line)], end as u64 + 1)));
            }
            if !self.more().await? {
                return Ok(None);
            }
        }
    }

    /// A CSV record's cells, and the bytes it took.
    async fn record(&mut self) -> Result<Option<(Row, u64)>, AwsError> {
        loop {
            if let Some((row, bytes)) = parse_record(&self.text[self.at..]) {
                self.at += bytes;
                return Ok(Some((row, bytes as u64)));
            }
            if !self.more().await? {
                return Ok(None);
            }
        }
    }
}

/// The record at the head of `text`, if it is there to its end.
fn parse_record(text: &[u8]) -> Option<(Row, usize)> {
    let mut row = Row::new();
    let mut at = 0;
    loop {
        let cell = if text.get(at) == Some(&b'"') {
            let mut cell = Vec::new();
            at += 1;
            loop {
                match (*text.get(at)?, text.get(at + 1)) {
                    (b'"', Some(b'"')) => {
                        cell.push(b'"');
                        at += 2;
                    }
                    // Whether this quote ends the cell shows only in what follows it.
                    (b'"', None) => return None,
                    (b'"', Some(_)) => {
                        at += 1;
                        break;
                    }
                    (byte, _) => {
                        cell.push(byte);
                        at += 1;
                    }
                }
            }
            Some(String::from_utf8_lossy(&cell).into_owned())
        } else {
            None
        };
        row.push(cell);
        match text.get(at)? {
            b',' => at += 1,
            b'\n' => return Some((row, at + 1)),
            // Nothing else is written behind a cell.
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_whole_or_not_there() {
        let text = b"\"a\",,\"\",\"x \"\"y\"\", z\n\"\n\"next\"\n";
        let expect = vec![
            Some("a".to_owned()),
            None,
            Some(String::new()),
            Some("x \"y\", z\n".to_owned()),
        ];
        let (row, bytes) = parse_record(text).unwrap();
        assert_eq!((row, bytes), (expect, text.len() - 7));
        for cut in 0..bytes {
            assert!(parse_record(&text[..cut]).is_none(), "cut at {cut}");
        }
    }
}
