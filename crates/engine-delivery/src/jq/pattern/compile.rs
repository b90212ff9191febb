//! Makes instructions of what was read.

use super::parse::{Node, Parsed};
use super::{Assertion, INSTRUCTIONS_MAX, Instruction, Pattern, Start, class};

pub(super) fn compile(parsed: Parsed) -> Result<Pattern, String> {
    let mut compiler = Compiler {
        instructions: Vec::new(),
        sets: Vec::new(),
        slots: parsed.groups * 2,
    };
    compiler.push(Instruction::Save(0))?;
    compiler.node(&parsed.node)?;
    compiler.push(Instruction::Save(1))?;
    compiler.push(Instruction::Match)?;
    Ok(Pattern {
        start: start_of(&parsed.node),
        instructions: compiler.instructions,
        sets: compiler.sets,
        groups: parsed.groups,
        slots: compiler.slots,
        names: parsed.names,
    })
}

/// Where a match must begin.
fn start_of(node: &Node) -> Start {
    match node {
        Node::Assertion(Assertion::TextStart) => Start::AtBeginning,
        Node::Char(letter) => Start::At(letter.encode_utf8(&mut [0; 4]).as_bytes()[0]),
        Node::Capture(_, inner) | Node::Atomic(inner) => start_of(inner),
        Node::Sequence(nodes) => nodes.first().map_or(Start::Anywhere, start_of),
        Node::Repeat { inner, min: 1.., .. } => match start_of(inner) {
            // What matches nothing the first time may match something later.
            Start::AtBeginning => Start::Anywhere,
            other => other,
        },
        _ => Start::Anywhere,
    }
}

struct Compiler {
    instructions: Vec<Instruction>,
    sets: Vec<class::Set>,
    slots: usize,
}

impl Compiler {
    fn push(&mut self, instruction: Instruction) -> Result<usize, String> {
        if self.instructions.len() >= INSTRUCTIONS_MAX {
            return Err(format!("it comes to more than {INSTRUCTIONS_MAX} steps"));
        }
        self.instructions.push(instruction);
        Ok(self.instructions.len() - 1)
    }

    fn here(&self) -> usize {
        self.instructions.len()
    }

    fn node(&mut self, node: &Node) -> Result<(), String> {
        match node {
            Node::Char(letter) => drop(self.push(Instruction::Char(*letter))?),
            Node::Class(class) => {
                self.sets.push(class::Set::new(class));
                self.push(Instruction::Set(self.sets.len() - 1))?;
            }
            Node::Assertion(assertion) => drop(self.push(Instruction::Assert(*assertion))?),
            Node::Capture(group, inner) => {
                self.push(Instruction::Save(group * 2))?;
                self.node(inner)?;
                self.push(Instruction::Save(group * 2 + 1))?;
            }
            Node::Look {
                is_behind,
                is_negative,
                inner,
            } => {
                let back = match is_behind {
                    true => length_behind(inner, *is_negative)?,
                    false => 0,
                };
                let look = self.push(Instruction::Fail)?;
                match is_behind {
                    true => self.node(&with_least_head(inner))?,
                    false => self.node(inner)?,
                }
                self.push(Instruction::Match)?;
                self.instructions[look] = Instruction::Look {
                    is_negative: *is_negative,
                    back,
                    next: self.here(),
                };
            }
            Node::Atomic(inner) => {
                let atomic = self.push(Instruction::Fail)?;
                self.node(inner)?;
                self.push(Instruction::Match)?;
                self.instructions[atomic] = Instruction::Atomic { next: self.here() };
            }
            Node::Sequence(nodes) => nodes.iter().try_for_each(|node| self.node(node))?,
            Node::Alternatives(nodes) => self.alternatives(nodes)?,
            Node::Repeat {
                inner,
                min,
                max,
                is_lazy,
            } => self.repeat(inner, *min, *max, *is_lazy)?,
            Node::Repeated { groups, ignores_case } => {
                let one = |group: &usize| Instruction::Repeated {
                    group: *group,
                    ignores_case: *ignores_case,
                };
                let (last, others) = groups.split_last().ok_or("invalid backref number/name")?;
                let mut ends = Vec::new();
                for group in others {
                    let split = self.push(Instruction::Fail)?;
                    self.push(one(group))?;
                    ends.push(self.push(Instruction::Fail)?);
                    self.instructions[split] = Instruction::Split(split + 1, self.here());
                }
                self.push(one(last))?;
                for end in ends {
                    self.instructions[end] = Instruction::Jump(self.here());
                }
            }
            Node::Keep => drop(self.push(Instruction::Save(0))?),
        }
        Ok(())
    }

