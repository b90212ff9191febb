//! Pages of a result, read back from its file.

use base::Scope;
use bytes::{Buf, Bytes};
use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};
use store_objects::{ObjectError, ObjectReader, Objects};

use crate::errors;
use crate::executions::Execution;

/// How much of the file one read takes.
const PIECE_BYTES: u64 = 256 << 10;
/// A page ends with the row that makes it as long as this.
const PAGE_BYTES_MAX: u64 = 8 << 20;
/// No row may be longer (Athena User Guide, "Considerations and limitations").
const ROW_BYTES_MAX: u64 = 32 << 20;

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
    scope: &Scope,
    execution: &Execution,
    from: Place,
    limit: usize,
) -> Result<Page, AwsError> {
    // The bucket may have been deleted, and made again by somebody else.
    let owner = objects
        .bucket(&execution.output_bucket)
        .map(|bucket| bucket.owner.account);
    if owner.is_ok_and(|owner| owner != scope.account) {
        return Err(errors::invalid("Could not find results"));
    }
    let reader = objects
        .open_object(&execution.output_bucket, &execution.output_key)
        .await
        .map_err(|error| match error {
            ObjectError::NoSuchBucket(_) | ObjectError::NoSuchKey { .. } => errors::invalid("Could not find results"),
            other => AwsError::internal(other),
        })?;
    let size = reader.info().size;
    let mut pieces = Pieces {
        reader,
        next_byte: from.byte,
        piece: Bytes::new(),
    };
    let mut rows = Vec::new();
    let mut place = from;
    while rows.len() < limit && place.byte - from.byte < PAGE_BYTES_MAX {
        let mut record = Record::new(execution.has_header());
        let Some(bytes) = pieces.read(&mut record).await? else {
            return Ok(Page { rows, next: None });
        };
        place.byte += bytes;
        rows.push(record.cells);
    }
    let more = place.byte < size;
    Ok(Page {
        rows,
        next: more.then_some(place),
    })
}

struct Pieces {
    reader: ObjectReader,
    next_byte: u64,
    /// What was read and not looked at.
    piece: Bytes,
}

impl Pieces {
    /// Reads one record and returns how many bytes it took; `None` at the end of the file.
    async fn read(&mut self, record: &mut Record) -> Result<Option<u64>, AwsError> {
        let mut taken = 0;
        loop {
            if let Some(bytes) = record.take(&self.piece).ok_or_else(malformed)? {
                self.piece.advance(bytes);
                return Ok(Some(taken + bytes as u64));
            }
            taken += self.piece.len() as u64;
            let end = self.reader.info().size.min(self.next_byte.saturating_add(PIECE_BYTES));
            if self.next_byte >= end && taken == 0 {
                return Ok(None);
            }
            if self.next_byte >= end || taken > ROW_BYTES_MAX {
                return Err(malformed());
            }
            let piece = self.reader.read_range(self.next_byte..end).await;
            self.piece = piece.map_err(AwsError::internal)?;
            self.next_byte = end;
        }
    }
}

/// The file is not what was written, or the place is not one that was given out.
fn malformed() -> AwsError {
    errors::invalid("The results cannot be read from here: their file was changed, or the token is not valid")
}

/// A record that is being read, a byte at a time, so that it goes on where a piece of the file ends.
struct Record {
    cells: Row,
    text: Vec<u8>,
    state: State,
}

enum State {
    /// In a line of text, which is one cell.
    Line,
    /// At the first byte of a cell.
    Begin,
    Quoted,
    /// Behind a quote that ends the cell, unless another follows.
    Quote,
}

impl Record {
    fn new(csv: bool) -> Self {
        Self {
            cells: Row::new(),
            text: Vec::new(),
            state: if csv { State::Begin } else { State::Line },
        }
    }

    /// How many of the bytes belong to the record, if it ends in them; the outer `None` where they are no record.
    fn take(&mut self, bytes: &[u8]) -> Option<Option<usize>> {
        for (at, byte) in bytes.iter().enumerate() {
            match (&self.state, byte) {
                (State::Line, b'\n') => {
                    self.end_cell();
                    return Some(Some(at + 1));
                }
                (State::Begin, b'"') => self.state = State::Quoted,
                (State::Begin, b',') => self.cells.push(None),
                (State::Begin, b'\n') => {
                    self.cells.push(None);
                    return Some(Some(at + 1));
                }
                (State::Quoted, b'"') => self.state = State::Quote,
                (State::Quote, b'"') => {
                    self.text.push(b'"');
                    self.state = State::Quoted;
                }
                (State::Quote, b',') => {
                    self.end_cell();
                    self.state = State::Begin;
                }
                (State::Quote, b'\n') => {
                    self.end_cell();
                    return Some(Some(at + 1));
                }
                (State::Line | State::Quoted, byte) => self.text.push(*byte),
                // Nothing else is written around a cell.
                (State::Begin | State::Quote, _) => return None,
            }
        }
        Some(None)
    }

    fn end_cell(&mut self) {
        let text = std::mem::take(&mut self.text);
        self.cells.push(Some(String::from_utf8_lossy(&text).into_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_go_on_where_a_piece_ends() {
        let text = b"\"a\",,\"\",\"x \"\"y\"\", z\n\"\n\"next\"\n";
        let expect = vec![
            Some("a".to_owned()),
            None,
            Some(String::new()),
            Some("x \"y\", z\n".to_owned()),
        ];
        let whole = text.len() - 7;
        for cut in 0..whole {
            let mut record = Record::new(true);
            assert_eq!(record.take(&text[..cut]), Some(None), "cut at {cut}");
            assert_eq!(record.take(&text[cut..]), Some(Some(whole - cut)), "cut at {cut}");
            assert_eq!(record.cells, expect);
        }
    }

    #[test]
    fn what_is_no_record_is_told_at_once() {
        for text in ["a", "\"a\"b", ",x", "\"a\" ,"] {
            assert_eq!(Record::new(true).take(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Record::new(false).take(b"a,\"b\n"), Some(Some(5)));
    }
}
