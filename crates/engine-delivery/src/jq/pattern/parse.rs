//! Reads patterns.

mod behind;
mod brackets;
mod escapes;

use regex_syntax::hir::ClassUnicode;

use super::{Assertion, Options, Refused, class};
use crate::jq::memory::Meter;

/// Groups within groups.
const NESTING_MAX: usize = 100;
/// Repetitions of repetitions, as in `a**`: each nests deeper, and the stack must do for all.
const REPEATED_AGAIN_MAX: usize = 100;
/// As often as something may be repeated.
const REPEAT_MAX: u32 = 100_000;

#[derive(Debug, Clone)]
pub(super) enum Node {
    Char(char),
    /// One of the sets of letters.
    Class(usize),
    Assertion(Assertion),
    Capture(usize, Box<Node>),
    Look {
        /// So many letters behind, where it does not look ahead.
        behind: Option<usize>,
        is_negative: bool,
        inner: Box<Node>,
    },
    Atomic(Box<Node>),
    Sequence(Vec<Node>),
    Alternatives(Vec<Node>),
    Repeat {
        inner: Box<Node>,
        min: u32,
        max: Option<u32>,
        is_lazy: bool,
    },
    /// What one of the groups holds, the last first.
    Repeated {
        groups: Vec<usize>,
        ignores_case: bool,
    },
    /// The match begins here.
    Keep,
}

pub(super) struct Parsed {
    pub(super) node: Node,
    pub(super) sets: Vec<class::Set>,
    pub(super) groups: usize,
    pub(super) names: Vec<(usize, String)>,
}

/// What is in force where reading stands.
#[derive(Clone, Copy)]
struct Modes {
    ignores_case: bool,
    extended: bool,
    dot_is_all: bool,
    /// `^` and `$` mean lines.
    many_lines: bool,
}

pub(super) fn parse(pattern: &str, options: Options, meter: &mut Meter) -> Result<Parsed, Refused> {
    let modes = Modes {
        ignores_case: options.ignores_case,
        extended: options.extended,
        dot_is_all: options.dot_is_all,
        many_lines: false,
    };
    let mut parser = Parser {
        pattern,
        at: 0,
        modes,
        sets: Vec::new(),
        sets_bytes: 0,
        groups: 1,
        names: Vec::new(),
        repeated_max: 0,
        nesting: 0,
        repeated_again: 0,
        meter,
    };
    let node = parser.alternatives()?;
    if parser.at < pattern.len() {
        return Err("unmatched close parenthesis".into());
    }
    if parser.repeated_max >= parser.groups {
        return Err("invalid backref number/name".into());
    }
    Ok(Parsed {
        node,
        sets: parser.sets,
        groups: parser.groups,
        names: parser.names,
    })
}

struct Parser<'p, 'm> {
    pattern: &'p str,
    at: usize,
    modes: Modes,
    sets: Vec<class::Set>,
    sets_bytes: usize,
    groups: usize,
    names: Vec<(usize, String)>,
    /// The greatest number of a group that is referred to.
    repeated_max: usize,
    nesting: usize,
    repeated_again: usize,
    meter: &'m mut Meter,
}

