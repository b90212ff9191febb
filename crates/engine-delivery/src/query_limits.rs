//! What a query may say, judged by its text before it runs for the first time.
//!
//! Nothing stops jaq once it runs. So a query may hold only what works through its input a bounded number of times:
//! no loops, definitions or variables, and no function that is not named here. That also keeps out what ends the
//! process, reads the environment or looks at the clock: the same record must give the same keys every time.
//! What the rest may cost is reckoned step by step for a record of [`RECORD_BYTES`].

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::ops::Math;
use jaq_core::path::Part;

/// The record that costs are reckoned for: the largest that Firehose takes, rounded up.
const RECORD_BYTES: f64 = (1 << 20) as f64;
/// What all steps together may make of it: a thousand times the record.
const WORK_BYTES_MAX: f64 = (1 << 30) as f64;
/// Terms within terms.
const NESTING_MAX: usize = 64;

/// A number, a date or a truth value at most.
const FIXED_BYTES: f64 = 64.0;
/// A text's growth where each letter is escaped, at most.
const ESCAPED: f64 = 8.0;
/// What an entry of an object becomes as `{"key": .., "value": ..}`.
const ENTRY: f64 = 32.0;

/// Checks a parsed query; an error says what it may not do.
pub(crate) fn check(query: &Term<&str>) -> Result<(), String> {
    let mut judge = Judge { work: 0.0, nesting: 0 };
    let record = Values {
        count: 1.0,
        bytes: RECORD_BYTES,
        many: false,
    };
    judge.outputs(query, record)?;
    if judge.work > WORK_BYTES_MAX {
        return Err("may make more of a record than this server bears".to_owned());
    }
    Ok(())
}

/// The inputs or outputs of a term, all together.
#[derive(Clone, Copy)]
struct Values {
    count: f64,
    bytes: f64,
    /// Whether one input may give more than one output.
    many: bool,
}

struct Judge {
    work: f64,
    nesting: usize,
}

impl Judge {
    fn outputs(&mut self, term: &Term<&str>, input: Values) -> Result<Values, String> {
        self.nesting += 1;
        if self.nesting > NESTING_MAX {
            return Err(format!("is nested deeper than {NESTING_MAX}"));
        }
        let input = Values { many: false, ..input };
        let made = self.made(term, input)?;
        self.nesting -= 1;
        self.work += made.count + made.bytes;
        Ok(made)
    }

    fn made(&mut self, term: &Term<&str>, input: Values) -> Result<Values, String> {
        match term {
            Term::Id => Ok(input),
            Term::Num(digits) => Ok(input.each(digits.len() as f64)),
            Term::Str(format, parts) => self.text(*format, parts, input),
            Term::Arr(None) => Ok(input.each(1.0)),
            Term::Arr(Some(items)) => Ok(self.outputs(items, input)?.gathered(input)),
            Term::Obj(entries) => {
                let members = entries.iter().flat_map(|(key, value)| [Some(key), value.as_ref()]);
                self.together(members.flatten(), input)
            }
            Term::Neg(term) => self.outputs(term, input),
            Term::BinOp(left, op, right) => self.operation(left, op, right, input),
            Term::TryCatch(tried, caught) => {
                let tried = self.outputs(tried, input)?;
                let Some(caught) = caught else { return Ok(tried) };
                // The text of an error may quote the value that it is about.
                let caught = self.outputs(caught, tried.and(input).times(ESCAPED))?;
                Ok(tried.and(caught))
            }
            Term::IfThenElse(branches, otherwise) => {
                let mut made = input;
                for (condition, then) in branches {
                    self.one(condition, input)?;
                    made = made.or(self.outputs(then, input)?);
                }
                match otherwise {
                    Some(otherwise) => Ok(made.or(self.outputs(otherwise, input)?)),
                    None => Ok(made),
                }
            }
            Term::Path(of, path) => {
                let mut made = self.outputs(of, input)?;
                for (part, _) in &path.0 {
                    match part {
                        Part::Index(index) => drop(self.one(index, input)?),
                        Part::Range(None, None) => {
                            made = Values {
                                count: made.bytes,
                                bytes: made.bytes,
                                many: true,
                            }
                        }
                        Part::Range(from, to) => {
                            for bound in [from, to].into_iter().flatten() {
                                self.one(bound, input)?;
                            }
                        }
                    }
                }
                Ok(made)
            }
            Term::Call(name, args) => self.call(name, args, input),
            Term::Recurse => Err(refused("..")),
            Term::Label(..) | Term::Break(_) => Err(refused("label")),
            Term::Fold(name, ..) => Err(refused(name)),
            Term::Def(..) => Err(refused("def")),
            Term::Var(name) => Err(refused(name)),
        }
    }

