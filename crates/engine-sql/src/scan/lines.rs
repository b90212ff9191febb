//! The lines of a text file, or of a range of it, as they stream in.

use bytes::{Buf, Bytes, BytesMut};
use datafusion::error::{DataFusionError, Result};
use engine_formats::Decompressor;
use memchr::memchr2;

use super::rows::bad_data;

/// No line of a table may be longer; without a bound, a file without line ends would fill the memory.
const LINE_BYTES_MAX: usize = 64 << 20;
/// What some programs put before text that is UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Splits what is fed to it into lines, which end with a line feed, a carriage return or both, as Hadoop's
/// TextInputFormat has it. Of a range of a file it keeps the lines that begin within the range.
pub(super) struct Lines {
    /// Of a compressed file; and its name, for messages.
    decompressor: Option<(Decompressor, String)>,
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line's end.
    searched: usize,
    /// Where the buffer begins in the (decompressed) file.
    at: u64,
    end: u64,
    skip_lines: usize,
    /// The first line began before the range and belongs to the reader of the range before.
    skip_partial: bool,
    finished: bool,
}

impl Lines {
    /// The whole of a file, which is compressed if its name says so. Its first `skip_lines` lines are no rows.
    pub(super) fn whole(file: &str, skip_lines: usize) -> Result<Self> {
        let decompressor = Decompressor::named(file).map_err(|error| DataFusionError::External(Box::new(error)))?;
        Ok(Self {
            decompressor: decompressor.map(|decompressor| (decompressor, file.to_owned())),
            ..Self::range(0, u64::MAX, skip_lines)
        })
    }

    /// The lines that begin at `start..end` of a file that is not compressed. What is fed must begin at
    /// [`Lines::feed_from`].
    pub(super) fn range(start: u64, end: u64, skip_lines: usize) -> Self {
        Self {
            decompressor: None,
            buffer: BytesMut::new(),
            searched: 0,
            at: Self::feed_from(start),
            end,
            skip_lines: if start == 0 { skip_lines } else { 0 },
            skip_partial: start > 0,
            finished: false,
        }
    }

    /// One byte earlier than the range, to see whether a line ends right before it.
    pub(super) fn feed_from(start: u64) -> u64 {
        start.saturating_sub(1)
    }

    /// Takes bytes when [`Lines::next`] has asked for more.
    pub(super) fn feed(&mut self, bytes: Bytes) {
        match &mut self.decompressor {
            Some((decompressor, _)) => decompressor.feed(bytes),
            None => self.buffer.extend_from_slice(&bytes),
        }
    }

    /// No more bytes come: what is left is the last line.
    pub(super) fn finish(&mut self) {
        if let Some((decompressor, _)) = &mut self.decompressor {
            decompressor.finish();
        }
        self.finished = true;
    }

    /// Unpacks some of what was fed; false when there is nothing.
    fn unpack(&mut self) -> Result<bool> {
        let Some((decompressor, file)) = &mut self.decompressor else {
            return Ok(false);
        };
        let read = decompressor.read(&mut self.buffer);
        read.map_err(|error| bad_data(format!("HIVE_CURSOR_ERROR: s3://{file}: {error}")))
    }

    /// Whether the range's last line has been seen.
    pub(super) fn is_past_end(&self) -> bool {
        self.at >= self.end && !self.skip_partial
    }

    /// The next whole line without its end; `None` asks for more bytes, or is the end.
    pub(super) fn next(&mut self) -> Result<Option<BytesMut>> {
        loop {
            if self.is_past_end() {
                return Ok(None);
            }
            let (length, taken) = match self.line_end() {
                Some(found) => found,
                None if self.buffer.len() > LINE_BYTES_MAX => {
                    let message = format!("HIVE_CURSOR_ERROR: a line is longer than {LINE_BYTES_MAX} bytes");
                    return Err(bad_data(message));
                }
                None if self.unpack()? => continue,
                None if self.finished && !self.buffer.is_empty() => {
                    let length = self.buffer.strip_suffix(b"\r").unwrap_or(&self.buffer).len();
                    (length, self.buffer.len())
                }
                None => return Ok(None),
            };
            let is_first = self.at == 0;
            let mut line = self.buffer.split_to(taken);
            self.searched = 0;
            self.at += taken as u64;
            if std::mem::take(&mut self.skip_partial) {
                continue;
            }
            line.truncate(length);
            if is_first && line.starts_with(BYTE_ORDER_MARK) {
                line.advance(BYTE_ORDER_MARK.len());
                if taken == BYTE_ORDER_MARK.len() {
                    continue;
                }
            }
            if self.skip_lines > 0 {
                self.skip_lines -= 1;
                continue;
            }
            return Ok(Some(line));
        }
    }

