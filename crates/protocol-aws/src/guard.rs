//! A look at calls before they are made, for whoever wants some to fail or to take longer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base::Scope;
use serde_json::Value;

use crate::AwsError;

/// A call that is about to be made.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'c> {
    pub service: &'c str,
    pub operation: &'c str,
    pub scope: &'c Scope,
    /// The operation's input in awsJson form.
    pub input: &'c Value,
    /// How many records it carries, where it answers for each of them.
    pub records: Option<usize>,
}

/// What becomes of a call.
#[derive(Debug, Default)]
pub struct Verdict {
    /// First it waits for so long.
    pub delay: Duration,
    /// Then it fails with this.
    pub error: Option<AwsError>,
    /// Or these of its records fail, by their index, and the others go through.
    pub failing_records: BTreeMap<usize, AwsError>,
}

/// Judges calls while it is on. Clones share the switch.
#[derive(Clone)]
pub struct Guard {
    is_on: Arc<AtomicBool>,
    judge: Arc<dyn Fn(Attempt<'_>) -> Verdict + Send + Sync>,
}

impl Guard {
    /// A guard that is off.
    pub fn new(judge: impl Fn(Attempt<'_>) -> Verdict + Send + Sync + 'static) -> Self {
        Self {
            is_on: Arc::default(),
            judge: Arc::new(judge),
        }
    }

    pub fn switch(&self, is_on: bool) {
        self.is_on.store(is_on, Ordering::Relaxed);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    pub(crate) fn judge(&self, attempt: Attempt<'_>) -> Verdict {
        (self.judge)(attempt)
    }
}
