//! Processors and dynamic partitioning: which may stand together, and what they say.

use base64_simd::STANDARD;
use engine_delivery::{PartitionQuery, Prefix, Processing as Steps, Split};
use protocol_aws::AwsError;

use crate::destination::Processor;
use crate::errors::{invalid_argument, not_yet, pattern};
use crate::query_keys;

const PROCESSORS_MAX: usize = 5;
/// What is appended where the processor has no parameter.
const DELIMITER_DEFAULT: &str = "\n";

/// What processing comes down to.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Processing {
    pub(crate) steps: Steps,
    pub(crate) partition_query: Option<String>,
    pub(crate) delimiter: Option<String>,
}

/// `processors` are those that are to run, `partitions` whether dynamic partitioning is on.
pub(crate) fn check(
    processors: Option<&[Processor]>,
    partitions: bool,
    prefix: &Prefix,
) -> Result<Processing, AwsError> {
    let mut processing = Processing::default();
    if let Some(processors) = processors {
        if processors.is_empty() || processors.len() > PROCESSORS_MAX {
            return Err(invalid_argument(format!(
                "A maximum of {PROCESSORS_MAX} and a minimum of 1 processor needs to be supplied when processing is \
                 enabled."
            )));
        }
        for (index, processor) in processors.iter().enumerate() {
            let kind = &processor.kind;
            refuse_blank_parameters(index, processor)?;
            if processors[..index].iter().any(|before| before.kind == *kind) {
                return Err(invalid_argument(format!("Cannot have more than 1 {kind} processor.")));
            }
            match kind.as_str() {
                "MetadataExtraction" if !partitions => return Err(only_with_partitioning(kind)),
                "RecordDeAggregation" if !partitions => return Err(only_with_partitioning(kind)),
                "MetadataExtraction" => processing.partition_query = Some(query(processor)?),
                "AppendDelimiterToRecord" => processing.delimiter = Some(delimiter(processor)),
                "RecordDeAggregation" => processing.steps.split = Some(split(processor)?),
                "Decompression" => processing.steps.decompress = decompression(processor)?,
                "CloudWatchLogProcessing" => processing.steps.extract_messages = extraction(processor)?,
                "Lambda" => return Err(not_yet("run Lambda processors")),
                other => return Err(not_yet(&format!("run {other} processors"))),
            }
        }
        if processing.steps.extract_messages && !processing.steps.decompress {
            return Err(invalid_argument(
                "CloudWatchLogProcessing processor can only be present when Decompression processor is present.",
            ));
        }
    }
    let (query_keys, lambda_keys) = (prefix.query_keys(), prefix.lambda_keys());
    let no_keys = query_keys.is_empty() && lambda_keys.is_empty();
    if !partitions {
        return if no_keys {
            Ok(processing)
        } else {
            Err(invalid_argument(
                "Dynamic Partitioning Namespaces can only be part of a prefix expression when Dynamic Partitioning \
                 is enabled.",
            ))
        };
    }
    if processors.is_none() {
        return Err(invalid_argument(
            "Processing Configuration is not enabled when DataPartitioning is enabled",
        ));
    }
    if no_keys {
        return Err(invalid_argument(
            "S3 Prefix should contain Dynamic Partitioning namespaces when Dynamic Partitioning is enabled",
        ));
    }
    if !lambda_keys.is_empty() {
        return Err(invalid_argument(
            "Lambda should be present when S3 Prefix contains keys from partitionKeyFromLambda namespace",
        ));
    }
    let Some(query) = &processing.partition_query else {
        return Err(invalid_argument(
            "MetadataExtraction processor should be present when S3 Prefix has partitionKeyFromQuery namespace",
        ));
    };
    // Keys that only running the query would tell are checked record by record.
    if let Some(yielded) = query_keys::of(query) {
        if yielded.iter().any(|key| !query_keys.contains(&key.as_str())) {
            return Err(invalid_argument(
                "MetaDataExtraction JQ Query can't contain keys that are not present in the S3 Prefix expression",
            ));
        }
        if let Some(missing) = query_keys.iter().find(|key| !yielded.iter().any(|known| known == *key)) {
            return Err(invalid_argument(format!(
                "S3 Prefix expression can't contain the key {missing} that is not present in the MetaDataExtraction \
                 JQ Query"
            )));
        }
    }
    Ok(processing)
}

fn only_with_partitioning(kind: &str) -> AwsError {
    invalid_argument(format!(
        "class com.amazonaws.services.firehose.internal.model.{kind}Processor can only be present when Dynamic \
         Partitioning is enabled."
    ))
}

