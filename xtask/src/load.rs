//! A load client that costs little: blocking sockets, HTTP/1.1 with keep-alive, bodies made beforehand.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self {
            stream,
            buffer: vec![0; 256 << 10],
        })
    }

    /// Sends a whole request and reads the whole answer: status and where the body begins and ends.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Result<(u16, &[u8])> {
        self.stream.write_all(request)?;
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..])?;
            if read == 0 {
                bail!("the server closed the connection");
            }
            filled += read;
            let Some(head) = self.buffer[..filled]
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            else {
                continue;
            };
            let text = std::str::from_utf8(&self.buffer[..head]).context("a head that is no text")?;
            let status = text
                .get(9..12)
                .and_then(|code| code.parse().ok())
                .context("a head without status")?;
            let length: usize = text
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .and_then(|(_, value)| value.trim().parse().ok())
                .context("a head without content-length")?;
            let end = head + 4 + length;
            if self.buffer.len() < end {
                self.buffer.resize(end, 0);
            }
            while filled < end {
                let read = self.stream.read(&mut self.buffer[filled..end])?;
                if read == 0 {
                    bail!("the server closed the connection");
                }
                filled += read;
            }
            return Ok((status, &self.buffer[head + 4..end]));
        }
    }
}

/// An awsJson request to Kinesis.
pub(crate) fn request(operation: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: Kinesis_20131202.{operation}\r\n\
         Content-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
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
}

pub(crate) fn percentile(times: &[Duration], share: f64) -> Duration {
    let at = (times.len() as f64 * share) as usize;
    times
        .get(at.min(times.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

/// Sends the requests in turn over so many connections for so long. Any answer but 200 is an error.
pub(crate) fn run(address: SocketAddr, requests: &[Vec<u8>], connections: usize, seconds: u64) -> Result<Load> {
    let stop = AtomicBool::new(false);
    let began = Instant::now();
    let mut times = Vec::new();
    thread::scope(|scope| {
        let workers = (0..connections).map(|worker| {
            let stop = &stop;
            scope.spawn(move || -> Result<Vec<Duration>> {
                let mut connection = Connection::open(address)?;
                let mut times = Vec::new();
                for request in requests.iter().cycle().skip(worker) {
                    if stop.load(Ordering::Relaxed) || began.elapsed() > Duration::from_secs(seconds) {
                        break;
                    }
                    let sent = Instant::now();
                    let (status, body) = connection.exchange(request)?;
                    if status != 200 {
                        bail!("the server answered {status}: {}", String::from_utf8_lossy(body));
                    }
                    times.push(sent.elapsed());
                }
                Ok(times)
            })
        });
        let workers = workers.collect::<Vec<_>>();
        let mut outcome = Ok(());
        for worker in workers {
            match worker.join() {
                Ok(Ok(more)) => times.extend(more),
                Ok(Err(error)) => {
                    stop.store(true, Ordering::Relaxed);
                    outcome = Err(error);
                }
                Err(_) => outcome = Err(anyhow::anyhow!("a load worker panicked")),
            }
        }
        outcome
    })?;
    let took = began.elapsed();
    times.sort_unstable();
    Ok(Load { took, times })
}
