//! Runs a program, one step after the other.
//!
//! What is still to be done with a value is a chain of continuations, and what else may come is a stack of choices, as
//! in machines for logic programs. Both lie in vectors and not on the stack, so that no query can overflow it, and what
//! was put there after a choice is let go when the machine goes back to it. An error goes back to the last choice that
//! catches it, even where the `try` that made it has already yielded a value: so does jq 1.6.

mod backtrack;
mod evaluate;
mod patterns;
mod resume;
mod tracks;

use super::fault::{Fault, Outcome};
use super::natives::Context;
use super::program::{Function, FunctionId, NodeId, Place, Program};
use super::value::Value;

/// How many steps pass between looks at how much memory the machine takes.
const STEPS_BETWEEN_LOOKS: u32 = 256;

/// A continuation: what becomes of the value that is being made.
#[derive(Clone)]
struct Kont {
    step: Step,
    /// The node that it belongs to.
    node: NodeId,
    /// Which part of the node, or which cell.
    index: u32,
    frame: u32,
    /// What is tracked where the step is done.
    track: u32,
    next: u32,
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    /// The value is an output.
    Finish,
    /// Holds a value for the step before it.
    Hold,
    PipeRight,
    IndexKey,
    IndexOf,
    SliceFrom,
    SliceTo,
    EachOf,
    Left,
    Truth,
    AlternativeLeft,
    Condition,
    ObjectKey,
    ObjectValue,
    CollectItem,
    BindSource,
    BindBody,
    PartKey,
    NextPart,
    FoldInit,
    FoldItem,
    FoldBody,
    FoldStore,
    NativeArgument,
    PathEnd,
    PathArgument,
    RangeFrom,
    RangeTo,
    ModifyPath,
    ModifyStore,
}

/// A call of a function: where its slots are, and what it sees around it.
struct Frame {
    outer: u32,
    base: u32,
}

enum Slot {
    Unset,
    Value(Value),
    Closure { function: FunctionId, frame: u32 },
}

/// Where the value that is being made lies within the input of `path`.
struct Track {
    /// The track that this one goes on from, if it is not the first.
    parent: u32,
    key: Value,
    value: Value,
}

/// There is nothing tracked.
const UNTRACKED: u32 = 0;

/// What else may come.
struct Choice {
    kind: Kind,
    node: NodeId,
    index: u32,
    frame: u32,
    track: u32,
    kont: u32,
    value: Value,
    other: Value,
    heights: Heights,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Runs the node on the value.
    Branch,
    /// Yields the next item of the value.
    Each,
    /// Yields the next number, from the value up to the other.
    Range,
    /// Runs the node where an error comes.
    Try,
    /// Ends a `break`.
    Label,
    /// Runs the node where nothing true came of the left side.
    Alternative,
    /// Yields what was gathered in a cell.
    Gathered,
    /// Tries the next pattern where an error comes.
    NextPattern,
    /// Takes out what has no new value.
    Modify,
}

/// How much was there when a choice was made.
#[derive(Clone, Copy)]
struct Heights {
    konts: usize,
    frames: usize,
    slots: usize,
    tracks: usize,
    cells: usize,
}

enum State {
    Evaluate {
        node: NodeId,
        frame: u32,
        input: Value,
        kont: u32,
    },
    Yield {
        value: Value,
        kont: u32,
    },
    Backtrack,
    Raise(Value),
}

pub(super) struct Machine<'p, 'c> {
    program: &'p Program,
    context: &'c mut Context,
    konts: Vec<Kont>,
    frames: Vec<Frame>,
    slots: Vec<Slot>,
    tracks: Vec<Track>,
    /// What changes while a term runs: arrays that are gathered, states of `reduce`.
    cells: Vec<Value>,
    choices: Vec<Choice>,
    track: u32,
    /// How many labels there were.
    labels: f64,
}

impl<'p, 'c> Machine<'p, 'c> {
    pub(super) fn new(program: &'p Program, context: &'c mut Context) -> Self {
        let unset = Track {
            parent: UNTRACKED,
            key: Value::Null,
            value: Value::Null,
        };
        Self {
            program,
            context,
            konts: Vec::new(),
            frames: vec![Frame { outer: 0, base: 0 }],
            slots: Vec::new(),
            tracks: vec![unset],
            cells: Vec::new(),
            choices: Vec::new(),
            track: UNTRACKED,
            labels: 0.0,
        }
    }

    /// The first output of the program, if it has one.
    pub(super) fn first_output(&mut self, input: Value) -> Outcome<Option<Value>> {
        let kont = self.push(Step::Finish, NodeId(0), 0, 0, Value::Null, 0);
        let main = self.program.function(self.program.main);
        let frame = self.enter(main, 0)?;
        let node = main.body;
        self.run_from(State::Evaluate {
            node,
            frame,
            input,
            kont,
        })
    }

    /// The output after the last.
    #[cfg(test)]
    pub(super) fn next_output(&mut self) -> Outcome<Option<Value>> {
        self.run_from(State::Backtrack)
    }

