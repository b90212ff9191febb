//! The S3 destination as callers write it, at creation and in updates, and as it is described back.
//!
//! Every member of the model that catchment keeps stands here, so that what is described is what was asked for.

use std::collections::HashMap;

use base::Scope;
use protocol_aws::AwsError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::errors::invalid_argument;

/// The only destination a delivery stream has.
pub(crate) const DESTINATION_ID: &str = "destinationId-000000000001";

const SIZE_MIB_DEFAULT: u64 = 5;
/// With conversion or dynamic partitioning.
const LARGE_SIZE_MIB_DEFAULT: u64 = 128;
const INTERVAL_SECONDS_DEFAULT: u64 = 300;
const RETRY_SECONDS_DEFAULT: u64 = 300;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct S3Destination {
    #[serde(rename = "RoleARN")]
    pub(crate) role_arn: Option<String>,
    #[serde(rename = "BucketARN")]
    pub(crate) bucket_arn: Option<String>,
    pub(crate) prefix: Option<String>,
    pub(crate) error_output_prefix: Option<String>,
    pub(crate) buffering_hints: Option<BufferingHints>,
    pub(crate) compression_format: Option<String>,
    pub(crate) encryption_configuration: Option<EncryptionConfiguration>,
    pub(crate) cloud_watch_logging_options: Option<CloudWatchLoggingOptions>,
    pub(crate) processing_configuration: Option<ProcessingConfiguration>,
    pub(crate) s3_backup_mode: Option<String>,
    /// Of source records; as callers name it at creation and in updates, and as it is described.
    #[serde(alias = "S3BackupConfiguration", alias = "S3BackupUpdate")]
    pub(crate) s3_backup_description: Option<Box<S3Destination>>,
    pub(crate) data_format_conversion_configuration: Option<DataFormatConversion>,
    pub(crate) dynamic_partitioning_configuration: Option<DynamicPartitioning>,
    pub(crate) file_extension: Option<String>,
    pub(crate) custom_time_zone: Option<String>,
}

