//! Functions on numbers, by the names of C's library.

use super::Context;
use crate::jq::access::described;
use crate::jq::fault::{Outcome, raise};
use crate::jq::value::Value;

type Run = fn(&mut Context, Value, &mut [Value]) -> Outcome;

/// A function of the input.
macro_rules! of_input {
    ($function:expr) => {
        |_, input, _| {
            let function: fn(f64) -> f64 = $function;
            number(&input).map(|number| Value::Number(function(number)))
        }
    };
}

/// Whether the input is so, which nothing but numbers is.
macro_rules! is_input {
    ($function:expr) => {
        |_, input, _| {
            let function: fn(f64) -> bool = $function;
            Ok(Value::Bool(matches!(input, Value::Number(number) if function(number))))
        }
    };
}

/// A function of two arguments.
macro_rules! of_two {
    ($function:expr) => {
        |_, _, arguments| {
            let function: fn(f64, f64) -> f64 = $function;
            let (first, second) = (number(&arguments[0])?, number(&arguments[1])?);
            Ok(Value::Number(function(first, second)))
        }
    };
}

/// A function of two arguments that is more than a step of work, and how many steps it is.
macro_rules! of_two_counted {
    ($steps:expr, $function:expr) => {
        |context, _, arguments| {
            let (steps, function): (fn(f64, f64) -> usize, fn(f64, f64) -> f64) = ($steps, $function);
            let (first, second) = (number(&arguments[0])?, number(&arguments[1])?);
            context.meter.spend(steps(first, second))?;
            Ok(Value::Number(function(first, second)))
        }
    };
}

pub(super) fn find(name: &str, arguments: usize) -> Option<Run> {
    match arguments {
        0 => without_arguments(name),
        2 => with_two(name),
        3 if name == "fma" => Some(|_, _, arguments| {
            let [first, second, third] = [&arguments[0], &arguments[1], &arguments[2]].map(number);
            Ok(Value::Number(first?.mul_add(second?, third?)))
        }),
        _ => None,
    }
}

fn without_arguments(name: &str) -> Option<Run> {
    Some(match name {
        "infinite" => |_, _, _| Ok(Value::Number(f64::INFINITY)),
        "nan" => |_, _, _| Ok(Value::Number(f64::NAN)),
        "isinfinite" => is_input!(f64::is_infinite),
        "isnan" => is_input!(f64::is_nan),
        "isnormal" => is_input!(f64::is_normal),
        "floor" => of_input!(f64::floor),
        "ceil" => of_input!(f64::ceil),
        "round" => of_input!(f64::round),
        "trunc" => of_input!(f64::trunc),
        "rint" | "nearbyint" => of_input!(f64::round_ties_even),
        "fabs" => of_input!(f64::abs),
        "sqrt" => of_input!(f64::sqrt),
        "cbrt" => of_input!(f64::cbrt),
        "exp" => of_input!(f64::exp),
        "exp2" => of_input!(f64::exp2),
        "exp10" => of_input!(libm::exp10),
        "expm1" => of_input!(f64::exp_m1),
        "log" => of_input!(f64::ln),
        "log2" => of_input!(f64::log2),
        "log10" => of_input!(f64::log10),
        "log1p" => of_input!(f64::ln_1p),
        "logb" => of_input!(exponent),
        "significand" => of_input!(significand),
        "sin" => of_input!(f64::sin),
        "cos" => of_input!(f64::cos),
        "tan" => of_input!(f64::tan),
        "asin" => of_input!(f64::asin),
        "acos" => of_input!(f64::acos),
        "atan" => of_input!(f64::atan),
        "sinh" => of_input!(f64::sinh),
        "cosh" => of_input!(f64::cosh),
        "tanh" => of_input!(f64::tanh),
        "asinh" => of_input!(libm::asinh),
        "acosh" => of_input!(libm::acosh),
        "atanh" => of_input!(libm::atanh),
        "gamma" | "lgamma" => of_input!(libm::lgamma),
        "tgamma" => of_input!(libm::tgamma),
        "erf" => of_input!(libm::erf),
        "erfc" => of_input!(libm::erfc),
        "j0" => of_input!(libm::j0),
        "j1" => of_input!(libm::j1),
        "y0" => of_input!(libm::y0),
        "y1" => of_input!(libm::y1),
        "lgamma_r" => |_, input, _| {
            let (gamma, sign) = libm::lgamma_r(number(&input)?);
            Ok(Value::array([gamma, f64::from(sign)].map(Value::Number)))
        },
        "frexp" => |_, input, _| {
            let (fraction, exponent) = libm::frexp(number(&input)?);
            Ok(Value::array([fraction, f64::from(exponent)].map(Value::Number)))
        },
        "modf" => |_, input, _| {
            let (fraction, whole) = libm::modf(number(&input)?);
            Ok(Value::array([fraction, whole].map(Value::Number)))
        },
        _ => return None,
    })
}

fn with_two(name: &str) -> Option<Run> {
    Some(match name {
        "pow" => of_two!(f64::powf),
        "atan2" => of_two!(f64::atan2),
        "hypot" => of_two!(f64::hypot),
        "copysign" => of_two!(f64::copysign),
        "fmod" => of_two!(|first, second| first % second),
        "fmin" => of_two!(libm::fmin),
        "fmax" => of_two!(libm::fmax),
        "fdim" => of_two!(libm::fdim),
        "remainder" | "drem" => of_two_counted!(|_, _| REMAINDER_STEPS, libm::remainder),
        "nextafter" | "nexttoward" => of_two!(libm::nextafter),
        "ldexp" | "scalbln" => of_two!(|number, exponent| libm::scalbn(number, exponent as i32)),
        "scalb" => of_two!(|number, exponent| match exponent.fract() {
            0.0 => libm::scalbn(number, exponent as i32),
            _ => f64::NAN,
        }),
        "jn" => of_two_counted!(bessel_steps, |order, number| libm::jn(order as i32, number)),
        "yn" => of_two_counted!(bessel_steps, |order, number| libm::yn(order as i32, number)),
        _ => return None,
    })
}

/// It is divided bit by bit, over all of the exponent.
const REMAINDER_STEPS: usize = 32;

/// The order is counted up to.
fn bessel_steps(order: f64, _: f64) -> usize {
    (order as i32).unsigned_abs() as usize
}

fn number(value: &Value) -> Outcome<f64> {
    match value {
        Value::Number(number) => Ok(*number),
        other => raise(format!("{} number required", described(other))),
    }
}

/// The exponent of a number as it is kept in binary.
fn exponent(number: f64) -> f64 {
    if number == 0.0 {
        f64::NEG_INFINITY
    } else if number.is_finite() {
        f64::from(libm::ilogb(number))
    } else {
        number * number
    }
}

/// A number without its binary exponent.
fn significand(number: f64) -> f64 {
    if number == 0.0 || !number.is_finite() {
        return number;
    }
    libm::scalbn(number, -libm::ilogb(number))
}
