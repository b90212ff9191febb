//! The service models: operations and shapes as botocore describes them, parsed when first used.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, OnceLock};

use flate2::read::GzDecoder;
use regex::Regex;
use serde::Deserialize;

use crate::uri::UriTemplate;

/// A service's operations and shapes.
#[derive(Debug)]
pub struct Model {
    pub name: &'static str,
    pub metadata: Metadata,
    pub operations: HashMap<String, Operation>,
    shapes: Vec<Shape>,
    ids: HashMap<String, ShapeId>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    pub api_version: String,
    pub protocol: Protocol,
    pub target_prefix: Option<String>,
    pub xml_namespace: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Protocol {
    #[serde(rename = "json")]
    Json,
    #[serde(rename = "rest-json")]
    RestJson,
    #[serde(rename = "rest-xml")]
    RestXml,
    #[serde(rename = "query")]
    Query,
    #[serde(rename = "smithy-rpc-v2-cbor")]
    Cbor,
}

#[derive(Debug)]
pub struct Operation {
    pub name: String,
    pub method: http::Method,
    pub uri: UriTemplate,
    /// The HTTP status of success.
    pub status: u16,
    pub input: Option<ShapeId>,
    pub output: Option<ShapeId>,
    pub result_wrapper: Option<String>,
    pub errors: Vec<ShapeId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShapeId(usize);

#[derive(Debug)]
pub struct Shape {
    pub name: String,
    pub kind: Kind,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub pattern: Option<String>,
    pub allowed: Vec<String>,
    pub timestamp_format: Option<TimestampFormat>,
    pub error: Option<ErrorTrait>,
    compiled: OnceLock<Option<Regex>>,
}

#[derive(Debug)]
pub enum Kind {
    Structure(Structure),
    List {
        member: Member,
        flattened: bool,
    },
    Map {
        key: Member,
        value: Member,
        flattened: bool,
    },
    String,
    Boolean,
    Integer,
    Long,
    Float,
    Double,
    Blob,
    Timestamp,
}

#[derive(Debug)]
pub struct Structure {
    pub members: Vec<Member>,
    /// The member that is the whole HTTP body.
    pub payload: Option<String>,
    /// Exactly one member is set.
    pub union: bool,
    /// Any JSON value.
    pub document: bool,
    pub eventstream: bool,
}

#[derive(Debug)]
pub struct Member {
    /// The member's name; empty for the elements of lists and maps.
    pub name: String,
    pub shape: ShapeId,
    pub required: bool,
    pub location: Location,
    /// The name on the wire where it differs from the member's.
    pub location_name: Option<String>,
    pub flattened: bool,
    pub timestamp_format: Option<TimestampFormat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Location {
    #[default]
    #[serde(skip)]
    Body,
    #[serde(rename = "uri")]
    Uri,
    #[serde(rename = "querystring")]
    Query,
    #[serde(rename = "header")]
    Header,
    #[serde(rename = "headers")]
    Headers,
    #[serde(rename = "statusCode")]
    StatusCode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum TimestampFormat {
    #[serde(rename = "unixTimestamp")]
    Unix,
    #[serde(rename = "iso8601")]
    Iso8601,
    #[serde(rename = "rfc822")]
    Rfc822,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorTrait {
    pub code: Option<String>,
    pub http_status_code: Option<u16>,
}

impl Member {
    /// The name on the wire.
    pub fn wire_name(&self) -> &str {
        self.location_name.as_deref().unwrap_or(&self.name)
    }
}

impl Structure {
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }
}

impl Shape {
    /// The pattern as a regular expression over the whole text. `None` where there is no pattern, or where it
    /// uses what only Java's engine has (see [`Shape::pattern_is_checked`]).
    pub fn regex(&self) -> Option<&Regex> {
        self.compiled
            .get_or_init(|| Regex::new(&rust_pattern(self.pattern.as_deref()?)).ok())
            .as_ref()
    }

    /// Whether the pattern, if any, is enforced.
    pub fn pattern_is_checked(&self) -> bool {
        self.pattern.is_none() || self.regex().is_some()
    }
}

/// Java's pattern syntax in ours: UTF-16 escapes become scalar values, the letter classes are ASCII's, and the
/// match is of the whole text.
fn rust_pattern(java: &str) -> String {
    let scalar = java
        .replace("\\uD800\\uDC00-\\uDBFF\\uDFFF", "\\x{10000}-\\x{10FFFF}")
        .replace("\\ud800\\udc00-\\udbff\\udfff", "\\x{10000}-\\x{10FFFF}")
        .replace("\\uDBFF-\\uDC00\\uDFFF", "\\x{10000}-\\x{10FFFF}");
    let mut text = String::with_capacity(scalar.len() + 16);
    text.push_str("\\A(?:");
    let mut in_class = false;
    let mut rest = scalar.as_str();
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        match (first, after.chars().next()) {
            ('\\', Some(escaped)) => {
                let behind = &after[escaped.len_utf8()..];
                let digits = behind
                    .get(..4)
                    .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
                let class = match escaped {
                    'w' => Some("0-9A-Za-z_"),
                    'd' => Some("0-9"),
                    's' => Some(" \\t\\n\\x0B\\f\\r"),
                    _ => None,
                };
                rest = behind;
                match (class, digits) {
                    (Some(class), _) if in_class => text.push_str(class),
                    (Some(class), _) => text.push_str(&format!("[{class}]")),
                    (None, Some(digits)) if escaped == 'u' => {
                        text.push_str(&format!("\\x{{{digits}}}"));
                        rest = &behind[4..];
                    }
                    _ => text.extend(['\\', escaped]),
                }
            }
            (first, _) => {
                match first {
                    // Within a class Java takes a bracket for a nested class, which no model has.
                    '[' if in_class => text.push('\\'),
                    '[' => in_class = true,
                    ']' => in_class = false,
                    _ => {}
                }
                text.push(first);
                rest = after;
            }
        }
    }
    text.push_str(")\\z");
    text
}

impl Model {
    /// The model of a service by its file name in `models/`; parsed on the first call.
    pub fn get(name: &str) -> Option<&'static Arc<Model>> {
        EMBEDDED
            .iter()
            .find(|embedded| embedded.name == name)
            .map(Embedded::model)
    }

