//! A reader of JSON's tokens (RFC 8259), straight from the bytes.

use super::fault::{Fault, Refused, syntax};
use super::number::Number;

/// How deeply values may nest.
pub(super) const DEPTH_MAX: usize = 1_000;

/// A place in a text. Between two calls it stands at a token, never at a blank.
pub(crate) struct Cursor<'r> {
    text: &'r str,
    at: usize,
}

/// What a string's quotes enclose. Its escapes are well-formed, but may stand for halves of characters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quoted<'r> {
    pub(super) raw: &'r str,
    pub(super) escaped: bool,
}

/// What kind of value begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    String,
    Number,
    True,
    False,
    Null,
}

impl<'r> Cursor<'r> {
    pub(super) fn new(text: &'r str) -> Self {
        let mut cursor = Self { text, at: 0 };
        cursor.pass_blanks();
        cursor
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    /// The text from a place, where [`Self::at`] was, to here.
    pub(super) fn since(&self, place: usize) -> &'r str {
        self.text[place..self.at].trim_ascii_end()
    }

    /// The byte here, or 0 at the end, which is no token either.
    #[inline]
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    fn pass_blanks(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    /// Passes one byte and the blanks behind it.
    #[inline]
    fn pass(&mut self) {
        self.at += 1;
        self.pass_blanks();
    }

    pub(super) fn expected(&self, what: &'static str) -> Refused {
        syntax(what, self.at, self.is_at_end())
    }

    #[inline]
    pub(super) fn kind(&self) -> Result<Kind, Refused> {
        Ok(match self.peek() {
            b'{' => Kind::Object,
            b'[' => Kind::Array,
            b'"' => Kind::String,
            b'-' | b'0'..=b'9' => Kind::Number,
            b't' => Kind::True,
            b'f' => Kind::False,
            b'n' => Kind::Null,
            _ => return Err(self.expected("a value")),
        })
    }

    /// Passes what begins an object or an array, of which [`Self::kind`] told, and says whether there is anything
    /// in it.
    #[inline]
    pub(super) fn open(&mut self, close: u8) -> bool {
        self.pass();
        let empty = self.peek() == close;
        if empty {
            self.pass();
        }
        !empty
    }

    /// Passes the comma or what closes the object or array, and says whether there is more in it.
    #[inline]
    pub(super) fn more(&mut self, close: u8) -> Result<bool, Refused> {
        match self.peek() {
            b',' => {
                self.pass();
                Ok(true)
            }
            byte if byte == close => {
                self.pass();
                Ok(false)
            }
            _ if close == b'}' => Err(self.expected("a comma or a closing brace")),
            _ => Err(self.expected("a comma or a closing bracket")),
        }
    }

    /// Passes a key and its colon, if they are just these bytes.
    #[inline]
    pub(super) fn pass_key(&mut self, key_and_colon: &KeyBytes) -> bool {
        let here = key_and_colon.begins(&self.text.as_bytes()[self.at..]);
        if here {
            self.at += key_and_colon.len();
            self.pass_blanks();
        }
        here
    }

    /// A key, and the bytes from its quote to its colon.
    pub(super) fn key(&mut self) -> Result<(Quoted<'r>, &'r [u8]), Refused> {
        if self.peek() != b'"' {
            return Err(self.expected("a key in quotes"));
        }
        let begin = self.at;
        let key = self.string()?;
        if self.peek() != b':' {
            return Err(self.expected("a colon"));
        }
        let bytes = &self.text.as_bytes()[begin..=self.at];
        self.pass();
        Ok((key, bytes))
    }

    /// Passes a string, of which [`Self::kind`] told.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Quoted<'r>, Refused> {
        let begin = self.at + 1;
        self.at = plain_end(self.text.as_bytes(), begin);
        let escaped = self.peek() != b'"';
        if escaped {
            self.pass_escapes()?;
        }
        let raw = &self.text[begin..self.at];
        self.pass();
        Ok(Quoted { raw, escaped })
    }

