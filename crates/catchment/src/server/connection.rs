//! One connection: its first byte tells TLS from HTTP, its first bytes HTTP/1.1 from HTTP/2.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
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
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::body::PatientBody;
use super::cors::Verdict;
use super::{Shared, own};

/// A connection that sends nothing is closed after this long.
const FIRST_BYTE_MAX: Duration = Duration::from_secs(60);
/// A request's head must arrive within this time.
const HEAD_MAX: Duration = Duration::from_secs(30);
/// A request's body may pause for so long.
const BODY_PAUSE_MAX: Duration = Duration::from_secs(60);
/// A request's head may be so large.
const HEAD_BYTES_MAX: usize = 64 << 10;
const HEADERS_MAX: usize = 128;
/// Open requests on one HTTP/2 connection.
const STREAMS_MAX: u32 = 256;
/// What a client may send ahead on one HTTP/2 stream and connection.
const WINDOW_BYTES: u32 = 1 << 20;
/// The first byte of a TLS handshake record.
const TLS_HANDSHAKE: u8 = 22;

/// When a connection has to end.
#[derive(Clone)]
pub(crate) struct Ends {
    /// Shutdown begins: whoever has no request under way goes.
    pub stop: CancellationToken,
    /// Shutdown has waited long enough: everyone goes.
    pub cut: CancellationToken,
}

pub(crate) async fn serve(stream: TcpStream, shared: Arc<Shared>, watcher: Watcher, ends: Ends) {
    // Small answers must not wait for more bytes.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let opened = tokio::select! {
        opened = open(stream, &shared) => opened,
        () = ends.stop.cancelled() => return,
    };
    let ended = match opened {
        Ok(Opened::Plain(stream)) => speak_http(stream, shared, watcher, &ends.cut, Scheme::HTTP).await,
        Ok(Opened::Tls(stream)) => speak_http(*stream, shared, watcher, &ends.cut, Scheme::HTTPS).await,
        Err(error) => Err(error),
    };
    if let Err(error) = ended {
        tracing::debug!(error = format!("{error:#}"), "a connection ended early");
    }
}

enum Opened {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

async fn open(stream: TcpStream, shared: &Shared) -> Result<Opened> {
    let mut first = [0];
    let peeked = timeout(FIRST_BYTE_MAX, stream.peek(&mut first)).await;
    ensure!(peeked.context("nothing came")?? == 1, "the caller closed it");
    if first[0] != TLS_HANDSHAKE {
        return Ok(Opened::Plain(stream));
    }
    let accepted = timeout(HEAD_MAX, shared.tls.accept(stream)).await;
    let stream = accepted.context("the TLS handshake took too long")?;
    Ok(Opened::Tls(Box::new(stream.context("the TLS handshake failed")?)))
}

async fn speak_http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    shared: Arc<Shared>,
    watcher: Watcher,
    cut: &CancellationToken,
    scheme: Scheme,
) -> Result<()> {
    let asked = Arc::new(Notify::new());
    let first = asked.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        first.notify_one();
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
    let mut connection = std::pin::pin!(watcher.watch(connection));
    // Until HTTP/1.1 and HTTP/2 are told apart neither's own time limits hold.
    let first_head = tokio::select! {
        ended = &mut connection => return ended.map_err(anyhow::Error::from_boxed),
        first_head = timeout(HEAD_MAX, asked.notified()) => first_head,
        () = cut.cancelled() => bail!("shutdown did not wait for it"),
    };
    first_head.context("no request came")?;
    tokio::select! {
        ended = connection => ended.map_err(anyhow::Error::from_boxed),
        () = cut.cancelled() => bail!("shutdown did not wait for it"),
    }
}

async fn answer(shared: &Shared, request: Request<Incoming>, scheme: Scheme) -> Response<Body> {
    let mut request = request.map(|body| {
        let body = body.map_err(|error| Box::new(error) as _);
        PatientBody::new(body.boxed_unsync(), BODY_PAUSE_MAX).boxed_unsync()
    });
    let from_page = match shared.cors.judge(&shared.platform, &request) {
        Verdict::Answer(response) => return response,
        Verdict::Call(headers) => headers,
    };
    let mut response = match own::answer(shared, &mut request).await {
        Some(response) => response,
        None => {
            request.extensions_mut().insert(scheme);
            shared.platform.gateway.handle(request).await
        }
    };
    response.headers_mut().extend(from_page);
    response
}