/// The members that the older, plain description has.
const PLAIN_MEMBERS: [&str; 8] = [
    "RoleARN",
    "BucketARN",
    "Prefix",
    "ErrorOutputPrefix",
    "BufferingHints",
    "CompressionFormat",
    "EncryptionConfiguration",
    "CloudWatchLoggingOptions",
];

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BufferingHints {
    #[serde(rename = "SizeInMBs")]
    pub(crate) size_in_mbs: Option<u64>,
    pub(crate) interval_in_seconds: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EncryptionConfiguration {
    pub(crate) no_encryption_config: Option<String>,
    #[serde(rename = "KMSEncryptionConfig")]
    pub(crate) kms_encryption_config: Option<KmsEncryptionConfig>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct KmsEncryptionConfig {
    #[serde(rename = "AWSKMSKeyARN")]
    key_arn: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CloudWatchLoggingOptions {
    pub(crate) enabled: Option<bool>,
    pub(crate) log_group_name: Option<String>,
    pub(crate) log_stream_name: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ProcessingConfiguration {
    pub(crate) enabled: Option<bool>,
    pub(crate) processors: Option<Vec<Processor>>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Processor {
    #[serde(rename = "Type")]
    pub(crate) kind: String,
    pub(crate) parameters: Option<Vec<ProcessorParameter>>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ProcessorParameter {
    pub(crate) parameter_name: String,
    pub(crate) parameter_value: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DataFormatConversion {
    pub(crate) enabled: Option<bool>,
    pub(crate) schema_configuration: Option<SchemaConfiguration>,
    pub(crate) input_format_configuration: Option<InputFormat>,
    pub(crate) output_format_configuration: Option<OutputFormat>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SchemaConfiguration {
    #[serde(rename = "RoleARN")]
    pub(crate) role_arn: Option<String>,
    pub(crate) catalog_id: Option<String>,
    pub(crate) database_name: Option<String>,
    pub(crate) table_name: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) version_id: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct InputFormat {
    pub(crate) deserializer: Option<Deserializer>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Deserializer {
    pub(crate) open_x_json_ser_de: Option<OpenXJson>,
    pub(crate) hive_json_ser_de: Option<HiveJson>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct OpenXJson {
    pub(crate) convert_dots_in_json_keys_to_underscores: Option<bool>,
    pub(crate) case_insensitive: Option<bool>,
    pub(crate) column_to_json_key_mappings: Option<HashMap<String, String>>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HiveJson {
    pub(crate) timestamp_formats: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct OutputFormat {
    pub(crate) serializer: Option<Serializer>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Serializer {
    pub(crate) parquet_ser_de: Option<Parquet>,
    pub(crate) orc_ser_de: Option<Orc>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Orc {
    pub(crate) stripe_size_bytes: Option<u64>,
    pub(crate) block_size_bytes: Option<u64>,
    pub(crate) row_index_stride: Option<u64>,
    pub(crate) enable_padding: Option<bool>,
    pub(crate) padding_tolerance: Option<f64>,
    pub(crate) compression: Option<String>,
    pub(crate) bloom_filter_columns: Option<Vec<String>>,
    pub(crate) bloom_filter_false_positive_probability: Option<f64>,
    pub(crate) dictionary_key_threshold: Option<f64>,
    pub(crate) format_version: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Parquet {
    pub(crate) block_size_bytes: Option<u64>,
    pub(crate) page_size_bytes: Option<u64>,
    pub(crate) compression: Option<String>,
    pub(crate) enable_dictionary_compression: Option<bool>,
    pub(crate) max_padding_bytes: Option<u64>,
    pub(crate) writer_version: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DynamicPartitioning {
    pub(crate) enabled: Option<bool>,
    pub(crate) retry_options: Option<RetryOptions>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RetryOptions {
    pub(crate) duration_in_seconds: Option<u64>,
}

impl ProcessingConfiguration {
    /// The processors that are to run.
    pub(crate) fn running(&self) -> Option<&[Processor]> {
        (self.enabled == Some(true)).then(|| self.processors.as_deref().unwrap_or_default())
    }
}

impl S3Destination {
    pub(crate) fn converts(&self) -> bool {
        let conversion = self.data_format_conversion_configuration.as_ref();
        conversion.is_some_and(|conversion| conversion.enabled.unwrap_or(true))
    }

    pub(crate) fn partitions(&self) -> bool {
        let partitioning = self.dynamic_partitioning_configuration.as_ref();
        partitioning.and_then(|partitioning| partitioning.enabled) == Some(true)
    }

    /// The processors that are to run.
    pub(crate) fn processors(&self) -> Option<&[Processor]> {
        self.processing_configuration.as_ref()?.running()
    }

    /// With all that the service fills in where the caller says nothing.
    pub(crate) fn with_defaults(&self, scope: &Scope) -> Self {
        let mut full = self.clone();
        full.fill_plain(match self.converts() || self.partitions() {
            true => LARGE_SIZE_MIB_DEFAULT,
            false => SIZE_MIB_DEFAULT,
        });
        if let Some(backup) = &mut full.s3_backup_description {
            backup.fill_plain(SIZE_MIB_DEFAULT);
        }
        full.s3_backup_mode.get_or_insert_with(|| "Disabled".into());
        if let Some(conversion) = &mut full.data_format_conversion_configuration {
            conversion.enabled.get_or_insert(true);
            if let Some(schema) = &mut conversion.schema_configuration {
                schema.catalog_id.get_or_insert_with(|| scope.account.to_string());
                schema.region.get_or_insert_with(|| scope.region.to_string());
                schema.version_id.get_or_insert_with(|| "LATEST".into());
            }
        }
        if let Some(partitioning) = &mut full.dynamic_partitioning_configuration
            && partitioning.enabled == Some(true)
        {
            let retry = partitioning.retry_options.get_or_insert_default();
            retry.duration_in_seconds.get_or_insert(RETRY_SECONDS_DEFAULT);
        }
        full
    }

    /// Fills in the members that every S3 destination has.
    fn fill_plain(&mut self, size_in_mbs: u64) {
        self.buffering_hints.get_or_insert(BufferingHints {
            size_in_mbs: Some(size_in_mbs),
            interval_in_seconds: Some(INTERVAL_SECONDS_DEFAULT),
        });
        self.compression_format.get_or_insert_with(|| "UNCOMPRESSED".into());
        self.encryption_configuration
            .get_or_insert_with(|| EncryptionConfiguration {
                no_encryption_config: Some("NoEncryption".into()),
                kms_encryption_config: None,
            });
        self.cloud_watch_logging_options
            .get_or_insert_default()
            .enabled
            .get_or_insert(false);
    }

    /// Refuses what lacks members that creation asks for.
    pub(crate) fn check_is_whole(&self) -> Result<(), AwsError> {
        for (member, name) in [(&self.role_arn, "RoleARN"), (&self.bucket_arn, "BucketARN")] {
            if member.is_none() {
                return Err(invalid_argument(format!(
                    "{name} must be specified when the type of the destination changes"
                )));
            }
        }
        Ok(())
    }

    /// Where source records go, where they do.
    pub(crate) fn backup(&self) -> Option<&Self> {
        let is_on = self.s3_backup_mode.as_deref() == Some("Enabled");
        self.s3_backup_description.as_deref().filter(|_| is_on)
    }

    /// ExtendedS3DestinationDescription.
    pub(crate) fn describe(&self) -> Value {
        compact(self)
    }

    /// S3DestinationDescription.
    pub(crate) fn describe_plain(&self) -> Value {
        let mut plain = compact(self);
        if let Value::Object(members) = &mut plain {
            members.retain(|name, _| PLAIN_MEMBERS.contains(&name.as_str()));
        }
        plain
    }
}

/// What a caller gave, after validation by the model, as a type of ours.
pub(crate) fn parse<T: DeserializeOwned>(value: Value) -> Result<T, AwsError> {
    serde_json::from_value(value).map_err(|error| invalid_argument(error.to_string()))
}

/// As JSON, without the members that are not there.
pub(crate) fn compact(value: &impl Serialize) -> Value {
    fn without_null(value: Value) -> Value {
        match value {
            Value::Object(members) => {
                let members = members.into_iter().filter(|(_, member)| !member.is_null());
                Value::Object(
                    members
                        .map(|(name, member)| (name, without_null(member)))
                        .collect::<Map<_, _>>(),
                )
            }
            Value::Array(items) => Value::Array(items.into_iter().map(without_null).collect()),
            value => value,
        }
    }
    // Types of ours with text keys always are JSON.
    without_null(serde_json::to_value(value).unwrap_or_default())
}
