//! A reader of JSON's tokens (RFC 8259), straight from the bytes.

use super::fault::{Fault, Refused, syntax};
use super::number::{Number, PlainNumber};

/// How deeply values may nest.
pub(super) const DEPTH_MAX: usize = 1_000;

/// A place in a text. Between two calls it stands at a token, never at a blank.
pub(crate) struct Cursor<'r> {
    /// UTF-8.
    bytes: &'r [u8],
    at: usize,
}

/// What a string's quotes enclose. Its escapes are well-formed, but may stand for halves of characters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quoted<'r> {
    pub(super) raw: &'r [u8],
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
    #[inline]
    pub(super) fn new(text: &'r str) -> Self {
        let mut cursor = Self {
            bytes: text.as_bytes(),
            at: 0,
        };
        cursor.pass_blanks();
        cursor
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Goes back to a place, where [`Self::at`] was.
    pub(super) fn go_back(&mut self, place: usize) {
        self.at = place;
    }

    #[inline]
    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The bytes from a place, where [`Self::at`] was, to here.
    pub(super) fn since(&self, place: usize) -> &'r [u8] {
        &self.bytes[place..self.at]
    }

    /// The byte here, or 0 at the end, which is no token either.
    #[inline]
    pub(super) fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    fn pass_blanks(&mut self) {
        // Most texts have none.
        while self.peek() <= b' ' && matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
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
        let here = key_and_colon.begins(&self.bytes[self.at..]);
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
        let bytes = &self.bytes[begin..=self.at];
        self.pass();
        Ok((key, bytes))
    }

    /// Passes a string, of which [`Self::kind`] told.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Quoted<'r>, Refused> {
        let begin = self.at + 1;
        self.at = plain_end(self.bytes, begin);
        let escaped = self.peek() != b'"';
        if escaped {
            self.pass_escapes()?;
        }
        let raw = &self.bytes[begin..self.at];
        self.pass();
        Ok(Quoted { raw, escaped })
    }

    /// Passes a string, of which [`Self::kind`] told, and appends what it stands for.
    #[inline]
    pub(super) fn string_into(&mut self, out: &mut Vec<u8>) -> Result<(), Refused> {
        let begin = self.at + 1;
        let before = out.len();
        let mut at = begin;
        // Copied while it is looked at, a block at a time, of which what lies behind the string is taken back.
        while let Some(block) = self.bytes.get(at..).and_then(<[u8]>::first_chunk::<BLOCK_BYTES>) {
            out.extend_from_slice(block);
            let special = first_special(block);
            if special < BLOCK_BYTES {
                at += special;
                if block[special] != b'"' {
                    break;
                }
                out.truncate(before + at - begin);
                self.at = at;
                self.pass();
                return Ok(());
            }
            at += BLOCK_BYTES;
        }
        out.truncate(before);
        self.string()?.unescape_into(out)
    }

    /// Goes on to the closing quote.
    #[cold]
    fn pass_escapes(&mut self) -> Result<(), Refused> {
        let bytes = self.bytes;
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
        let (number, length) = Number::parse(&self.bytes[self.at..]).map_err(|fault| {
            self.at += fault.at;
            self.expected(fault.expected)
        })?;
        self.at += length;
        self.pass_blanks();
        Ok(number)
    }

    /// Passes a number of up to 18 digits that is written without an exponent, or nothing if it is another.
    #[inline(always)]
    pub(super) fn plain_number(&mut self) -> Option<PlainNumber> {
        let bytes = self.bytes;
        let digit = |at: usize| {
            bytes
                .get(at)
                .map(|byte| byte.wrapping_sub(b'0'))
                .filter(|digit| *digit < 10)
        };
        let negative = self.peek() == b'-';
        let begin = self.at + usize::from(negative);
        let mut at = begin;
        let mut digits = 0_u64;
        while let Some(digit) = digit(at) {
            digits = digits.wrapping_mul(10).wrapping_add(u64::from(digit));
            at += 1;
        }
        let whole = at - begin;
        if whole == 0 || whole > 1 && bytes[begin] == b'0' {
            return None;
        }
        let mut fraction = 0;
        if bytes.get(at) == Some(&b'.') {
            at += 1;
            let point = at;
            while let Some(digit) = digit(at) {
                digits = digits.wrapping_mul(10).wrapping_add(u64::from(digit));
                at += 1;
            }
            fraction = at - point;
            if fraction == 0 {
                return None;
            }
        }
        if whole + fraction > PlainNumber::DIGITS_MAX || matches!(bytes.get(at), Some(b'e' | b'E')) {
            return None;
        }
        self.at = at;
        self.pass_blanks();
        Some(PlainNumber {
            digits,
            negative,
            fraction,
        })
    }

    /// Passes `true`, `false` or `null`.
    #[inline]
    pub(super) fn literal(&mut self, literal: &'static str) -> Result<(), Refused> {
        if !self.bytes[self.at..].starts_with(literal.as_bytes()) {
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

/// A key in its quotes and the colon behind it, made to be compared quickly: the first bytes and the last are at hand
/// as words, which may overlap, and are all there is to most keys.
#[derive(Debug, Clone)]
pub(super) struct KeyBytes {
    head: u64,
    /// Of the first word, the bytes that belong to the key.
    head_mask: u64,
    tail: u64,
    length: usize,
    bytes: Box<[u8]>,
}

const WORD_BYTES: usize = size_of::<u64>();

impl KeyBytes {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mut head = [0; WORD_BYTES];
        let mut head_mask = [0; WORD_BYTES];
        for ((head, mask), byte) in head.iter_mut().zip(&mut head_mask).zip(bytes) {
            (*head, *mask) = (*byte, 0xFF);
        }
        Self {
            head: u64::from_le_bytes(head),
            head_mask: u64::from_le_bytes(head_mask),
            tail: bytes.last_chunk().map_or(0, |last| u64::from_le_bytes(*last)),
            length: bytes.len(),
            bytes: bytes.into(),
        }
    }

    #[inline]
    fn len(&self) -> usize {
        self.length
    }

    /// Whether the text begins with the key.
    #[inline]
    fn begins(&self, text: &[u8]) -> bool {
        let Some(first) = text.first_chunk::<WORD_BYTES>() else {
            return text.starts_with(&self.bytes);
        };
        if u64::from_le_bytes(*first) & self.head_mask != self.head {
            return false;
        }
        if self.length <= WORD_BYTES {
            return true;
        }
        let here = text.get(..self.length).and_then(<[u8]>::last_chunk::<WORD_BYTES>);
        here.is_some_and(|last| u64::from_le_bytes(*last) == self.tail)
            && (self.length <= 2 * WORD_BYTES || text.starts_with(&self.bytes))
    }
}

/// How many bytes are looked at at once.
const BLOCK_BYTES: usize = 16;

/// Where the first quote, backslash or control character is in a block; its length where there is none.
#[inline]
fn first_special(block: &[u8; BLOCK_BYTES]) -> usize {
    let both = u128::from_le_bytes(*block);
    let (low, high) = (specials(both as u64), specials((both >> 64) as u64));
    let first = if low == 0 {
        64 + high.trailing_zeros()
    } else {
        low.trailing_zeros()
    };
    first as usize / 8
}

/// Has the highest bit of each byte set that is a quote, a backslash or a control character. Higher bytes may then be
/// marked in error, but the lowest mark is true.
#[inline]
fn specials(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
    const BACKSLASHES: u64 = u64::from_ne_bytes([b'\\'; 8]);
    const BLANKS: u64 = u64::from_ne_bytes([b' '; 8]);
    let (quote, backslash) = (word ^ QUOTES, word ^ BACKSLASHES);
    // Only 0 borrows from its high bit when 1 is taken away, and only what is less than a blank when that is.
    (quote.wrapping_sub(ONES) & !quote | backslash.wrapping_sub(ONES) & !backslash | word.wrapping_sub(BLANKS) & !word)
        & HIGHS
}

fn is_special(byte: &u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..=0x1F)
}

