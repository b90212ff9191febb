//! The way of every request, as one list.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as TaskContext, Poll, ready};
use std::time::{Duration, Instant};

use base::{Clock, Random, Scope, Tasks};
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::authenticate::{Authentication, Caller, Claim, PayloadHash, check_payload, claim, payload_mismatch};
use crate::batch_calls::{self, BatchCall};
use crate::guard::{Attempt, Guard, Verdict};
use crate::route::{self, Target};
use crate::service::Answer;
use crate::sigv4::{same, sha256_hex};
use crate::{AwsError, Body, BoxError, Context, Model, Service, Wire, decode, encode, full_body, validate};

/// A service that speaks its own protocol behind our authentication: S3 through its library. The request's
/// caller is in its extensions as a [`Scope`]; signature and chunking are off.
pub type Foreign = Box<dyn Fn(Request<Body>) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> + Send + Sync>;

/// What such a service says of a request for logs and metrics, in its answer's extensions.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Empty where the request was none of its operations.
    pub operation: &'static str,
    /// The error's code, of a request that failed.
    pub error: Option<String>,
}

/// The id of a request, in the extensions of those that go to such a service. It goes into the answer and the log.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Bounds on what requests may take. S3 streams its bodies and has bounds of its own.
#[derive(Debug, Clone)]
pub struct Limits {
    /// One body.
    pub body_bytes_max: usize,
    /// A form, which takes many times its size to read.
    pub form_bytes_max: usize,
    /// The bodies of all requests under way.
    pub bodies_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // PutRecords takes 10 MiB of data, which base64 makes 13.4.
        Self {
            body_bytes_max: 32 << 20,
            form_bytes_max: 1 << 20,
            bodies_bytes_max: 512 << 20,
        }
    }
}

/// What became of a request, for logs and metrics.
#[derive(Debug)]
pub struct Finished<'a> {
    pub service: &'a str,
    pub operation: &'a str,
    pub status: StatusCode,
    /// The error's code, of a request that failed.
    pub error: Option<&'a str>,
    pub request_id: &'a str,
    pub elapsed: Duration,
    pub bytes_in: u64,
}

type Observer = Box<dyn Fn(&Finished<'_>) + Send + Sync>;

/// All services behind one door.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    services: HashMap<&'static str, Service>,
    s3: Option<Foreign>,
    authentication: Authentication,
    clock: Clock,
    random: Random,
    tasks: Tasks,
    limits: Limits,
    /// How many bytes of bodies may still come into memory.
    room: Arc<Semaphore>,
    observer: Option<Observer>,
    guard: Option<Guard>,
}

/// A body in memory, and the room it takes as long as anything made of it is there.
struct Buffered {
    bytes: Bytes,
    room: Option<OwnedSemaphorePermit>,
}

/// What a request turned out to be; filled in as it goes, for the answer and the log.
struct Trace {
    service: &'static str,
    operation: &'static str,
    wire: Wire,
    bytes_in: u64,
    error: Option<String>,
}

impl Gateway {
    pub fn builder(clock: Clock, random: Random, tasks: Tasks) -> GatewayBuilder {
        GatewayBuilder(Inner {
            services: HashMap::new(),
            s3: None,
            authentication: Authentication::Anyone,
            clock,
            random,
            tasks,
            room: Arc::new(Semaphore::new(Limits::default().bodies_bytes_max)),
            limits: Limits::default(),
            observer: None,
            guard: None,
        })
    }

    /// The services that are built, in order.
    pub fn services(&self) -> Vec<&Service> {
        let mut services: Vec<_> = self.0.services.values().collect();
        services.sort_by_key(|service| service.name());
        services
    }

    /// Whether a request is S3's, by its signature, host and path.
    pub fn is_s3(&self, request: &Request<Body>) -> bool {
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        let claim = claim(uri, headers);
        let signing_name = claim.credential.as_ref().map(|(_, scope)| scope.service.as_str());
        route::target(method, uri, headers, signing_name) == Ok(Target::S3)
    }