    /// What a term makes that stands where only one value belongs: several would be combined with all others.
    fn one(&mut self, term: &Term<&str>, input: Values) -> Result<Values, String> {
        let made = self.outputs(term, input)?;
        if made.many {
            return Err(
                "must gather what may be many values with [..] or first(..) before it goes on with them".into(),
            );
        }
        Ok(made)
    }

    fn together<'t, 's: 't>(
        &mut self,
        terms: impl Iterator<Item = &'t Term<&'s str>>,
        input: Values,
    ) -> Result<Values, String> {
        let mut made = input.each(1.0);
        for term in terms {
            made.bytes += self.one(term, input)?.bytes;
        }
        Ok(made)
    }

    fn text(
        &mut self,
        format: Option<&str>,
        parts: &[StrPart<&str, Term<&str>>],
        input: Values,
    ) -> Result<Values, String> {
        if let Some(format) = format {
            self.call(format, &[], input)?;
        }
        let escaped = if format.is_some() { ESCAPED * ESCAPED } else { ESCAPED };
        let mut made = input.each(1.0);
        for part in parts {
            made.bytes += match part {
                StrPart::Str(text) => input.count * text.len() as f64,
                StrPart::Char(_) => input.count * 4.0,
                StrPart::Term(term) => self.one(term, input)?.bytes * escaped,
            };
        }
        Ok(made)
    }

    fn operation(
        &mut self,
        left: &Term<&str>,
        op: &BinaryOp<&str>,
        right: &Term<&str>,
        input: Values,
    ) -> Result<Values, String> {
        match op {
            BinaryOp::Pipe(None) => {
                let left = self.outputs(left, input)?;
                let right = self.outputs(right, left)?;
                Ok(Values {
                    many: left.many || right.many,
                    ..right
                })
            }
            BinaryOp::Comma => {
                let (left, right) = (self.outputs(left, input)?, self.outputs(right, input)?);
                Ok(Values {
                    count: left.count + right.count,
                    bytes: left.bytes + right.bytes,
                    many: true,
                })
            }
            BinaryOp::Alt => Ok(self.outputs(left, input)?.and(self.outputs(right, input)?)),
            // A text times a number is the text so many times.
            BinaryOp::Math(Math::Mul) => {
                let times = number(left).or_else(|| number(right));
                let times = times.ok_or_else(|| "may multiply by a number that stands in it only".to_owned())?;
                Ok(self
                    .together([left, right].into_iter(), input)?
                    .times(times.abs().max(1.0)))
            }
            BinaryOp::Math(_) | BinaryOp::Or | BinaryOp::And | BinaryOp::Cmp(_) => {
                self.together([left, right].into_iter(), input)
            }
            BinaryOp::Pipe(Some(_)) => Err(refused("as")),
            BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt => {
                Err("may not assign".to_owned())
            }
        }
    }

    fn call(&mut self, name: &str, args: &[Term<&str>], input: Values) -> Result<Values, String> {
        // What a function with an argument for each element sees.
        let elements = Values {
            count: input.bytes,
            bytes: input.bytes,
            many: false,
        };
        match (name, args) {
            (
                "empty" | "error" | "not" | "true" | "false" | "null" | "values" | "nulls" | "booleans" | "numbers"
                | "strings" | "arrays" | "objects" | "iterables" | "scalars" | "first" | "last" | "reverse" | "sort"
                | "unique" | "min" | "max" | "add" | "any" | "all" | "flatten" | "keys" | "keys_unsorted"
                | "from_entries" | "ascii_downcase" | "ascii_upcase" | "trim" | "ltrim" | "rtrim" | "implode" | "abs"
                | "floor" | "ceil" | "round" | "trunc" | "sqrt" | "fabs" | "tonumber" | "toboolean" | "fromjson",
                [],
            ) => Ok(input.or(input.each(1.0))),
            (
                "isboolean" | "isnumber" | "isstring" | "isarray" | "isobject" | "isnan" | "isinfinite" | "isnormal"
                | "length" | "utf8bytelength" | "type" | "todate" | "fromdate" | "todateiso8601" | "fromdateiso8601"
                | "gmtime" | "mktime",
                [],
            ) => Ok(input.each(FIXED_BYTES)),
            (
                "tostring" | "tojson" | "explode" | "@text" | "@json" | "@html" | "@uri" | "@sh" | "@base64"
                | "@base64d",
                [],
            ) => Ok(input.times(ESCAPED)),
            ("to_entries", []) => Ok(input.times(ENTRY)),
            ("select", [keep]) => {
                self.one(keep, input)?;
                Ok(input)
            }
            ("error" | "has" | "startswith" | "endswith" | "ltrimstr" | "rtrimstr", [arg]) => {
                Ok(self.one(arg, input)?.and(input))
            }
            ("first" | "last" | "any" | "all" | "isempty", [of]) => {
                let made = self.outputs(of, if matches!(name, "any" | "all") { elements } else { input })?;
                Ok(Values {
                    count: input.count,
                    bytes: made.bytes,
                    many: false,
                })
            }
            ("map", [of]) => Ok(self.outputs(of, elements)?.gathered(input)),
            ("sort_by" | "group_by" | "unique_by" | "min_by" | "max_by", [by]) => {
                self.outputs(by, elements)?;
                Ok(input.times(2.0))
            }
            ("with_entries", [of]) => Ok(self.outputs(of, elements.times(ENTRY))?.gathered(input)),
            ("contains" | "index" | "rindex" | "indices" | "split" | "test", [given]) => {
                Ok(input.times(literal(name, given)?).times(ESCAPED))
            }
            ("test", [pattern, flags]) => {
                literal(name, flags)?;
                Ok(input.times(literal(name, pattern)?))
            }
            ("join", [between]) => Ok(input.times(ESCAPED + literal(name, between)?)),
            ("capture", [pattern]) => Ok(input.times(captures(name, pattern)?)),
            ("strftime", [pattern]) => Ok(input.each(FIXED_BYTES * literal(name, pattern)?)),
            ("strptime", [pattern]) => {
                literal(name, pattern)?;
                Ok(input.each(FIXED_BYTES))
            }
            ("sub", [pattern, with]) => {
                let found = input.or(input.each(1.0)).times(captures(name, pattern)?);
                Ok(self.one(with, found)?.and(input))
            }
            ("gsub", [pattern, with]) => {
                let found = input.or(elements).times(captures(name, pattern)?);
                let with = self.one(with, found)?;
                Ok(Values {
                    count: input.count,
                    bytes: with.bytes + input.bytes,
                    many: false,
                })
            }
            _ => Err(refused(&format!("{name}/{}", args.len()))),
        }
    }
}

