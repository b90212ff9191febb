//! What text is written in where it is not UTF-8.

use std::borrow::Cow;

use encoding_rs::{Encoding, REPLACEMENT, UTF_16BE, UTF_16LE};

/// A character set in which line ends are the bytes that they are in ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset(&'static Encoding);

impl Charset {
    /// By one of its names on the web or in Java, such as `ISO-8859-1`, `windows-1252`, `SJIS` or `GBK`. None where it
    /// is not known, or has other line ends than ASCII. `ISO-8859-1` and `US-ASCII` are read as `windows-1252`, which
    /// has characters where the former two have control codes or nothing.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = name.trim();
        // Java calls many of them by the number of their code page, or without hyphens.
        let alias = match name.to_ascii_lowercase().as_str() {
            "sjis" | "windows-31j" | "ms932" => "shift_jis".to_owned(),
            "eucjp" | "euc_jp" => "euc-jp".to_owned(),
            "euckr" | "euc_kr" | "ms949" => "euc-kr".to_owned(),
            other => other
                .strip_prefix("cp125")
                .or_else(|| other.strip_prefix("windows125"))
                .map_or_else(
                    || other.replace("iso8859_", "iso-8859-"),
                    |page| format!("windows-125{page}"),
                ),
        };
        let found = Encoding::for_label(alias.as_bytes())?;
        let readable = ![UTF_16BE, UTF_16LE, REPLACEMENT].contains(&found);
        readable.then_some(Self(found))
    }

    /// What is not of the character set becomes replacement characters.
    pub(super) fn decode<'t>(&self, text: &'t [u8]) -> Cow<'t, str> {
        self.0.decode_without_bom_handling(text).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_java_and_of_the_web() {
        for (name, bytes, text) in [
            ("ISO-8859-1", &b"Stra\xdfe"[..], "Straße"),
            ("iso8859_15", b"\xa4", "€"),
            ("Cp1252", b"\x80", "€"),
            ("windows-1251", b"\xcf", "П"),
            ("SJIS", b"\x83\x5c", "ソ"),
            ("GBK", b"\xc4\xe3", "你"),
            ("EUC_KR", b"\xb0\xa1", "가"),
            ("utf-8", "é".as_bytes(), "é"),
            ("US-ASCII", b"a", "a"),
        ] {
            let charset = Charset::named(name).expect(name);
            assert_eq!(charset.decode(bytes), text, "{name}");
        }
        for name in ["UTF-16", "UTF-16LE", "UTF-32", "EBCDIC", ""] {
            assert_eq!(Charset::named(name), None, "{name}");
        }
    }
}