    fn run_from(&mut self, mut state: State) -> Outcome<Option<Value>> {
        let mut steps = 0;
        loop {
            self.context.meter.spend(1)?;
            steps += 1;
            if steps % STEPS_BETWEEN_LOOKS == 0 {
                self.look_at_memory()?;
            }
            let next = match state {
                State::Evaluate {
                    node,
                    frame,
                    input,
                    kont,
                } => self.evaluate(node, frame, input, kont),
                State::Yield { value, kont } => match self.konts[kont as usize].step {
                    Step::Finish => return Ok(Some(value)),
                    _ => self.resume(value, kont),
                },
                State::Backtrack if self.choices.is_empty() => return Ok(None),
                State::Backtrack => self.backtrack(),
                State::Raise(error) if self.choices.is_empty() => return Err(Fault::Raised(error)),
                State::Raise(error) => self.catch(error),
            };
            state = match next {
                Ok(state) => state,
                Err(Fault::Raised(error)) => State::Raise(error),
                Err(Fault::Nothing) => State::Backtrack,
                Err(limit @ Fault::Limit(_)) => return Err(limit),
            };
        }
    }

    fn look_at_memory(&mut self) -> Outcome<()> {
        let held = [
            self.konts.capacity() * size_of::<Kont>(),
            self.frames.capacity() * size_of::<Frame>(),
            self.slots.capacity() * size_of::<Slot>(),
            self.tracks.capacity() * size_of::<Track>(),
            self.cells.capacity() * size_of::<Value>(),
            self.choices.capacity() * size_of::<Choice>(),
        ];
        self.context.meter.machine_bytes = held.iter().sum();
        self.context.meter.room(0)
    }

    /// Puts a continuation before another. It goes on with what is tracked now.
    fn push(&mut self, step: Step, node: NodeId, index: u32, frame: u32, value: Value, next: u32) -> u32 {
        self.konts.push(Kont {
            step,
            node,
            index,
            frame,
            track: self.track,
            next,
            value,
        });
        self.konts.len() as u32 - 1
    }

    fn hold(&mut self, value: Value, next: u32) -> u32 {
        self.push(Step::Hold, NodeId(0), 0, 0, value, next)
    }

    /// A continuation to be gone on with: the one that is there, where no choice comes back to it, so that what it
    /// holds has one holder less.
    fn take(&mut self, kont: u32) -> Kont {
        let is_last = kont as usize + 1 == self.konts.len();
        let kept = self.choices.last().map_or(0, |choice| choice.heights.konts);
        match self.konts.pop_if(|_| is_last && kept <= kont as usize) {
            Some(last) => last,
            None => self.konts[kont as usize].clone(),
        }
    }

    /// The value that a continuation holds, and the one behind it.
    fn take_held(&mut self, kont: u32) -> (Value, u32) {
        let Kont { value, next, .. } = self.take(kont);
        (value, next)
    }

    /// A copy of the value that a continuation holds.
    fn held(&self, kont: u32) -> Value {
        self.konts[kont as usize].value.clone()
    }

    fn choose(&mut self, kind: Kind, node: NodeId, index: u32, frame: u32, value: Value, kont: u32) {
        self.choose_between(kind, node, index, frame, value, Value::Null, kont);
    }

    fn choose_between(
        &mut self,
        kind: Kind,
        node: NodeId,
        index: u32,
        frame: u32,
        value: Value,
        other: Value,
        kont: u32,
    ) {
        let heights = Heights {
            konts: self.konts.len(),
            frames: self.frames.len(),
            slots: self.slots.len(),
            tracks: self.tracks.len(),
            cells: self.cells.len(),
        };
        self.choices.push(Choice {
            kind,
            node,
            index,
            frame,
            track: self.track,
            kont,
            value,
            other,
            heights,
        });
    }

    fn cell(&mut self, value: Value) -> u32 {
        self.cells.push(value);
        self.cells.len() as u32 - 1
    }

    fn take_cell(&mut self, cell: u32) -> Value {
        std::mem::take(&mut self.cells[cell as usize])
    }

    /// A frame for a function that sees another frame.
    fn enter(&mut self, function: &Function, outer: u32) -> Outcome<u32> {
        let base = self.slots.len();
        let slots = function.slots as usize;
        self.context.meter.spend_bytes(slots * size_of::<Slot>())?;
        self.slots.resize_with(base + slots, || Slot::Unset);
        self.frames.push(Frame {
            outer,
            base: base as u32,
        });
        Ok(self.frames.len() as u32 - 1)
    }

    /// The frame so many functions further out.
    fn outer(&self, mut frame: u32, hops: u32) -> u32 {
        for _ in 0..hops {
            frame = self.frames[frame as usize].outer;
        }
        frame
    }

    fn slot(&mut self, frame: u32, place: Place) -> &mut Slot {
        let frame = self.outer(frame, place.hops);
        let base = self.frames[frame as usize].base;
        &mut self.slots[(base + place.slot) as usize]
    }

    fn bind(&mut self, frame: u32, slot: u32, value: Value) {
        *self.slot(frame, Place { hops: 0, slot }) = Slot::Value(value);
    }
}
