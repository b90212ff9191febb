//! One connection: its first byte tells TLS from HTTP, its first bytes HTTP/1.1 from HTTP/2.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, uri::Scheme};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::Watcher;
use protocol_aws::Body;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{Shared, own};

/// A connection that sends nothing is closed after this long.
const FIRST_BYTE_MAX: Duration = Duration::from_secs(60);
/// A request's head must arrive within this time.
const HEAD_MAX: Duration = Duration::from_secs(30);
/// A request's head may be so large.
const HEAD_BYTES_MAX: usize = 64 << 10;
const HEADERS_MAX: usize = 128;
/// Open requests on one HTTP/2 connection.
const STREAMS_MAX: u32 = 256;
/// What a client may send ahead on one HTTP/2 stream and connection.
const WINDOW_BYTES: u32 = 1 << 20;
/// The first byte of a TLS handshake record.
const TLS_HANDSHAKE: u8 = 22;

pub(crate) async fn serve(stream: TcpStream, shared: Arc<Shared>, watcher: Watcher, stop: CancellationToken) {
    // Small answers must not wait for more bytes.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut first = [0];
    let peeked = tokio::select! {
        peeked = tokio::time::timeout(FIRST_BYTE_MAX, stream.peek(&mut first)) => peeked,
        () = stop.cancelled() => return,
    };
    if !matches!(peeked, Ok(Ok(1))) {
        return;
    }
    if first[0] == TLS_HANDSHAKE {
        match tokio::time::timeout(HEAD_MAX, shared.tls.accept(stream)).await {
            Ok(Ok(stream)) => speak_http(stream, shared, watcher, Scheme::HTTPS).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    } else {
        speak_http(stream, shared, watcher, Scheme::HTTP).await;
    }
}

async fn speak_http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    shared: Arc<Shared>,
    watcher: Watcher,
    scheme: Scheme,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (shared, scheme) = (shared.clone(), scheme.clone());
        async move { Ok::<Response<Body>, Infallible>(answer(&shared, request, scheme).await) }
    });
    // The executor only drives HTTP/2 streams of this connection; the watcher waits for the connection itself.
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .half_close(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES * 4)
        .keep_alive_interval(Some(HEAD_MAX));
    let connection = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(shared: &Shared, request: Request<Incoming>, scheme: Scheme) -> Response<Body> {
    let mut request = request.map(|body| body.map_err(|error| Box::new(error) as _).boxed_unsync());
    let origin = request.headers().get(http::header::ORIGIN).cloned();
    if let Some(refused) = shared.cors.refuse(&request) {
        return refused;
    }
    if let Some(preflight) = shared.cors.preflight(&request) {
        return preflight;
    }
    let mut response = match own::answer(shared, &request) {
        Some(response) => response,
        None => {
            request.extensions_mut().insert(scheme);
            shared.platform.gateway.handle(request).await
        }
    };
    shared.cors.allow(origin.as_ref(), response.headers_mut());
    response
}
