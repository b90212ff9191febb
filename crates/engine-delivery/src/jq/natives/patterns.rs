//! Matching with regular expressions.

use std::collections::HashMap;
use std::sync::Arc;

use super::Context;
use crate::jq::access::described;
use crate::jq::fault::{Outcome, raise};
use crate::jq::memory::{Charge, Meter};
use crate::jq::pattern::{Options, Pattern, Places, Refused};
use crate::jq::value::{Object, Text, Value};

/// Patterns that were compiled, so that they need not be for every record.
#[derive(Default)]
pub(in crate::jq) struct Compiled {
    /// Of records before. What is here changes how long a record takes, and not what it costs.
    kept: Patterns,
    /// Those that this record has paid for.
    paid: Patterns,
}

#[derive(Default)]
struct Patterns {
    by_text: HashMap<Options, HashMap<String, Known>>,
    bytes: usize,
}

#[derive(Clone)]
struct Known {
    pattern: Arc<Pattern>,
    /// What compiling it took.
    steps: usize,
}

/// As much is kept of them.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// What compiling costs, beside the pattern's length: classes of letters are tables.
const COMPILING_STEPS: usize = 500;

impl Compiled {
    /// Makes ready for the next record.
    pub(in crate::jq) fn settle(&mut self) {
        self.paid = Patterns::default();
    }

    fn get(&mut self, text: &str, options: Options, meter: &mut Meter) -> Outcome<Arc<Pattern>> {
        meter.spend_bytes(text.len())?;
        if let Some(known) = self.paid.get(text, options) {
            return Ok(known.pattern);
        }
        let known = match self.kept.get(text, options) {
            // The same record costs the same whatever came before it, so that it has the same keys each time.
            Some(known) => {
                meter.spend(known.steps)?;
                known
            }
            None => {
                let known = compile(text, options, meter)?;
                self.kept.keep(text, options, &known);
                known
            }
        };
        self.paid.keep(text, options, &known);
        Ok(known.pattern)
    }
}

impl Patterns {
    fn get(&self, text: &str, options: Options) -> Option<Known> {
        self.by_text.get(&options)?.get(text).cloned()
    }

    fn keep(&mut self, text: &str, options: Options, known: &Known) {
        let bytes = known.pattern.bytes() + text.len();
        if bytes > KEPT_BYTES_MAX {
            return;
        }
        self.bytes += bytes;
        if self.bytes > KEPT_BYTES_MAX {
            self.by_text.clear();
            self.bytes = bytes;
        }
        let patterns = self.by_text.entry(options).or_default();
        patterns.insert(text.to_owned(), known.clone());
    }
}

fn compile(text: &str, options: Options, meter: &mut Meter) -> Outcome<Known> {
    let before = meter.steps_left();
    meter.spend(COMPILING_STEPS.saturating_mul(1 + text.len()))?;
    match Pattern::new(text, options, meter) {
        Ok(pattern) => Ok(Known {
            pattern: Arc::new(pattern),
            steps: (before - meter.steps_left()) as usize,
        }),
        Err(Refused::Invalid(reason)) => raise(format!("{text} (at offset 0) is not a valid regex: {reason}")),
        Err(Refused::Ended(fault)) => Err(fault),
    }
}

pub(super) fn find(name: &str, arguments: usize) -> Option<fn(&mut Context, Value, &mut [Value]) -> Outcome> {
    match (name, arguments) {
        ("_match", 3) => Some(search),
        _ => None,
    }
}

/// The matches of a pattern, with flags; or only whether there is one.
fn search(context: &mut Context, input: Value, arguments: &mut [Value]) -> Outcome {
    let (Value::Text(text), Value::Text(pattern)) = (&input, &arguments[0]) else {
        let wrong = if matches!(input, Value::Text(_)) {
            &arguments[0]
        } else {
            &input
        };
        return raise(format!("{} cannot be matched, as it is not a string", described(wrong)));
    };
    let meter = &mut context.meter;
    let (options, is_global) = options(&arguments[1], meter)?;
    let pattern = context.patterns.get(pattern.as_str(), options, meter)?;
    let _held = Charge::new(pattern.bytes());
    meter.room(0)?;
    let text = text.as_str();
    if arguments[2].is_truthy() {
        let found = pattern.find(text, 0, options.not_empty, meter)?;
        return Ok(Value::Bool(found.is_some()));
    }
    let names = Names::default();
    let mut counted = Counted {
        text,
        byte: 0,
        letters: 0,
    };
    let (mut found, mut from) = (Vec::new(), 0);
    while let Some(places) = pattern.find(text, from, options.not_empty, meter)? {
        let Some((start, end)) = places.first().copied().flatten() else {
            break;
        };
        meter.spend(1 + places.len() * 4)?;
        meter.room(places.len() * 256)?;
        found.push(names.found(&pattern, &places, (start, end), &mut counted, meter)?);
        // After a match of nothing jq looks on from the next letter, and may find the same nothing again.
        from = match start == end {
            true => from + text[from..].chars().next().map_or(1, char::len_utf8),
            false => end,
        };
        if !is_global || from >= text.len() {
            break;
        }
    }
    Ok(Value::array(found))
}