    /// Goes on to the closing quote.
    #[cold]
    fn pass_escapes(&mut self) -> Result<(), Refused> {
        let bytes = self.text.as_bytes();
        loop {
            match self.peek() {
                b'"' => return Ok(()),
                b'\\' => {
                    self.at += 1;
                    match self.peek() {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
                        b'u' => {
                            let digits = bytes.get(self.at + 1..self.at + 5);
                            if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                                return Err(self.expected("four hexadecimal digits"));
                            }
                            self.at += 5;
                        }
                        _ => return Err(self.expected("an escape that JSON has")),
                    }
                }
                _ if self.is_at_end() => return Err(self.expected("a closing quote")),
                _ => return Err(self.expected("an escape for a control character")),
            }
            self.at = plain_end(bytes, self.at);
        }
    }

    /// Passes a number, of which [`Self::kind`] told.
    #[inline]
    pub(super) fn number(&mut self) -> Result<Number<'r>, Refused> {
        let (number, length) = Number::parse(&self.text[self.at..]).map_err(|fault| {
            self.at += fault.at;
            self.expected(fault.expected)
        })?;
        self.at += length;
        self.pass_blanks();
        Ok(number)
    }

    /// Passes `true`, `false` or `null`.
    #[inline]
    pub(super) fn literal(&mut self, literal: &'static str) -> Result<(), Refused> {
        if !self.text.as_bytes()[self.at..].starts_with(literal.as_bytes()) {
            return Err(self.expected("true, false or null"));
        }
        self.at += literal.len();
        self.pass_blanks();
        Ok(())
    }

    /// Passes a value of any kind, however deep, and checks that it is well-formed.
    pub(super) fn pass_value(&mut self) -> Result<(), Refused> {
        // What closes each object and array that is open.
        let mut open: Vec<u8> = Vec::new();
        loop {
            match self.kind()? {
                Kind::String => drop(self.string()?),
                Kind::Number => drop(self.number()?),
                Kind::True => self.literal("true")?,
                Kind::False => self.literal("false")?,
                Kind::Null => self.literal("null")?,
                kind @ (Kind::Object | Kind::Array) => {
                    if open.len() == DEPTH_MAX {
                        return Err(self.expected("values that nest less deeply"));
                    }
                    let close = if kind == Kind::Object { b'}' } else { b']' };
                    if self.open(close) {
                        open.push(close);
                        if close == b'}' {
                            self.key()?;
                        }
                        continue;
                    }
                }
            }
            loop {
                let Some(close) = open.last().copied() else {
                    return Ok(());
                };
                if self.more(close)? {
                    if close == b'}' {
                        self.key()?;
                    }
                    break;
                }
                open.pop();
            }
        }
    }
}

/// A key in its quotes and the colon behind it, made to be compared quickly.
#[derive(Debug, Clone)]
pub(super) struct KeyBytes {
    bytes: Box<[u8]>,
}

impl KeyBytes {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self { bytes: bytes.into() }
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the text begins with the key. Most keys have between 8 and 16 bytes, which two words cover that may
    /// overlap.
    #[inline]
    fn begins(&self, text: &[u8]) -> bool {
        let length = self.bytes.len();
        match (self.bytes.first_chunk::<8>(), text.get(..length)) {
            (Some(ours), Some(theirs)) if length <= 16 => {
                theirs.first_chunk::<8>() == Some(ours) && theirs.last_chunk::<8>() == self.bytes.last_chunk::<8>()
            }
            (_, Some(theirs)) => *theirs == *self.bytes,
            (_, None) => false,
        }
    }
}

/// Where the first quote, backslash or control character is, from a place on; the text's end where there is none.
#[inline]
fn plain_end(bytes: &[u8], from: usize) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
    const BACKSLASHES: u64 = u64::from_ne_bytes([b'\\'; 8]);
    const BLANKS: u64 = u64::from_ne_bytes([b' '; 8]);
    let mut at = from;
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*word);
        let (quote, backslash) = (word ^ QUOTES, word ^ BACKSLASHES);
        // A byte's high bit is set where it is 0, and where it is less than a blank; higher bytes may then be
        // marked in error, but the lowest mark is true.
        let special = (quote.wrapping_sub(ONES) & !quote
            | backslash.wrapping_sub(ONES) & !backslash
            | word.wrapping_sub(BLANKS) & !word)
            & HIGHS;
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let special = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F));
    special.map_or(bytes.len(), |special| at + special)
}

impl Quoted<'_> {
    /// Appends the text that the string stands for; the bytes so far may stay behind it where it fails.
    pub(super) fn unescape_into(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        if !self.escaped {
            out.extend_from_slice(self.raw.as_bytes());
            return Ok(());
        }
        let mut rest = self.raw;
        while let Some((plain, escape)) = rest.split_once('\\') {
            out.extend_from_slice(plain.as_bytes());
            let (sign, after) = escape.split_at(1);
            rest = after;
            match sign {
                "b" => out.push(0x08),
                "f" => out.push(0x0C),
                "n" => out.push(b'\n'),
                "r" => out.push(b'\r'),
                "t" => out.push(b'\t'),
                "u" => {
                    let (character, after) = unicode_escape(after).ok_or(Fault::LoneSurrogate)?;
                    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = after;
                }
                same => out.extend_from_slice(same.as_bytes()),
            }
        }
        out.extend_from_slice(rest.as_bytes());
        Ok(())
    }
}

/// The character whose four digits, or twice four for a pair of surrogates, the text begins with, and what follows.
fn unicode_escape(text: &str) -> Option<(char, &str)> {
    let (unit, rest) = hex_unit(text)?;
    match unit {
        0xD800..=0xDBFF => {
            let (low, rest) = hex_unit(rest.strip_prefix("\\u")?)?;
            let pair = char::decode_utf16([unit, low]).next()?;
            Some((pair.ok()?, rest))
        }
        _ => Some((char::from_u32(u32::from(unit))?, rest)),
    }
}

fn hex_unit(text: &str) -> Option<(u16, &str)> {
    let digits = text.get(..4)?;
    Some((u16::from_str_radix(digits, 16).ok()?, &text[4..]))
}
