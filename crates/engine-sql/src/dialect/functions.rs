//! Trino's functions by the planner's names and forms.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    Array, BinaryOperator, CaseWhen, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArgumentList, FunctionArguments, Ident, NullTreatment, ObjectName, OrderByExpr,
    OrderByOptions, UnaryOperator, Value,
};

use crate::SqlError;

/// The same function under another name.
const RENAMED: [(&str, &str); 39] = [
    ("any_value", "first_value"),
    ("arbitrary", "first_value"),
    ("approx_percentile", "approx_percentile_cont"),
    ("array_join", "array_to_string"),
    ("ceiling", "ceil"),
    ("char_length", "character_length"),
    ("codepoint", "ascii"),
    ("contains", "array_has"),
    ("every", "bool_and"),
    ("is_nan", "isnan"),
    ("length", "character_length"),
    ("levenshtein_distance", "levenshtein"),
    ("pow", "power"),
    ("rand", "random"),
    ("sequence", "trino_sequence"),
    ("lpad", "trino_lpad"),
    ("rpad", "trino_rpad"),
    ("repeat", "trino_repeat"),
    ("split", "string_to_array"),
    ("truncate", "trunc"),
    ("variance", "var_samp"),
    ("stddev", "stddev_samp"),
    ("arrays_overlap", "array_has_any"),
    ("array_remove", "array_remove_all"),
    // Our own stand under names that no function of the planner has, not even as a second name.
    ("date_add", "trino_date_add"),
    ("date_diff", "trino_date_diff"),
    ("date_parse", "trino_date_parse"),
    ("date_format", "trino_date_format"),
    ("from_unixtime", "trino_from_unixtime"),
    ("to_unixtime", "trino_to_unixtime"),
    ("from_iso8601_timestamp", "trino_from_iso8601_timestamp"),
    ("from_iso8601_date", "trino_from_iso8601_date"),
    ("element_at", "trino_element_at"),
    ("typeof", "trino_typeof"),
    ("json_extract", "trino_json_extract"),
    ("json_extract_scalar", "trino_json_extract_scalar"),
    ("json_array_length", "trino_json_array_length"),
    ("regexp_extract", "trino_regexp_extract"),
    ("regexp_extract_all", "trino_regexp_extract_all"),
];

/// Functions that yield a bigint in Trino and something narrower or unsigned in the planner.
const BIGINT: [&str; 10] = [
    "character_length",
    "strpos",
    "cardinality",
    "approx_distinct",
    "row_number",
    "rank",
    "dense_rank",
    "ntile",
    "ascii",
    "levenshtein",
];

/// Functions that take one field out of a date or time.
const DATE_FIELDS: [(&str, &str); 19] = [
    ("year", "year"),
    ("quarter", "quarter"),
    ("month", "month"),
    ("week", "week"),
    ("week_of_year", "week"),
    ("day", "day"),
    ("day_of_month", "day"),
    ("day_of_week", "day_of_week"),
    ("dow", "day_of_week"),
    ("day_of_year", "day_of_year"),
    ("doy", "day_of_year"),
    ("hour", "hour"),
    ("minute", "minute"),
    ("second", "second"),
    ("millisecond", "millisecond"),
    ("year_of_week", "year_of_week"),
    ("yow", "year_of_week"),
    ("timezone_hour", "timezone_hour"),
    ("timezone_minute", "timezone_minute"),
];

/// The expression in place of `expr`, whose own parts are rewritten already; `None` leaves it.
pub(super) fn rewrite(expr: &mut Expr) -> Result<Option<Expr>, SqlError> {
    match expr {
        Expr::Function(function) => rewrite_function(function),
        Expr::Extract { field, expr, .. } => {
            let field = field.to_string().to_lowercase();
            let known = DATE_FIELDS.iter().find(|(name, _)| *name == field);
            let (_, field) = known.ok_or_else(|| SqlError::not_supported(format!("EXTRACT({field} FROM ..)")))?;
            Ok(Some(call("trino_date_field", vec![text(field), (**expr).clone()])))
        }
        Expr::Position { .. } => Ok(Some(cast(expr.clone(), DataType::BigInt(None)))),
        Expr::Substring {
            expr: string,
            substring_from: Some(from),
            substring_for,
            ..
        } => {
            let mut args = vec![(**string).clone(), (**from).clone()];
            args.extend(substring_for.as_ref().map(|length| (**length).clone()));
            Ok(substring(args))
        }
        _ => Ok(None),
    }
}