    pub fn shape(&self, id: ShapeId) -> &Shape {
        &self.shapes[id.0]
    }

    pub fn shape_named(&self, name: &str) -> Option<&Shape> {
        self.ids.get(name).map(|id| self.shape(*id))
    }

    pub fn structure(&self, id: ShapeId) -> Option<&Structure> {
        match &self.shape(id).kind {
            Kind::Structure(structure) => Some(structure),
            _ => None,
        }
    }

    /// The modelled error with this code, by its shape's name or its wire code.
    pub fn error(&self, code: &str) -> Option<&Shape> {
        self.shape_named(code)
            .filter(|shape| shape.error.is_some())
            .or_else(|| {
                let has_code = |shape: &&Shape| shape.error.as_ref().and_then(|e| e.code.as_deref()) == Some(code);
                self.shapes.iter().find(has_code)
            })
    }
}

/// What routing knows of each service before its model is parsed: `models/index.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IndexEntry {
    pub name: String,
    pub signing_name: String,
    pub endpoint_prefix: String,
    pub protocol: Protocol,
    pub target_prefix: Option<String>,
    pub api_version: String,
    pub service_id: String,
}

pub(crate) fn index() -> &'static [IndexEntry] {
    static INDEX: OnceLock<Vec<IndexEntry>> = OnceLock::new();
    INDEX.get_or_init(|| {
        serde_json::from_str(include_str!("../../../models/index.json")).expect("models/index.json is made by xtask")
    })
}

struct Embedded {
    name: &'static str,
    gzip: &'static [u8],
    parsed: OnceLock<Arc<Model>>,
}

