//! Which wire protocol a request speaks. A service may be spoken to in several.

/// The wire protocol of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// awsJson 1.0 and 1.1: the operation in `X-Amz-Target`, JSON bodies.
    Json {
        version: &'static str,
    },
    /// awsJson's CBOR twin, `application/x-amz-cbor-1.1`: timestamps are integer milliseconds.
    AmzCbor,
    /// Smithy RPC v2 CBOR: `/service/<name>/operation/<name>`.
    RpcCbor,
    /// The Query protocol: `Action=..` in a form, XML answers.
    Query,
    RestJson,
    RestXml,
}

impl Wire {
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json { version: "1.0" } => "application/x-amz-json-1.0",
            Self::Json { .. } => "application/x-amz-json-1.1",
            Self::AmzCbor => "application/x-amz-cbor-1.1",
            Self::RpcCbor => "application/cbor",
            Self::Query => "text/xml",
            Self::RestJson => "application/json",
            Self::RestXml => "application/xml",
        }
    }
}
