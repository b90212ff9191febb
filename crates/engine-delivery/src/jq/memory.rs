//! How much memory the values of an evaluation hold, and how far it may go.

use std::cell::Cell;

use super::fault::Fault;

thread_local! {
    /// Bytes that values made by this thread hold. An evaluation stays on one thread, and values do not outlive it.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// The bytes that a value holds, given back when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Charge(usize);

impl Charge {
    pub(super) fn new(bytes: usize) -> Self {
        let mut charge = Self(0);
        charge.set(bytes);
        charge
    }

    pub(super) fn set(&mut self, bytes: usize) {
        // Constants of a query may have been made by another thread.
        HELD.set(HELD.get().saturating_sub(self.0).saturating_add(bytes));
        self.0 = bytes;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// What an evaluation has left.
#[derive(Debug)]
pub(super) struct Meter {
    steps_left: u64,
    bytes_max: usize,
    /// What the evaluation itself holds, beside values.
    pub(super) machine_bytes: usize,
}

impl Meter {
    pub(super) fn start(limits: super::Limits) -> Self {
        HELD.set(0);
        Self {
            steps_left: limits.steps,
            bytes_max: limits.bytes,
            machine_bytes: 0,
        }
    }

    /// For work beside an evaluation.
    pub(super) fn of_steps(steps_left: u64) -> Self {
        Self {
            steps_left,
            bytes_max: usize::MAX,
            machine_bytes: 0,
        }
    }

    pub(super) fn steps_left(&self) -> u64 {
        self.steps_left
    }

    /// Counts steps of about the work that the simplest term is.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Fault> {
        match self.steps_left.checked_sub(steps as u64) {
            Some(left) => {
                self.steps_left = left;
                Ok(())
            }
            None => {
                self.steps_left = 0;
                Err(Fault::Limit("it takes too many steps"))
            }
        }
    }

    /// Counts going through so many bytes.
    pub(super) fn spend_bytes(&mut self, bytes: usize) -> Result<(), Fault> {
        self.spend(bytes / BYTES_A_STEP)
    }

    /// Whether so many bytes more may be held.
    pub(super) fn room(&self, bytes: usize) -> Result<(), Fault> {
        let held = HELD.get().saturating_add(self.machine_bytes).saturating_add(bytes);
        if held > self.bytes_max {
            return Err(Fault::Limit("it makes more of the record than memory is given"));
        }
        Ok(())
    }
}

/// What is gone through in the time of a step.
const BYTES_A_STEP: usize = 64;
