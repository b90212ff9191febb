//! What follows a backslash.

use super::{Node, Parser, Repeats};
use crate::jq::pattern::{Assertion, Refused, class};

impl Parser<'_, '_> {
    pub(super) fn escape(&mut self) -> Result<(Node, Repeats), Refused> {
        let letter = self.next().ok_or("end pattern at escape")?;
        let assertion = |assertion| Ok((Node::Assertion(assertion), Repeats::Never));
        let node = match letter {
            'A' => return assertion(Assertion::TextStart),
            'z' => return assertion(Assertion::TextEnd),
            'Z' => return assertion(Assertion::LastLineEnd),
            'G' => return assertion(Assertion::SearchStart),
            'b' => return assertion(Assertion::WordBoundary),
            'B' => return assertion(Assertion::NoWordBoundary),
            'K' => return Ok((Node::Keep, Repeats::Never)),
            'N' => self.class(&class::negated(class::range('\n', '\n')))?,
            'O' => self.class(&class::range('\0', char::MAX))?,
            'R' => self.line_end()?,
            'X' | 'y' | 'Y' | 'g' => return Err(format!("\\{letter} is not known here").into()),
            'k' if self.peek() == Some('<') => self.named_group()?,
            '1'..='9' => return self.group_or_octal(letter).map(|node| (node, Repeats::Yes)),
            _ => match self.class_escape(letter)? {
                // Case is not ignored here, but in brackets.
                Some(class) => self.class(&class)?,
                None => {
                    let letter = self.letter_escape(letter)?;
                    self.letter(letter)?
                }
            },
        };
        Ok((node, Repeats::Yes))
    }

    /// `\d`, `\p{..}` and the like.
    pub(super) fn class_escape(&mut self, letter: char) -> Result<Option<regex_syntax::hir::ClassUnicode>, Refused> {
        if let Some(class) = class::of_escape(letter.to_ascii_lowercase()) {
            return Ok(Some(match letter.is_ascii_uppercase() {
                true => class::negated(class),
                false => class,
            }));
        }
        if !matches!(letter, 'p' | 'P') || !self.takes("{") {
            return Ok(None);
        }
        let turned = self.takes("^");
        let (name, _) = self
            .rest()
            .split_once('}')
            .ok_or("end pattern with unmatched parenthesis")?;
        let name = name.to_owned();
        self.at += name.len() + 1;
        let class = class::of_property(&name).ok_or_else(|| format!("invalid character property name {{{name}}}"))?;
        Ok(Some(match (letter == 'P') != turned {
            true => class::negated(class),
            false => class,
        }))
    }

    /// An escape that stands for one letter, in brackets or out of them.
    pub(super) fn letter_escape(&mut self, letter: char) -> Result<char, Refused> {
        Ok(match letter {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'f' => '\u{c}',
            'a' => '\u{7}',
            'e' => '\u{1b}',
            'x' if self.takes("{") => {
                let (digits, _) = self.rest().split_once('}').ok_or("invalid code point value")?;
                let (digits, length) = (u32::from_str_radix(digits, 16), digits.len());
                self.at += length + 1;
                let point = digits.ok().and_then(char::from_u32);
                point.ok_or("invalid code point value")?
            }
            'x' => self.digits(16, 2, 0)?,
            'c' => {
                let letter = self.next().ok_or("end pattern at control")?;
                char::from_u32(u32::from(letter) & 0x9f).ok_or("invalid control")?
            }
            '0' => self.digits(8, 2, 0)?,
            '1'..='7' => self.digits(8, 2, letter.to_digit(8).unwrap_or(0))?,
            other => other,
        })
    }

    /// The letter whose byte is told by so many digits at most. jq takes bytes beyond ASCII as parts of a letter.
    fn digits(&mut self, radix: u32, count: usize, mut point: u32) -> Result<char, Refused> {
        for _ in 0..count {
            let Some(digit) = self.peek().and_then(|letter| letter.to_digit(radix)) else {
                break;
            };
            self.at += 1;
            point = point * radix + digit;
        }
        let letter = char::from_u32(point).filter(char::is_ascii);
        letter.ok_or_else(|| "too short multibyte code string".into())
    }

    /// `\1` is a group, `\10` one where there are so many, and a letter by its octal number where not.
    fn group_or_octal(&mut self, first: char) -> Result<Node, Refused> {
        let rest = &self.pattern[self.at - first.len_utf8()..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = rest[..digits].parse().unwrap_or(usize::MAX);
        if number <= 9 || number < self.groups {
            self.at += digits - 1;
            self.repeated_max = self.repeated_max.max(number);
            return Ok(Node::Repeated {
                groups: vec![number],
                ignores_case: self.modes.ignores_case,
            });
        }
        if first > '7' {
            return self.letter(first);
        }
        let letter = self.letter_escape(first)?;
        self.letter(letter)
    }

    /// `\k<name>`
    fn named_group(&mut self) -> Result<Node, Refused> {
        self.at += 1;
        let (name, _) = self.rest().split_once('>').ok_or("end pattern in group")?;
        let name = name.to_owned();
        self.at += name.len() + 1;
        let ignores_case = self.modes.ignores_case;
        if let Ok(number) = name.parse::<usize>() {
            self.repeated_max = self.repeated_max.max(number);
            return match number {
                0 => Err("invalid backref number/name".into()),
                number => Ok(Node::Repeated {
                    groups: vec![number],
                    ignores_case,
                }),
            };
        }
        let named = self.names.iter().rev().filter(|(_, known)| *known == name);
        let groups: Vec<_> = named.map(|(group, _)| *group).collect();
        match groups.is_empty() {
            true => Err(format!("undefined name <{name}> reference").into()),
            false => Ok(Node::Repeated { groups, ignores_case }),
        }
    }

    /// `\R`: one line end, whichever it is.
    fn line_end(&mut self) -> Result<Node, Refused> {
        let both = Node::Sequence(vec![Node::Char('\r'), Node::Char('\n')]);
        let mut one = class::range('\n', '\r');
        for letter in ['\u{85}', '\u{2028}', '\u{2029}'] {
            one.union(&class::range(letter, letter));
        }
        let one = self.class(&one)?;
        Ok(Node::Atomic(Box::new(Node::Alternatives(vec![both, one]))))
    }
}
