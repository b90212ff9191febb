//! Values of LazySimpleSerDe: items and keys have separators of their own, one kind a level.
//!
//! Sources: Apache Hive, classes LazyArray, LazyMap, LazyStruct, LazyLong, LazyBinary and LazyUtils; Trino's
//! TestSimpleFormat, which tells what Hive's classes make of many texts.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use memchr::memmem;

use super::{ColumnBuilder, Mismatch};

/// How values are written.
#[derive(Clone, Copy)]
pub(crate) struct Signs<'f> {
    /// What stands between the parts of a value, level by level.
    pub(crate) separators: &'f [&'f [u8]],
    /// What takes the meaning from the sign behind it.
    pub(crate) escape: Option<&'f [u8]>,
    /// What stands for NULL.
    pub(crate) null: &'f [u8],
    /// Whether the last field of a structure takes what is left, separators and all.
    pub(crate) last_takes_rest: bool,
}

impl Signs<'_> {
    /// For the parts of a value, `levels` further in.
    fn within(&self, levels: usize) -> Self {
        Self {
            separators: self.separators.get(levels..).unwrap_or_default(),
            ..*self
        }
    }

    fn separator(&self, level: usize) -> Result<&[u8], Mismatch> {
        self.separators.get(level).copied().ok_or(Mismatch)
    }

    /// Where the first separator stands that is not escaped.
    pub(crate) fn find(&self, text: &[u8], separator: &[u8]) -> Option<usize> {
        let Some(escape) = self.escape else {
            return memmem::find(text, separator);
        };
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            if rest.starts_with(escape) {
                at += escape.len() + 1;
            } else if rest.starts_with(separator) {
                return Some(at);
            } else {
                at += 1;
            }
        }
        None
    }

    fn pieces<'t>(&self, text: &'t [u8], separator: &[u8]) -> impl Iterator<Item = &'t [u8]> {
        let mut rest = Some(text);
        std::iter::from_fn(move || {
            let text = rest?;
            let end = self.find(text, separator);
            rest = end.map(|end| &text[end + separator.len()..]);
            Some(&text[..end.unwrap_or(text.len())])
        })
    }

    /// Text without its escapes. Line ends are written as letters behind the escape.
    fn plain<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        let Some(escape) = self.escape.filter(|escape| memmem::find(text, escape).is_some()) else {
            return Cow::Borrowed(text);
        };
        let mut plain = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((byte, after)) = rest.split_first() {
            match rest.strip_prefix(escape).and_then(<[u8]>::split_first) {
                Some((escaped, after)) => {
                    plain.push(match escaped {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        other => *other,
                    });
                    rest = after;
                }
                None => {
                    plain.push(*byte);
                    rest = after;
                }
            }
        }
        Cow::Owned(plain)
    }
}

impl ColumnBuilder {
    /// Appends a value. What is not of its type is NULL, as the SerDe has it, and so is a part of a value.
    pub(crate) fn append_delimited(&mut self, text: &[u8], signs: Signs<'_>) {
        let rows = self.rows();
        if text == signs.null {
            self.append_null();
        } else if self.append_present(text, signs).is_err() {
            self.truncate(rows);
            self.append_null();
        }
    }

    fn append_present(&mut self, text: &[u8], signs: Signs<'_>) -> Result<(), Mismatch> {
        match self {
            Self::List(list) => {
                let separator = signs.separator(0)?;
                if !text.is_empty() {
                    for piece in signs.pieces(text, separator) {
                        list.items.append_delimited(piece, signs.within(1));
                    }
                }
                list.ends.push(list.items.rows())
            }
            Self::Map(map) => {
                let (between, behind_key) = (signs.separator(0)?, signs.separator(1)?);
                for entry in signs.pieces(text, between).filter(|_| !text.is_empty()) {
                    let (key, value) = match signs.find(entry, behind_key) {
                        Some(end) => (&entry[..end], Some(&entry[end + behind_key.len()..])),
                        None => (entry, None),
                    };
                    // A key that is NULL or not of its type cannot be one.
                    if key == signs.null || map.keys.append_present(key, signs.within(2)).is_err() {
                        map.keys.truncate(map.values.rows());
                        continue;
                    }
                    match value {
                        Some(value) => map.values.append_delimited(value, signs.within(2)),
                        None => map.values.append_null(),
                    }
                }
                map.ends.push(map.keys.rows())
            }
            Self::Struct(structure) => {
                let separator = signs.separator(0)?;
                let mut rest = Some(text);
                let last = structure.columns.len().saturating_sub(1);
                for (place, column) in structure.columns.iter_mut().enumerate() {
                    let Some(text) = rest else {
                        column.append_null();
                        continue;
                    };
                    let whole = signs.last_takes_rest && place == last;
                    let end = if whole { None } else { signs.find(text, separator) };
                    rest = end.map(|end| &text[end + separator.len()..]);
                    column.append_delimited(&text[..end.unwrap_or(text.len())], signs.within(1));
                }
                structure.valid.append_non_null();
                Ok(())
            }
            Self::Binary(bytes) => bytes.push(&binary(text)),
            Self::Int8(_) | Self::Int16(_) | Self::Int32(_) | Self::Int64(_) => {
                self.append_integer(whole_number(&String::from_utf8_lossy(text)).ok_or(Mismatch)?)
            }
            simple => simple.append_text(&String::from_utf8_lossy(&signs.plain(text))),
        }
    }
}

/// What stands before the point of a number. Digits behind it are dropped.
fn whole_number(text: &str) -> Option<&str> {
    let Some((whole, fraction)) = text.split_once('.') else {
        return Some(text);
    };
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(if matches!(whole, "" | "+" | "-") { "0" } else { whole })
}

/// Base64 in either of its alphabets, or, where there is anything else in the text, the text as it is.
fn binary(text: &[u8]) -> Cow<'_, [u8]> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let standard = |byte: &u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => *other,
    };
    let decoded = LENIENT.decode(text.iter().map(standard).collect::<Vec<u8>>());
    decoded.map_or(Cow::Borrowed(text), Cow::Owned)
}
