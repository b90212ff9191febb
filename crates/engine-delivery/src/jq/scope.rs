//! Which names mean what where a query is read.

use super::program::{FunctionId, Place};

/// What is in sight, the innermost last.
#[derive(Default)]
pub(super) struct Scope<'q> {
    entries: Vec<Entry<'q>>,
    /// How many functions deep reading stands.
    level: u32,
    /// The slots taken in each of these functions.
    slots: Vec<u32>,
    /// How many names were found so far.
    found: std::cell::Cell<usize>,
}

struct Entry<'q> {
    kind: Kind,
    name: &'q str,
    level: u32,
}

#[derive(Clone, Copy)]
enum Kind {
    Variable { slot: u32 },
    Label { slot: u32 },
    Parameter { slot: u32 },
    Function { function: FunctionId, parameters: usize },
}

/// What a call means.
pub(super) enum Callee {
    Parameter(Place),
    Function { function: FunctionId, hops: u32 },
}

/// Up to where names were in sight.
pub(super) struct Mark(usize);

impl<'q> Scope<'q> {
    pub(super) fn mark(&self) -> Mark {
        Mark(self.entries.len())
    }

    /// Puts what came into sight since out of it.
    pub(super) fn reset(&mut self, mark: Mark) {
        self.entries.truncate(mark.0);
    }

    pub(super) fn enter_function(&mut self) {
        self.level += 1;
        self.slots.push(0);
    }

    /// Tells how many slots the function's frame has.
    pub(super) fn leave_function(&mut self) -> u32 {
        self.level -= 1;
        self.slots.pop().unwrap_or(0)
    }

    /// How many names were found so far.
    pub(super) fn found(&self) -> usize {
        self.found.get()
    }

    pub(super) fn new_slot(&mut self) -> u32 {
        match self.slots.last_mut() {
            Some(next) => {
                *next += 1;
                *next - 1
            }
            None => 0,
        }
    }

    fn push(&mut self, name: &'q str, kind: Kind) {
        let level = self.level;
        self.entries.push(Entry { kind, name, level });
    }

    pub(super) fn add_variable(&mut self, name: &'q str, slot: u32) {
        self.push(name, Kind::Variable { slot });
    }

    pub(super) fn add_label(&mut self, name: &'q str) -> u32 {
        let slot = self.new_slot();
        self.push(name, Kind::Label { slot });
        slot
    }

    pub(super) fn add_parameter(&mut self, name: &'q str) -> u32 {
        let slot = self.new_slot();
        self.push(name, Kind::Parameter { slot });
        slot
    }

    pub(super) fn add_function(&mut self, name: &'q str, parameters: usize, function: FunctionId) {
        self.push(name, Kind::Function { function, parameters });
    }

    fn find<T>(&self, name: &str, is_it: impl Fn(Kind, u32) -> Option<T>) -> Option<T> {
        let named = self.entries.iter().rev().filter(|entry| entry.name == name);
        let mut found = named.filter_map(|entry| is_it(entry.kind, self.level - entry.level));
        let found = found.next();
        self.found.set(self.found.get() + usize::from(found.is_some()));
        found
    }

    pub(super) fn variable(&self, name: &str) -> Option<Place> {
        self.find(name, |kind, hops| match kind {
            Kind::Variable { slot } => Some(Place { hops, slot }),
            _ => None,
        })
    }

    pub(super) fn label(&self, name: &str) -> Option<Place> {
        self.find(name, |kind, hops| match kind {
            Kind::Label { slot } => Some(Place { hops, slot }),
            _ => None,
        })
    }

    pub(super) fn callee(&self, name: &str, arguments: usize) -> Option<Callee> {
        self.find(name, |kind, hops| match kind {
            Kind::Parameter { slot } if arguments == 0 => Some(Callee::Parameter(Place { hops, slot })),
            Kind::Function { function, parameters } if parameters == arguments => {
                Some(Callee::Function { function, hops })
            }
            _ => None,
        })
    }
}
