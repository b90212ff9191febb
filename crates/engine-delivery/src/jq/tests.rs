//! Queries before jq 1.6 itself, and queries that must not get out of hand.

mod data;
mod documents;
mod expressions;
mod generated;
mod limits;
mod oracle;
mod patterns_limits;
mod syntax;
mod table;

use super::memory::Meter;
use super::*;

/// What a query makes of one document.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    /// The outputs as JSON, before an error if there is one.
    outputs: Vec<String>,
    ending: Ending,
}

#[derive(Debug, Clone, PartialEq)]
enum Ending {
    Success,
    Failure,
    /// A limit of ours.
    Limit,
}

/// Far more than any of the tests needs, and still no harm.
const TEST_LIMITS: Limits = Limits {
    steps: 2_000_000,
    bytes: 256 << 20,
};

/// What ours makes of a document; an error where the query does not compile.
fn ours(query: &str, document: &str) -> Result<Told, String> {
    let query = Query::compile(query)?;
    let mut meter = Meter::start(TEST_LIMITS);
    let Ok(input) = read::one_value(document.as_bytes(), &mut meter) else {
        let (outputs, ending) = (Vec::new(), Ending::Failure);
        return Ok(Told { outputs, ending });
    };
    let mut context = Context::new(meter, 0.0, Compiled::default());
    let mut machine = Machine::new(&query.program, &mut context);
    let mut outputs = Vec::new();
    let mut next = machine.first_output(input);
    loop {
        let ending = match next {
            Ok(Some(value)) => {
                let mut meter = Meter::of_steps(1_000_000);
                outputs.push(write::json(&value, &mut meter).unwrap());
                next = machine.next_output();
                continue;
            }
            Ok(None) => Ending::Success,
            Err(Fault::Raised(_)) => Ending::Failure,
            Err(Fault::Nothing | Fault::Limit(_)) => Ending::Limit,
        };
        return Ok(Told { outputs, ending });
    }
}
