//! JSON as jq 1.6 reads it: somewhat more than JSON, since a number is whatever `strtod` takes.

use super::memory::Meter;
use super::number;
use super::value::{Array, Object, Text, Value};

/// How deep values may stand in each other; an object counts twice.
const DEPTH_MAX: usize = 256;

/// Reads the one value that a text holds. What is no UTF-8 is replaced.
pub(super) fn one_value(text: &[u8], meter: &mut Meter) -> Result<Value, String> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let mut reader = Reader { text, at: 0, meter };
    reader.skip_space();
    if reader.peek().is_none() {
        return Err("it holds no value".into());
    }
    let value = reader.value(0)?;
    reader.skip_space();
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.error("something follows the value")),
    }
}

struct Reader<'t, 'm> {
    text: &'t [u8],
    at: usize,
    meter: &'m mut Meter,
}

impl Reader<'_, '_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    fn error(&self, what: &str) -> String {
        format!("{what} at byte {}", self.at)
    }

    fn room(&self, bytes: usize) -> Result<(), String> {
        let room = self.meter.room(bytes);
        room.map_err(|_| "it takes more than the memory that is given".to_owned())
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        self.skip_space();
        match self.peek() {
            Some(b'"') => self.string().map(|text| Value::Text(Text::new(text))),
            Some(b'[') => self.array(depth),
            Some(b'{') => self.object(depth),
            Some(b',' | b':' | b']' | b'}') | None => Err(self.error("a value is missing")),
            Some(_) => self.literal(),
        }
    }

    fn enter(&mut self, depth: usize) -> Result<(), String> {
        if depth >= DEPTH_MAX {
            return Err(format!("it is nested deeper than {DEPTH_MAX}"));
        }
        self.room(0)?;
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<Value, String> {
        self.enter(depth)?;
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(Array::new(items)));
        }
        loop {
            if items.len() == items.capacity() {
                self.room(items.capacity() * 2 * size_of::<Value>())?;
            }
            items.push(self.value(depth + 1)?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.error("a comma or a bracket is missing")),
            }
        }
        self.at += 1;
        Ok(Value::Array(Array::new(items)))
    }

    fn object(&mut self, depth: usize) -> Result<Value, String> {
        self.enter(depth)?;
        let mut object = Object::default();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(object));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.error("a key is missing"));
            }
            let key = self.string()?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.error("a colon is missing"));
            }
            self.at += 1;
            self.room(0)?;
            let value = self.value(depth + 2)?;
            let inserted = object.insert(Text::new(key), value, self.meter);
            inserted.map_err(|_| "it takes too many steps".to_owned())?;
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.error("a comma or a brace is missing")),
            }
        }
        self.at += 1;
        Ok(Value::Object(object))
    }

    /// `true`, `false`, `null` or a number: all up to what means something else.
    fn literal(&mut self) -> Result<Value, String> {
        let rest = &self.text[self.at..];
        let ends = |byte: &u8| {
            matches!(
                byte,
                b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'[' | b']' | b'{' | b'}' | b',' | b':'
            )
        };
        let end = rest.iter().position(ends).unwrap_or(rest.len());
        let token = std::str::from_utf8(&rest[..end]).unwrap_or_default();
        let value = match token.bytes().next() {
            Some(b't') if token == "true" => Some(Value::Bool(true)),
            Some(b'f') if token == "false" => Some(Value::Bool(false)),
            Some(b'n') if token == "null" => Some(Value::Null),
            Some(b'n') if token == "nan" => Some(Value::Number(f64::NAN)),
            Some(b't' | b'f' | b'n') => None,
            _ => number::parse(token).map(Value::Number),
        };
        let value = value.ok_or_else(|| self.error("there is neither a number, nor true, false or null"))?;
        self.at += end;
        Ok(value)
    }

    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let bytes = self.text;
        let stops = |byte: &u8| *byte == b'"' || *byte == b'\\' || *byte < 0x20;
        let run = |from: usize| bytes[from..].iter().position(stops).map(|length| from + length);
        let start = self.at;
        let mut at = run(start).ok_or_else(|| self.error("a text has no end"))?;
        self.room(at - start)?;
        let mut out = bytes[start..at].to_vec();
        loop {
            self.at = at;
            match bytes[at] {
                b'"' => {
                    self.at += 1;
                    return Ok(String::from_utf8(out).unwrap_or_else(|bad| lossy(bad.as_bytes())));
                }
                b'\\' => {
                    let (letter, length) = unescape(&bytes[at..]).map_err(|what| self.error(what))?;
                    out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                    let from = at + length;
                    at = run(from).ok_or_else(|| self.error("a text has no end"))?;
                    out.extend_from_slice(&bytes[from..at]);
                }
                _ => return Err(self.error("a control character stands unescaped in a text")),
            }
        }
    }
}

/// The character of the escape that a text begins with, and the length of the escape.
pub(super) fn unescape(bytes: &[u8]) -> Result<(char, usize), &'static str> {
    let letter = match bytes.get(1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unescape_unicode(bytes),
        _ => return Err("an escape means nothing"),
    };
    Ok((letter, 2))
}

fn unescape_unicode(bytes: &[u8]) -> Result<(char, usize), &'static str> {
    let unit = |from: usize| {
        let digits = bytes.get(from..from + 4)?;
        let digits = std::str::from_utf8(digits).ok()?;
        let all_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        all_digits.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
    };
    let first = unit(2).ok_or("an escape has no four hexadecimal digits")?;
    if (0xd800..0xdc00).contains(&first) {
        let is_escape = bytes.get(6..8) == Some(br"\u");
        let second = unit(8).filter(|second| is_escape && (0xdc00..0xe000).contains(second));
        let second = second.ok_or("half of a surrogate pair stands alone")?;
        let point = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return Ok((char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER), 12));
    }
    Ok((char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6))
}

/// Text in which each sequence of bytes that is no UTF-8 is replaced. A sequence is as long as its first byte says, as
/// far as the bytes that belong to it go; one that the end cuts off is all that is left.
pub(super) fn lossy(mut bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    while let Some(first) = bytes.first() {
        let wanted = match first {
            0xc2..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0..0xf5 => 4,
            _ => 1,
        };
        let length = if wanted > bytes.len() {
            bytes.len()
        } else {
            let rest = bytes[1..wanted].iter();
            1 + rest.take_while(|byte| (0x80..0xc0).contains(*byte)).count()
        };
        let (sequence, rest) = bytes.split_at(length);
        out.push_str(std::str::from_utf8(sequence).unwrap_or("\u{fffd}"));
        bytes = rest;
    }
    out
}
