//! What each node does with its input.

use super::{Kind, Machine, Slot, State, Step, UNTRACKED};
use crate::jq::fault::Outcome;
use crate::jq::natives::Native;
use crate::jq::program::{FunctionId, Node, NodeId};
use crate::jq::value::{Object, Text, Value};

impl Machine<'_, '_> {
    pub(super) fn evaluate(&mut self, id: NodeId, frame: u32, input: Value, kont: u32) -> Outcome<State> {
        let program = self.program;
        let then = |node: NodeId, input: Value, kont: u32| {
            Ok(State::Evaluate {
                node,
                frame,
                input,
                kont,
            })
        };
        match program.node(id) {
            Node::Identity => Ok(State::Yield { value: input, kont }),
            Node::Empty => Ok(State::Backtrack),
            Node::Literal(value) => Ok(State::Yield {
                value: value.clone(),
                kont,
            }),
            Node::Pipe(left, right) => {
                let kont = self.push(Step::PipeRight, *right, 0, frame, Value::Null, kont);
                then(*left, input, kont)
            }
            Node::Comma(left, right) => {
                self.choose(Kind::Branch, *right, 0, frame, input.clone(), kont);
                then(*left, input, kont)
            }
            Node::Index { of, key, is_optional } => {
                if let Node::Literal(key) = program.node(*key) {
                    if matches!(program.node(*of), Node::Identity) {
                        return self.index(&input, key, *is_optional, kont);
                    }
                    let kont = self.push(Step::IndexOf, id, 0, frame, key.clone(), kont);
                    return then(*of, input, kont);
                }
                let kont = self.push(Step::IndexKey, id, 0, frame, input.clone(), kont);
                self.track = UNTRACKED;
                then(*key, input, kont)
            }
            Node::Slice { from, .. } => {
                let kont = self.push(Step::SliceFrom, id, 0, frame, input.clone(), kont);
                self.track = UNTRACKED;
                then(*from, input, kont)
            }
            Node::Each { of, is_optional } => {
                if matches!(program.node(*of), Node::Identity) {
                    return self.each(input, *is_optional, kont);
                }
                let kont = self.push(Step::EachOf, id, 0, frame, Value::Null, kont);
                then(*of, input, kont)
            }
            Node::And(left, _) | Node::Or(left, _) => {
                let kont = self.push(Step::Left, id, 0, frame, input.clone(), kont);
                then(*left, input, kont)
            }
            Node::Alternative(left, right) => {
                let found = self.cell(Value::Bool(false));
                self.choose(Kind::Alternative, *right, found, frame, input.clone(), kont);
                let kont = self.push(Step::AlternativeLeft, id, found, frame, Value::Null, kont);
                then(*left, input, kont)
            }
            Node::If { condition, .. } => {
                let kont = self.push(Step::Condition, id, 0, frame, input.clone(), kont);
                self.track = UNTRACKED;
                then(*condition, input, kont)
            }
            Node::Try { body, catch } => {
                self.choose(Kind::Try, *catch, 0, frame, Value::Null, kont);
                then(*body, input, kont)
            }
            Node::Label { slot, body } => {
                let label = self.new_label();
                self.bind(frame, *slot, label.clone());
                self.choose(Kind::Label, id, 0, frame, label, kont);
                then(*body, input, kont)
            }
            Node::Break(place) => match self.slot(frame, *place) {
                Slot::Value(label) => Ok(State::Raise(label.clone())),
                Slot::Unset | Slot::Closure { .. } => Ok(State::Backtrack),
            },
            Node::Object(entries) => {
                let Some((key, _)) = entries.first() else {
                    return Ok(State::Yield {
                        value: Value::Object(Object::default()),
                        kont,
                    });
                };
                let kont = self.hold(input.clone(), kont);
                let made = Value::Object(Object::default());
                let kont = self.push(Step::ObjectKey, id, 0, frame, made, kont);
                self.track = UNTRACKED;
                then(*key, input, kont)
            }
            Node::Collect(of) => {
                let gathered = self.cell(Value::array([]));
                self.choose(Kind::Gathered, id, gathered, frame, Value::Null, kont);
                let kont = self.push(Step::CollectItem, id, gathered, frame, Value::Null, kont);
                then(*of, input, kont)
            }
            Node::Bind(binding) => {
                let kont = self.push(Step::BindSource, id, 0, frame, input.clone(), kont);
                if !binding.is_followed {
                    self.track = UNTRACKED;
                }
                then(binding.source, input, kont)
            }
            Node::Fold { init, .. } => {
                let kept = self.cell(input.clone());
                let kont = self.push(Step::FoldInit, id, kept, frame, Value::Null, kont);
                then(*init, input, kont)
            }
            Node::Variable(place) => match self.slot(frame, *place) {
                Slot::Value(value) => Ok(State::Yield {
                    value: value.clone(),
                    kont,
                }),
                Slot::Unset | Slot::Closure { .. } => Ok(State::Backtrack),
            },
            Node::Call {
                function,
                hops,
                arguments,
            } => {
                let outer = hops.map_or(0, |hops| self.outer(frame, hops));
                let function = program.function(*function);
                let called = self.enter(function, outer)?;
                let base = self.frames[called as usize].base as usize;
                for (at, argument) in arguments.iter().enumerate() {
                    self.slots[base + at] = self.closure(*argument, frame);
                }
                Ok(State::Evaluate {
                    node: function.body,
                    frame: called,
                    input,
                    kont,
                })
            }
            Node::Parameter(place) => match self.slot(frame, *place) {
                Slot::Closure { function, frame } => {
                    let (function, frame) = (*function, *frame);
                    self.run(function, frame, input, kont)
                }
                Slot::Unset | Slot::Value(_) => Ok(State::Backtrack),
            },
            Node::Inner(function) => self.run(*function, frame, input, kont),
            Node::Native(native, arguments) => match arguments.last() {
                None => self.call(*native, input, &mut [], kont),
                Some(last) => {
                    let kont = self.hold(input.clone(), kont);
                    let at = arguments.len() as u32 - 1;
                    let kont = self.push(Step::NativeArgument, id, at, frame, Value::Null, kont);
                    self.track = UNTRACKED;
                    then(*last, input, kont)
                }
            },
            Node::Path(of) => {
                let kont = self.push(Step::PathEnd, id, 0, frame, Value::Null, kont);
                self.start_track(input.clone());
                then(*of, input, kont)
            }
            Node::GetPath(path) => {
                let kont = self.push(Step::PathArgument, id, 0, frame, input.clone(), kont);
                self.track = UNTRACKED;
                then(*path, input, kont)
            }
            Node::Range(from, _) => {
                let kont = self.push(Step::RangeFrom, id, 0, frame, input.clone(), kont);
                then(*from, input, kont)
            }
            Node::Modify { paths, .. } => {
                let state = self.cell(input.clone());
                self.choose(Kind::Gathered, id, state, frame, Value::Null, kont);
                let kont = self.push(Step::ModifyPath, id, state, frame, Value::Null, kont);
                let kont = self.push(Step::PathEnd, id, 0, frame, Value::Null, kont);
                self.start_track(input.clone());
                then(*paths, input, kont)
            }
        }
    }