    fn alternatives(&mut self, nodes: &[Node]) -> Result<(), String> {
        let mut ends = Vec::new();
        for (at, node) in nodes.iter().enumerate() {
            if at + 1 == nodes.len() {
                self.node(node)?;
                break;
            }
            let split = self.push(Instruction::Fail)?;
            self.node(node)?;
            ends.push(self.push(Instruction::Fail)?);
            self.instructions[split] = Instruction::Split(split + 1, self.here());
        }
        for end in ends {
            self.instructions[end] = Instruction::Jump(self.here());
        }
        Ok(())
    }

    fn repeat(&mut self, inner: &Node, min: u32, max: Option<u32>, is_lazy: bool) -> Result<(), String> {
        let split = |on: usize, out: usize| match is_lazy {
            true => Instruction::Split(out, on),
            false => Instruction::Split(on, out),
        };
        for _ in 0..min {
            self.node(inner)?;
        }
        let Some(max) = max else {
            let slot = self.slots;
            self.slots += 1;
            let start = self.push(Instruction::Fail)?;
            self.push(Instruction::Save(slot))?;
            self.node(inner)?;
            let leave = self.push(Instruction::Fail)?;
            self.push(Instruction::Jump(start))?;
            let exit = self.here();
            self.instructions[leave] = Instruction::LeaveIfAt { slot, exit };
            self.instructions[start] = split(start + 1, exit);
            return Ok(());
        };
        let mut splits = Vec::new();
        for _ in min..max {
            splits.push(self.push(Instruction::Fail)?);
            self.node(inner)?;
        }
        for at in splits {
            self.instructions[at] = split(at + 1, self.here());
        }
        Ok(())
    }
}

const INVALID_BEHIND: &str = "invalid pattern in look-behind";

/// How many letters a look behind goes back. Only what comes first in it may vary, and counts as often as it must.
fn length_behind(node: &Node, is_negative: bool) -> Result<usize, String> {
    length(&with_least_head(node), is_negative).ok_or_else(|| INVALID_BEHIND.to_owned())
}

fn length(node: &Node, is_negative: bool) -> Option<usize> {
    match node {
        Node::Assertion(_) | Node::Keep => Some(0),
        Node::Char(_) | Node::Class(_) => Some(1),
        Node::Capture(..) if is_negative => None,
        Node::Capture(_, inner) | Node::Atomic(inner) => length(inner, is_negative),
        Node::Look { is_behind: true, .. } => Some(0),
        Node::Look { .. } | Node::Repeated { .. } => None,
        Node::Sequence(nodes) => nodes.iter().map(|node| length(node, is_negative)).sum(),
        Node::Alternatives(nodes) => {
            let mut lengths = nodes.iter().map(|node| length(node, is_negative));
            let first = lengths.next()??;
            lengths.all(|length| length == Some(first)).then_some(first)
        }
        Node::Repeat { inner, min, max, .. } => {
            let inner = length(inner, is_negative)?;
            (*max == Some(*min)).then_some(inner * *min as usize)
        }
    }
}

/// The node with a repetition at its head as short as it may be: what is before would not be looked at.
fn with_least_head(node: &Node) -> Node {
    match node {
        Node::Repeat {
            inner, min, is_lazy, ..
        } => Node::Repeat {
            inner: inner.clone(),
            min: *min,
            max: Some(*min),
            is_lazy: *is_lazy,
        },
        Node::Sequence(nodes) => {
            let mut nodes = nodes.clone();
            if let Some(first) = nodes.first_mut() {
                *first = with_least_head(first);
            }
            Node::Sequence(nodes)
        }
        Node::Alternatives(nodes) => Node::Alternatives(nodes.iter().map(with_least_head).collect()),
        other => other.clone(),
    }
}
