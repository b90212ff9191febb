//! Record format conversion: JSON to Parquet by a table of the catalog.

use base::Scope;
use engine_delivery::{Conversion, Output};
use engine_formats::{
    Coercion, JsonOptions, OrcCompression, OrcOptions, OrcVersion, ParquetCompression, ParquetOptions, TimestampFormat,
    WriterVersion,
};
use protocol_aws::AwsError;

use crate::destination::{DataFormatConversion, Deserializer, Orc, Parquet, SchemaConfiguration, Serializer};
use crate::errors::invalid_argument;

/// The conversion that `config` asks for, with the service's defaults filled in.
pub(crate) fn check(config: &DataFormatConversion, caller: &Scope) -> Result<Conversion, AwsError> {
    let schema = needed(config.schema_configuration.as_ref(), "SchemaConfiguration")?;
    let input = needed(config.input_format_configuration.as_ref(), "InputFormatConfiguration")?;
    let output = needed(config.output_format_configuration.as_ref(), "OutputFormatConfiguration")?;
    let json = json_options(needed(input.deserializer.as_ref(), "Deserializer")?)?;
    let output = output_of(needed(output.serializer.as_ref(), "Serializer")?)?;
    needed(schema.role_arn.as_ref(), "SchemaConfiguration.RoleARN")?;
    let database = needed(schema.database_name.as_ref(), "SchemaConfiguration.DatabaseName")?;
    let table = needed(schema.table_name.as_ref(), "SchemaConfiguration.TableName")?;
    let version = match schema.version_id.as_deref() {
        None | Some("LATEST") => None,
        Some(version) => Some(version.parse().map_err(|_| {
            invalid_argument(format!(
                "SchemaConfiguration.VersionId {version} is neither LATEST nor a number"
            ))
        })?),
    };
    let scope = scope(schema)?;
    // Nothing here says what another account allows.
    if scope.account != caller.account {
        return Err(invalid_argument(format!(
            "SchemaConfiguration.CatalogId {} must be the account of the delivery stream, {}",
            scope.account, caller.account
        )));
    }
    Ok(Conversion {
        scope,
        // The catalog knows names in lower case only.
        database: database.to_lowercase(),
        table: table.to_lowercase(),
        version,
        json,
        output,
    })
}

fn needed<'c, T>(member: Option<&'c T>, name: &str) -> Result<&'c T, AwsError> {
    member.ok_or_else(|| invalid_argument(format!("{name} must not be null")))
}

fn scope(schema: &SchemaConfiguration) -> Result<Scope, AwsError> {
    let invalid =
        |member: &str, value: &str| invalid_argument(format!("SchemaConfiguration.{member} {value} is invalid"));
    let (account, region) = (
        schema.catalog_id.as_deref().unwrap_or_default(),
        schema.region.as_deref().unwrap_or_default(),
    );
    Ok(Scope::new(
        account.parse().map_err(|_| invalid("CatalogId", account))?,
        region.parse().map_err(|_| invalid("Region", region))?,
    ))
}

fn json_options(deserializer: &Deserializer) -> Result<JsonOptions, AwsError> {
    let defaults = JsonOptions::default();
    match (&deserializer.open_x_json_ser_de, &deserializer.hive_json_ser_de) {
        (Some(_), Some(_)) => Err(invalid_argument(
            "More than one deserializer specified. Only one may be chosen.",
        )),
        (None, None) => Err(invalid_argument("Deserializer must not be null")),
        (Some(open_x), None) => {
            let case_insensitive = open_x.case_insensitive.unwrap_or(defaults.case_insensitive);
            Ok(JsonOptions {
                case_insensitive,
                lowercase_keys: case_insensitive,
                dots_to_underscores: open_x
                    .convert_dots_in_json_keys_to_underscores
                    .unwrap_or(defaults.dots_to_underscores),
                column_to_key: open_x.column_to_json_key_mappings.clone().unwrap_or_default(),
                ..defaults
            })
        }
        (None, Some(hive)) => Ok(JsonOptions {
            coercion: Coercion::Hive,
            timestamp_formats: timestamp_formats(hive.timestamp_formats.as_deref().unwrap_or_default())?,
            ..defaults
        }),
    }
}

fn timestamp_formats(patterns: &[String]) -> Result<Vec<TimestampFormat>, AwsError> {
    let format = |pattern: &String| {
        let format = pattern.parse();
        format.map_err(|invalid| invalid_argument(format!("Invalid deserializer option(s): {invalid}")))
    };
    patterns.iter().map(format).collect()
}

fn output_of(serializer: &Serializer) -> Result<Output, AwsError> {
    match (&serializer.parquet_ser_de, &serializer.orc_ser_de) {
        (Some(_), Some(_)) => Err(invalid_argument(
            "More than one serializer specified. Only one may be chosen.",
        )),
        (None, None) => Err(invalid_argument("Serializer must not be null")),
        (None, Some(orc)) => Ok(Output::Orc(orc_options(orc))),
        (Some(parquet), None) => Ok(Output::Parquet(parquet_options(parquet))),
    }
}

/// A size in bytes that a caller gave, or what is usual.
fn bytes_or(given: Option<u64>, default: usize) -> usize {
    given.map_or(default, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
}

fn orc_options(orc: &Orc) -> OrcOptions {
    let defaults = OrcOptions::default();
    let share = |given: Option<f64>, default: f64| given.unwrap_or(default);
    OrcOptions {
        compression: match orc.compression.as_deref() {
            Some("NONE") => OrcCompression::None,
            Some("ZLIB") => OrcCompression::Zlib,
            _ => OrcCompression::Snappy,
        },
        stripe_bytes: bytes_or(orc.stripe_size_bytes, defaults.stripe_bytes),
        block_bytes: orc.block_size_bytes.unwrap_or(defaults.block_bytes),
        row_index_stride: bytes_or(orc.row_index_stride, defaults.row_index_stride),
        padding: orc.enable_padding.unwrap_or(defaults.padding),
        padding_tolerance: share(orc.padding_tolerance, defaults.padding_tolerance),
        bloom_filter_columns: orc.bloom_filter_columns.clone().unwrap_or_default(),
        bloom_filter_false_positives: share(
            orc.bloom_filter_false_positive_probability,
            defaults.bloom_filter_false_positives,
        ),
        dictionary_key_threshold: share(orc.dictionary_key_threshold, defaults.dictionary_key_threshold),
        version: match orc.format_version.as_deref() {
            Some("V0_11") => OrcVersion::V0_11,
            _ => OrcVersion::V0_12,
        },
    }
}

fn parquet_options(parquet: &Parquet) -> ParquetOptions {
    let defaults = ParquetOptions::default();
    ParquetOptions {
        compression: match parquet.compression.as_deref() {
            Some("UNCOMPRESSED") => ParquetCompression::Uncompressed,
            Some("GZIP") => ParquetCompression::Gzip,
            _ => ParquetCompression::Snappy,
        },
        dictionary: parquet.enable_dictionary_compression.unwrap_or(defaults.dictionary),
        block_bytes: bytes_or(parquet.block_size_bytes, defaults.block_bytes),
        page_bytes: bytes_or(parquet.page_size_bytes, defaults.page_bytes),
        padding_bytes_max: bytes_or(parquet.max_padding_bytes, defaults.padding_bytes_max),
        version: match parquet.writer_version.as_deref() {
            Some("V2") => WriterVersion::V2,
            _ => WriterVersion::V1,
        },
    }
}
