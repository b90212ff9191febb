//! A small client: our own commands speak to a server as any AWS client does.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base::Clock;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use protocol_aws::sigv4::Signer;
use serde_json::Value;

/// No call of ours takes longer.
const CALL_MAX: Duration = Duration::from_secs(60);

/// Calls one server.
#[derive(Clone)]
pub(crate) struct Client {
    http: HttpClient<HttpConnector, Full<Bytes>>,
    endpoint: String,
    region: String,
    key_id: String,
    secret: String,
}

/// A service of awsJson: its signing name and the prefix of its targets.
#[derive(Clone, Copy)]
pub(crate) struct JsonService {
    signing_name: &'static str,
    target: &'static str,
}

pub(crate) const ATHENA: JsonService = JsonService {
    signing_name: "athena",
    target: "AmazonAthena",
};
pub(crate) const FIREHOSE: JsonService = JsonService {
    signing_name: "firehose",
    target: "Firehose_20150804",
};
pub(crate) const GLUE: JsonService = JsonService {
    signing_name: "glue",
    target: "AWSGlue",
};
pub(crate) const KINESIS: JsonService = JsonService {
    signing_name: "kinesis",
    target: "Kinesis_20131202",
};

/// A service's answer that is an error.
#[derive(Debug)]
pub(crate) struct ServiceError {
    operation: String,
    status: StatusCode,
    code: String,
    message: String,
}

impl ServiceError {
    /// Whether SDKs call again after it: the service is too busy, or not well.
    pub(crate) fn is_passing(&self) -> bool {
        let passing = ["Throttl", "ThroughputExceeded", "Unavailable", "InternalFailure"];
        self.status.is_server_error() || passing.iter().any(|part| self.code.contains(part))
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.operation, self.code, self.message)
    }
}

impl std::error::Error for ServiceError {}

impl Client {
    /// Signs with a region and a key of our own, whatever the environment has for other servers.
    pub(crate) fn new(endpoint: &str) -> Self {
        Self {
            http: HttpClient::builder(TokioExecutor::new()).build_http(),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            region: "us-east-1".to_owned(),
            key_id: "000000000000".to_owned(),
            secret: "catchment".to_owned(),
        }
    }

    pub(crate) fn with_region(mut self, region: &str) -> Self {
        region.clone_into(&mut self.region);
        self
    }

    /// Signs with the given key.
    pub(crate) fn with_key(mut self, id: &str, secret: &str) -> Self {
        (self.key_id, self.secret) = (id.to_owned(), secret.to_owned());
        self
    }

    /// Calls an operation of awsJson. The service's own error is a [`ServiceError`].
    pub(crate) async fn call(&self, service: JsonService, operation: &str, input: &Value) -> Result<Value> {
        self.call_bytes(service, operation, Bytes::from(serde_json::to_vec(input)?))
            .await
    }

    /// The same with a body that is already written.
    pub(crate) async fn call_bytes(&self, service: JsonService, operation: &str, body: Bytes) -> Result<Value> {
        let mut request = self.request(Method::POST, "/", body.clone())?;
        let headers = request.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-amz-json-1.1"),
        );
        headers.insert(
            "x-amz-target",
            HeaderValue::from_str(&format!("{}.{operation}", service.target))?,
        );
        self.sign(&mut request, service.signing_name, &body);
        let (status, bytes) = self.send(request).await?;
        let value: Value = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes)?
        };
        if status.is_success() {
            return Ok(value);
        }
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let message = if value["message"].is_string() {
            text("message")
        } else {
            text("Message")
        };
        let error = ServiceError {
            operation: operation.to_owned(),
            status,
            code: text("__type"),
            message,
        };
        Err(error.into())
    }

    /// Puts an object, or makes a bucket where `path` names one: `/bucket/key`, percent-encoded.
    pub(crate) async fn put_s3(&self, path: &str, body: Bytes) -> Result<()> {
        let mut request = self.request(Method::PUT, path, body.clone())?;
        self.sign(&mut request, "s3", &body);
        let (status, bytes) = self.send(request).await?;
        if !status.is_success() {
            bail!("PUT {path}: {status}: {}", String::from_utf8_lossy(&bytes));
        }
        Ok(())
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.uri(path)?;
        let host = request
            .uri()
            .authority()
            .context("an endpoint names a host")?
            .to_string();
        request
            .headers_mut()
            .insert(header::HOST, HeaderValue::from_str(&host)?);
        Ok(request)
    }

    fn uri(&self, path: &str) -> Result<Uri> {
        let endpoint = &self.endpoint;
        ensure!(
            endpoint.starts_with("http://"),
            "the endpoint {endpoint:?} does not begin with http://: these commands call by plain HTTP, which a server \
             takes on the port that it takes TLS on"
        );
        let uri = format!("{endpoint}{path}").parse();
        uri.with_context(|| format!("{endpoint:?} is no endpoint, such as http://127.0.0.1:4566"))
    }

    fn sign(&self, request: &mut Request<Full<Bytes>>, service: &str, body: &[u8]) {
        let Self {
            key_id, secret, region, ..
        } = self;
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let signer = Signer {
            key_id,
            secret,
            region,
            service,
        };
        signer.sign(&method, &path, request.headers_mut(), body, Clock::system().now_ms());
    }

    /// Reads one of our own pages.
    pub(crate) async fn page(&self, path: &str) -> Result<Bytes> {
        self.own_bytes(Method::GET, path, Bytes::new()).await
    }

    /// Speaks JSON to one of our own pages.
    pub(crate) async fn own(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let answer = self.own_bytes(method, path, body.into()).await?;
        serde_json::from_slice(&answer).context("the answer is none of catchment's")
    }

    async fn own_bytes(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.uri(path)?;
        let (status, bytes) = self.send(request).await?;
        if !status.is_success() {
            bail!(
                "{path} answered {status}: {}",
                String::from_utf8_lossy(&bytes).trim_end()
            );
        }
        Ok(bytes)
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes)> {
        let exchange = async {
            let response = self
                .http
                .request(request)
                .await
                .with_context(|| format!("no answer from {}", self.endpoint))?;
            let status = response.status();
            Ok((status, response.into_body().collect().await?.to_bytes()))
        };
        tokio::time::timeout(CALL_MAX, exchange)
            .await
            .with_context(|| format!("{} did not answer in time", self.endpoint))?
    }
}
