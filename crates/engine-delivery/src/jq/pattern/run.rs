//! Matches a pattern with a text.

use super::{Assertion, Instruction, Pattern, Places, Start, class};
use crate::jq::fault::Outcome;
use crate::jq::memory::Meter;

/// Instructions take less time than a step of the machine.
const INSTRUCTIONS_A_STEP: usize = 8;
/// What is compared in the time of an instruction, byte by byte and not letter by letter.
const BYTES_AN_INSTRUCTION: usize = 8;
const UNSET: usize = usize::MAX;

pub(super) fn find(
    pattern: &Pattern,
    text: &str,
    from: usize,
    not_empty: bool,
    meter: &mut Meter,
) -> Outcome<Option<Places>> {
    let mut matcher = Matcher {
        pattern,
        text,
        from,
        not_empty,
        slots: Vec::new(),
        stack: Vec::new(),
        instructions: 0,
        meter,
    };
    let mut start = from;
    loop {
        match pattern.start {
            Start::AtBeginning if start > 0 => return Ok(None),
            Start::At(byte) => match memchr::memchr(byte, &text.as_bytes()[start..]) {
                Some(distance) => {
                    matcher.meter.spend_bytes(distance)?;
                    start += distance;
                }
                None => {
                    matcher.meter.spend_bytes(text.len() - start)?;
                    return Ok(None);
                }
            },
            _ => {}
        }
        matcher.meter.spend(1 + pattern.slots / INSTRUCTIONS_A_STEP)?;
        matcher.slots.clear();
        matcher.slots.resize(pattern.slots, UNSET);
        if matcher.run(0, start, start)?.is_some() {
            return Ok(Some(matcher.places()));
        }
        match text[start..].chars().next() {
            Some(letter) => start += letter.len_utf8(),
            None => return Ok(None),
        }
    }
}

struct Matcher<'p, 't, 'm> {
    pattern: &'p Pattern,
    text: &'t str,
    /// Where the search began.
    from: usize,
    not_empty: bool,
    slots: Vec<usize>,
    stack: Vec<Undo>,
    /// Those that were not counted as steps yet.
    instructions: usize,
    meter: &'m mut Meter,
}

enum Undo {
    /// Goes on at an instruction and a place.
    Branch(usize, usize),
    /// Puts back what was in a slot.
    Slot(usize, usize),
}

