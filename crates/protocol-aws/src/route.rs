//! From a request to the service and operation it means.

use std::sync::Arc;

use http::{HeaderMap, Method, Uri, header};

use crate::model::{self, IndexEntry, Protocol};
use crate::{AwsError, Model, Operation, Wire, uri};

/// The service that a request addresses, told without reading its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A service that has a model, and the protocol this request speaks to it.
    Modelled {
        name: &'static str,
        wire: Wire,
    },
    /// A form whose body names the operation and the API version.
    Form,
    S3,
}

/// An operation of a service and what the path said.
pub(crate) struct Route<'a> {
    pub model: &'static Arc<Model>,
    pub operation: &'static Operation,
    pub wire: Wire,
    pub labels: Vec<(String, String)>,
    pub query: std::borrow::Cow<'a, [(String, String)]>,
}

/// Tells the service by the operation target, the RPC path, the credential scope or the host, in this order, unless
/// it is signed for S3; what is left is S3's. `Err` names a service that no model describes.
pub(crate) fn target(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    signing_name: Option<&str>,
) -> Result<Target, String> {
    // Nothing that S3 stores can make a request another service's.
    if signing_name == Some("s3") {
        return Ok(Target::S3);
    }
    let content_type = header_text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    if let Some(target) = header_text(headers, "x-amz-target") {
        let prefix = target.rsplit_once('.').map_or(target, |(prefix, _)| prefix);
        let found = model::index()
            .iter()
            .find(|entry| entry.target_prefix.as_deref() == Some(prefix));
        let entry = found.ok_or_else(|| format!("the target {target}"))?;
        let wire = match content_type {
            c if c.starts_with("application/x-amz-cbor") => Wire::AmzCbor,
            c if c.starts_with("application/x-amz-json-1.0") => Wire::Json { version: "1.0" },
            _ => Wire::Json { version: "1.1" },
        };
        return Ok(Target::Modelled {
            name: &entry.name,
            wire,
        });
    }
    if let Some((service, _)) = rpc_path(uri.path()) {
        let found = model::index().iter().find(|entry| {
            entry.target_prefix.as_deref() == Some(service) || entry.service_id.replace(' ', "") == service
        });
        let entry = found.ok_or_else(|| format!("the service {service}"))?;
        return Ok(Target::Modelled {
            name: &entry.name,
            wire: Wire::RpcCbor,
        });
    }
    let signing = signing_name
        .map(str::to_owned)
        .or_else(|| service_of_host(uri, headers));
    if signing.as_deref() == Some("s3") {
        return Ok(Target::S3);
    }
    if let Some(signing) = &signing {
        let mut candidates = model::index()
            .iter()
            .filter(|entry| entry.signing_name == *signing)
            .peekable();
        let Some(first) = candidates.peek().copied() else {
            return Err(format!("the service {signing}"));
        };
        let entry = candidates.find(|entry| knows_path(entry, method, uri)).unwrap_or(first);
        return Ok(match entry.protocol {
            Protocol::RestJson => Target::Modelled {
                name: &entry.name,
                wire: Wire::RestJson,
            },
            Protocol::RestXml => Target::S3,
            // A service that is spoken to by target, addressed without one.
            Protocol::Json if !is_form(content_type) => Target::Modelled {
                name: &entry.name,
                wire: Wire::Json { version: "1.1" },
            },
            _ => Target::Modelled {
                name: &entry.name,
                wire: Wire::Query,
            },
        });
    }
    let has_action = uri
        .query()
        .is_some_and(|query| uri::pairs(query).iter().any(|(key, _)| key == "Action"));
    if has_action || (*method == Method::POST && is_form(content_type)) {
        return Ok(Target::Form);
    }
    Ok(Target::S3)
}

fn is_form(content_type: &str) -> bool {
    content_type.starts_with("application/x-www-form-urlencoded")
}

/// Several services share a signing name and are told apart by their paths.
fn knows_path(entry: &IndexEntry, method: &Method, uri: &Uri) -> bool {
    if entry.protocol != Protocol::RestJson {
        return true;
    }
    let query = uri::pairs(uri.query().unwrap_or_default());
    Model::get(&entry.name).is_some_and(|model| rest_operation(model, method, uri.path(), &query).is_some())
}

