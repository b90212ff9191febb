//! Regular expressions in the syntax and with the meaning that Oniguruma gives them under jq 1.6: Perl's, one line
//! unless told otherwise. They are matched by going back and forth, as Oniguruma does, with every step counted.

mod class;
mod compile;
mod parse;
mod run;

use super::fault::{Fault, Outcome};
use super::memory::Meter;

/// As many instructions as a pattern may come to.
const INSTRUCTIONS_MAX: usize = 10_000;

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    instructions: Vec<Instruction>,
    sets: Vec<class::Set>,
    /// The groups, the whole match among them, have two slots each, which come first.
    groups: usize,
    slots: usize,
    /// The names of groups with names, in the order of the groups.
    names: Vec<(usize, String)>,
    start: Start,
}

/// What is known of where a match may begin.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Start {
    Anywhere,
    AtBeginning,
    /// Where there is this byte.
    At(u8),
}

#[derive(Debug, Clone, Copy)]
enum Instruction {
    Char(char),
    Set(usize),
    /// Keeps the place in a slot.
    Save(usize),
    /// Goes on at the first, and at the second where that fails.
    Split(usize, usize),
    Jump(usize),
    /// Leaves a loop that got nowhere since the place in the slot was kept.
    LeaveIfAt {
        slot: usize,
        exit: usize,
    },
    Assert(Assertion),
    /// What follows, up to an [`Instruction::Match`], must match or must not; then it goes on at `next`.
    Look {
        is_negative: bool,
        /// So many letters before.
        back: usize,
        next: usize,
    },
    /// What follows, up to an [`Instruction::Match`], is matched once and for all; then it goes on at `next`.
    Atomic {
        next: usize,
    },
    /// What a group holds.
    Repeated {
        group: usize,
        ignores_case: bool,
    },
    /// Fails.
    Fail,
    Match,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Assertion {
    TextStart,
    TextEnd,
    /// At the end or before a line feed that ends the text.
    LastLineEnd,
    LineStart,
    LineEnd,
    SearchStart,
    WordBoundary,
    NoWordBoundary,
}

/// What the letters behind a pattern ask for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Options {
    pub(super) ignores_case: bool,
    pub(super) extended: bool,
    /// A dot is a line feed too.
    pub(super) dot_is_all: bool,
    pub(super) not_empty: bool,
}

/// Why a pattern was not compiled.
#[derive(Debug)]
pub(super) enum Refused {
    /// What is wrong with it.
    Invalid(String),
    /// It came to a limit.
    Ended(Fault),
}

impl From<String> for Refused {
    fn from(reason: String) -> Self {
        Self::Invalid(reason)
    }
}

impl From<&str> for Refused {
    fn from(reason: &str) -> Self {
        Self::Invalid(reason.to_owned())
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Ended(fault)
    }
}

/// Where a match and its groups are, in bytes.
pub(super) type Places = Vec<Option<(usize, usize)>>;

impl Pattern {
    /// What the length of the pattern tells of the work must have been counted.
    pub(super) fn new(pattern: &str, options: Options, meter: &mut Meter) -> Result<Self, Refused> {
        let parsed = parse::parse(pattern, options, meter)?;
        compile::compile(parsed, meter)
    }

    /// The first match that begins at `from` or behind it.
    pub(super) fn find(&self, text: &str, from: usize, not_empty: bool, meter: &mut Meter) -> Outcome<Option<Places>> {
        run::find(self, text, from, not_empty, meter)
    }

    pub(super) fn name(&self, group: usize) -> Option<&str> {
        let at = self.names.binary_search_by_key(&group, |(known, _)| *known).ok()?;
        Some(&self.names[at].1)
    }

    /// How much memory it takes, names aside.
    pub(super) fn bytes(&self) -> usize {
        let sets = self.sets.iter().map(class::Set::bytes).sum::<usize>();
        self.instructions.capacity() * size_of::<Instruction>() + sets
    }
}
