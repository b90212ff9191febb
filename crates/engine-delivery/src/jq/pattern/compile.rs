//! Makes instructions of what was read.

use super::parse::{Node, Parsed};
use super::{Assertion, INSTRUCTIONS_MAX, Instruction, Pattern, Refused, Start};
use crate::jq::memory::Meter;

pub(super) fn compile(parsed: Parsed, meter: &mut Meter) -> Result<Pattern, Refused> {
    let mut compiler = Compiler {
        instructions: Vec::new(),
        slots: parsed.groups * 2,
        meter,
    };
    compiler.push(Instruction::Save(0))?;
    compiler.node(&parsed.node, false)?;
    compiler.push(Instruction::Save(1))?;
    compiler.push(Instruction::Match)?;
    Ok(Pattern {
        start: start_of(&parsed.node),
        instructions: compiler.instructions,
        sets: parsed.sets,
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

struct Compiler<'m> {
    instructions: Vec<Instruction>,
    slots: usize,
    meter: &'m mut Meter,
}

impl Compiler<'_> {
    fn push(&mut self, instruction: Instruction) -> Result<usize, Refused> {
        if self.instructions.len() >= INSTRUCTIONS_MAX {
            return Err(format!("it comes to more than {INSTRUCTIONS_MAX} steps").into());
        }
        self.instructions.push(instruction);
        Ok(self.instructions.len() - 1)
    }

    fn here(&self) -> usize {
        self.instructions.len()
    }

    /// Of a look behind a repetition at its head is as short as it may be: what is before would not be looked at.
    fn node(&mut self, node: &Node, is_head_behind: bool) -> Result<(), Refused> {
        // What is repeated is compiled as often, and may come to no instruction.
        self.meter.spend(1)?;
        match node {
            Node::Char(letter) => self.leaf(Instruction::Char(*letter)),
            Node::Class(set) => self.leaf(Instruction::Set(*set)),
            Node::Assertion(assertion) => self.leaf(Instruction::Assert(*assertion)),
            Node::Keep => self.leaf(Instruction::Save(0)),
            Node::Repeated { groups, ignores_case } => self.groups(groups, *ignores_case),
            Node::Capture(group, inner) => self.capture(*group, inner),
            Node::Look {
                behind,
                is_negative,
                inner,
            } => self.look(*behind, *is_negative, inner),
            Node::Atomic(inner) => self.atomic(inner),
            Node::Sequence(nodes) => {
                let mut is_head_behind = is_head_behind;
                nodes
                    .iter()
                    .try_for_each(|node| self.node(node, std::mem::take(&mut is_head_behind)))
            }
            Node::Alternatives(nodes) => self.alternatives(nodes, is_head_behind),
            Node::Repeat {
                inner,
                min,
                max,
                is_lazy,
            } => {
                let max = if is_head_behind { Some(*min) } else { *max };
                self.repeat(inner, *min, max, *is_lazy)
            }
        }
    }

    fn leaf(&mut self, instruction: Instruction) -> Result<(), Refused> {
        self.push(instruction).map(|_| ())
    }

    fn capture(&mut self, group: usize, inner: &Node) -> Result<(), Refused> {
        self.push(Instruction::Save(group * 2))?;
        self.node(inner, false)?;
        self.leaf(Instruction::Save(group * 2 + 1))
    }

    fn look(&mut self, behind: Option<usize>, is_negative: bool, inner: &Node) -> Result<(), Refused> {
        let look = self.push(Instruction::Fail)?;
        self.node(inner, behind.is_some())?;
        self.push(Instruction::Match)?;
        self.instructions[look] = Instruction::Look {
            is_negative,
            back: behind.unwrap_or(0),
            next: self.here(),
        };
        Ok(())
    }

    fn atomic(&mut self, inner: &Node) -> Result<(), Refused> {
        let atomic = self.push(Instruction::Fail)?;
        self.node(inner, false)?;
        self.push(Instruction::Match)?;
        self.instructions[atomic] = Instruction::Atomic { next: self.here() };
        Ok(())
    }

    /// What one of the groups holds.
    fn groups(&mut self, groups: &[usize], ignores_case: bool) -> Result<(), Refused> {
        let one = |group: &usize| Instruction::Repeated {
            group: *group,
            ignores_case,
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
        Ok(())
    }

    fn alternatives(&mut self, nodes: &[Node], is_head_behind: bool) -> Result<(), Refused> {
        let mut ends = Vec::new();
        for (at, node) in nodes.iter().enumerate() {
            if at + 1 == nodes.len() {
                self.node(node, is_head_behind)?;
                break;
            }
            let split = self.push(Instruction::Fail)?;
            self.node(node, is_head_behind)?;
            ends.push(self.push(Instruction::Fail)?);
            self.instructions[split] = Instruction::Split(split + 1, self.here());
        }
        for end in ends {
            self.instructions[end] = Instruction::Jump(self.here());
        }
        Ok(())
    }

    fn repeat(&mut self, inner: &Node, min: u32, max: Option<u32>, is_lazy: bool) -> Result<(), Refused> {
        let split = |on: usize, out: usize| match is_lazy {
            true => Instruction::Split(out, on),
            false => Instruction::Split(on, out),
        };
        for _ in 0..min {
            self.node(inner, false)?;
        }
        let Some(max) = max else {
            let slot = self.slots;
            self.slots += 1;
            let start = self.push(Instruction::Fail)?;
            self.push(Instruction::Save(slot))?;
            self.node(inner, false)?;
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
            self.node(inner, false)?;
        }
        for at in splits {
            self.instructions[at] = split(at + 1, self.here());
        }
        Ok(())
    }
}