impl Matcher<'_, '_, '_> {
    fn places(&self) -> Places {
        let pairs = self.slots.chunks(2).take(self.pattern.groups);
        let places = pairs.map(|pair| match pair {
            [start, end] if *start != UNSET && *end != UNSET => Some((*start, *end)),
            _ => None,
        });
        places.collect()
    }

    /// Counts what takes as long as so many instructions.
    fn spend(&mut self, instructions: usize) -> Outcome<()> {
        self.instructions += instructions;
        if self.instructions >= INSTRUCTIONS_A_STEP {
            self.meter.spend(self.instructions / INSTRUCTIONS_A_STEP)?;
            self.meter.room(self.stack.capacity() * size_of::<Undo>())?;
            self.instructions %= INSTRUCTIONS_A_STEP;
        }
        Ok(())
    }

    fn save(&mut self, slot: usize, place: usize) {
        self.stack.push(Undo::Slot(slot, self.slots[slot]));
        self.slots[slot] = place;
    }

    /// Runs from an instruction and a place on, for a match that began at `start`, to the place where the match ends.
    fn run(&mut self, from: usize, place: usize, start: usize) -> Outcome<Option<usize>> {
        let base = self.stack.len();
        let (mut at, mut place) = (from, place);
        loop {
            self.spend(1)?;
            let next = match self.pattern.instructions[at] {
                Instruction::Match if from == 0 && self.not_empty && place == start => None,
                Instruction::Match => return Ok(Some(place)),
                Instruction::Look {
                    is_negative,
                    back,
                    next,
                } => self.look(at + 1, place, is_negative, back)?.then_some((next, place)),
                Instruction::Atomic { next } => self.atomic(at + 1, place)?.map(|place| (next, place)),
                Instruction::Repeated { group, ignores_case } => {
                    let length = self.repeated(group, ignores_case, place)?;
                    length.map(|length| (at + 1, place + length))
                }
                instruction => self.step(instruction, at, place),
            };
            (at, place) = match next {
                Some(next) => next,
                None => match self.undo(base) {
                    Some(next) => next,
                    None => return Ok(None),
                },
            };
        }
    }

    /// Goes back to the last branch.
    fn undo(&mut self, base: usize) -> Option<(usize, usize)> {
        while self.stack.len() > base {
            match self.stack.pop()? {
                Undo::Branch(at, place) => return Some((at, place)),
                Undo::Slot(slot, old) => self.slots[slot] = old,
            }
        }
        None
    }

    /// Where it goes on; `None` where it fails.
    fn step(&mut self, instruction: Instruction, at: usize, place: usize) -> Option<(usize, usize)> {
        let letter = || self.text[place..].chars().next();
        match instruction {
            Instruction::Char(wanted) => {
                let found = letter().filter(|letter| *letter == wanted)?;
                Some((at + 1, place + found.len_utf8()))
            }
            Instruction::Set(set) => {
                let set: &class::Set = &self.pattern.sets[set];
                let found = letter().filter(|letter| set.contains(*letter))?;
                Some((at + 1, place + found.len_utf8()))
            }
            Instruction::Save(slot) => {
                self.save(slot, place);
                Some((at + 1, place))
            }
            Instruction::Split(first, second) => {
                self.stack.push(Undo::Branch(second, place));
                Some((first, place))
            }
            Instruction::Jump(to) => Some((to, place)),
            Instruction::LeaveIfAt { slot, exit } => {
                let is_there = self.slots[slot] == place;
                Some((if is_there { exit } else { at + 1 }, place))
            }
            Instruction::Assert(assertion) => self.holds(assertion, place).then_some((at + 1, place)),
            Instruction::Fail
            | Instruction::Match
            | Instruction::Look { .. }
            | Instruction::Atomic { .. }
            | Instruction::Repeated { .. } => None,
        }
    }

    /// How long what a group holds is at a place; `None` where it is not there.
    fn repeated(&mut self, group: usize, ignores_case: bool, place: usize) -> Outcome<Option<usize>> {
        let text = self.text;
        let (start, end) = (self.slots[group * 2], self.slots[group * 2 + 1]);
        let Some(held) = text.get(start..end).filter(|_| start != UNSET && end != UNSET) else {
            return Ok(None);
        };
        let compared = held.len().min(text.len() - place);
        self.spend(match ignores_case {
            true => compared,
            false => compared / BYTES_AN_INSTRUCTION,
        })?;
        Ok(prefix(&text[place..], held, ignores_case))
    }

    /// Whether what is looked at holds.
    fn look(&mut self, from: usize, place: usize, is_negative: bool, back: usize) -> Outcome<bool> {
        self.spend(back.min(place))?;
        let mut start = place;
        for _ in 0..back {
            match self.text[..start].chars().next_back() {
                Some(letter) => start -= letter.len_utf8(),
                None => return Ok(is_negative),
            }
        }
        let base = self.stack.len();
        let found = self.run(from, start, start)?.is_some();
        if found && !is_negative {
            self.forget_branches(base)?;
        } else {
            while self.undo(base).is_some() {}
        }
        Ok(found != is_negative)
    }

    fn atomic(&mut self, from: usize, place: usize) -> Outcome<Option<usize>> {
        let base = self.stack.len();
        let end = self.run(from, place, place)?;
        self.forget_branches(base)?;
        Ok(end)
    }

    /// What was matched is not matched otherwise; what groups held before is still put back.
    fn forget_branches(&mut self, base: usize) -> Outcome<()> {
        self.spend(self.stack.len() - base)?;
        let mut kept = base;
        for at in base..self.stack.len() {
            if matches!(self.stack[at], Undo::Slot(..)) {
                self.stack.swap(kept, at);
                kept += 1;
            }
        }
        self.stack.truncate(kept);
        Ok(())
    }

    fn holds(&self, assertion: Assertion, place: usize) -> bool {
        let (before, behind) = self.text.split_at(place);
        match assertion {
            Assertion::TextStart => before.is_empty(),
            Assertion::TextEnd => behind.is_empty(),
            Assertion::LastLineEnd => behind.is_empty() || behind == "\n",
            Assertion::LineStart => before.is_empty() || (before.ends_with('\n') && !behind.is_empty()),
            Assertion::LineEnd => behind.is_empty() || behind.starts_with('\n'),
            Assertion::SearchStart => place == self.from,
            Assertion::WordBoundary => is_word(before.chars().next_back()) != is_word(behind.chars().next()),
            Assertion::NoWordBoundary => is_word(before.chars().next_back()) == is_word(behind.chars().next()),
        }
    }
}

fn is_word(letter: Option<char>) -> bool {
    letter.is_some_and(class::is_word)
}

/// How long the text is that a text begins with and that is like another.
fn prefix(text: &str, wanted: &str, ignores_case: bool) -> Option<usize> {
    if !ignores_case {
        return text.starts_with(wanted).then_some(wanted.len());
    }
    let mut letters = text.chars();
    for wanted in wanted.chars() {
        let letter = letters.next()?;
        let is_like = letter == wanted || letter.to_lowercase().eq(wanted.to_lowercase());
        if !is_like {
            return None;
        }
    }
    Some(text.len() - letters.as_str().len())
}
