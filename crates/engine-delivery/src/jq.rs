//! JQ 1.6, the language of partition keys: what `/usr/bin/jq` of that version makes of a query and a record, this makes
//! of them, down to what are bugs there. `docs/destinations/jq.md` lists where it does not.
//!
//! A query comes from anybody, and so do records. So everything that runs is counted: steps, memory and depth have
//! limits, and a query that exceeds one fails for that record. The limits count work and not time, so that the same
//! record has the same keys whenever it is looked at.
//!
//! Whatever costs more than constant time calls the meter before it works: `spend` for what it goes through, `room` for
//! what it makes, by the most that it can be where that is not known before. Texts are shared, so that a step may come
//! upon one of any length; the texts that a native function is given are counted where it is called, the key of an
//! object by the object. Values are walked by recursion, so every value that a step makes has its depth checked, and
//! what recurses along anything else has a bound of its own.

mod access;
mod fault;
mod lex;
mod library;
mod machine;
mod memory;
mod natives;
mod number;
mod operators;
mod order;
mod parse;
mod pattern;
mod program;
mod read;
mod scope;
mod value;
mod write;

use parking_lot::Mutex;

use fault::{Fault, Outcome};
use machine::Machine;
use memory::Meter;
use natives::{Compiled, Context};
use program::Program;
use value::Value;

/// Arrays and objects within each other while a query runs; a record may have fewer.
const DEPTH_MAX: u32 = 500;

/// How far evaluating a query for one record may go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Terms that are evaluated, and what takes as long as one: five million of them take about a tenth of a second
    /// (`cargo bench -p engine-delivery`).
    pub(crate) steps: u64,
    /// What values and the evaluation itself hold at any time.
    pub(crate) bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 5_000_000,
            bytes: 128 << 20,
        }
    }
}

/// A query that compiles.
pub(crate) struct Query {
    program: Program,
    /// Regular expressions of records before.
    compiled: Mutex<Compiled>,
}

/// The first output of a query.
#[derive(Debug, PartialEq)]
pub(crate) enum Output {
    Object(Vec<(String, Field)>),
    /// An object of more than [`FIELDS_MAX`] fields.
    TooLarge,
    Other,
}

/// A value in an object.
#[derive(Debug, PartialEq)]
pub(crate) enum Field {
    Null,
    /// An array or object.
    Nested,
    /// A text, or a number or truth value as text.
    Text(String),
}

impl Query {
    /// An error tells what is wrong, to be read behind "the query".
    pub(crate) fn compile(query: &str) -> Result<Self, String> {
        Ok(Self {
            program: parse::parse(query)?,
            compiled: Mutex::default(),
        })
    }

    /// The first output for a record at a time, in seconds since 1970; `None` where there is none. An error tells why
    /// it failed.
    pub(crate) fn first(&self, record: &[u8], now: f64, limits: Limits) -> Result<Option<Output>, String> {
        let mut meter = Meter::start(limits);
        let input = read::one_value(record, &mut meter).map_err(|error| format!("the record is not JSON: {error}"))?;
        let mut context = Context::new(meter, now, std::mem::take(&mut self.compiled.lock()));
        let output = Machine::new(&self.program, &mut context).first_output(input);
        let output = output.and_then(|output| output.map(|output| told(&output, &mut context.meter)).transpose());
        context.patterns.settle();
        *self.compiled.lock() = context.patterns;
        output.map_err(|fault| match fault {
            Fault::Raised(error) => format!("the query failed: {}", write::shortened_to(&error, REASON_BYTES_MAX)),
            Fault::Nothing => "the query yields nothing".to_owned(),
            Fault::Limit(what) => format!("the query was ended: {what}"),
        })
    }
}

/// As much is told of why there are no keys.
pub(crate) const REASON_BYTES_MAX: usize = 1024;
/// As many fields are told of; the service documents 50 keys.
pub(crate) const FIELDS_MAX: usize = 50;

fn told(output: &Value, meter: &mut Meter) -> Outcome<Output> {
    let Value::Object(object) = output else {
        return Ok(Output::Other);
    };
    if object.len() > FIELDS_MAX {
        return Ok(Output::TooLarge);
    }
    let fields = object.entries().map(|(key, value)| {
        let bytes = key.as_str().len() + value.text_bytes();
        meter.spend_bytes(bytes)?;
        meter.room(bytes)?;
        // What is told is no value any more, and held all the same.
        meter.machine_bytes += bytes;
        let field = match value {
            Value::Null => Field::Null,
            Value::Array(_) | Value::Object(_) => Field::Nested,
            other => Field::Text(write::text(other, meter)?.into_owned()),
        };
        Ok((key.as_str().to_owned(), field))
    });
    fields.collect::<Outcome<_>>().map(Output::Object)
}

/// What is told of values that are too deep.
fn too_deep() -> Fault {
    Fault::Limit("it nests values too deep")
}

#[cfg(test)]
mod tests;