impl Embedded {
    fn model(&self) -> &Arc<Model> {
        self.parsed.get_or_init(|| {
            let mut text = Vec::new();
            GzDecoder::new(self.gzip)
                .read_to_end(&mut text)
                .expect("embedded models are whole gzip files");
            let raw = serde_json::from_slice(&text).expect("embedded models have the form that xtask gives them");
            Arc::new(resolve(self.name, raw))
        })
    }
}

macro_rules! embedded {
    ($($name:literal),+ $(,)?) => {
        static EMBEDDED: [Embedded; [$($name),+].len()] = [$(Embedded {
            name: $name,
            gzip: include_bytes!(concat!("../../../models/", $name, ".json.gz")),
            parsed: OnceLock::new(),
        }),+];
    };
}

embedded![
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

#[derive(Deserialize)]
struct RawModel {
    metadata: Metadata,
    operations: HashMap<String, RawOperation>,
    shapes: HashMap<String, RawShape>,
}

#[derive(Deserialize)]
struct RawOperation {
    http: RawHttp,
    input: Option<RawSide>,
    output: Option<RawSide>,
    #[serde(default)]
    errors: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawHttp {
    method: String,
    request_uri: String,
    response_code: Option<u16>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSide {
    shape: String,
    result_wrapper: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawShape {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    required: Vec<String>,
    /// Kept in the model's order, which is the order of validation errors.
    #[serde(default)]
    members: serde_json::Map<String, serde_json::Value>,
    member: Option<RawMember>,
    key: Option<RawMember>,
    value: Option<RawMember>,
    min: Option<f64>,
    max: Option<f64>,
    pattern: Option<String>,
    #[serde(rename = "enum", default)]
    allowed: Vec<String>,
    payload: Option<String>,
    #[serde(default)]
    exception: bool,
    error: Option<ErrorTrait>,
    #[serde(default)]
    fault: bool,
    #[serde(default)]
    flattened: bool,
    #[serde(default)]
    eventstream: bool,
    #[serde(default)]
    union: bool,
    #[serde(default)]
    document: bool,
    timestamp_format: Option<TimestampFormat>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMember {
    shape: String,
    #[serde(default)]
    location: Location,
    location_name: Option<String>,
    #[serde(default)]
    flattened: bool,
    timestamp_format: Option<TimestampFormat>,
}

fn resolve(name: &'static str, raw: RawModel) -> Model {
    let mut names: Vec<&String> = raw.shapes.keys().collect();
    names.sort();
    let ids: HashMap<String, ShapeId> = names
        .iter()
        .enumerate()
        .map(|(i, n)| ((*n).clone(), ShapeId(i)))
        .collect();
    let resolver = Resolver { name, ids: &ids };
    let shapes = names
        .iter()
        .map(|shape| resolver.shape(shape, &raw.shapes[*shape]))
        .collect();
    let operations = raw
        .operations
        .iter()
        .map(|(op, raw)| (op.clone(), resolver.operation(op, raw)))
        .collect();
    Model {
        name,
        metadata: raw.metadata,
        operations,
        shapes,
        ids,
    }
}

struct Resolver<'a> {
    name: &'static str,
    ids: &'a HashMap<String, ShapeId>,
}

impl Resolver<'_> {
    fn id(&self, shape: &str) -> ShapeId {
        *self
            .ids
            .get(shape)
            .unwrap_or_else(|| panic!("models/{}.json names the shape {shape} and lacks it", self.name))
    }

    fn operation(&self, name: &str, raw: &RawOperation) -> Operation {
        Operation {
            name: name.to_owned(),
            method: raw.http.method.parse().expect("a method of HTTP"),
            uri: UriTemplate::parse(&raw.http.request_uri),
            status: raw.http.response_code.unwrap_or(200),
            input: raw.input.as_ref().map(|side| self.id(&side.shape)),
            output: raw.output.as_ref().map(|side| self.id(&side.shape)),
            result_wrapper: raw.output.as_ref().and_then(|side| side.result_wrapper.clone()),
            errors: raw.errors.iter().map(|error| self.id(error)).collect(),
        }
    }

    fn shape(&self, name: &str, raw: &RawShape) -> Shape {
        let element =
            |part: &Option<RawMember>| self.member("", part.as_ref().expect("a list or map has elements"), false);
        let kind = match raw.kind.as_str() {
            "structure" => Kind::Structure(self.structure(raw)),
            "list" => Kind::List {
                member: element(&raw.member),
                flattened: raw.flattened,
            },
            "map" => Kind::Map {
                key: element(&raw.key),
                value: element(&raw.value),
                flattened: raw.flattened,
            },
            "string" | "character" => Kind::String,
            "boolean" => Kind::Boolean,
            "integer" => Kind::Integer,
            "long" => Kind::Long,
            "float" => Kind::Float,
            "double" => Kind::Double,
            "blob" => Kind::Blob,
            "timestamp" => Kind::Timestamp,
            other => panic!(
                "models/{}.json: the shape {name} has the unknown type {other}",
                self.name
            ),
        };
        let status = if raw.fault { 500 } else { 400 };
        let error = raw.exception.then(|| {
            let given = raw.error.clone().unwrap_or(ErrorTrait {
                code: None,
                http_status_code: None,
            });
            ErrorTrait {
                http_status_code: given.http_status_code.or(Some(status)),
                ..given
            }
        });
        Shape {
            name: name.to_owned(),
            kind,
            min: raw.min,
            max: raw.max,
            pattern: raw.pattern.clone(),
            allowed: raw.allowed.clone(),
            timestamp_format: raw.timestamp_format,
            error,
            compiled: OnceLock::new(),
        }
    }

    fn structure(&self, raw: &RawShape) -> Structure {
        let members = raw.members.iter().map(|(name, member)| {
            let member = RawMember::deserialize(member).expect("a member names its shape");
            self.member(name, &member, raw.required.contains(name))
        });
        Structure {
            members: members.collect(),
            payload: raw.payload.clone(),
            union: raw.union,
            document: raw.document,
            eventstream: raw.eventstream,
        }
    }

    fn member(&self, name: &str, raw: &RawMember, required: bool) -> Member {
        Member {
            name: name.to_owned(),
            shape: self.id(&raw.shape),
            required,
            location: raw.location,
            location_name: raw.location_name.clone(),
            flattened: raw.flattened,
            timestamp_format: raw.timestamp_format,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_of_the_index_parses_and_every_embedded_one_is_in_the_index() {
        assert_eq!(index().len(), EMBEDDED.len());
        for entry in index() {
            let model = Model::get(&entry.name).expect("embedded");
            assert!(!model.operations.is_empty());
            assert_eq!(model.metadata.target_prefix, entry.target_prefix);
        }
    }

    #[test]
    fn patterns_mean_what_java_means() {
        let matches = |java: &str, text: &str| Regex::new(&rust_pattern(java)).expect("compiles").is_match(text);
        assert!(matches(r"arn:.*:s3:::[\w\.\-]{1,255}", "arn:aws:s3:::a-b.c_d"));
        assert!(!matches(r"arn:.*:s3:::[\w\.\-]{1,255}", "bucket"));
        assert!(!matches(r"\w+", "\u{e9}"));
        assert!(matches(
            r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*",
            "a \u{1F600}"
        ));
        assert!(!matches(r"\d{12}", "12345678901x"));
        assert!(!matches("a|b", "ab"));
    }

    #[test]
    fn nearly_every_pattern_is_enforced() {
        let mut unchecked = Vec::new();
        let mut count = 0;
        for entry in index() {
            for shape in &Model::get(&entry.name).expect("embedded").shapes {
                count += usize::from(shape.pattern.is_some());
                if !shape.pattern_is_checked() {
                    unchecked.push(format!(
                        "{} {}: {}",
                        entry.name,
                        shape.name,
                        shape.pattern.as_deref().unwrap_or("")
                    ));
                }
            }
        }
        assert!(
            unchecked.len() * 20 < count,
            "{} of {count}: {unchecked:#?}",
            unchecked.len()
        );
    }
}
