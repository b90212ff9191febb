//! Matching of values with patterns.

use super::{Kind, Kont, Machine, State, Step, UNTRACKED};
use crate::jq::fault::Outcome;
use crate::jq::program::{Binding, Node, NodeId, Pattern, PatternId};
use crate::jq::value::Value;

impl Machine<'_, '_> {
    /// Matches a value with one of the patterns of a binding, and goes on with `body`.
    pub(super) fn match_alternative(
        &mut self,
        id: NodeId,
        at: u32,
        frame: u32,
        value: Value,
        body: u32,
    ) -> Outcome<State> {
        let (Node::Bind(binding) | Node::Fold { binding, .. }) = self.program.node(id) else {
            return Ok(State::Backtrack);
        };
        let Binding { patterns, slots, .. } = binding;
        if patterns.len() > 1 {
            self.context.meter.spend(slots.len())?;
            for slot in slots {
                self.bind(frame, *slot, Value::Null);
            }
        }
        if (at as usize) + 1 < patterns.len() {
            self.choose(Kind::NextPattern, id, at + 1, frame, value.clone(), body);
        }
        self.match_pattern(patterns[at as usize], frame, value, body)
    }

    fn match_pattern(&mut self, id: PatternId, frame: u32, value: Value, kont: u32) -> Outcome<State> {
        match self.program.pattern(id) {
            Pattern::Variable(slot) => {
                self.bind(frame, *slot, value);
                self.matched(kont)
            }
            Pattern::Parts(_) => self.match_parts(id, 0, frame, value, kont),
        }
    }

    /// Matches the parts of a pattern from one on.
    fn match_parts(&mut self, id: PatternId, at: u32, frame: u32, value: Value, kont: u32) -> Outcome<State> {
        let Pattern::Parts(parts) = self.program.pattern(id) else {
            return Ok(State::Backtrack);
        };
        let Some(part) = parts.get(at as usize) else {
            return self.matched(kont);
        };
        // Continuations of patterns carry the pattern's number in place of the node's.
        let kont = self.push(Step::PartKey, NodeId(id.0), at, frame, value.clone(), kont);
        self.track = UNTRACKED;
        Ok(State::Evaluate {
            node: part.key,
            frame,
            input: value,
            kont,
        })
    }

    /// Matches what stands at the key of a part.
    pub(super) fn match_part(
        &mut self,
        id: NodeId,
        at: u32,
        frame: u32,
        whole: Value,
        key: Value,
        kont: u32,
    ) -> Outcome<State> {
        let pattern = PatternId(id.0);
        let Pattern::Parts(parts) = self.program.pattern(pattern) else {
            return Ok(State::Backtrack);
        };
        let part = &parts[at as usize];
        let value = self.tracked_get(&whole, &key)?;
        if let Some(slot) = part.slot {
            self.bind(frame, slot, value.clone());
        }
        match part.pattern {
            None => self.match_parts(pattern, at + 1, frame, whole, kont),
            Some(inner) => {
                let kont = self.push(Step::NextPart, id, at + 1, frame, whole, kont);
                self.match_pattern(inner, frame, value, kont)
            }
        }
    }

    /// Goes on after a pattern.
    pub(super) fn matched(&mut self, kont: u32) -> Outcome<State> {
        let Kont {
            step,
            node,
            index,
            frame,
            next,
            value,
            ..
        } = self.take(kont);
        match (step, self.program.node(node)) {
            (Step::NextPart, _) => self.match_parts(PatternId(node.0), index, frame, value, next),
            (Step::BindBody, Node::Bind(binding)) => Ok(State::Evaluate {
                node: binding.body,
                frame,
                input: value,
                kont: next,
            }),
            (Step::FoldBody, Node::Fold { binding, .. }) => {
                let state = self.take_cell(index);
                let kont = self.push(Step::FoldStore, node, index, frame, Value::Null, next);
                Ok(State::Evaluate {
                    node: binding.body,
                    frame,
                    input: state,
                    kont,
                })
            }
            _ => Ok(State::Backtrack),
        }
    }
}