/// `kinesis.us-east-1.amazonaws.com`, `kinesis.us-east-1.localhost:4566`: the first label that names a service.
/// Before S3's own label stands a bucket, and so does before `.localhost` alone.
fn service_of_host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let host = match header_text(headers, header::HOST.as_str()) {
        Some(host) => host.split(':').next()?,
        None => uri.host()?,
    };
    let labels: Vec<&str> = host.split('.').collect();
    let (last, before) = labels.split_last()?;
    if before.contains(&"s3") {
        return Some("s3".to_owned());
    }
    if *last == "localhost" && before.len() == 1 {
        return None;
    }
    let known = |label: &&&str| {
        model::index()
            .iter()
            .any(|e| e.endpoint_prefix == ***label || e.signing_name == ***label)
    };
    before.iter().find(known).map(|label| {
        let by_prefix = model::index().iter().find(|entry| entry.endpoint_prefix == **label);
        by_prefix.map_or_else(|| (*label).to_owned(), |entry| entry.signing_name.clone())
    })
}

fn rpc_path(path: &str) -> Option<(&str, &str)> {
    let (service, operation) = path.strip_prefix("/service/")?.split_once("/operation/")?;
    (!service.is_empty() && !operation.is_empty()).then_some((service, operation))
}

/// The operation that a request means, by target, path or form.
pub(crate) fn operation(
    model: &'static Arc<Model>,
    wire: Wire,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Route<'static>, AwsError> {
    let query = uri::pairs(uri.query().unwrap_or_default());
    let named = |name: &str| model.operations.get(name).ok_or_else(AwsError::unknown_operation);
    let route = |operation, labels, query: Vec<_>| Route {
        model,
        operation,
        wire,
        labels,
        query: query.into(),
    };
    match wire {
        Wire::Json { .. } | Wire::AmzCbor => {
            let target = header_text(headers, "x-amz-target").unwrap_or_default();
            let name = target.rsplit_once('.').map_or(target, |(_, name)| name);
            Ok(route(named(name)?, Vec::new(), query))
        }
        Wire::RpcCbor => {
            let (_, name) = rpc_path(uri.path()).ok_or_else(AwsError::unknown_operation)?;
            Ok(route(named(name)?, Vec::new(), query))
        }
        Wire::Query => {
            let mut parameters = query;
            parameters.extend(uri::pairs(&String::from_utf8_lossy(body)));
            let action = parameters
                .iter()
                .find(|(key, _)| key == "Action")
                .map(|(_, value)| value.clone());
            let action = action.ok_or_else(|| {
                AwsError::new(
                    "MissingAction",
                    "The request is missing an action or a required parameter.",
                )
                .with_status(400)
            })?;
            let operation = model.operations.get(&action).ok_or_else(|| {
                let version = &model.metadata.api_version;
                AwsError::new(
                    "InvalidAction",
                    format!("Could not find operation {action} for version {version}"),
                )
            })?;
            Ok(route(operation, Vec::new(), parameters))
        }
        Wire::RestJson | Wire::RestXml => {
            let (operation, labels) = rest_operation(model, method, uri.path(), &query)
                .ok_or_else(|| AwsError::unknown_operation().with_status(404))?;
            Ok(route(operation, labels, query))
        }
    }
}

/// The API version and action of a form tell the service.
pub(crate) fn service_of_form(uri: &Uri, body: &[u8]) -> Option<&'static str> {
    let mut parameters = uri::pairs(uri.query().unwrap_or_default());
    parameters.extend(uri::pairs(&String::from_utf8_lossy(body)));
    let find = |name: &str| {
        parameters
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let (action, version) = (find("Action")?, find("Version"));
    let entries = model::index()
        .iter()
        .filter(|entry| matches!(entry.protocol, Protocol::Query | Protocol::Cbor));
    entries
        .filter(|entry| version.is_none_or(|version| version == entry.api_version))
        .find(|entry| Model::get(&entry.name).is_some_and(|model| model.operations.contains_key(action)))
        .map(|entry| entry.name.as_str())
}

fn rest_operation(
    model: &'static Arc<Model>,
    method: &Method,
    path: &str,
    query: &[(String, String)],
) -> Option<(&'static Operation, Vec<(String, String)>)> {
    let fitting = model
        .operations
        .values()
        .filter(|operation| operation.method == *method);
    let fitting = fitting.filter_map(|operation| Some((operation, operation.uri.matches(path, query)?)));
    fitting.max_by_key(|(operation, _)| operation.uri.weight())
}

