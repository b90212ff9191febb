//! What becomes of a value that was made.

use super::{Kind, Kont, Machine, State, Step, UNTRACKED};
use crate::jq::access;
use crate::jq::fault::{Outcome, raise};
use crate::jq::program::{Node, NodeId};
use crate::jq::value::{ENTRY_BYTES, Object, Text, Value};

/// As many arguments as a native function may have.
const ARGUMENTS_MAX: usize = 3;

impl Machine<'_, '_> {
    pub(super) fn resume(&mut self, value: Value, kont: u32) -> Outcome<State> {
        let Kont {
            step,
            node: id,
            index,
            frame,
            track,
            next,
            value: held,
        } = self.take(kont);
        let then = |node: NodeId, input: Value, kont: u32| {
            Ok(State::Evaluate {
                node,
                frame,
                input,
                kont,
            })
        };
        let node = self.program.node(id);
        match (step, node) {
            (Step::PipeRight, _) => then(id, value, next),
            (Step::IndexKey, Node::Index { of, .. }) => {
                self.track = track;
                let kont = self.push(Step::IndexOf, id, 0, frame, value, next);
                then(*of, held, kont)
            }
            (Step::IndexOf, Node::Index { is_optional, .. } | Node::Slice { is_optional, .. }) => {
                self.index(&value, &held, *is_optional, next)
            }
            (Step::SliceFrom, Node::Slice { to, .. }) => {
                self.track = track;
                let kont = self.hold(held.clone(), next);
                let kont = self.push(Step::SliceTo, id, 0, frame, value, kont);
                self.track = UNTRACKED;
                then(*to, held, kont)
            }
            (Step::SliceTo, Node::Slice { of, .. }) => {
                self.track = track;
                let bounds = [("start", held), ("end", value)];
                let bounds = bounds.map(|(name, bound)| (Text::new(name.to_owned()), bound));
                let key = Value::Object(Object::from_iter(bounds));
                let (input, next) = self.take_held(next);
                let kont = self.push(Step::IndexOf, id, 0, frame, key, next);
                then(*of, input, kont)
            }
            (Step::EachOf, Node::Each { is_optional, .. }) => self.each(value, *is_optional, next),
            (Step::Left, Node::And(_, right) | Node::Or(_, right)) => {
                let is_or = matches!(node, Node::Or(..));
                if value.is_truthy() == is_or {
                    return Ok(State::Yield {
                        value: Value::Bool(is_or),
                        kont: next,
                    });
                }
                let kont = self.push(Step::Truth, id, 0, frame, Value::Null, next);
                then(*right, held, kont)
            }
            (Step::Truth, _) => Ok(State::Yield {
                value: Value::Bool(value.is_truthy()),
                kont: next,
            }),
            (Step::AlternativeLeft, _) => {
                if !value.is_truthy() {
                    return Ok(State::Backtrack);
                }
                self.cells[index as usize] = Value::Bool(true);
                Ok(State::Yield { value, kont: next })
            }
            (
                Step::Condition,
                Node::If {
                    then: yes, otherwise, ..
                },
            ) => {
                self.track = track;
                then(if value.is_truthy() { *yes } else { *otherwise }, held, next)
            }
            (Step::ObjectKey, Node::Object(entries)) => {
                let input = self.held(next);
                let kont = self.hold(held, next);
                let kont = self.push(Step::ObjectValue, id, index, frame, value, kont);
                self.konts[kont as usize].track = track;
                then(entries[index as usize].1, input, kont)
            }
            (Step::ObjectValue, Node::Object(entries)) => {
                let (made, next) = self.take_held(next);
                let Value::Text(key) = held else {
                    return raise("Object keys must be strings");
                };
                let Value::Object(mut made) = made else {
                    return Ok(State::Backtrack);
                };
                self.context.meter.room(made.cost_of_change() + ENTRY_BYTES)?;
                self.context.meter.spend_bytes(made.cost_of_change())?;
                made.insert(key, value, &mut self.context.meter)?;
                let made = Value::Object(made);
                match entries.get(index as usize + 1) {
                    None => {
                        let (_, last) = self.take_held(next);
                        self.track = track;
                        self.made(Ok(made), last)
                    }
                    Some((key, _)) => {
                        let input = self.held(next);
                        let kont = self.push(Step::ObjectKey, id, index + 1, frame, made, next);
                        self.konts[kont as usize].track = track;
                        then(*key, input, kont)
                    }
                }
            }
            (Step::CollectItem, _) => {
                self.context.meter.room(size_of::<Value>())?;
                if let Value::Array(gathered) = &mut self.cells[index as usize] {
                    gathered.push(value);
                }
                Ok(State::Backtrack)
            }
            (Step::BindSource, Node::Bind(binding)) => {
                if !binding.is_followed {
                    self.track = track;
                }
                let body = self.push(Step::BindBody, id, 0, frame, held, next);
                self.match_alternative(id, 0, frame, value, body)
            }
            (Step::FoldInit, Node::Fold { binding, extract, .. }) => {
                // For all initial states but the first, what is folded over is what the source yields of null.
                let input = self.take_cell(index);
                let state = self.cell(value);
                if extract.is_none() {
                    self.choose(Kind::Gathered, id, state, frame, Value::Null, next);
                }
                let kont = self.push(Step::FoldItem, id, state, frame, Value::Null, next);
                then(binding.source, input, kont)
            }
            (Step::FoldItem, Node::Fold { .. }) => {
                let body = self.push(Step::FoldBody, id, index, frame, Value::Null, next);
                self.match_alternative(id, 0, frame, value, body)
            }
            (Step::FoldStore, Node::Fold { extract, .. }) => match extract {
                None => {
                    self.cells[index as usize] = value;
                    Ok(State::Backtrack)
                }
                Some(extract) => {
                    self.cells[index as usize] = value.clone();
                    then(*extract, value, next)
                }
            },
            (Step::PartKey, _) => {
                self.track = track;
                self.match_part(id, index, frame, held, value, next)
            }
            (Step::NativeArgument, Node::Native(native, arguments)) => {
                if let Some(before) = index.checked_sub(1) {
                    let input = self.held_behind(next, arguments.len() - 1 - index as usize);
                    let kont = self.hold(value, next);
                    let kont = self.push(Step::NativeArgument, id, before, frame, Value::Null, kont);
                    self.konts[kont as usize].track = track;
                    return then(arguments[before as usize], input, kont);
                }
                self.track = track;
                let mut given: [Value; ARGUMENTS_MAX] = Default::default();
                given[0] = value;
                let mut next = next;
                for place in given.iter_mut().take(arguments.len()).skip(1) {
                    (*place, next) = self.take_held(next);
                }
                let (input, next) = self.take_held(next);
                self.call(*native, input, &mut given, next)
            }
            (Step::PathEnd, _) => {
                let path = self.end_track(&value);
                self.track = track;
                self.made(path, next)
            }
            (Step::PathArgument, _) => {
                self.track = track;
                self.get_path(&held, &value, next)
            }
            (Step::RangeFrom, Node::Range(_, to)) => {
                let kont = self.push(Step::RangeTo, id, 0, frame, value, next);
                then(*to, held, kont)
            }
            (Step::RangeTo, _) => match (held, value) {
                (from @ Value::Number(_), to @ Value::Number(_)) => {
                    self.choose_between(Kind::Range, id, 0, frame, from, to, next);
                    Ok(State::Backtrack)
                }
                _ => raise("Range bounds must be numeric"),
            },
            (Step::ModifyPath, Node::Modify { update, .. }) => {
                // While one value is modified there is no state, which shows where an error is caught by the paths.
                let mut state = self.take_cell(index);
                let old = access::take_path(&mut state, &value, &mut self.context.meter)?;
                let modified = self.cell(state);
                let label = self.new_label();
                self.track = UNTRACKED;
                self.choose_between(Kind::Modify, id, index, modified, value.clone(), label, next);
                let kont = self.push(Step::ModifyStore, id, index, modified, value, next);
                then(*update, old, kont)
            }
            (Step::ModifyStore, _) => {
                let state = self.take_modified(index, frame)?;
                let changed = access::set_path(state, &held, value, &mut self.context.meter)?;
                self.cells[index as usize] = crate::jq::operators::check_depth(changed)?;
                self.end_modification(index)
            }
            // No other pairs are made.
            _ => Ok(State::Backtrack),
        }
    }

    /// What is held behind so many others.
    fn held_behind(&self, mut kont: u32, others: usize) -> Value {
        for _ in 0..others {
            kont = self.konts[kont as usize].next;
        }
        self.held(kont)
    }
}
