//! Going back to the last choice, for the next value or with an error.

use super::{Heights, Kind, Machine, State};
use crate::jq::access;
use crate::jq::fault::Outcome;
use crate::jq::order::is_equal;
use crate::jq::value::Value;

impl Machine<'_, '_> {
    /// Lets go of what came after a choice.
    fn truncate(&mut self, heights: Heights) {
        self.konts.truncate(heights.konts);
        self.frames.truncate(heights.frames);
        self.slots.truncate(heights.slots);
        self.tracks.truncate(heights.tracks);
        self.cells.truncate(heights.cells);
    }

    /// The next value of the last choice, which there must be.
    pub(super) fn backtrack(&mut self) -> Outcome<State> {
        let Some(choice) = self.choices.last_mut() else {
            return Ok(State::Backtrack);
        };
        let (kind, heights, kont) = (choice.kind, choice.heights, choice.kont);
        self.track = choice.track;
        match kind {
            Kind::Each => {
                let at = choice.index;
                choice.index += 1;
                let of = choice.value.clone();
                self.truncate(heights);
                return self.next_item(&of, at as usize, kont);
            }
            Kind::Range => {
                let (Value::Number(next), Value::Number(to)) = (&mut choice.value, &choice.other) else {
                    return Ok(State::Backtrack);
                };
                if *next < *to {
                    let value = Value::Number(*next);
                    *next += 1.0;
                    self.truncate(heights);
                    return Ok(State::Yield { value, kont });
                }
            }
            _ => {}
        }
        self.truncate(heights);
        let Some(choice) = self.choices.pop() else {
            return Ok(State::Backtrack);
        };
        let evaluates = |input: Value| State::Evaluate {
            node: choice.node,
            frame: choice.frame,
            input,
            kont,
        };
        match kind {
            Kind::Branch => Ok(evaluates(choice.value)),
            Kind::Alternative if !self.cells[choice.index as usize].is_truthy() => Ok(evaluates(choice.value)),
            Kind::Gathered => {
                let value = self.take_cell(choice.index);
                self.made(Ok(value), kont)
            }
            Kind::Modify => {
                let state = self.take_cell(choice.frame);
                let paths = Value::array([choice.value]);
                self.cells[choice.index as usize] = access::delete_paths(state, &paths, &mut self.context.meter)?;
                Ok(State::Backtrack)
            }
            _ => Ok(State::Backtrack),
        }
    }

    /// Goes back to what catches an error.
    pub(super) fn catch(&mut self, error: Value) -> Outcome<State> {
        // A message may quote a text.
        self.context.meter.room(0)?;
        while let Some(choice) = self.choices.pop() {
            self.track = choice.track;
            match choice.kind {
                Kind::Try => {
                    self.truncate(choice.heights);
                    return Ok(State::Evaluate {
                        node: choice.node,
                        frame: choice.frame,
                        input: error,
                        kont: choice.kont,
                    });
                }
                Kind::NextPattern => {
                    self.truncate(choice.heights);
                    let (id, at, frame) = (choice.node, choice.index, choice.frame);
                    return self.match_alternative(id, at, frame, choice.value, choice.kont);
                }
                Kind::Label if self.is_label(&error, &choice.value) => {
                    self.truncate(choice.heights);
                    return Ok(State::Backtrack);
                }
                Kind::Modify if self.is_label(&error, &choice.other) => {
                    self.truncate(choice.heights);
                    return Ok(State::Backtrack);
                }
                _ => {}
            }
        }
        Ok(State::Raise(error))
    }

    fn is_label(&mut self, error: &Value, label: &Value) -> bool {
        is_equal(error, label, &mut self.context.meter).unwrap_or(false)
    }

    /// The state that is being modified. Where something may catch the `break` that follows, it is wanted once more.
    pub(super) fn take_modified(&mut self, cell: u32, modified: u32) -> Outcome {
        for choice in self.choices.iter().rev() {
            self.context.meter.spend(1)?;
            match choice.kind {
                Kind::Modify if choice.index == cell => break,
                Kind::Try | Kind::NextPattern => return Ok(self.cells[modified as usize].clone()),
                _ => {}
            }
        }
        Ok(self.take_cell(modified))
    }

    /// After the first new value of a modification: no other is wanted. What is still to be had is given up as `break`
    /// gives it up, which a `try` among it catches.
    pub(super) fn end_modification(&mut self, cell: u32) -> Outcome<State> {
        for choice in self.choices.iter().rev() {
            self.context.meter.spend(1)?;
            if choice.kind == Kind::Modify && choice.index == cell {
                return Ok(State::Raise(choice.other.clone()));
            }
        }
        Ok(State::Backtrack)
    }
}
