//! The lines of a text file, or of a range of it, as they stream in.

use bytes::{Bytes, BytesMut};
use datafusion::error::{DataFusionError, Result};
use flate2::write::MultiGzDecoder;
use memchr::memchr;

/// No line of a table may be longer; without a bound, a file without line ends would fill the memory.
const LINE_BYTES_MAX: usize = 64 << 20;

/// Packed bytes that are inflated at once. Gzip makes at most a thousand of one, so that 16 MiB come of these.
const PACKED_PIECE_BYTES: usize = 16 << 10;

/// Splits what is fed to it into lines. Of a range of a file it keeps the lines that begin within the range.
pub(super) struct Lines {
    decoder: Option<MultiGzDecoder<Vec<u8>>>,
    /// What was fed and is not inflated yet: a little of it may become very much.
    packed: Bytes,
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
    /// A whole file; its first `skip_lines` lines are no rows.
    pub(super) fn whole(gzip: bool, skip_lines: usize) -> Self {
        let decoder = gzip.then(|| MultiGzDecoder::new(Vec::new()));
        Self {
            decoder,
            packed: Bytes::new(),
            buffer: BytesMut::new(),
            searched: 0,
            at: 0,
            end: u64::MAX,
            skip_lines,
            skip_partial: false,
            finished: false,
        }
    }

    /// The lines that begin at `start..end`. What is fed must begin at [`Lines::feed_from`].
    pub(super) fn range(start: u64, end: u64, skip_lines: usize) -> Self {
        let skip_lines = if start == 0 { skip_lines } else { 0 };
        Self {
            at: Self::feed_from(start),
            end,
            skip_lines,
            skip_partial: start > 0,
            ..Self::whole(false, 0)
        }
    }

    /// One byte earlier than the range, to see whether a line ends right before it.
    pub(super) fn feed_from(start: u64) -> u64 {
        start.saturating_sub(1)
    }

    /// Takes bytes when [`Lines::next`] has asked for more.
    pub(super) fn feed(&mut self, bytes: Bytes) {
        match self.decoder {
            Some(_) => self.packed = bytes,
            None => self.buffer.extend_from_slice(&bytes),
        }
    }

    /// Inflates some of what was fed; false when there is nothing.
    fn inflate(&mut self) -> Result<bool> {
        let Some(decoder) = self.decoder.as_mut().filter(|_| !self.packed.is_empty()) else {
            return Ok(false);
        };
        let piece = self.packed.split_to(self.packed.len().min(PACKED_PIECE_BYTES));
        std::io::Write::write_all(decoder, &piece).map_err(gzip_error)?;
        self.buffer.extend_from_slice(decoder.get_ref());
        decoder.get_mut().clear();
        Ok(true)
    }

    /// No more bytes come: what is left is the last line.
    pub(super) fn finish(&mut self) -> Result<()> {
        while self.inflate()? {}
        if let Some(mut decoder) = self.decoder.take() {
            decoder.try_finish().map_err(gzip_error)?;
            self.buffer.extend_from_slice(decoder.get_ref());
        }
        self.finished = true;
        Ok(())
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
            let found = memchr(b'\n', &self.buffer[self.searched..]);
            let found = found.map(|at| self.searched + at);
            self.searched = if found.is_some() { 0 } else { self.buffer.len() };
            let (mut line, taken) = match found {
                Some(end) => {
                    let mut line = self.buffer.split_to(end + 1);
                    line.truncate(end);
                    (line, end + 1)
                }
                None if self.finished && !self.buffer.is_empty() => {
                    let line = self.buffer.split();
                    self.searched = 0;
                    let taken = line.len();
                    (line, taken)
                }
                None if self.buffer.len() > LINE_BYTES_MAX => {
                    return Err(DataFusionError::Execution(format!(
                        "a line is longer than {LINE_BYTES_MAX} bytes"
                    )));
                }
                None if self.inflate()? => continue,
                None => return Ok(None),
            };
            self.at += taken as u64;
            if std::mem::take(&mut self.skip_partial) {
                continue;
            }
            if self.skip_lines > 0 {
                self.skip_lines -= 1;
                continue;
            }
            if line.last() == Some(&b'\r') {
                line.truncate(line.len() - 1);
            }
            return Ok(Some(line));
        }
    }
}

fn gzip_error(error: std::io::Error) -> DataFusionError {
    DataFusionError::Execution(format!("HIVE_CURSOR_ERROR: a file ends in .gz and is no gzip: {error}"))
}

#[cfg(test)]
mod tests {
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
        lines.finish().unwrap();
        drain(&mut lines);
        found
    }

    #[test]
    fn every_split_into_ranges_yields_each_line_once() {
        let text = b"head\nab\n\ncde\r\nf";
        for cut in 0..=text.len() as u64 {
            let mut found = read(Lines::range(0, cut, 1), &[text]);
            let from = Lines::feed_from(cut) as usize;
            found.extend(read(Lines::range(cut, text.len() as u64, 1), &[&text[from..]]));
            if cut == 0 {
                // The second reader has it all, and is the one that skips the head.
                found.retain(|line| line != "head");
            }
            assert_eq!(found, ["ab", "", "cde", "f"], "cut at {cut}");
        }
    }

    #[test]
    fn gzip_is_inflated_as_lines_are_taken() {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let mut line = [b'x'; 1 << 10];
        line[line.len() - 1] = b'\n';
        for _ in 0..64 << 10 {
            encoder.write_all(&line).unwrap();
        }
        let packed = encoder.finish().unwrap();
        assert!(packed.len() > 2 * PACKED_PIECE_BYTES);
        let mut lines = Lines::whole(true, 0);
        lines.feed(packed.into());
        assert!(lines.next().unwrap().is_some());
        assert!(lines.buffer.len() < 17 << 20, "{}", lines.buffer.len());
        let mut count = 1;
        while lines.next().unwrap().is_some() {
            count += 1;
        }
        lines.finish().unwrap();
        while lines.next().unwrap().is_some() {
            count += 1;
        }
        assert_eq!(count, 64 << 10);
    }

    #[test]
    fn gzip_of_several_members_in_pieces() {
        use std::io::Write;
        let mut packed = Vec::new();
        for part in ["a\nb", "c\nd\n"] {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(part.as_bytes()).unwrap();
            packed.extend(encoder.finish().unwrap());
        }
        let pieces: Vec<&[u8]> = packed.chunks(7).collect();
        assert_eq!(read(Lines::whole(true, 0), &pieces), ["a", "bc", "d"]);
    }
}
