//! What the demo makes before the first record: bucket, tables, stream and delivery stream.

use anyhow::{Result, bail};
use bytes::Bytes;
use serde_json::{Value, json};

use super::flights::{FLIGHT_COLUMNS, OTHER_TABLES, Tables};
use super::wait_until_active;
use crate::client::{Client, FIREHOSE, GLUE, KINESIS};

/// How many runs may share a data directory.
const RUNS_MAX: u32 = 1_000;
const SHARDS: u32 = 4;
/// Seconds that records wait for company in an object.
const BUFFER_SECONDS: u32 = 2;

/// The names of one run: later runs on the same data directory take the next number.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub stream: String,
    pub delivery: String,
    pub database: String,
    pub bucket: String,
}

impl Names {
    fn of_run(run: u32) -> Self {
        let numbered = |name: &str, join: &str| {
            if run == 1 {
                name.to_owned()
            } else {
                format!("{name}{join}{run}")
            }
        };
        Self {
            stream: numbered("flights", "-"),
            delivery: numbered("flights-to-lake", "-"),
            database: numbered("nyc", "_"),
            bucket: numbered("flights-lake", "-"),
        }
    }
}

/// The first names that are not taken.
pub(super) async fn free_names(client: &Client) -> Result<Names> {
    for run in 1..=RUNS_MAX {
        let names = Names::of_run(run);
        let described = client
            .call(KINESIS, "DescribeStreamSummary", &json!({ "StreamName": names.stream }))
            .await;
        match described {
            Ok(_) => {}
            Err(error) if error.to_string().contains("ResourceNotFoundException") => return Ok(names),
            Err(error) => return Err(error),
        }
    }
    bail!("{RUNS_MAX} runs are in this data directory; choose another with --data-dir")
}

pub(super) async fn make(client: &Client, names: &Names, tables: &Tables) -> Result<()> {
    client.put_s3(&format!("/{}", names.bucket), Bytes::new()).await?;
    client.call(GLUE, "CreateDatabase", &json!({ "DatabaseInput": { "Name": names.database, "Description": "Flights that left New York in 2013" } })).await?;
    client.call(GLUE, "CreateTable", &flights_table(names)).await?;
    for (table, columns) in OTHER_TABLES {
        let text = tables.read(table)?;
        client
            .put_s3(&format!("/{}/{table}/{table}.csv", names.bucket), text.into())
            .await?;
        client
            .call(GLUE, "CreateTable", &csv_table(names, table, columns))
            .await?;
    }
    client
        .call(
            KINESIS,
            "CreateStream",
            &json!({ "StreamName": names.stream, "ShardCount": SHARDS }),
        )
        .await?;
    let source = wait_until_active(client, &names.stream).await?;
    client
        .call(FIREHOSE, "CreateDeliveryStream", &delivery_stream(names, &source))
        .await?;
    Ok(())
}

fn columns(columns: &[(&str, &str)]) -> Value {
    columns
        .iter()
        .map(|(name, kind)| json!({ "Name": name, "Type": kind }))
        .collect()
}

/// Partitioned by month, which is therefore no column of the files.
fn flights_table(names: &Names) -> Value {
    let in_files: Vec<_> = FLIGHT_COLUMNS
        .iter()
        .filter(|(name, _)| *name != "month")
        .copied()
        .collect();
    json!({
        "DatabaseName": names.database,
        "TableInput": {
            "Name": "flights",
            "TableType": "EXTERNAL_TABLE",
            "PartitionKeys": [{ "Name": "month", "Type": "int" }],
            "Parameters": { "classification": "parquet", "catchment.register_partitions": "true" },
            "StorageDescriptor": {
                "Columns": columns(&in_files),
                "Location": format!("s3://{}/flights/", names.bucket),
                "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                "SerdeInfo": { "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe" },
            },
        },
    })
}

fn csv_table(names: &Names, table: &str, of: &[(&str, &str)]) -> Value {
    json!({
        "DatabaseName": names.database,
        "TableInput": {
            "Name": table,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": { "classification": "csv", "skip.header.line.count": "1" },
            "StorageDescriptor": {
                "Columns": columns(of),
                "Location": format!("s3://{}/{table}/", names.bucket),
                "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
                "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                "SerdeInfo": {
                    "SerializationLibrary": "org.apache.hadoop.hive.serde2.OpenCSVSerde",
                    "Parameters": { "separatorChar": ",", "quoteChar": "\"" },
                },
            },
        },
    })
}

/// `source` is the stream's ARN.
fn delivery_stream(names: &Names, source: &str) -> Value {
    let role = "arn:aws:iam::000000000000:role/demo";
    json!({
        "DeliveryStreamName": names.delivery,
        "DeliveryStreamType": "KinesisStreamAsSource",
        "KinesisStreamSourceConfiguration": { "KinesisStreamARN": source, "RoleARN": role },
        "ExtendedS3DestinationConfiguration": {
            "RoleARN": role,
            "BucketARN": format!("arn:aws:s3:::{}", names.bucket),
            "Prefix": "flights/month=!{partitionKeyFromQuery:month}/",
            "ErrorOutputPrefix": "errors/!{firehose:error-output-type}/",
            "BufferingHints": { "SizeInMBs": 128, "IntervalInSeconds": BUFFER_SECONDS },
            "DynamicPartitioningConfiguration": { "Enabled": true },
            "ProcessingConfiguration": {
                "Enabled": true,
                "Processors": [{
                    "Type": "MetadataExtraction",
                    "Parameters": [
                        { "ParameterName": "MetadataExtractionQuery", "ParameterValue": "{month: .month}" },
                        { "ParameterName": "JsonParsingEngine", "ParameterValue": "JQ-1.6" },
                    ],
                }],
            },
            "DataFormatConversionConfiguration": {
                "Enabled": true,
                "SchemaConfiguration": {
                    "DatabaseName": names.database, "TableName": "flights", "Region": "us-east-1", "RoleARN": role,
                },
                "InputFormatConfiguration": { "Deserializer": { "OpenXJsonSerDe": {} } },
                "OutputFormatConfiguration": { "Serializer": { "ParquetSerDe": { "Compression": "SNAPPY" } } },
            },
        },
    })
}
