//! Makes the service models from botocore: what the wire needs and no prose.
//!
//! For each service two files are committed: `<service>.json` for people and diffs, and the same bytes
//! compressed in `<service>.json.gz`, which the binary embeds. `index.json` holds what routing must know
//! before any model is parsed.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};

use crate::{root, run, target_dir};

const BOTOCORE_VERSION: &str = "1.44.5";

/// botocore's names of the services we carry.
const SERVICES: &[&str] = &[
    "athena",
    "batch",
    "cloudwatch",
    "databrew",
    "datapipeline",
    "dms",
    "dynamodb",
    "emr",
    "emr-serverless",
    "events",
    "firehose",
    "glue",
    "iam",
    "kafka",
    "kafkaconnect",
    "kinesis",
    "kinesis-video-archived-media",
    "kinesis-video-media",
    "kinesis-video-signaling",
    "kinesis-video-webrtc-storage",
    "kinesisanalytics",
    "kinesisanalyticsv2",
    "kinesisvideo",
    "lambda",
    "logs",
    "quicksight",
    "redshift-data",
    "s3",
    "scheduler",
    "schemas",
    "stepfunctions",
    "sts",
    "swf",
];

const METADATA: &[&str] = &[
    "apiVersion",
    "awsQueryCompatible",
    "endpointPrefix",
    "jsonVersion",
    "protocol",
    "protocols",
    "serviceId",
    "signingName",
    "targetPrefix",
    "xmlNamespace",
];
const OPERATION: &[&str] = &["name", "http", "input", "output", "errors", "endpoint"];
const SHAPE: &[&str] = &[
    "type",
    "required",
    "members",
    "member",
    "key",
    "value",
    "min",
    "max",
    "pattern",
    "enum",
    "payload",
    "exception",
    "error",
    "fault",
    "streaming",
    "eventstream",
    "event",
    "union",
    "document",
    "timestampFormat",
    "flattened",
    "locationName",
    "wrapper",
    "xmlNamespace",
];
const MEMBER: &[&str] = &[
    "shape",
    "location",
    "locationName",
    "streaming",
    "eventpayload",
    "eventheader",
    "flattened",
    "hostLabel",
    "jsonvalue",
    "timestampFormat",
    "xmlAttribute",
    "xmlNamespace",
];

pub(crate) fn make() -> Result<()> {
    let packages = target_dir().join("botocore");
    fs::create_dir_all(&packages)?;
    run(Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target"])
        .arg(&packages)
        .arg(format!("botocore=={BOTOCORE_VERSION}")))?;
    let out = root().join("models");
    fs::create_dir_all(&out)?;
    let mut index = Vec::new();
    for service in SERVICES {
        let full = read_model(&newest(&packages.join("botocore/data").join(service))?)?;
        let facts = strip(&full);
        index.push(index_entry(service, &facts));
        let text = print_model(&facts)?;
        fs::write(out.join(format!("{service}.json.gz")), compress(&text)?)?;
        fs::write(out.join(format!("{service}.json")), text)?;
    }
    let lines: Vec<String> = index.iter().map(|entry| format!(" {entry}")).collect();
    fs::write(out.join("index.json"), format!("[\n{}\n]\n", lines.join(",\n")))?;
    println!(
        "{} models from botocore {BOTOCORE_VERSION} in {}",
        SERVICES.len(),
        out.display()
    );
    Ok(())
}

/// The compressed models must be the readable ones, compressed.
pub(crate) fn check(problems: &mut Vec<String>) -> Result<()> {
    for service in SERVICES {
        let path = root().join("models").join(format!("{service}.json"));
        let mut packed = Vec::new();
        GzDecoder::new(fs::File::open(path.with_extension("json.gz"))?).read_to_end(&mut packed)?;
        if packed != fs::read(&path)? {
            problems.push(format!(
                "models/{service}.json.gz is not models/{service}.json: run `cargo xtask models`"
            ));
        }
    }
    Ok(())
}

/// The folder of the newest API version, by its date.
fn newest(service: &Path) -> Result<PathBuf> {
    let mut versions: Vec<PathBuf> = fs::read_dir(service)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    versions.sort();
    versions
        .pop()
        .with_context(|| format!("no version in {}", service.display()))
}

fn read_model(version: &Path) -> Result<Value> {
    let mut text = Vec::new();
    GzDecoder::new(fs::File::open(version.join("service-2.json.gz"))?).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

fn strip(full: &Value) -> Value {
    let operations = entries(&full["operations"]).map(|(name, operation)| {
        let mut facts = pick(operation, OPERATION);
        if let Some(errors) = operation["errors"].as_array() {
            facts["errors"] = errors.iter().map(|error| error["shape"].clone()).collect();
        }
        for side in ["input", "output"] {
            if operation[side].is_object() {
                facts[side] = pick(
                    &operation[side],
                    &["shape", "resultWrapper", "locationName", "xmlNamespace"],
                );
            }
        }
        (name.clone(), facts)
    });
    let shapes = entries(&full["shapes"]).map(|(name, shape)| {
        let mut facts = pick(shape, SHAPE);
        for part in ["member", "key", "value"] {
            if shape[part].is_object() {
                facts[part] = pick(&shape[part], MEMBER);
            }
        }
        if shape["members"].is_object() {
            let members = entries(&shape["members"]).map(|(name, member)| (name.clone(), pick(member, MEMBER)));
            facts["members"] = Value::Object(members.collect());
        }
        (name.clone(), facts)
    });
    json!({
        "metadata": pick(&full["metadata"], METADATA),
        "operations": Value::Object(operations.collect()),
        "shapes": Value::Object(shapes.collect()),
    })
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn pick(value: &Value, keys: &[&str]) -> Value {
    let kept = keys
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), value.get(key)?.clone())));
    Value::Object(kept.collect::<Map<_, _>>())
}

fn index_entry(service: &str, facts: &Value) -> Value {
    let metadata = &facts["metadata"];
    let signing = metadata.get("signingName").unwrap_or(&metadata["endpointPrefix"]);
    let mut entry = json!({ "name": service, "signingName": signing });
    for key in ["endpointPrefix", "protocol", "targetPrefix", "apiVersion", "serviceId"] {
        if let Some(value) = metadata.get(key) {
            entry[key] = value.clone();
        }
    }
    entry
}

/// One operation or shape to a line, so that a newer botocore shows as a readable diff.
fn print_model(facts: &Value) -> Result<String> {
    let mut text = format!("{{\n\"metadata\":{}", facts["metadata"]);
    for part in ["operations", "shapes"] {
        let lines: Vec<String> = entries(&facts[part])
            .map(|(name, value)| format!("{}:{value}", json!(name)))
            .collect();
        ensure!(!lines.is_empty(), "a model without {part}");
        text.push_str(&format!(",\n\"{part}\":{{\n{}\n}}", lines.join(",\n")));
    }
    text.push_str("\n}\n");
    Ok(text)
}

fn compress(text: &str) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes())?;
    Ok(encoder.finish()?)
}
