//! What separates the fields of a line.

/// A delimiter as the bytes that it is in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Delimiter {
    /// In a line that is UTF-8.
    utf8: Vec<u8>,
    /// In any other line.
    raw: Vec<u8>,
}

impl From<u8> for Delimiter {
    fn from(byte: u8) -> Self {
        Self {
            utf8: vec![byte],
            raw: vec![byte],
        }
    }
}

impl From<char> for Delimiter {
    fn from(sign: char) -> Self {
        let utf8 = sign.to_string().into_bytes();
        let raw = u8::try_from(u32::from(sign)).map_or_else(|_| utf8.clone(), |code| vec![code]);
        Self { utf8, raw }
    }
}

impl Delimiter {
    /// A character, or the byte that a signed decimal number names, which is how Hive reads a SerDe's property
    /// (LazyUtils.getByte). Hive takes a character's code for a byte; in a line of UTF-8 the character is what is
    /// meant.
    #[must_use]
    pub fn of_hive(text: &str) -> Option<Self> {
        match text.parse::<i8>() {
            Ok(number) => Some(Self::from(number as u8)),
            Err(_) => Self::first_char(text).map(Self::from),
        }
    }

    /// The first character, or the one that an escape names.
    #[must_use]
    pub fn first_char(text: &str) -> Option<char> {
        match text {
            "\\t" => Some('\t'),
            "\\001" | "\\u0001" => Some('\u{1}'),
            other => other.chars().next(),
        }
    }

    /// Whether it is the same in every line.
    pub(super) fn is_plain(&self) -> bool {
        self.utf8 == self.raw
    }

    pub(super) fn bytes(&self, utf8: bool) -> &[u8] {
        if utf8 { &self.utf8 } else { &self.raw }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_as_hive_reads_them() {
        for (text, utf8, raw) in [
            ("|", &b"|"[..], &b"|"[..]),
            ("9", b"\t", b"\t"),
            ("-2", b"\xfe", b"\xfe"),
            ("200", b"2", b"2"),
            ("\\t", b"\t", b"\t"),
            ("\u{1}", b"\x01", b"\x01"),
            ("é", "é".as_bytes(), b"\xe9"),
            ("→", "→".as_bytes(), "→".as_bytes()),
        ] {
            let delimiter = Delimiter::of_hive(text).expect(text);
            assert_eq!((delimiter.bytes(true), delimiter.bytes(false)), (utf8, raw), "{text}");
        }
        assert_eq!(Delimiter::of_hive(""), None);
        assert_eq!(Delimiter::first_char("9x"), Some('9'));
    }
}