    /// Answers one request. Never fails: what goes wrong is an answer too.
    pub async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let started = Instant::now();
        let request_id = self.0.random.uuid().to_string();
        let mut trace = Trace {
            service: "",
            operation: "",
            wire: Wire::RestJson,
            bytes_in: 0,
            error: None,
        };
        let (mut parts, body) = request.into_parts();
        // HTTP/2 has the host in its target; signatures are over the header.
        if !parts.headers.contains_key(header::HOST)
            && let Some(authority) = parts.uri.authority()
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            parts.headers.insert(header::HOST, host);
        }
        let mut response = match self.answer(parts, body, &request_id, &mut trace).await {
            Ok(response) => response,
            Err(error) => {
                let model = Model::get(trace.service).map(AsRef::as_ref);
                let response = encode::error(model, trace.wire, &request_id, &error);
                trace.error = Some(error.code.into_owned());
                response
            }
        };
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            response
                .headers_mut()
                .entry("x-amz-request-id")
                .or_insert(value.clone());
            response.headers_mut().insert("x-amzn-requestid", value);
        }
        if let Some(observer) = &self.0.observer {
            observer(&Finished {
                service: trace.service,
                operation: trace.operation,
                status: response.status(),
                error: trace.error.as_deref(),
                request_id: &request_id,
                elapsed: started.elapsed(),
                bytes_in: trace.bytes_in,
            });
        }
        response
    }

    async fn answer(
        &self,
        mut parts: Parts,
        body: Body,
        request_id: &str,
        trace: &mut Trace,
    ) -> Result<Response<Body>, AwsError> {
        let claim = claim(&parts.uri, &parts.headers);
        let signing_name = claim.credential.as_ref().map(|(_, scope)| scope.service.as_str());
        let target = match route::target(&parts.method, &parts.uri, &parts.headers, signing_name) {
            Ok(target) => target,
            Err(what) => {
                trace.error = Some("UnknownServiceException".into());
                return Ok(encode::unknown_service(&parts.headers, request_id, &what));
            }
        };
        if let Target::Modelled { name, wire } = target {
            (trace.service, trace.wire) = (name, wire);
        }
        if target == Target::S3 {
            (trace.service, trace.wire) = ("s3", Wire::RestXml);
        }
        if target == Target::S3 {
            let read = Arc::new(AtomicU64::new(0));
            parts.extensions.insert(RequestId(request_id.to_owned()));
            let answer = self.answer_s3(parts, body, &claim, read.clone()).await;
            trace.bytes_in = read.load(Ordering::Relaxed);
            if let Some(told) = answer
                .as_ref()
                .ok()
                .and_then(|answer| answer.extensions().get::<Told>())
            {
                (trace.operation, trace.error) = (told.operation, told.error.clone());
            }
            return answer;
        }
        if target == Target::Form {
            trace.wire = Wire::Query;
        }
        // Whoever cannot be known is not worth the memory that a body takes.
        self.0.authentication.check_known(&claim, trace.wire)?;
        let body = self.read(body, trace.wire).await?;
        trace.bytes_in = body.bytes.len() as u64;
        if target == Target::Form {
            let name = route::service_of_form(&parts.uri, &body.bytes);
            trace.service =
                name.ok_or_else(|| AwsError::new("InvalidAction", "No service knows this action and version."))?;
        }
        let caller = self.authenticate(&mut parts, &claim, trace.wire, &body.bytes)?;
        self.call(&parts, body, caller, request_id, trace).await
    }

    /// Checks the signature over a body that was read whole.
    fn authenticate(&self, parts: &mut Parts, claim: &Claim, wire: Wire, body: &Bytes) -> Result<Caller, AwsError> {
        let checked = matches!(self.0.authentication, Authentication::Keys(_));
        if checked {
            if !parts.headers.contains_key("x-amz-content-sha256") {
                parts.extensions.insert(PayloadHash(sha256_hex(body)));
            }
            check_payload(&parts.headers, body, wire)?;
        }
        let (caller, _) = self
            .0
            .authentication
            .check(&self.0.clock, parts, claim, wire, crate::empty_body())?;
        Ok(caller)
    }

    async fn call(
        &self,
        parts: &Parts,
        body: Buffered,
        caller: Caller,
        request_id: &str,
        trace: &mut Trace,
    ) -> Result<Response<Body>, AwsError> {
        let model = Model::get(trace.service).ok_or_else(AwsError::unknown_operation)?;
        let wire = trace.wire;
        let Buffered { bytes: body, room } = body;
        let route = route::operation(model, wire, &parts.method, &parts.uri, &parts.headers, &body)?;
        let operation = route.operation;
        trace.operation = &operation.name;
        let built = self
            .0
            .services
            .get(trace.service)
            .is_some_and(|service| service.has(&operation.name));
        if !built {
            return Err(AwsError::not_implemented(trace.service, &operation.name));
        }
        let context = Context {
            scope: caller.scope,
            request_id: request_id.to_owned(),
            access_key: caller.access_key,
            endpoint: endpoint(parts),
        };
        let headers = parts.headers.clone();
        let (inner, name) = (self.0.clone(), trace.service);
        // A caller that hangs up must not leave an operation half done, so it runs as a task of its own.
        let answer = self.0.tasks.spawn(async move {
            let _room = room;
            let service = &inner.services[name];
            let guard = inner.guard.as_ref().filter(|guard| guard.is_on());
            if guard.is_none()
                && matches!(wire, Wire::Json { .. })
                && let Some(answer) = service.call_fast(&operation.name, &context, &body).await
            {
                return answer.map(|body| encode::respond(wire, StatusCode::OK, body));
            }
            let mut input = decode::input(&route, &headers, &body)?;
            drop(body);
            let mut failing = BTreeMap::new();
            if let Some(faults) = operation
                .input
                .and_then(|shape| validate::validate(model, shape, &input))
            {
                return Err(AwsError::new(service.validation_code(), faults).with_status(400));
            }
            if let Some(guard) = guard {
                let Verdict {
                    delay,
                    error,
                    failing_records,
                } = guard.judge(Attempt {
                    service: name,
                    operation: &operation.name,
                    scope: &context.scope,
                    input: &input,
                    records: batch_calls::records_of(name, &operation.name, &input),
                });
                failing = failing_records;
                if !delay.is_zero() {
                    tokio::select! {
                        () = inner.clock.sleep(delay) => {}
                        () = inner.tasks.ending().cancelled() => {}
                    }
                }
                if let Some(error) = error {
                    return Err(error);
                }
            }
            let request_id = context.request_id.clone();
            let batch = BatchCall::find(name, &operation.name).filter(|_| !failing.is_empty());
            if let Some(batch) = batch
                && !BatchCall::leave_out(&mut input, &failing)
            {
                let output = batch.put_back(Value::Null, failing);
                return encode::success(model, operation, wire, &request_id, &output);
            }
            match service.call(&operation.name, context, input).await? {
                Answer::Output(output) => match batch {
                    None => encode::success(model, operation, wire, &request_id, &*output),
                    Some(batch) => {
                        let output = output.to_value().map_err(AwsError::internal)?;
                        encode::success(model, operation, wire, &request_id, &batch.put_back(output, failing))
                    }
                },
                Answer::Events(events) => Ok(events.respond(model, operation, wire)),
            }
        });
        answer.await.unwrap_or_else(|panic| Err(AwsError::internal(panic)))
    }

    /// `read` counts the body's bytes.
    async fn answer_s3(
        &self,
        mut parts: Parts,
        body: Body,
        claim: &Claim,
        read: Arc<AtomicU64>,
    ) -> Result<Response<Body>, AwsError> {
        let s3 = self
            .0
            .s3
            .as_ref()
            .ok_or_else(|| AwsError::not_implemented("s3", parts.method.as_str()))?;
        let signed_hash = match (&self.0.authentication, parts.headers.get("x-amz-content-sha256")) {
            (Authentication::Keys(_), Some(hash)) if hash.len() == 64 => {
                hash.to_str().ok().map(str::to_ascii_lowercase)
            }
            _ => None,
        };
        let (caller, body) = self
            .0
            .authentication
            .check(&self.0.clock, &mut parts, claim, Wire::RestXml, body)?;
        let body = body
            .map_frame(move |frame| {
                let length = frame.data_ref().map_or(0, Bytes::len);
                read.fetch_add(length as u64, Ordering::Relaxed);
                frame
            })
            .boxed_unsync();
        let body = match signed_hash {
            Some(hash) => HashedBody {
                inner: body,
                hasher: Sha256::new(),
                hash,
            }
            .boxed_unsync(),
            None => body,
        };
        strip_signature(&mut parts);
        parts.extensions.insert::<Scope>(caller.scope);
        Ok(s3(Request::from_parts(parts, body)).await)
    }

    async fn read(&self, mut body: Body, wire: Wire) -> Result<Buffered, AwsError> {
        let max = match wire {
            Wire::Query => self.0.limits.form_bytes_max,
            _ => self.0.limits.body_bytes_max,
        };
        let too_large = || {
            let text = format!("The request body is larger than {max} bytes.");
            AwsError::new("RequestEntityTooLargeException", text).with_status(413)
        };
        // What says beforehand that it is too large need not be sent.
        if body.size_hint().lower() > max as u64 {
            return Err(too_large());
        }
        let mut whole = Collected::default();
        let mut room: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(unread)?;
            if let Ok(data) = frame.into_data() {
                let more = u32::try_from(data.len()).map_err(|_| too_large())?;
                // Waiting for room would keep what is there already, and nobody might ever get on.
                let more = self.0.room.clone().try_acquire_many_owned(more).map_err(|_| {
                    AwsError::unavailable("The bodies of the requests under way take all the memory there is for them.")
                })?;
                match &mut room {
                    Some(room) => room.merge(more),
                    None => room = Some(more),
                }
                whole.push(data, body.size_hint().lower().min(max as u64) as usize);
            }
            if whole.len() > max {
                return Err(too_large());
            }
        }
        let bytes = whole.into_bytes();
        Ok(Buffered { bytes, room })
    }
}