    /// How long the first line in the buffer is without and with its end, if that is there.
    fn line_end(&mut self) -> Option<(usize, usize)> {
        let Some(found) = memchr2(b'\n', b'\r', &self.buffer[self.searched..]) else {
            self.searched = self.buffer.len();
            return None;
        };
        let at = self.searched + found;
        let end_bytes = match (self.buffer[at], self.buffer.get(at + 1)) {
            (b'\r', Some(b'\n')) => 2,
            // What follows is of the same end or not.
            (b'\r', None) => {
                self.searched = at;
                return None;
            }
            _ => 1,
        };
        Some((at, at + end_bytes))
    }
}

#[cfg(test)]
mod tests {
    use engine_formats::Compression;

    use super::*;

    fn read(mut lines: Lines, pieces: &[&[u8]]) -> Vec<String> {
        let mut found = Vec::new();
        let mut drain = |lines: &mut Lines| {
            while let Some(line) = lines.next().unwrap() {
                found.push(String::from_utf8(line.to_vec()).unwrap());
            }
        };
        for piece in pieces {
            lines.feed(Bytes::copy_from_slice(piece));
            drain(&mut lines);
        }
        lines.finish();
        drain(&mut lines);
        found
    }

    #[test]
    fn every_split_into_ranges_yields_each_line_once() {
        for (text, last) in [
            ("head\nab\n\ncde\r\nf", "f"),
            ("\u{feff}head\r\nab\r\r\ncde\rf\n", "f"),
            ("head\rab\n\rcde\n\u{feff}f\r", "\u{feff}f"),
        ] {
            for cut in 0..=text.len() as u64 {
                let mut found = Vec::new();
                for (start, end) in [(0, cut), (cut, text.len() as u64)] {
                    let fed = &text.as_bytes()[Lines::feed_from(start) as usize..];
                    let pieces: Vec<&[u8]> = fed.chunks(3).collect();
                    found.extend(read(Lines::range(start, end, 1), &pieces));
                }
                if cut == 0 {
                    // The second reader has it all, and is the one that skips the head.
                    found.retain(|line| line != "head");
                }
                assert_eq!(found, ["ab", "", "cde", last], "cut at {cut}: {text:?}");
            }
        }
        assert_eq!(
            read(Lines::range(0, 9, 0), &["\u{feff}".as_bytes()]),
            Vec::<String>::new()
        );
        assert_eq!(read(Lines::range(0, 9, 0), &["\u{feff}\n".as_bytes()]), [""]);
    }

    #[test]
    fn what_is_packed_is_unpacked_as_lines_are_taken() {
        let mut line = [b'x'; 1 << 10];
        line[line.len() - 1] = b'\n';
        let packed = Compression::Gzip.compress(line.repeat(64 << 10), "").unwrap();
        let mut lines = Lines::whole("a.gz", 0).unwrap();
        lines.feed(packed.into());
        let mut count = 0;
        while lines.next().unwrap().is_some() {
            assert!(lines.buffer.len() < 128 << 10, "{}", lines.buffer.len());
            count += 1;
        }
        lines.finish();
        while lines.next().unwrap().is_some() {
            count += 1;
        }
        assert_eq!(count, 64 << 10);
    }

    #[test]
    fn streams_that_follow_each_other_in_pieces() {
        for (compression, name) in [(Compression::Gzip, "b/a.csv.gz"), (Compression::Bzip2, "b/a.bz2")] {
            let pack = |text: &str| compression.compress(text.into(), "").unwrap();
            let packed = [pack("a\nb"), pack("c\r"), pack("\nd\r")].concat();
            let pieces: Vec<&[u8]> = packed.chunks(7).collect();
            assert_eq!(read(Lines::whole(name, 0).unwrap(), &pieces), ["a", "bc", "d"]);
        }
        let mut lines = Lines::whole("b/a.zst", 0).unwrap();
        lines.feed(Bytes::from_static(b"plain text"));
        let error = lines.next().unwrap_err().to_string();
        assert!(
            error.contains("HIVE_CURSOR_ERROR: s3://b/a.zst: it is not zstd"),
            "{error}"
        );
    }
}