fn rewrite_function(function: &mut Function) -> Result<Option<Expr>, SqlError> {
    let [part] = function.name.0.as_slice() else {
        return Ok(None);
    };
    let Some(ident) = part.as_ident() else { return Ok(None) };
    let name = ident.value.to_lowercase();
    let mut args = plain_args(function);
    match (name.as_str(), args.as_deref_mut()) {
        ("concat", Some([_, _, ..])) => {
            // NULL where any part is, which is how the operator has it.
            let joined = args
                .into_iter()
                .flatten()
                .reduce(|left, right| binary(left, BinaryOperator::StringConcat, right));
            return Ok(joined.map(|joined| Expr::Nested(Box::new(joined))));
        }
        ("if", Some([condition, value])) => return Ok(Some(case(condition.clone(), value.clone(), None))),
        ("if", Some([condition, value, other])) => {
            return Ok(Some(case(condition.clone(), value.clone(), Some(other.clone()))));
        }
        ("try", Some([inner])) => {
            return match inner {
                Expr::Cast { kind, .. } => {
                    *kind = CastKind::TryCast;
                    Ok(Some(inner.clone()))
                }
                _ => Err(SqlError::not_supported("TRY around anything but a CAST")),
            };
        }
        ("mod", Some([a, b])) => {
            let (a, b) = (nested(a.clone()), nested(b.clone()));
            return Ok(Some(Expr::Nested(Box::new(binary(a, BinaryOperator::Modulo, b)))));
        }
        ("bitwise_and", Some([a, b])) => return Ok(Some(infix(a, BinaryOperator::BitwiseAnd, b))),
        ("bitwise_or", Some([a, b])) => return Ok(Some(infix(a, BinaryOperator::BitwiseOr, b))),
        ("bitwise_xor", Some([a, b])) => return Ok(Some(infix(a, BinaryOperator::BitwiseXor, b))),
        ("date", Some([value])) => return Ok(Some(cast(value.clone(), DataType::Date))),
        ("to_utf8", Some([value])) => return Ok(Some(cast(value.clone(), DataType::Bytea))),
        ("from_utf8", Some([value])) => return Ok(Some(cast(value.clone(), DataType::Varchar(None)))),
        ("infinity", Some([])) => return Ok(Some(double("inf"))),
        ("nan", Some([])) => return Ok(Some(double("NaN"))),
        ("substr" | "substring", Some([_, _, ..])) => return Ok(substring(args.unwrap_or_default())),
        ("replace", Some([string, search])) => {
            return Ok(Some(call("replace", vec![string.clone(), search.clone(), text("")])));
        }
        ("regexp_replace", Some([string, pattern])) => {
            return Ok(Some(call(
                "regexp_replace",
                vec![string.clone(), pattern.clone(), text(""), text("g")],
            )));
        }
        ("regexp_replace", Some([string, pattern, with])) => {
            return Ok(Some(call(
                "regexp_replace",
                vec![string.clone(), pattern.clone(), with.clone(), text("g")],
            )));
        }
        ("split", Some([string, separator])) => {
            // The planner makes nothing of the empty text.
            let empty = Expr::Array(Array {
                elem: vec![text("")],
                named: true,
            });
            let is_empty = binary(nested(string.clone()), BinaryOperator::Eq, text(""));
            let pieces = call("string_to_array", vec![string.clone(), separator.clone()]);
            return Ok(Some(case(is_empty, empty, Some(pieces))));
        }
        ("log", Some([base, value])) => return Ok(Some(call("log", vec![base.clone(), value.clone()]))),
        ("count_if", Some([condition])) => {
            let counted = case(condition.clone(), number("1"), None);
            rename(function, "count");
            set_args(function, vec![counted], Vec::new());
            return Ok(None);
        }
        ("approx_distinct", Some([value, _])) => {
            let value = value.clone();
            set_args(function, vec![value], Vec::new());
        }
        ("listagg", Some([_, ..])) => {
            // The planner takes the order within the call.
            let order = std::mem::take(&mut function.within_group);
            let mut args = args.unwrap_or_default();
            if args.len() == 1 {
                args.push(text(""));
            }
            rename(function, "string_agg");
            set_args(function, args, order);
            return Ok(None);
        }
        ("max_by" | "min_by", Some([value, by])) => {
            let order = OrderByExpr {
                expr: by.clone(),
                options: OrderByOptions {
                    asc: Some(name == "min_by"),
                    nulls_first: Some(false),
                },
                with_fill: None,
            };
            let value = value.clone();
            rename(function, "first_value");
            set_args(function, vec![value], vec![order]);
            return Ok(None);
        }
        ("max_by" | "min_by", _) => return Err(SqlError::not_supported(format!("{name} with a number of values"))),
        (field, Some([value])) if DATE_FIELDS.iter().any(|(name, _)| *name == field) => {
            let field = DATE_FIELDS
                .iter()
                .find(|(name, _)| *name == field)
                .map_or("", |(_, field)| field);
            return Ok(Some(call("trino_date_field", vec![text(field), value.clone()])));
        }
        _ => {}
    }
    if matches!(name.as_str(), "arbitrary" | "any_value") && function.null_treatment.is_none() {
        function.null_treatment = Some(NullTreatment::IgnoreNulls);
    }
    if let Some((_, planner)) = RENAMED.iter().find(|(trino, _)| *trino == name) {
        rename(function, planner);
    }
    let planner = function.name.to_string();
    if BIGINT.contains(&planner.as_str()) {
        return Ok(Some(cast(Expr::Function(function.clone()), DataType::BigInt(None))));
    }
    Ok(None)
}