fn header_text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &str, uri: &str, headers: &[(&str, &str)], signing_name: Option<&str>, expect: &str) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(
                http::HeaderName::try_from(*name).expect("a name"),
                value.parse().expect("a value"),
            );
        }
        let (method, uri) = (method.parse().expect("a method"), uri.parse::<Uri>().expect("a URI"));
        let found = match target(&method, &uri, &map, signing_name) {
            Ok(Target::Modelled { name, wire }) => {
                let model = Model::get(name).expect("embedded");
                match operation(model, wire, &method, &uri, &map, b"") {
                    Ok(route) => format!("{name} {} {wire:?}", route.operation.name),
                    Err(error) => format!("{name} {} {wire:?}", error.code),
                }
            }
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("unknown: {error}"),
        };
        assert_eq!(found, expect);
    }

    #[test]
    fn each_protocols_requests_find_their_operation() {
        let target = |value| [("x-amz-target", value), ("content-type", "application/x-amz-json-1.1")];
        check(
            "POST",
            "/",
            &target("Kinesis_20131202.PutRecord"),
            None,
            "kinesis PutRecord Json { version: \"1.1\" }",
        );
        check(
            "POST",
            "/",
            &target("Kinesis_20131202.Nope"),
            None,
            "kinesis UnknownOperationException Json { version: \"1.1\" }",
        );
        check(
            "POST",
            "/",
            &target("AmazonSQS.SendMessage"),
            None,
            "unknown: the target AmazonSQS.SendMessage",
        );
        check(
            "POST",
            "/",
            &target("KinesisAnalytics_20180523.ListApplications"),
            Some("kinesisanalytics"),
            "kinesisanalyticsv2 ListApplications Json { version: \"1.1\" }",
        );
        let cbor = [
            ("x-amz-target", "Kinesis_20131202.PutRecord"),
            ("content-type", "application/x-amz-cbor-1.1"),
        ];
        check("POST", "/", &cbor, None, "kinesis PutRecord AmzCbor");
        check(
            "POST",
            "/service/GraniteServiceVersion20100801/operation/PutMetricData",
            &[],
            None,
            "cloudwatch PutMetricData RpcCbor",
        );
        check(
            "GET",
            "/2015-03-31/functions/f",
            &[],
            Some("lambda"),
            "lambda GetFunction RestJson",
        );
        check(
            "GET",
            "/2015-03-31/functions",
            &[],
            Some("lambda"),
            "lambda ListFunctions RestJson",
        );
        check(
            "GET",
            "/2015-03-31/functions/",
            &[],
            Some("lambda"),
            "lambda ListFunctions RestJson",
        );
        check(
            "POST",
            "/getMedia",
            &[],
            Some("kinesisvideo"),
            "kinesis-video-media GetMedia RestJson",
        );
        check(
            "POST",
            "/createStream",
            &[],
            Some("kinesisvideo"),
            "kinesisvideo CreateStream RestJson",
        );
        check(
            "POST",
            "/?Action=GetCallerIdentity&Version=2011-06-15",
            &[],
            Some("sts"),
            "sts GetCallerIdentity Query",
        );
        check("POST", "/?Action=Nope", &[], Some("sts"), "sts InvalidAction Query");
        check("POST", "/", &[], Some("sts"), "sts MissingAction Query");
        check("GET", "/?Action=GetCallerIdentity", &[], None, "Form");
        check("GET", "/bucket/key", &[], None, "S3");
        check(
            "GET",
            "/bucket/key",
            &[("host", "kinesis.us-east-1.localhost:4566")],
            Some("s3"),
            "S3",
        );
        check(
            "GET",
            "/v1/clusters",
            &[("host", "kafka.us-east-1.amazonaws.com")],
            None,
            "kafka ListClusters RestJson",
        );
        check("GET", "/", &[], Some("sqs"), "unknown: the service sqs");
        let put_metric_data = "/service/GraniteServiceVersion20100801/operation/PutMetricData";
        check("PUT", put_metric_data, &[], Some("s3"), "S3");
        for host in [
            "logs.localhost:4566",
            "logs.s3.localhost:4566",
            "logs.s3.us-east-1.amazonaws.com",
        ] {
            check("GET", "/key", &[("host", host)], None, "S3");
        }
        check(
            "GET",
            "http://kafka.us-east-1.localhost:4566/v1/clusters",
            &[],
            None,
            "kafka ListClusters RestJson",
        );
    }
}
