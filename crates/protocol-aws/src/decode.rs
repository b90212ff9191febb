//! A request's input as a value in awsJson form, whatever protocol it came in.

use http::HeaderMap;
use serde_json::Value;

use crate::route::Route;
use crate::{AwsError, Wire, cbor, json, query, rest};

pub(crate) fn input(route: &Route<'_>, headers: &HeaderMap, body: &[u8]) -> Result<Value, AwsError> {
    let (model, operation) = (route.model, route.operation);
    match route.wire {
        Wire::Json { .. } => json::decode(model, operation.input, body),
        Wire::AmzCbor | Wire::RpcCbor => cbor::decode(model, operation.input, body, route.wire),
        Wire::Query => query::decode(model, operation.input, &route.query),
        Wire::RestJson | Wire::RestXml => rest::decode(
            model,
            operation,
            &rest::Parts {
                labels: &route.labels,
                query: &route.query,
                headers,
                body,
            },
        ),
    }
}
