//! `json_extract` and `json_extract_scalar`, with JSON paths of names and indexes.
//!
//! Source: Trino documentation, "JSON functions and operators".

use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use serde_json::Value;

pub(super) fn functions() -> Vec<ScalarUDF> {
    [Kind::Extract, Kind::ExtractScalar, Kind::ArrayLength]
        .map(|kind| {
            ScalarUDF::from(JsonFunction {
                kind,
                signature: Signature::any(kind.arguments(), Volatility::Immutable),
            })
        })
        .into()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Extract,
    ExtractScalar,
    ArrayLength,
}

impl Kind {
    fn arguments(self) -> usize {
        if self == Self::ArrayLength { 1 } else { 2 }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct JsonFunction {
    kind: Kind,
    signature: Signature,
}

impl ScalarUDFImpl for JsonFunction {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Extract => "trino_json_extract",
            Kind::ExtractScalar => "trino_json_extract_scalar",
            Kind::ArrayLength => "trino_json_array_length",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.kind == Kind::ArrayLength {
            DataType::Int64
        } else {
            DataType::Utf8
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let strings = |at: usize| -> Result<StringArray> {
            Ok(cast(&args.args[at].to_array(args.number_rows)?, &DataType::Utf8)?
                .as_string::<i32>()
                .clone())
        };
        let json = strings(0)?;
        if self.kind == Kind::ArrayLength {
            let lengths = json.iter().map(|text| match serde_json::from_str(text?) {
                Ok(Value::Array(items)) => i64::try_from(items.len()).ok(),
                _ => None,
            });
            return Ok(ColumnarValue::Array(Arc::new(lengths.collect::<Int64Array>())));
        }
        let paths = strings(1)?;
        let mut parsed: Option<(String, Vec<Step>)> = None;
        let mut out = StringBuilder::new();
        for row in 0..json.len() {
            if json.is_null(row) || paths.is_null(row) {
                out.append_null();
                continue;
            }
            let steps = match &parsed {
                Some((source, steps)) if source == paths.value(row) => steps,
                _ => {
                    let Some(steps) = parse(paths.value(row)) else {
                        return exec_err!("INVALID_FUNCTION_ARGUMENT: Invalid JSON path: '{}'", paths.value(row));
                    };
                    &parsed.insert((paths.value(row).to_owned(), steps)).1
                }
            };
            // Text that is no JSON is NULL, as is a path to nothing.
            let document: Option<Value> = serde_json::from_str(json.value(row)).ok();
            let found = document
                .as_ref()
                .and_then(|document| steps.iter().try_fold(document, |value, step| step.into(value)));
            match (self.kind, found) {
                (_, None) | (Kind::ExtractScalar, Some(Value::Null | Value::Array(_) | Value::Object(_))) => {
                    out.append_null()
                }
                (Kind::ExtractScalar, Some(Value::String(text))) => out.append_value(text),
                (_, Some(value)) => out.append_value(value.to_string()),
            }
        }
        Ok(ColumnarValue::Array(Arc::new(out.finish())))
    }
}

#[derive(Debug, PartialEq)]
enum Step {
    Name(String),
    Index(usize),
}

impl Step {
    fn into<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        match self {
            Self::Name(name) => value.get(name),
            Self::Index(index) => value.get(index),
        }
    }
}

/// `$.store.book[0]["some name"]`.
fn parse(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path.strip_prefix('$')?;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            if end == 0 {
                return None;
            }
            steps.push(Step::Name(after[..end].to_owned()));
            rest = &after[end..];
        } else {
            let after = rest.strip_prefix('[')?;
            if let Some(quote) = after.chars().next().filter(|c| *c == '"' || *c == '\'') {
                let (name, tail) = after[1..].split_once(quote)?;
                steps.push(Step::Name(name.to_owned()));
                rest = tail.strip_prefix(']')?;
            } else {
                let (index, tail) = after.split_once(']')?;
                steps.push(match index.parse() {
                    Ok(index) => Step::Index(index),
                    Err(_) => Step::Name(index.to_owned()),
                });
                rest = tail;
            }
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let name = |name: &str| Step::Name(name.to_owned());
        assert_eq!(parse("$"), Some(vec![]));
        assert_eq!(
            parse("$.a.b[2]['c d']"),
            Some(vec![name("a"), name("b"), Step::Index(2), name("c d")])
        );
        for bad in ["", "a", "$.", "$..a", "$[", "$a"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
