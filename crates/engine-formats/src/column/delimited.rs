//! Values of LazySimpleSerDe: items and keys have separators of their own, one kind a level.

use super::{ColumnBuilder, Mismatch};

impl ColumnBuilder {
    /// Appends a value whose items, keys and their items stand between the separators, one of them a level. A part
    /// that is not of its type is NULL.
    pub fn append_delimited(&mut self, text: &[u8], separators: &[&[u8]], null: &str) -> Result<(), Mismatch> {
        if text == null.as_bytes() {
            self.append_null();
            return Ok(());
        }
        match self {
            Self::List(list) => {
                let (separator, inner) = separators.split_first().ok_or(Mismatch)?;
                if !text.is_empty() {
                    for piece in pieces(text, separator) {
                        list.items.append_delimited_or_null(piece, inner, null);
                    }
                }
                list.ends.push(list.items.rows())
            }
            Self::Map(map) => {
                let [item, key, inner @ ..] = separators else {
                    return Err(Mismatch);
                };
                for piece in pieces(text, item).filter(|piece| !piece.is_empty()) {
                    let (name, value) = split_once(piece, key).unwrap_or((piece, null.as_bytes()));
                    if map.keys.append_text(&String::from_utf8_lossy(name)).is_ok() {
                        map.values.append_delimited_or_null(value, inner, null);
                    }
                }
                map.ends.push(map.keys.rows())
            }
            Self::Struct(structure) => {
                let (separator, inner) = separators.split_first().ok_or(Mismatch)?;
                let mut pieces = pieces(text, separator);
                for column in &mut structure.columns {
                    match pieces.next() {
                        Some(piece) => column.append_delimited_or_null(piece, inner, null),
                        None => column.append_null(),
                    }
                }
                structure.valid.append_non_null();
                Ok(())
            }
            simple => simple.append_text(&String::from_utf8_lossy(text)),
        }
    }

    fn append_delimited_or_null(&mut self, text: &[u8], separators: &[&[u8]], null: &str) {
        let rows = self.rows();
        if self.append_delimited(text, separators, null).is_err() {
            self.truncate(rows);
            self.append_null();
        }
    }
}

fn split_once<'t>(text: &'t [u8], separator: &[u8]) -> Option<(&'t [u8], &'t [u8])> {
    let at = text.windows(separator.len()).position(|window| window == separator)?;
    Some((&text[..at], &text[at + separator.len()..]))
}

fn pieces<'t>(text: &'t [u8], separator: &[u8]) -> impl Iterator<Item = &'t [u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (piece, after) = match split_once(text, separator) {
            Some((piece, after)) => (piece, Some(after)),
            None => (text, None),
        };
        rest = after;
        Some(piece)
    })
}
