//! A load client that costs little: blocking sockets, HTTP/1.1 with keep-alive, bodies made beforehand.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use memchr::memmem;

/// As large as a part of an answer gets that is read at once. It fits a core's own cache, so that what the kernel
/// copies there and what is then looked for in it costs no more than it must.
const BUFFER_BYTES: usize = 256 << 10;

pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// The head of an answer that has come, with the first bytes of the body behind it.
struct Head {
    status: u16,
    /// Where in the buffer the body begins.
    body: usize,
    body_bytes: usize,
    /// How much of the buffer is filled.
    filled: usize,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self {
            stream,
            buffer: vec![0; BUFFER_BYTES],
        })
    }

    /// Sends a whole request and reads the whole answer: its status and its body.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Result<(u16, &[u8])> {
        let head = self.send(request)?;
        let end = head.body + head.body_bytes;
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        let mut filled = head.filled;
        while filled < end {
            filled += self.read(filled, end)?;
        }
        Ok((head.status, &self.buffer[head.body..end]))
    }

    /// Sends a whole request and hands out the body of the answer as it comes; returns the status.
    pub(crate) fn exchange_in_parts(&mut self, request: &[u8], mut part: impl FnMut(&[u8])) -> Result<u16> {
        let head = self.send(request)?;
        part(&self.buffer[head.body..head.filled]);
        let mut left = (head.body + head.body_bytes)
            .checked_sub(head.filled)
            .context("more came than was announced")?;
        while left > 0 {
            let read = self.read(0, left.min(BUFFER_BYTES))?;
            part(&self.buffer[..read]);
            left -= read;
        }
        Ok(head.status)
    }

    fn send(&mut self, request: &[u8]) -> Result<Head> {
        self.stream.write_all(request)?;
        let mut filled = 0;
        loop {
            ensure!(filled < self.buffer.len(), "a head without end");
            filled += self.read(filled, self.buffer.len())?;
            let Some(end) = memmem::find(&self.buffer[..filled], b"\r\n\r\n") else {
                continue;
            };
            let text = std::str::from_utf8(&self.buffer[..end]).context("a head that is no text")?;
            let status = text
                .get(9..12)
                .and_then(|code| code.parse().ok())
                .context("a head without status")?;
            let body_bytes = text
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .and_then(|(_, value)| value.trim().parse().ok())
                .context("a head without content-length")?;
            return Ok(Head {
                status,
                body: end + 4,
                body_bytes,
                filled,
            });
        }
    }

    fn read(&mut self, from: usize, to: usize) -> Result<usize> {
        match self.stream.read(&mut self.buffer[from..to])? {
            0 => bail!("the server closed the connection"),
            read => Ok(read),
        }
    }
}

/// What an SDK sends beside its request. Nobody checks the signature, but other servers want to see one.
pub(crate) const SIGNED: [(&str, &str); 2] = [
    ("X-Amz-Date", "20260101T000000Z"),
    (
        "Authorization",
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/kinesis/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
         Signature=0000000000000000000000000000000000000000000000000000000000000000",
    ),
];
pub(crate) const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

pub(crate) fn target(operation: &str) -> String {
    format!("Kinesis_20131202.{operation}")
}

/// An awsJson request to Kinesis.
pub(crate) fn request(operation: &str, body: &[u8]) -> Vec<u8> {
    request_to(&target(operation), body)
}

/// An awsJson request to the service and operation that a target names.
pub(crate) fn request_to(target: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: {target}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in SIGNED {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let mut request = request.into_bytes();
    request.extend_from_slice(body);
    request
}

pub(crate) struct Load {
    pub(crate) took: Duration,
    /// Of each request, sorted.
    pub(crate) times: Vec<Duration>,
}

impl Load {
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        percentile(&self.times, share)
    }

    pub(crate) fn per_second(&self, records_per_call: usize) -> f64 {
        (self.times.len() * records_per_call) as f64 / self.took.as_secs_f64()
    }
}

pub(crate) fn percentile(times: &[Duration], share: f64) -> Duration {
    let at = (times.len() as f64 * share) as usize;
    times
        .get(at.min(times.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

/// Sends a request and insists that all its records are taken.
pub(crate) fn put(connection: &mut Connection, request: &[u8]) -> Result<()> {
    /// As Kinesis and as Firehose call it.
    const FAILED: [&[u8]; 2] = [b"\"FailedRecordCount\":", b"\"FailedPutCount\":"];
    let (status, body) = connection.exchange(request)?;
    let failed = FAILED
        .iter()
        .any(|failed| memmem::find(body, failed).is_some_and(|at| body.get(at + failed.len()) != Some(&b'0')));
    ensure!(
        status == 200 && !failed,
        "the server answered {status}: {}",
        String::from_utf8_lossy(&body[..body.len().min(1000)])
    );
    Ok(())
}

/// Sends the requests in turn over so many connections for so long. Any refused record is an error.
pub(crate) fn run(address: SocketAddr, requests: &[Vec<u8>], connections: usize, seconds: u64) -> Result<Load> {
    let stop = AtomicBool::new(false);
    let began = Instant::now();
    let times = on_threads(connections, |worker| {
        let mut connection = Connection::open(address)?;
        let mut times = Vec::new();
        for request in requests.iter().cycle().skip(worker) {
            if stop.load(Ordering::Relaxed) || began.elapsed() > Duration::from_secs(seconds) {
                break;
            }
            let sent = Instant::now();
            if let Err(error) = put(&mut connection, request) {
                stop.store(true, Ordering::Relaxed);
                return Err(error);
            }
            times.push(sent.elapsed());
        }
        Ok(times)
    })?;
    let took = began.elapsed();
    let mut times = times.concat();
    times.sort_unstable();
    Ok(Load { took, times })
}

/// Bytes that differ from seed to seed and do not compress.
pub(crate) fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

/// Does the work on so many threads, each with its number, and gives what they made or the first of their errors.
pub(crate) fn on_threads<T: Send>(threads: usize, work: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    thread::scope(|scope| {
        let work = &work;
        let workers = (0..threads).map(|worker| scope.spawn(move || work(worker)));
        let workers = workers.collect::<Vec<_>>();
        let outcomes = workers.into_iter().map(|worker| {
            let panicked = |_| Err(anyhow!("a load worker panicked"));
            worker.join().unwrap_or_else(panicked)
        });
        // All are waited for before the first error is given.
        outcomes.collect::<Vec<_>>().into_iter().collect()
    })
}
