//! From what a caller configures to what the engine does.

use base::{Arn, Millis, Scope};
use engine_delivery::{Backup, DeliverySpec, Destination, Prefix, Source};
use engine_formats::Compression;
use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::destination::{BufferingHints, CloudWatchLoggingOptions, ProcessingConfiguration, S3Destination, parse};
use crate::errors::{invalid_argument, not_yet, pattern};
use crate::http_endpoint::HttpDestination;
use crate::{conversion, prefixes, processing};

/// With conversion or dynamic partitioning.
const SIZE_MIB_MIN: u64 = 64;

/// What is kept of a delivery stream's configuration, to be described and updated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Config {
    pub(crate) direct_put_source: Option<DirectPutSource>,
    pub(crate) kinesis_stream_source: Option<KinesisStreamSource>,
    /// The destination, or what goes besides another destination to S3.
    pub(crate) destination: S3Destination,
    #[serde(default)]
    pub(crate) http_endpoint: Option<HttpDestination>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DirectPutSource {
    #[serde(rename = "ThroughputHintInMBs")]
    pub(crate) throughput_hint_in_mbs: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct KinesisStreamSource {
    #[serde(rename = "KinesisStreamARN")]
    pub(crate) kinesis_stream_arn: String,
    #[serde(rename = "RoleARN")]
    pub(crate) role_arn: String,
}

impl Config {
    pub(crate) fn of(delivery: &engine_delivery::Delivery) -> Result<Self, AwsError> {
        parse(delivery.config.clone()).map_err(AwsError::internal)
    }

    /// What the engine shall do for the delivery stream `name` in `scope`; refuses what does not fit together, and what
    /// catchment does not do.
    pub(crate) fn spec(&self, scope: &Scope, name: &str) -> Result<DeliverySpec, AwsError> {
        let spec = self.s3_spec(scope)?;
        let Some(http) = self.http_endpoint.as_ref().map(HttpDestination::with_defaults) else {
            return Ok(spec);
        };
        let (buffer_bytes, buffer_interval_ms) = buffering(http.buffering_hints.as_ref())?;
        logging(http.cloud_watch_logging_options.as_ref())?;
        let processors = http
            .processing_configuration
            .as_ref()
            .and_then(ProcessingConfiguration::running);
        let processing = processing::check(processors, false, &Prefix::default())?;
        let backup = http.keeps_all().then(|| Backup {
            bucket: spec.bucket.clone(),
            prefix: spec.prefix.clone(),
            error_prefix: spec.error_prefix.clone(),
            buffer_bytes: spec.buffer_bytes,
            buffer_interval_ms: spec.buffer_interval_ms,
            compression: spec.compression,
        });
        let destination = http.destination(scope, name)?;
        if let (Destination::Stream(to), Source::Stream { scope, name }) = (&destination, &spec.source)
            && (&to.scope, &to.name) == (scope, name)
        {
            return Err(invalid_argument(format!(
                "Stream {name} is the source of the Firehose and cannot be its destination too"
            )));
        }
        Ok(DeliverySpec {
            destination,
            buffer_bytes,
            buffer_interval_ms,
            compression: Compression::None,
            processing: processing.steps,
            delimiter: processing.delimiter,
            backup,
            ..spec
        })
    }

    fn s3_spec(&self, scope: &Scope) -> Result<DeliverySpec, AwsError> {
        let destination = self.destination.with_defaults(scope);
        refuse_what_is_not_built(&destination)?;
        let backup = backup(&destination)?;
        let (buffer_bytes, buffer_interval_ms) = s3_buffering(&destination)?;
        logging(destination.cloud_watch_logging_options.as_ref())?;
        let prefix = destination.prefix.clone().unwrap_or_default();
        let error_prefix = destination.error_output_prefix.clone().unwrap_or_default();
        let zone = time_zone(destination.custom_time_zone.as_deref())?;
        let parsed = prefixes::check(&prefix, &error_prefix, zone)?;
        let processing = processing::check(destination.processors(), destination.partitions(), &parsed)?;
        let compression = compression(&destination)?;
        let conversion = match &destination.data_format_conversion_configuration {
            Some(config) if destination.converts() => Some(conversion::check(config, scope)?),
            _ => None,
        };
        Ok(DeliverySpec {
            source: self.source(scope)?,
            destination: Destination::Objects,
            bucket: bucket(destination.bucket_arn.as_deref().unwrap_or_default())?,
            prefix,
            error_prefix,
            buffer_bytes,
            buffer_interval_ms,
            compression,
            file_extension: destination.file_extension.filter(|extension| !extension.is_empty()),
            time_zone: zone.name().to_owned(),
            processing: processing.steps,
            partition_query: processing.partition_query,
            delimiter: processing.delimiter,
            conversion,
            backup,
        })
    }

    fn source(&self, caller: &Scope) -> Result<Source, AwsError> {
        let Some(source) = &self.kinesis_stream_source else {
            return Ok(Source::DirectPut);
        };
        let arn: Option<Arn> = source.kinesis_stream_arn.parse().ok();
        let parts = arn
            .as_ref()
            .and_then(|arn| Some((arn.scope()?, arn.resource_after("stream/")?)));
        let (scope, name) = parts
            .ok_or_else(|| invalid_argument(format!("KinesisStreamARN {} is invalid", source.kinesis_stream_arn)))?;
        // Nothing here says what another account allows.
        if scope.account != caller.account {
            return Err(invalid_argument(format!(
                "KinesisStreamARN {} must belong to the account of the delivery stream, {}",
                source.kinesis_stream_arn, caller.account
            )));
        }
        Ok(Source::Stream {
            scope,
            name: name.to_owned(),
        })
    }
}

/// Tells the log of records that will stand one behind the other, which few readers can take apart.
pub(crate) fn warn_of_missing_delimiter(name: &str, spec: &DeliverySpec) {
    if spec.destination == Destination::Objects && spec.conversion.is_none() && spec.delimiter.is_none() {
        tracing::warn!(
            delivery_stream = name,
            "records are written one behind the other with nothing between them; \
             the processor AppendDelimiterToRecord ends each with a line end"
        );
    }
}

fn refuse_what_is_not_built(destination: &S3Destination) -> Result<(), AwsError> {
    let encryption = destination.encryption_configuration.as_ref();
    if encryption.is_some_and(|encryption| encryption.kms_encryption_config.is_some()) {
        return Err(not_yet("encrypt objects with KMS keys (KMSEncryptionConfig)"));
    }
    Ok(())
}

fn backup(destination: &S3Destination) -> Result<Option<Backup>, AwsError> {
    let Some(backup) = destination.backup() else {
        return match destination.s3_backup_mode.as_deref() {
            Some("Enabled") => Err(invalid_argument(
                "S3BackupConfiguration is required when S3BackupMode is Enabled",
            )),
            _ => Ok(None),
        };
    };
    if backup.role_arn.is_none() {
        return Err(invalid_argument("S3BackupConfiguration.RoleARN must not be null"));
    }
    refuse_what_is_not_built(backup)?;
    logging(backup.cloud_watch_logging_options.as_ref())?;
    let (buffer_bytes, buffer_interval_ms) = s3_buffering(backup)?;
    let prefix = backup.prefix.clone().unwrap_or_default();
    let error_prefix = backup.error_output_prefix.clone().unwrap_or_default();
    let zone = time_zone(destination.custom_time_zone.as_deref())?;
    let parsed = prefixes::check(&prefix, &error_prefix, zone)?;
    if !parsed.query_keys().is_empty() || !parsed.lambda_keys().is_empty() {
        return Err(invalid_argument(
            "Dynamic Partitioning Namespaces can only be part of a prefix expression when Dynamic Partitioning is \
             enabled.",
        ));
    }
    Ok(Some(Backup {
        bucket: bucket(backup.bucket_arn.as_deref().unwrap_or_default())?,
        prefix,
        error_prefix,
        buffer_bytes,
        buffer_interval_ms,
        compression: compression(backup)?,
    }))
}

/// The bucket that `arn:aws:s3:::bucket` names.
fn bucket(arn: &str) -> Result<String, AwsError> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let name = arn
        .strip_prefix("arn:")
        .and_then(|arn| Some(arn.rsplit_once(":s3:::")?.1));
    let name = name.filter(|name| (1..=255).contains(&name.len()) && name.bytes().all(letter));
    let refused = || pattern(arn, "bucketARN", r"arn:.*:s3:::[\w\.\-]{1,255}");
    name.map(str::to_owned).ok_or_else(refused)
}

