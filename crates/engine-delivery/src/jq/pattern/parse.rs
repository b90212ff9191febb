//! Reads patterns.

mod brackets;
mod escapes;

use regex_syntax::hir::ClassUnicode;

use super::{Assertion, Options, class};

/// Groups within groups.
const NESTING_MAX: usize = 100;
/// As often as something may be repeated.
const REPEAT_MAX: u32 = 100_000;

#[derive(Debug, Clone)]
pub(super) enum Node {
    Char(char),
    Class(ClassUnicode),
    Assertion(Assertion),
    Capture(usize, Box<Node>),
    Look {
        is_behind: bool,
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

pub(super) fn parse(pattern: &str, options: Options) -> Result<Parsed, String> {
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
        groups: 1,
        names: Vec::new(),
        repeated_max: 0,
        nesting: 0,
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
        groups: parser.groups,
        names: parser.names,
    })
}

struct Parser<'p> {
    pattern: &'p str,
    at: usize,
    modes: Modes,
    groups: usize,
    names: Vec<(usize, String)>,
    /// The greatest number of a group that is referred to.
    repeated_max: usize,
    nesting: usize,
}

impl Parser<'_> {
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
    fn alternatives(&mut self) -> Result<Node, String> {
        self.nesting += 1;
        if self.nesting > NESTING_MAX {
            return Err(format!("groups are nested deeper than {NESTING_MAX}"));
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

    fn sequence(&mut self) -> Result<Node, String> {
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
                self.quoted(&mut nodes);
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
    fn quoted(&mut self, nodes: &mut Vec<Node>) {
        let rest = self.rest();
        let (text, length) = match rest.split_once("\\E") {
            Some((text, _)) => (text, text.len() + 2),
            None => (rest, rest.len()),
        };
        let letters: Vec<char> = text.chars().collect();
        self.at += length;
        nodes.extend(letters.into_iter().map(|letter| self.letter(letter)));
        if let Some(last) = nodes.pop() {
            // A bad repetition is found where the next thing is read.
            match self.repeated(last.clone(), Repeats::Yes) {
                Ok(node) => nodes.push(node),
                Err(_) => nodes.push(last),
            }
        }
    }

    fn letter(&self, letter: char) -> Node {
        if self.modes.ignores_case {
            let folded = class::folded(class::range(letter, letter));
            let is_one = folded.ranges().len() == 1 && folded.ranges()[0].start() == folded.ranges()[0].end();
            if !is_one {
                return Node::Class(folded);
            }
        }
        Node::Char(letter)
    }

    /// What may be repeated, and whether it may; nothing where only modes were set.
    fn atom(&mut self) -> Result<Option<(Node, Repeats)>, String> {
        let letter = self.next().unwrap_or_default();
        let newline = class::range('\n', '\n');
        let node = match letter {
            '(' => return self.group(),
            '[' => self.brackets()?,
            '\\' => return self.escape().map(Some),
            '.' if self.modes.dot_is_all => Node::Class(class::negated(ClassUnicode::empty())),
            '.' => Node::Class(class::negated(newline)),
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
                self.letter('{')
            }
            letter => self.letter(letter),
        };
        Ok(Some((node, Repeats::Yes)))
    }

    /// A node with the repetitions behind it.
    fn repeated(&mut self, mut node: Node, repeats: Repeats) -> Result<Node, String> {
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
    fn interval_at(&self, at: usize) -> Option<(Result<(u32, Option<u32>), String>, usize)> {
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
    fn group(&mut self) -> Result<Option<(Node, Repeats)>, String> {
        if !self.takes("?") {
            return self.capture(None).map(|node| Some((node, Repeats::Yes)));
        }
        let look = |is_behind, is_negative| {
            move |inner| Node::Look {
                is_behind,
                is_negative,
                inner: Box::new(inner),
            }
        };
        let node = if self.takes("#") {
            let end = self.rest().find(')').ok_or("end pattern in group")?;
            self.at += end + 1;
            return Ok(None);
        } else if self.takes(":") {
            self.inner()?
        } else if self.takes("=") {
            return Ok(Some((look(false, false)(self.inner()?), Repeats::Never)));
        } else if self.takes("!") {
            return Ok(Some((look(false, true)(self.inner()?), Repeats::Never)));
        } else if self.takes("<=") {
            return Ok(Some((look(true, false)(self.inner()?), Repeats::Never)));
        } else if self.takes("<!") {
            return Ok(Some((look(true, true)(self.inner()?), Repeats::Never)));
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

    /// What stands in a group, and its closing parenthesis.
    fn inner(&mut self) -> Result<Node, String> {
        let inner = self.alternatives()?;
        match self.takes(")") {
            true => Ok(inner),
            false => Err("end pattern with unmatched parenthesis".into()),
        }
    }

    fn capture(&mut self, name: Option<String>) -> Result<Node, String> {
        let group = self.groups;
        self.groups += 1;
        if let Some(name) = name {
            self.names.push((group, name));
        }
        Ok(Node::Capture(group, Box::new(self.inner()?)))
    }

    fn group_name(&mut self, end: char) -> Result<String, String> {
        let (name, _) = self.rest().split_once(end).ok_or("end pattern in group")?;
        let name = name.to_owned();
        self.at += name.len() + 1;
        let Some(first) = name.chars().next() else {
            return Err("group name is empty".into());
        };
        if first.is_ascii_digit() || !(first.is_alphanumeric() || first == '_') || name.contains(')') {
            return Err(format!("invalid group name <{name}>"));
        }
        Ok(name)
    }

    /// `(?imsx-imsx)` or `(?imsx-imsx:..)`
    fn modes(&mut self) -> Result<Option<(Node, Repeats)>, String> {
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
