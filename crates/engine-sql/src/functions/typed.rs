//! What a function means by the types of its arguments, decided when the plan is analysed.

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, internal_err, plan_err};
use datafusion::functions::math::expr_fn::round;
use datafusion::functions_nested::expr_fn::{array_element, array_length, map_extract};
use datafusion::logical_expr::expr::{Cast, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};

use crate::types::full_type_name;

/// Functions that exist only to be rewritten.
pub(super) fn functions() -> Vec<ScalarUDF> {
    [("trino_element_at", 2), ("trino_typeof", 1)]
        .map(|(name, arguments)| {
            ScalarUDF::from(Placeholder {
                name,
                signature: Signature::any(arguments, Volatility::Immutable),
            })
        })
        .into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Placeholder {
    name: &'static str,
    signature: Signature,
}

impl ScalarUDFImpl for Placeholder {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match (self.name, &types[0]) {
            ("trino_typeof", _) => Ok(DataType::Utf8),
            (_, DataType::List(item) | DataType::LargeList(item)) => Ok(item.data_type().clone()),
            (_, DataType::Map(entries, _)) => match entries.data_type() {
                DataType::Struct(pair) if pair.len() == 2 => Ok(pair[1].data_type().clone()),
                other => internal_err!("a map of {other}"),
            },
            (_, other) => plan_err!(
                "Unexpected parameters ({}) for function element_at",
                full_type_name(other)
            ),
        }
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("{} is rewritten before it runs", self.name)
    }
}

#[derive(Debug)]
pub(super) struct TypedRewrite;

impl FunctionRewrite for TypedRewrite {
    fn name(&self) -> &str {
        "trino_types"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        match expr {
            Expr::Cast(Cast { expr, field }) if field.data_type().is_integer() => {
                let fractional = matches!(
                    expr.get_type(schema)?,
                    DataType::Float16 | DataType::Float32 | DataType::Float64
                );
                // To the nearest whole number, not towards zero.
                let inner = if fractional { Box::new(round(vec![*expr])) } else { expr };
                let changed = fractional;
                let cast = Expr::Cast(Cast { expr: inner, field });
                Ok(if changed {
                    Transformed::yes(cast)
                } else {
                    Transformed::no(cast)
                })
            }
            Expr::ScalarFunction(function) => rewrite_function(function, schema),
            other => Ok(Transformed::no(other)),
        }
    }
}

fn is_nested(data_type: &DataType) -> bool {
    matches!(data_type, DataType::List(item) if matches!(item.data_type(), DataType::List(_)))
}

fn rewrite_function(mut function: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let type_of = |at: usize, function: &ScalarFunction| match function.args.get(at) {
        Some(arg) => arg.get_type(schema),
        None => Ok(DataType::Null),
    };
    match function.func.name() {
        "trino_typeof" => Ok(Transformed::yes(lit(full_type_name(&type_of(0, &function)?)))),
        "trino_element_at" => {
            let is_map = matches!(type_of(0, &function)?, DataType::Map(..));
            let (Some(index), Some(container)) = (function.args.pop(), function.args.pop()) else {
                return internal_err!("element_at without its arguments");
            };
            Ok(Transformed::yes(if is_map {
                array_element(map_extract(container, index), lit(1_i64))
            } else {
                array_element(container, index)
            }))
        }
        // Whole numbers are their own rounding, and stay whole numbers.
        "round" | "ceil" | "floor" | "trunc" if type_of(0, &function)?.is_integer() && function.args.len() == 1 => {
            Ok(Transformed::yes(function.args.remove(0)))
        }
        // The planner counts what is within the items too.
        "cardinality" if is_nested(&type_of(0, &function)?) => {
            Ok(Transformed::yes(array_length(function.args.remove(0))))
        }
        // The planner makes a timestamp of a date.
        "date_trunc" if type_of(1, &function)? == DataType::Date32 => {
            let inner = Expr::ScalarFunction(function);
            Ok(Transformed::yes(Expr::Cast(Cast::new(
                Box::new(inner),
                DataType::Date32,
            ))))
        }
        _ => Ok(Transformed::no(Expr::ScalarFunction(function))),
    }
}