/// A body that broke off, unless whoever gives it knows better.
fn unread(error: BoxError) -> AwsError {
    match error.downcast::<AwsError>() {
        Ok(error) => *error,
        Err(error) => {
            AwsError::new("IncompleteBody", format!("The request body could not be read: {error}")).with_status(400)
        }
    }
}

/// A body's bytes as they come: one frame is kept as it is, several are joined.
#[derive(Default)]
enum Collected {
    #[default]
    Nothing,
    One(Bytes),
    Several(BytesMut),
}

impl Collected {
    /// `more` is how many bytes are known to follow.
    fn push(&mut self, data: Bytes, more: usize) {
        *self = match std::mem::take(self) {
            Self::Nothing => Self::One(data),
            Self::One(first) => {
                let mut joined = BytesMut::with_capacity(first.len() + data.len() + more);
                joined.extend_from_slice(&first);
                joined.extend_from_slice(&data);
                Self::Several(joined)
            }
            Self::Several(mut joined) => {
                joined.extend_from_slice(&data);
                Self::Several(joined)
            }
        };
    }

    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(bytes) => bytes.len(),
            Self::Several(bytes) => bytes.len(),
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Several(bytes) => bytes.freeze(),
        }
    }
}

/// A gateway being put together.
pub struct GatewayBuilder(Inner);