/// Where the first quote, backslash or control character is, from a place on; the text's end where there is none.
#[inline]
fn plain_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk::<BLOCK_BYTES>) {
        let special = first_special(block);
        if special < BLOCK_BYTES {
            return at + special;
        }
        at += BLOCK_BYTES;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter()
        .position(is_special)
        .map_or(bytes.len(), |special| at + special)
}

impl Quoted<'_> {
    /// Appends the text that the string stands for; the bytes so far may stay behind it where it fails.
    pub(super) fn unescape_into(&self, out: &mut Vec<u8>) -> Result<(), Refused> {
        if !self.escaped {
            out.extend_from_slice(self.raw);
            return Ok(());
        }
        let mut rest = self.raw;
        while let Some(backslash) = memchr::memchr(b'\\', rest) {
            let (plain, escape) = rest.split_at(backslash);
            out.extend_from_slice(plain);
            let [_, sign, after @ ..] = escape else {
                break;
            };
            rest = after;
            match sign {
                b'b' => out.push(0x08),
                b'f' => out.push(0x0C),
                b'n' => out.push(b'\n'),
                b'r' => out.push(b'\r'),
                b't' => out.push(b'\t'),
                b'u' => {
                    let (character, after) = unicode_escape(after).ok_or(Fault::LoneSurrogate)?;
                    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = after;
                }
                same => out.push(*same),
            }
        }
        out.extend_from_slice(rest);
        Ok(())
    }
}

/// The character whose four digits, or twice four for a pair of surrogates, the text begins with, and what follows.
fn unicode_escape(text: &[u8]) -> Option<(char, &[u8])> {
    let (unit, rest) = hex_unit(text)?;
    match unit {
        0xD800..=0xDBFF => {
            let (low, rest) = hex_unit(rest.strip_prefix(b"\\u")?)?;
            let pair = char::decode_utf16([unit, low]).next()?;
            Some((pair.ok()?, rest))
        }
        _ => Some((char::from_u32(u32::from(unit))?, rest)),
    }
}

fn hex_unit(text: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<4>()?;
    let digits = std::str::from_utf8(digits).ok()?;
    Some((u16::from_str_radix(digits, 16).ok()?, rest))
}