fn refuse_blank_parameters(index: usize, processor: &Processor) -> Result<(), AwsError> {
    for (at, parameter) in processor.parameters.iter().flatten().enumerate() {
        let value = &parameter.parameter_value;
        if value.trim().is_empty() {
            let path = format!(
                "processingConfiguration.processors.{}.member.parameters.{}.member.parameterValue",
                index + 1,
                at + 1
            );
            return Err(pattern(value, &path, r"^(?!\s*$).+"));
        }
    }
    Ok(())
}

fn parameter<'p>(processor: &'p Processor, name: &str) -> Option<&'p str> {
    let parameters = processor.parameters.as_deref().unwrap_or_default();
    let found = parameters.iter().find(|parameter| parameter.parameter_name == name);
    found.map(|parameter| parameter.parameter_value.as_str())
}

fn query(processor: &Processor) -> Result<String, AwsError> {
    if parameter(processor, "JsonParsingEngine") != Some("JQ-1.6") {
        return Err(invalid_argument(
            "MetaDataExtraction JSON Parsing Engine has to be one of JQ-1.6",
        ));
    }
    let query = parameter(processor, "MetadataExtractionQuery").ok_or_else(|| {
        invalid_argument("MetadataExtractionQuery is required when MetadataExtraction processor is used.")
    })?;
    PartitionQuery::compile(query)
        .map_err(|error| invalid_argument(format!("MetaDataExtraction JQ Query is invalid: {error}")))?;
    Ok(query.to_owned())
}

/// How RecordDeAggregation tells records apart.
fn split(processor: &Processor) -> Result<Split, AwsError> {
    let delimiter = parameter(processor, "Delimiter");
    match (parameter(processor, "SubRecordType"), delimiter) {
        (Some("JSON"), None) => Ok(Split::Json),
        (Some("JSON"), Some(_)) => Err(invalid_argument(
            "Delimiter can only be present when SubRecordType is DELIMITED.",
        )),
        (Some("DELIMITED"), Some(delimiter)) => match STANDARD.decode_to_vec(delimiter) {
            Ok(delimiter) if !delimiter.is_empty() => Ok(Split::Delimiter(delimiter)),
            _ => Err(invalid_argument("Delimiter must be a base64 encoded string.")),
        },
        (Some("DELIMITED"), None) => Err(invalid_argument(
            "Delimiter is required when SubRecordType is DELIMITED.",
        )),
        _ => Err(invalid_argument(
            "SubRecordType of RecordDeAggregation processor has to be one of JSON, DELIMITED",
        )),
    }
}

fn decompression(processor: &Processor) -> Result<bool, AwsError> {
    match parameter(processor, "CompressionFormat") {
        None | Some("GZIP") => Ok(true),
        Some(_) => Err(invalid_argument(
            "CompressionFormat of Decompression processor has to be one of GZIP",
        )),
    }
}

fn extraction(processor: &Processor) -> Result<bool, AwsError> {
    match parameter(processor, "DataMessageExtraction") {
        Some("true") => Ok(true),
        _ => Err(invalid_argument(
            "DataMessageExtraction of CloudWatchLogProcessing processor has to be true",
        )),
    }
}

/// The delimiter, with the usual escapes resolved: a parameter cannot be white space alone.
fn delimiter(processor: &Processor) -> String {
    let Some(text) = parameter(processor, "Delimiter") else {
        return DELIMITER_DEFAULT.to_owned();
    };
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('\\') | None => out.push('\\'),
            Some(other) => out.extend(['\\', other]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::ProcessorParameter;

    #[track_caller]
    fn check_delimiter(given: Option<&str>, expect: &str) {
        let parameters = given.map(|value| {
            vec![ProcessorParameter {
                parameter_name: "Delimiter".into(),
                parameter_value: value.into(),
            }]
        });
        let kind = "AppendDelimiterToRecord".into();
        assert_eq!(delimiter(&Processor { kind, parameters }), expect);
    }

    #[test]
    fn delimiters_are_unescaped() {
        check_delimiter(None, "\n");
        check_delimiter(Some("\\n"), "\n");
        check_delimiter(Some("\\r\\n"), "\r\n");
        check_delimiter(Some("|\\t|"), "|\t|");
        check_delimiter(Some("\\\\n"), "\\n");
        check_delimiter(Some("\\x\\"), "\\x\\");
    }
}
