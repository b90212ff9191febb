//! Classes in brackets.

use regex_syntax::hir::ClassUnicode;

use super::{Node, Parser};
use crate::jq::pattern::{Refused, class};

/// What stands in brackets.
enum Item {
    Letter(char),
    Class(ClassUnicode),
}

impl Parser<'_, '_> {
    /// What follows an opening bracket.
    pub(super) fn brackets(&mut self) -> Result<Node, Refused> {
        const OPEN: &str = "premature end of char-class";
        let is_negative = self.takes("^");
        if self.rest().starts_with(']') && !self.rest()[1..].contains(']') {
            return Err("empty char-class".into());
        }
        let mut class = ClassUnicode::empty();
        let mut is_first = true;
        loop {
            if !is_first && self.takes("]") {
                break;
            }
            let item = self.item()?.ok_or(OPEN)?;
            is_first = false;
            let is_range = self.rest().starts_with('-') && !self.rest().starts_with("-]");
            match item {
                Item::Letter(from) if is_range => {
                    self.at += 1;
                    let Item::Letter(to) = self.item()?.ok_or(OPEN)? else {
                        return Err("char-class value at end of range".into());
                    };
                    if to < from {
                        return Err("empty range in char class".into());
                    }
                    class.union(&class::range(from, to));
                    // A dash behind a range is a dash.
                    if self.rest().starts_with('-') && !self.rest().starts_with("-]") {
                        self.at += 1;
                        class.union(&class::range('-', '-'));
                    }
                }
                Item::Letter(letter) => class.union(&class::range(letter, letter)),
                Item::Class(_) if is_range => return Err("unmatched range specifier in char-class".into()),
                Item::Class(item) => class.union(&item),
            }
        }
        if self.modes.ignores_case {
            class = class::folded(class, self.meter)?;
        }
        self.class(&match is_negative {
            true => class::negated(class),
            false => class,
        })
    }

    fn item(&mut self) -> Result<Option<Item>, Refused> {
        if self.rest().starts_with("[:")
            && let Some((name, _)) = self.rest()[2..].split_once(":]")
            && name
                .trim_start_matches('^')
                .bytes()
                .all(|byte| byte.is_ascii_alphabetic())
        {
            let length = name.len();
            let (plain, is_negative) = match name.strip_prefix('^') {
                Some(plain) => (plain, true),
                None => (name, false),
            };
            let class = class::of_bracket(plain).ok_or("invalid POSIX bracket type")?;
            self.at += length + 4;
            return Ok(Some(Item::Class(match is_negative {
                true => class::negated(class),
                false => class,
            })));
        }
        let Some(letter) = self.next() else { return Ok(None) };
        if letter != '\\' {
            return Ok(Some(Item::Letter(letter)));
        }
        let Some(letter) = self.next() else { return Ok(None) };
        if letter == 'b' {
            return Ok(Some(Item::Letter('\u{8}')));
        }
        if let Some(class) = self.class_escape(letter)? {
            return Ok(Some(Item::Class(class)));
        }
        self.letter_escape(letter).map(|letter| Some(Item::Letter(letter)))
    }
}
