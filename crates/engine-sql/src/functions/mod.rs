//! Trino's functions that the planner has not, or has with another meaning.

mod bounded;
mod datetime;
mod json_path;
mod mysql_format;
mod regexp;
mod typed;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;

/// Functions of the planner that Trino has not, and that make arrays of any size.
pub(crate) const LEFT_OUT: [&str; 4] = ["range", "generate_series", "array_repeat", "array_resize"];

/// Those that are plain functions of their arguments.
pub(crate) fn scalar() -> Vec<Arc<ScalarUDF>> {
    let mut all = datetime::functions();
    all.extend(bounded::functions());
    all.extend(json_path::functions());
    all.extend(regexp::functions());
    all.extend(typed::functions());
    all.into_iter().map(Arc::new).collect()
}

/// What depends on the types of the arguments.
pub(crate) fn rewrites() -> Vec<Arc<dyn FunctionRewrite + Send + Sync>> {
    vec![Arc::new(typed::TypedRewrite)]
}
