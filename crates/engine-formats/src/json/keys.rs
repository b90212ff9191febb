//! Which column a key names.

use std::collections::HashMap;

use arrow::datatypes::Fields;

use super::cursor::{Cursor, KeyBytes, Quoted};
use super::fault::Refused;
use crate::JsonOptions;

/// Of how many keys that name no column the spelling is kept.
const FOREIGN_KEYS_MAX: usize = 256;
/// Keys longer than this are looked up each time.
const KEPT_KEY_BYTES_MAX: usize = 128;

/// The members of an object or a row, by the keys that name them. Producers write the keys of one kind of object in
/// the same order and the same spelling each time; so after each key it is looked first whether the one that followed
/// it last time follows again, byte by byte.
pub(crate) struct KeyTable {
    names: HashMap<String, usize>,
    case_insensitive: bool,
    dots_to_underscores: bool,
    spellings: Vec<Spelling>,
    by_bytes: HashMap<Box<[u8]>, usize>,
    foreign: usize,
    /// The spelling that an object began with.
    first: usize,
    /// Of each member, the last object that had it.
    seen: Vec<u64>,
    object: u64,
}

/// A key as it was written.
struct Spelling {
    bytes: KeyBytes,
    member: Option<usize>,
    /// The spelling that followed.
    next: usize,
}

/// Stands for no spelling.
const NONE: usize = usize::MAX;

/// Where in the expected order an object is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    last: usize,
    expected: usize,
}

impl KeyTable {
    /// Of a structure's members or, if they are not nested, of a row's columns.
    pub(crate) fn new(fields: &Fields, options: &JsonOptions, nested: bool) -> Self {
        let fold = |key: &str| {
            if options.case_insensitive {
                key.to_lowercase()
            } else {
                key.to_owned()
            }
        };
        let mut names = HashMap::new();
        for (member, field) in fields.iter().enumerate() {
            // Mappings are of columns. The SerDe heeds them in structures too, where a member's own name is as good.
            let mapped = options.column_to_key.get(field.name());
            if nested || mapped.is_none() {
                names.entry(fold(field.name())).or_insert(member);
            }
            if let Some(key) = mapped {
                names.insert(fold(key), member);
            }
        }
        Self {
            names,
            case_insensitive: options.case_insensitive,
            dots_to_underscores: options.dots_to_underscores,
            spellings: Vec::new(),
            by_bytes: HashMap::new(),
            foreign: 0,
            first: 0,
            seen: vec![0; fields.len()],
            object: 0,
        }
    }

    /// How many spellings are kept.
    #[cfg(test)]
    pub(super) fn spellings(&self) -> usize {
        self.spellings.len()
    }

    /// The member that a key names.
    fn member(&self, key: &str) -> Option<usize> {
        if let Some(member) = self.names.get(key) {
            return Some(*member);
        }
        let mut folded = if self.case_insensitive {
            key.to_lowercase()
        } else {
            key.to_owned()
        };
        if let Some(member) = self.names.get(&folded) {
            return Some(*member);
        }
        if self.dots_to_underscores {
            folded = folded.replace('.', "_");
            return self.names.get(&folded).copied();
        }
        None
    }

    /// Begins an object.
    pub(super) fn begin(&mut self) -> Place {
        self.object += 1;
        Place {
            last: NONE,
            expected: self.first,
        }
    }

    /// Passes the next key of an object and its colon, and returns the member that it names. Of a key that stands
    /// twice in an object, the first counts.
    #[inline]
    pub(super) fn pass_key(&mut self, cursor: &mut Cursor<'_>, place: &mut Place) -> Result<Option<usize>, Refused> {
        let member = match self.spellings.get(place.expected) {
            Some(spelling) if cursor.pass_key(&spelling.bytes) => {
                place.last = place.expected;
                place.expected = spelling.next;
                spelling.member
            }
            _ => self.pass_other_key(cursor, place)?,
        };
        Ok(member.filter(|member| {
            let first = self.seen[*member] != self.object;
            self.seen[*member] = self.object;
            first
        }))
    }

    /// The members that the object did not have.
    pub(super) fn missing(&self) -> impl Iterator<Item = usize> + '_ {
        let object = self.object;
        let seen = self.seen.iter().enumerate();
        seen.filter(move |(_, seen)| **seen != object).map(|(member, _)| member)
    }

    #[cold]
    fn pass_other_key(&mut self, cursor: &mut Cursor<'_>, place: &mut Place) -> Result<Option<usize>, Refused> {
        let (key, bytes) = cursor.key()?;
        let spelling = match self.by_bytes.get(bytes) {
            Some(spelling) => *spelling,
            None => {
                let member = self.member_of(&key)?;
                let kept = bytes.len() <= KEPT_KEY_BYTES_MAX && (member.is_some() || self.foreign < FOREIGN_KEYS_MAX);
                if !kept {
                    return Ok(member);
                }
                self.foreign += usize::from(member.is_none());
                let spelling = self.spellings.len();
                self.spellings.push(Spelling {
                    bytes: KeyBytes::new(bytes),
                    member,
                    next: NONE,
                });
                self.by_bytes.insert(bytes.into(), spelling);
                spelling
            }
        };
        match self.spellings.get_mut(place.last) {
            Some(last) => last.next = spelling,
            None => self.first = spelling,
        }
        let Spelling { member, next, .. } = self.spellings[spelling];
        *place = Place {
            last: spelling,
            expected: next,
        };
        Ok(member)
    }

    fn member_of(&self, key: &Quoted<'_>) -> Result<Option<usize>, Refused> {
        if !key.escaped {
            return Ok(self.member(&String::from_utf8_lossy(key.raw)));
        }
        let mut plain = Vec::new();
        key.unescape_into(&mut plain)?;
        Ok(self.member(&String::from_utf8_lossy(&plain)))
    }
}