/// The arguments where they are nothing but expressions.
fn plain_args(function: &Function) -> Option<Vec<Expr>> {
    match &function.args {
        FunctionArguments::List(list) if list.duplicate_treatment.is_none() && list.clauses.is_empty() => list
            .args
            .iter()
            .map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

fn set_args(function: &mut Function, args: Vec<Expr>, order: Vec<OrderByExpr>) {
    let clauses = if order.is_empty() {
        Vec::new()
    } else {
        vec![FunctionArgumentClause::OrderBy(order)]
    };
    let args = args
        .into_iter()
        .map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)))
        .collect();
    function.args = FunctionArguments::List(FunctionArgumentList {
        duplicate_treatment: None,
        args,
        clauses,
    });
}

fn rename(function: &mut Function, name: &str) {
    function.name = ObjectName::from(vec![Ident::new(name)]);
}

/// A start below zero counts from the end.
fn substring(args: Vec<Expr>) -> Option<Expr> {
    let [string, start, rest @ ..] = args.as_slice() else {
        return None;
    };
    let Expr::UnaryOp {
        op: UnaryOperator::Minus,
        expr: from_end,
    } = start
    else {
        return Some(call("substr", args));
    };
    let tail = call("right", vec![string.clone(), (**from_end).clone()]);
    match rest {
        [length] => Some(call("substr", vec![tail, number("1"), length.clone()])),
        _ => Some(tail),
    }
}

pub(super) fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    let mut function = Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::None,
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    };
    set_args(&mut function, args, Vec::new());
    Expr::Function(function)
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }
}

fn infix(left: &Expr, op: BinaryOperator, right: &Expr) -> Expr {
    Expr::Nested(Box::new(binary(nested(left.clone()), op, nested(right.clone()))))
}

fn nested(expr: Expr) -> Expr {
    Expr::Nested(Box::new(expr))
}

pub(super) fn text(value: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(value.to_owned()).into())
}

fn number(digits: &str) -> Expr {
    Expr::Value(Value::Number(digits.to_owned(), false).into())
}

pub(super) fn double(value: &str) -> Expr {
    cast(
        text(value),
        DataType::Double(datafusion::sql::sqlparser::ast::ExactNumberInfo::None),
    )
}

fn case(condition: Expr, result: Expr, other: Option<Expr>) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result }],
        else_result: other.map(Box::new),
    }
}