/// Bytes and milliseconds.
fn buffering(hints: Option<&BufferingHints>) -> Result<(u64, Millis), AwsError> {
    let hints = hints.cloned().unwrap_or_default();
    let (Some(size_mib), Some(interval_seconds)) = (hints.size_in_mbs, hints.interval_in_seconds) else {
        return Err(invalid_argument(
            "Both SizeInMBs and IntervalInSeconds are required to configure BufferingHints.",
        ));
    };
    Ok((size_mib << 20, interval_seconds as Millis * 1000))
}

fn s3_buffering(destination: &S3Destination) -> Result<(u64, Millis), AwsError> {
    let (bytes, interval_ms) = buffering(destination.buffering_hints.as_ref())?;
    let too_small = |when: &str| {
        invalid_argument(format!(
            "BufferingHints.SizeInMBs must be at least {SIZE_MIB_MIN} when {when} is enabled."
        ))
    };
    if bytes < SIZE_MIB_MIN << 20 && destination.converts() {
        return Err(too_small("data format conversion"));
    }
    if bytes < SIZE_MIB_MIN << 20 && destination.partitions() {
        return Err(too_small("Dynamic Partitioning"));
    }
    Ok((bytes, interval_ms))
}

/// There is no CloudWatch to log to; failures are in the server's own log whatever is asked for here.
fn logging(options: Option<&CloudWatchLoggingOptions>) -> Result<(), AwsError> {
    let Some(options) = options.filter(|options| options.enabled == Some(true)) else {
        return Ok(());
    };
    for (name, called) in [(&options.log_group_name, "Group"), (&options.log_stream_name, "Stream")] {
        if name.as_deref().unwrap_or_default().is_empty() {
            return Err(invalid_argument(format!(
                "CloudWatch Log {called} Name is required if CloudWatch Logging is enabled"
            )));
        }
    }
    Ok(())
}

fn compression(destination: &S3Destination) -> Result<Compression, AwsError> {
    let compression = match destination.compression_format.as_deref() {
        Some("GZIP") => Compression::Gzip,
        Some("ZIP") => Compression::Zip,
        Some("Snappy") => Compression::Snappy,
        Some("HADOOP_SNAPPY") => Compression::HadoopSnappy,
        _ => Compression::None,
    };
    if destination.converts() && compression != Compression::None {
        return Err(invalid_argument(
            "The S3 destination's compression format must be set to UNCOMPRESSED when data format conversion is \
             enabled",
        ));
    }
    Ok(compression)
}

fn time_zone(given: Option<&str>) -> Result<chrono_tz::Tz, AwsError> {
    let Some(name) = given.filter(|name| !name.is_empty()) else {
        return Ok(chrono_tz::Tz::UTC);
    };
    let unknown = |_| invalid_argument(format!("CustomTimeZone {name} is not a valid time zone"));
    name.parse().map_err(unknown)
}
