//! The rules for Prefix and ErrorOutputPrefix.
//!
//! Source: the developer guide, "Understand custom prefixes for Amazon S3 objects".

use chrono_tz::Tz;
use engine_delivery::Prefix;
use protocol_aws::AwsError;

use crate::errors::invalid_argument;

/// Characters of an evaluated prefix.
const EVALUATED_MAX: usize = 512;
const NAMESPACES: [&str; 4] = [
    "timestamp",
    "firehose",
    "partitionKeyFromQuery",
    "partitionKeyFromLambda",
];

/// Bytes of an evaluated prefix: an object's key has 1,024 for it and the object's name.
const EVALUATED_BYTES_MAX: usize = 1024 - NAME_BYTES_MAX;
/// Delivery stream, version, time, UUID, dashes and extension, and the folder of an error type.
const NAME_BYTES_MAX: usize = 64 + 20 + 19 + 36 + 3 + 128 + 27;

/// Checks both prefixes and returns the first, parsed.
pub(crate) fn check(prefix: &str, error_prefix: &str, zone: Tz) -> Result<Prefix, AwsError> {
    let parsed = parse(prefix, "Prefix", "prefix", zone)?;
    let errors = parse(error_prefix, "ErrorOutputPrefix", "ErrorOutputPrefix", zone)?;
    if parsed.has_expressions() && error_prefix.is_empty() {
        return Err(constraint(
            "ErrorOutputPrefix cannot be null or empty when Prefix contains expressions",
        ));
    }
    if parsed.has_error_output_type() {
        return Err(constraint(
            "Prefix must not contain any occurrence of !{firehose:error-output-type}",
        ));
    }
    if !errors.query_keys().is_empty() || !errors.lambda_keys().is_empty() {
        return Err(invalid_argument(
            "Dynamic Partitioning Namespaces can't be part of an error prefix expression",
        ));
    }
    if errors.has_expressions() && !errors.has_error_output_type() {
        return Err(constraint(
            "ErrorOutputPrefix must contain at least one occurrence of !{firehose:error-output-type}",
        ));
    }
    Ok(parsed)
}

fn parse(text: &str, member: &str, called: &str, zone: Tz) -> Result<Prefix, AwsError> {
    let bad_value = || {
        constraint(&format!(
            "Invalid conversion character used in the value of the expression in {member}"
        ))
    };
    let mut rest = text;
    while let Some(at) = rest.find("!{") {
        let bad_usage = || constraint(&format!("Invalid expression usage in {member}"));
        let end = rest[at..].find('}').ok_or_else(bad_usage)?;
        let inner = &rest[at + 2..at + end];
        let (namespace, value) = inner.split_once(':').ok_or_else(bad_usage)?;
        if !NAMESPACES.contains(&namespace) {
            return Err(constraint(&format!(
                "Namespace to the left of colon ({namespace}) is an invalid keyword!"
            )));
        }
        let known = namespace != "firehose" || matches!(value, "random-string" | "error-output-type");
        if value.is_empty() || value.contains('{') || !known {
            return Err(bad_value());
        }
        rest = &rest[at + end + 1..];
    }
    let parsed = Prefix::parse(text).map_err(|_| bad_value())?;
    // What is certain of the length: all but partition keys, of which each has one character at least.
    let keys = parsed.query_keys().len() + parsed.lambda_keys().len();
    let (chars, bytes) = parsed.fixed_length(zone);
    let too_long = |max: usize, unit: &str| {
        Err(constraint(&format!(
            "Length of evaluated {called} cannot be greater than {max}{unit}"
        )))
    };
    if chars + keys > EVALUATED_MAX {
        return too_long(EVALUATED_MAX, "");
    }
    if bytes + keys > EVALUATED_BYTES_MAX {
        return too_long(EVALUATED_BYTES_MAX, " bytes");
    }
    Ok(parsed)
}

/// The service spells it so.
fn constraint(broken: &str) -> AwsError {
    invalid_argument(format!(
        "Ths supplied prefix(es) do not satisfy the following constraint: {broken}"
    ))
}
