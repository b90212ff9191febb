//! `regexp_extract` and `regexp_extract_all`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListBuilder, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use regex::Regex;

pub(super) fn functions() -> Vec<ScalarUDF> {
    let signature = || {
        Signature::one_of(
            vec![TypeSignature::Any(2), TypeSignature::Any(3)],
            Volatility::Immutable,
        )
    };
    [false, true]
        .map(|all| {
            ScalarUDF::from(RegexpExtract {
                all,
                signature: signature(),
            })
        })
        .into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RegexpExtract {
    all: bool,
    signature: Signature,
}

impl ScalarUDFImpl for RegexpExtract {
    fn name(&self) -> &str {
        if self.all {
            "trino_regexp_extract_all"
        } else {
            "trino_regexp_extract"
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.all {
            DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)))
        } else {
            DataType::Utf8
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let strings = |at: usize| -> Result<StringArray> {
            Ok(cast(&args.args[at].to_array(rows)?, &DataType::Utf8)?
                .as_string::<i32>()
                .clone())
        };
        let (text, pattern) = (strings(0)?, strings(1)?);
        let group = match args.args.get(2) {
            Some(group) => Some(cast(&group.to_array(rows)?, &DataType::Int64)?),
            None => None,
        };
        // The pattern is nearly always one literal.
        let mut compiled: Option<(String, Regex)> = None;
        let mut single = StringBuilder::new();
        let mut many = ListBuilder::new(StringBuilder::new());
        for row in 0..rows {
            let group_null = group.as_ref().is_some_and(|group| group.is_null(row));
            if text.is_null(row) || pattern.is_null(row) || group_null {
                if self.all {
                    many.append(false)
                } else {
                    single.append_null()
                }
                continue;
            }
            let regex = match &compiled {
                Some((source, regex)) if source == pattern.value(row) => regex,
                _ => {
                    let regex = Regex::new(pattern.value(row))
                        .map_err(|e| exec_datafusion_err!("INVALID_FUNCTION_ARGUMENT: {e}"))?;
                    &compiled.insert((pattern.value(row).to_owned(), regex)).1
                }
            };
            let number = group
                .as_ref()
                .map_or(0, |group| group.as_primitive::<Int64Type>().value(row));
            let number = match usize::try_from(number) {
                Ok(number) if number < regex.captures_len() => number,
                _ => {
                    return exec_err!(
                        "INVALID_FUNCTION_ARGUMENT: Pattern has {} groups. Cannot access group {number}",
                        regex.captures_len() - 1
                    );
                }
            };
            let mut found = regex
                .captures_iter(text.value(row))
                .map(|captures| captures.get(number).map(|m| m.as_str()));
            if self.all {
                found.for_each(|piece| many.values().append_option(piece));
                many.append(true);
            } else {
                single.append_option(found.next().flatten());
            }
        }
        let result: ArrayRef = if self.all {
            Arc::new(many.finish())
        } else {
            Arc::new(single.finish())
        };
        Ok(ColumnarValue::Array(result))
    }
}