    /// What `break` raises for a new label.
    pub(super) fn new_label(&mut self) -> Value {
        let number = Value::Number(self.labels);
        self.labels += 1.0;
        Value::Object(Object::from_iter([(Text::new("__jq".to_owned()), number)]))
    }

    /// What a parameter is to run. One that only passes on another parameter is that parameter.
    fn closure(&mut self, function: FunctionId, frame: u32) -> Slot {
        if let Node::Parameter(place) = self.program.node(self.program.function(function).body)
            && let Some(hops) = place.hops.checked_sub(1)
        {
            let passed = super::Place { hops, ..*place };
            if let Slot::Closure { function, frame } = self.slot(frame, passed) {
                let (function, frame) = (*function, *frame);
                return Slot::Closure { function, frame };
            }
        }
        Slot::Closure { function, frame }
    }

    fn run(&mut self, function: FunctionId, frame: u32, input: Value, kont: u32) -> Outcome<State> {
        let function = self.program.function(function);
        let frame = match function.is_closed {
            true => frame,
            false => self.enter(function, frame)?,
        };
        Ok(State::Evaluate {
            node: function.body,
            frame,
            input,
            kont,
        })
    }

    /// Calls a native function, which may go through the texts it is given as a whole.
    pub(super) fn call(&mut self, native: Native, input: Value, given: &mut [Value], kont: u32) -> Outcome<State> {
        let texts = given.iter().map(Value::text_bytes).sum::<usize>();
        self.context.meter.spend_bytes(input.text_bytes() + texts)?;
        let made = native.0(self.context, input, given);
        self.made(made, kont)
    }

    /// Goes on with what was made.
    pub(super) fn made(&mut self, made: Outcome, kont: u32) -> Outcome<State> {
        let value = crate::jq::operators::check_depth(made?)?;
        Ok(State::Yield { value, kont })
    }
}