/// What flags ask for, and whether all matches are wanted.
fn options(flags: &Value, meter: &mut Meter) -> Outcome<(Options, bool)> {
    let mut options = Options::default();
    let mut is_global = false;
    let flags = match flags {
        Value::Null => return Ok((options, false)),
        Value::Text(flags) => flags.as_str(),
        other => return raise(format!("{} is not a string", described(other))),
    };
    meter.spend(flags.len())?;
    for flag in flags.chars() {
        match flag {
            'g' => is_global = true,
            'i' => options.ignores_case = true,
            'x' => options.extended = true,
            'p' => options.dot_is_all = true,
            'n' => options.not_empty = true,
            // One line is what there is anyway, and the longest match is not looked for.
            's' | 'l' => {}
            _ => return raise(format!("{flags} is not a valid modifier string")),
        }
    }
    Ok((options, is_global))
}

/// Letters up to a byte, counted on from the last.
struct Counted<'t> {
    text: &'t str,
    byte: usize,
    letters: usize,
}

impl Counted<'_> {
    fn up_to(&mut self, byte: usize, meter: &mut Meter) -> Outcome<f64> {
        if byte < self.byte {
            (self.byte, self.letters) = (0, 0);
        }
        meter.spend_bytes(byte - self.byte)?;
        self.letters += self.text[self.byte..byte].chars().count();
        self.byte = byte;
        Ok(self.letters as f64)
    }

    /// A part of the text, and how many letters it has.
    fn part(&self, start: usize, end: usize, meter: &mut Meter) -> Outcome<(Value, Value)> {
        let part = &self.text[start..end];
        meter.spend_bytes(part.len())?;
        meter.room(part.len())?;
        Ok((Value::text(part), Value::Number(part.chars().count() as f64)))
    }
}

/// The names in what is told of a match.
struct Names {
    offset: Text,
    length: Text,
    string: Text,
    captures: Text,
    name: Text,
}

impl Default for Names {
    fn default() -> Self {
        let text = |name: &str| Text::new(name.to_owned());
        Self {
            offset: text("offset"),
            length: text("length"),
            string: text("string"),
            captures: text("captures"),
            name: text("name"),
        }
    }
}

impl Names {
    fn found(
        &self,
        pattern: &Pattern,
        places: &Places,
        (start, end): (usize, usize),
        counted: &mut Counted<'_>,
        meter: &mut Meter,
    ) -> Outcome {
        let offset = counted.up_to(start, meter)?;
        let (string, length) = counted.part(start, end, meter)?;
        let mut captures = Vec::new();
        // A match of nothing tells of no groups.
        let groups = if start == end { &[] } else { &places[1..] };
        for (group, place) in groups.iter().enumerate() {
            let name = pattern.name(group + 1);
            meter.spend_bytes(name.map_or(0, str::len))?;
            let name = name.map_or(Value::Null, Value::text);
            captures.push(self.capture(*place, name, counted, meter)?);
        }
        let told = [
            (&self.offset, Value::Number(offset)),
            (&self.length, length),
            (&self.string, string),
            (&self.captures, Value::array(captures)),
        ];
        let told = told.into_iter().map(|(key, value)| (key.clone(), value));
        Ok(Value::Object(Object::from_iter(told)))
    }

    fn capture(
        &self,
        place: Option<(usize, usize)>,
        name: Value,
        counted: &mut Counted<'_>,
        meter: &mut Meter,
    ) -> Outcome {
        let (offset, string, length) = match place {
            None => (-1.0, Value::Null, Value::Number(0.0)),
            Some((start, end)) => {
                let (string, length) = counted.part(start, end, meter)?;
                (counted.up_to(start, meter)?, string, length)
            }
        };
        let offset = Value::Number(offset);
        // Those of nothing are told in another order.
        let told = match place {
            Some((start, end)) if start < end => [
                (&self.offset, offset),
                (&self.length, length),
                (&self.string, string),
                (&self.name, name),
            ],
            _ => [
                (&self.offset, offset),
                (&self.string, string),
                (&self.length, length),
                (&self.name, name),
            ],
        };
        let told = told.into_iter().map(|(key, value)| (key.clone(), value));
        Ok(Value::Object(Object::from_iter(told)))
    }
}