impl Parser<'_, '_> {
    fn rest(&self) -> &str {
        &self.pattern[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    fn takes(&mut self, text: &str) -> bool {
        let is_there = self.rest().starts_with(text);
        if is_there {
            self.at += text.len();
        }
        is_there
    }

    /// All up to the end or the parenthesis that closes. Modes that are set there end there.
    fn alternatives(&mut self) -> Result<Node, Refused> {
        self.nesting += 1;
        if self.nesting > NESTING_MAX {
            return Err(format!("groups are nested deeper than {NESTING_MAX}").into());
        }
        let modes = self.modes;
        let mut alternatives = vec![self.sequence()?];
        while self.takes("|") {
            alternatives.push(self.sequence()?);
        }
        self.modes = modes;
        self.nesting -= 1;
        Ok(match alternatives.len() {
            1 => alternatives.remove(0),
            _ => Node::Alternatives(alternatives),
        })
    }

    fn sequence(&mut self) -> Result<Node, Refused> {
        let mut nodes = Vec::new();
        loop {
            if self.modes.extended {
                self.skip_space();
            }
            match self.peek() {
                None | Some('|' | ')') => break,
                _ => {}
            }
            if self.takes("\\Q") {
                self.quoted(&mut nodes)?;
                continue;
            }
            let Some((node, repeats)) = self.atom()? else {
                continue;
            };
            nodes.push(self.repeated(node, repeats)?);
        }
        Ok(Node::Sequence(nodes))
    }

    fn skip_space(&mut self) {
        while let Some(letter) = self.peek() {
            if letter == '#' {
                let comment = self.rest().find('\n').unwrap_or(self.rest().len());
                self.at += comment;
            } else if letter.is_ascii_whitespace() || letter == '\u{b}' {
                self.at += 1;
            } else {
                return;
            }
        }
    }

    /// `\Q..\E`: what means itself. What follows may repeat its last letter.
    fn quoted(&mut self, nodes: &mut Vec<Node>) -> Result<(), Refused> {
        let rest = self.rest();
        let (text, length) = match rest.split_once("\\E") {
            Some((text, _)) => (text, text.len() + 2),
            None => (rest, rest.len()),
        };
        let letters: Vec<char> = text.chars().collect();
        self.at += length;
        for letter in letters {
            nodes.push(self.letter(letter)?);
        }
        if let Some(last) = nodes.pop() {
            // A bad repetition is found where the next thing is read.
            match self.repeated(last.clone(), Repeats::Yes) {
                Ok(node) => nodes.push(node),
                Err(_) => nodes.push(last),
            }
        }
        Ok(())
    }

    fn class(&mut self, class: &ClassUnicode) -> Result<Node, Refused> {
        let set = class::Set::new(class);
        self.sets_bytes += set.bytes();
        self.meter.room(self.sets_bytes)?;
        self.sets.push(set);
        Ok(Node::Class(self.sets.len() - 1))
    }

    fn letter(&mut self, letter: char) -> Result<Node, Refused> {
        if self.modes.ignores_case {
            let folded = class::folded(class::range(letter, letter), self.meter)?;
            let is_one = folded.ranges().len() == 1 && folded.ranges()[0].start() == folded.ranges()[0].end();
            if !is_one {
                return self.class(&folded);
            }
        }
        Ok(Node::Char(letter))
    }

    /// What may be repeated, and whether it may; nothing where only modes were set.
    fn atom(&mut self) -> Result<Option<(Node, Repeats)>, Refused> {
        let letter = self.next().unwrap_or_default();
        let newline = class::range('\n', '\n');
        let node = match letter {
            '(' => return self.group(),
            '[' => self.brackets()?,
            '\\' => return self.escape().map(Some),
            '.' if self.modes.dot_is_all => self.class(&class::negated(ClassUnicode::empty()))?,
            '.' => self.class(&class::negated(newline))?,
            '^' | '$' => {
                let assertion = match (letter, self.modes.many_lines) {
                    ('^', false) => Assertion::TextStart,
                    ('^', true) => Assertion::LineStart,
                    (_, false) => Assertion::LastLineEnd,
                    (_, true) => Assertion::LineEnd,
                };
                return Ok(Some((Node::Assertion(assertion), Repeats::Never)));
            }
            '*' | '+' | '?' => return Err("target of repeat operator is not specified".into()),
            '{' => {
                if self.interval_at(self.at).is_some() {
                    return Err("target of repeat operator is not specified".into());
                }
                self.letter('{')?
            }
            letter => self.letter(letter)?,
        };
        Ok(Some((node, Repeats::Yes)))
    }

    /// A node with the repetitions behind it.
    fn repeated(&mut self, mut node: Node, repeats: Repeats) -> Result<Node, Refused> {
        let mut times = 0_usize;
        loop {
            if self.modes.extended {
                self.skip_space();
            }
            let (min, max) = match self.peek() {
                Some('*') => (0, None),
                Some('+') => (1, None),
                Some('?') => (0, Some(1)),
                Some('{') => match self.interval_at(self.at + 1) {
                    Some((interval, end)) => {
                        self.at = end - 1;
                        interval?
                    }
                    None => return Ok(node),
                },
                _ => return Ok(node),
            };
            if repeats == Repeats::Never {
                return Err("target of repeat operator is invalid".into());
            }
            times += 1;
            if times > 1 {
                self.repeated_again += 1;
            }
            if self.repeated_again > REPEATED_AGAIN_MAX {
                return Err(format!("repetitions are repeated more than {REPEATED_AGAIN_MAX} times").into());
            }
            self.at += 1;
            let is_lazy = self.takes("?");
            let is_possessive = !is_lazy && self.takes("+");
            node = Node::Repeat {
                inner: Box::new(node),
                min,
                max,
                is_lazy,
            };
            if is_possessive {
                node = Node::Atomic(Box::new(node));
            }
        }
    }

    /// The bounds of an interval whose brace is before `at`, and where it ends; `None` where there is none, and the
    /// brace means itself.
    fn interval_at(&self, at: usize) -> Option<(Result<(u32, Option<u32>), Refused>, usize)> {
        let (inner, _) = self.pattern[at..].split_once('}')?;
        let end = at + inner.len() + 1;
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse::<u32>().unwrap_or(u32::MAX))
        };
        let (min, max) = match inner.split_once(',') {
            None => {
                let times = number(inner)?;
                (times, Some(times))
            }
            Some((min, "")) => (number(min)?, None),
            Some((min, max)) => (number(min)?, Some(number(max)?)),
        };
        let bounds = if min.max(max.unwrap_or(0)) > REPEAT_MAX {
            Err("too big number for repeat range".into())
        } else if max.is_some_and(|max| max < min) {
            Err("upper is smaller than lower in repeat range".into())
        } else {
            Ok((min, max))
        };
        Some((bounds, end))
    }

