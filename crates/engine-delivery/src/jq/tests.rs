//! Queries before jq 1.6 itself, and what must not get out of hand.

use super::memory::Meter;
use super::*;

/// All outputs of a query as JSON, and whether it failed behind them.
fn outputs(query: &str, input: &str) -> Result<(Vec<String>, Option<String>), String> {
    let query = Query::compile(query)?;
    let mut meter = Meter::start(Limits::default());
    let input = read::one_of_text(input, &mut meter)?;
    let mut context = Context::new(meter, 0.0, Compiled::default());
    let mut made = Vec::new();
    let mut machine = Machine::new(&query.program, &mut context);
    let mut next = machine.first_output(input);
    loop {
        match next {
            Ok(Some(value)) => made.push(write::json(&value, &mut Meter::of_steps(u64::MAX)).unwrap()),
            Ok(None) => return Ok((made, None)),
            Err(Fault::Raised(error)) => return Ok((made, Some(write::shortened_to(&error, 200)))),
            Err(fault) => return Ok((made, Some(format!("{fault:?}")))),
        }
        next = machine.next_output();
    }
}

#[test]
fn try_out() {
    let Ok(text) = std::fs::read_to_string("/tmp/jqwork/try.txt") else { return };
    for line in text.lines() {
        let (query, input) = line.split_once('\t').unwrap_or((line, "null"));
        println!("{query}\n   => {:?}", outputs(query, input));
    }
}
