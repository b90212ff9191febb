//! JSON objects in a text, one behind the other.

use memchr::{memchr, memchr3_iter};

/// Cuts bytes into the JSON objects that stand in them one behind the other, whether on lines of their own, across
/// lines or on one line. Nothing is decoded, so that what is cut out may yet turn out not to be JSON; text that is
/// no object is cut out to the end of its line, which keeps what is wrong with one line from the next.
///
/// An object that is not complete is not returned: [`Self::rest`] begins with it, and may be read on with more bytes
/// behind it, or be taken as the last document where there are none.
pub struct Documents<'b> {
    bytes: &'b [u8],
}

impl<'b> Documents<'b> {
    #[must_use]
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { bytes }
    }

    /// The bytes that were not returned so far.
    #[must_use]
    pub fn rest(&self) -> &'b [u8] {
        self.bytes
    }
}

impl<'b> Iterator for Documents<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        let bytes = self.bytes.trim_ascii_start();
        let end = match bytes.first()? {
            b'{' => object_end(bytes)?,
            // The line end itself belongs to neither.
            _ => memchr(b'\n', bytes)?,
        };
        let (document, rest) = bytes.split_at(end);
        self.bytes = rest;
        Some(document)
    }
}

/// The length of the object that the bytes begin with, if it is complete.
fn object_end(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut outside_from = 0;
    for at in memchr3_iter(b'{', b'}', b'"', bytes) {
        if at < outside_from {
            continue;
        }
        match bytes[at] {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => outside_from = at + 1 + string_length(&bytes[at + 1..])?,
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// How long a string is from behind its opening quote to behind its closing one.
fn string_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', &bytes[at..])?;
        match bytes[at] {
            b'"' => return Some(at + 1),
            // What is escaped neither closes nor escapes.
            _ => at = (at + 2).min(bytes.len()),
        }
    }
}