    /// What follows an opening parenthesis.
    fn group(&mut self) -> Result<Option<(Node, Repeats)>, Refused> {
        if !self.takes("?") {
            return self.capture(None).map(|node| Some((node, Repeats::Yes)));
        }
        let node = if self.takes("#") {
            let end = self.rest().find(')').ok_or("end pattern in group")?;
            self.at += end + 1;
            return Ok(None);
        } else if self.takes(":") {
            self.inner()?
        } else if self.takes("=") {
            return self.look(false, false).map(Some);
        } else if self.takes("!") {
            return self.look(false, true).map(Some);
        } else if self.takes("<=") {
            return self.look(true, false).map(Some);
        } else if self.takes("<!") {
            return self.look(true, true).map(Some);
        } else if self.takes(">") {
            Node::Atomic(Box::new(self.inner()?))
        } else if self.takes("<") {
            let name = self.group_name('>')?;
            self.capture(Some(name))?
        } else if self.takes("'") {
            let name = self.group_name('\'')?;
            self.capture(Some(name))?
        } else {
            return self.modes();
        };
        Ok(Some((node, Repeats::Yes)))
    }

    fn look(&mut self, is_behind: bool, is_negative: bool) -> Result<(Node, Repeats), Refused> {
        let inner = self.inner()?;
        let behind = match is_behind {
            true => Some(behind::length_behind(&inner, is_negative)?),
            false => None,
        };
        let look = Node::Look {
            behind,
            is_negative,
            inner: Box::new(inner),
        };
        Ok((look, Repeats::Never))
    }

    /// What stands in a group, and its closing parenthesis.
    fn inner(&mut self) -> Result<Node, Refused> {
        let inner = self.alternatives()?;
        match self.takes(")") {
            true => Ok(inner),
            false => Err("end pattern with unmatched parenthesis".into()),
        }
    }

    fn capture(&mut self, name: Option<String>) -> Result<Node, Refused> {
        let group = self.groups;
        self.groups += 1;
        if let Some(name) = name {
            self.names.push((group, name));
        }
        Ok(Node::Capture(group, Box::new(self.inner()?)))
    }

    fn group_name(&mut self, end: char) -> Result<String, Refused> {
        let (name, _) = self.rest().split_once(end).ok_or("end pattern in group")?;
        let name = name.to_owned();
        self.at += name.len() + 1;
        let Some(first) = name.chars().next() else {
            return Err("group name is empty".into());
        };
        if first.is_ascii_digit() || !(first.is_alphanumeric() || first == '_') || name.contains(')') {
            return Err(format!("invalid group name <{name}>").into());
        }
        Ok(name)
    }

    /// `(?imsx-imsx)` or `(?imsx-imsx:..)`
    fn modes(&mut self) -> Result<Option<(Node, Repeats)>, Refused> {
        let before = self.modes;
        let mut is_on = true;
        let mut is_first = true;
        loop {
            match self.next().ok_or("end pattern in group")? {
                '-' if !is_first => is_on = false,
                'i' => self.modes.ignores_case = is_on,
                'm' => self.modes.many_lines = is_on,
                's' => self.modes.dot_is_all = is_on,
                'x' => self.modes.extended = is_on,
                ')' => return Ok(None),
                ':' => {
                    let inner = self.inner();
                    self.modes = before;
                    return Ok(Some((inner?, Repeats::Yes)));
                }
                _ => return Err("undefined group option".into()),
            }
            is_first = false;
        }
    }
}

/// Whether something may be repeated.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Repeats {
    Yes,
    Never,
}