impl Values {
    /// One output of `bytes` for each input.
    fn each(self, bytes: f64) -> Self {
        Self {
            bytes: self.count * bytes.max(1.0),
            ..self
        }
    }

    fn times(self, times: f64) -> Self {
        Self {
            bytes: self.bytes * times + self.count,
            ..self
        }
    }

    /// The outputs of one with the bytes of both.
    fn and(self, other: Self) -> Self {
        Self {
            count: self.count.max(other.count),
            bytes: self.bytes + other.bytes,
            many: self.many || other.many,
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            count: self.count.max(other.count),
            bytes: self.bytes.max(other.bytes),
            many: self.many || other.many,
        }
    }

    /// As one array for each of `inputs`.
    fn gathered(self, inputs: Self) -> Self {
        Self {
            count: inputs.count,
            bytes: self.bytes + inputs.count,
            many: false,
        }
    }
}

fn refused(name: &str) -> String {
    format!("may not use {name}")
}

/// The value of a number that stands in the query.
fn number(term: &Term<&str>) -> Option<f64> {
    match term {
        Term::Num(digits) => digits.parse().ok(),
        Term::Neg(term) => number(term),
        _ => None,
    }
}

/// The length of an argument that stands in the query: one out of the record would multiply with it.
fn literal(function: &str, term: &Term<&str>) -> Result<f64, String> {
    let refused = || Err(format!("may give {function} only what stands in the query itself"));
    let Term::Str(None, parts) = term else {
        return number(term).map_or_else(refused, |_| Ok(1.0));
    };
    let mut length = 1;
    for part in parts {
        match part {
            StrPart::Str(text) => length += text.len(),
            StrPart::Char(_) => length += 4,
            StrPart::Term(_) => return refused(),
        }
    }
    Ok(length as f64)
}

/// How many times a match may stand in what a pattern captures: whole and in each group, of which `(?<a>)` is the
/// shortest.
fn captures(function: &str, pattern: &Term<&str>) -> Result<f64, String> {
    Ok(1.0 + (literal(function, pattern)? / 6.0).ceil())
}