impl GatewayBuilder {
    /// # Panics
    /// Where the service is there already.
    #[must_use]
    pub fn service(mut self, service: Service) -> Self {
        let before = self.0.services.insert(service.name(), service);
        assert!(before.is_none(), "a service is registered twice");
        self
    }

    #[must_use]
    pub fn s3(mut self, s3: Foreign) -> Self {
        self.0.s3 = Some(s3);
        self
    }

    #[must_use]
    pub fn authentication(mut self, authentication: Authentication) -> Self {
        self.0.authentication = authentication;
        self
    }

    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.0.room = Arc::new(Semaphore::new(limits.bodies_bytes_max));
        self.0.limits = limits;
        self
    }

    #[must_use]
    pub fn observer(mut self, observer: impl Fn(&Finished<'_>) + Send + Sync + 'static) -> Self {
        self.0.observer = Some(Box::new(observer));
        self
    }

    /// Asks before every call but S3's.
    #[must_use]
    pub fn guard(mut self, guard: Guard) -> Self {
        self.0.guard = Some(guard);
        self
    }

    pub fn build(self) -> Gateway {
        Gateway(Arc::new(self.0))
    }
}

/// How the caller reached us, for URLs in answers.
fn endpoint(parts: &Parts) -> String {
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.unwrap_or("localhost:4566");
    let scheme = parts
        .extensions
        .get::<http::uri::Scheme>()
        .map_or("http", http::uri::Scheme::as_str);
    format!("{scheme}://{host}")
}

const SIGNATURE_PARAMETERS: &[&str] = &[
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signedheaders",
    "x-amz-signature",
    "x-amz-security-token",
    "x-amz-content-sha256",
];

/// Takes the signature off, so that what stands behind sees a plain request.
fn strip_signature(parts: &mut Parts) {
    for name in [
        header::AUTHORIZATION.as_str(),
        "x-amz-date",
        "x-amz-content-sha256",
        "x-amz-security-token",
    ] {
        parts.headers.remove(name);
    }
    let Some(query) = parts.uri.query() else { return };
    let is_signature = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default();
        SIGNATURE_PARAMETERS
            .iter()
            .any(|parameter| name.eq_ignore_ascii_case(parameter))
    };
    if !query.split('&').any(is_signature) {
        return;
    }
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_signature(pair)).collect();
    let path = parts.uri.path();
    let path_and_query = if kept.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", kept.join("&"))
    };
    let mut uri = parts.uri.clone().into_parts();
    if let Ok(path_and_query) = path_and_query.parse() {
        uri.path_and_query = Some(path_and_query);
        if let Ok(uri) = Uri::from_parts(uri) {
            parts.uri = uri;
        }
    }
}

/// A streaming body whose signed hash is checked at its end.
struct HashedBody {
    inner: Body,
    hasher: Sha256,
    hash: String,
}

impl HttpBody for HashedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.hasher.update(data);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            None => {
                let computed = hex::encode(self.hasher.finalize_reset());
                if self.hash.is_empty() || same(&computed, &self.hash) {
                    // Checked once; a second poll finds nothing left to compare.
                    self.hash.clear();
                    Poll::Ready(None)
                } else {
                    self.hash.clear();
                    Poll::Ready(Some(Err(Box::new(payload_mismatch()))))
                }
            }
        }
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.inner.size_hint()
    }
}

/// A request as tests and our own commands make it.
pub(crate) fn json_request(target: &str, body: impl Into<Bytes>) -> Request<Body> {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-amz-json-1.1"),
    );
    if let Ok(target) = HeaderValue::from_str(target) {
        headers.insert("x-amz-target", target);
    }
    let mut request = Request::new(full_body(body));
    *request.method_mut() = http::Method::POST;
    *request.headers_mut() = headers;
    request
}
