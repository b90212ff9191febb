//! The built binary as a server, for benchmarks and for the crash harness.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::load::{Connection, request_to, target};

const START_MAX: Duration = Duration::from_secs(30);
/// Between two tries whether it answers, so that trying takes nothing from its start.
const START_PAUSE: Duration = Duration::from_millis(1);

/// A server on a port of its own; it is killed when it goes out of scope.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(binary: &Path, data: &Path) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(binary);
        command
            .args(["serve", "--log", "warn", "--listen", &address.to_string(), "--data-dir"])
            .arg(data)
            .stderr(Stdio::inherit());
        Self::start_with(&mut command, address)
    }

    /// Starts any server that then listens on the address.
    pub(crate) fn start_with(command: &mut Command, address: SocketAddr) -> Result<Self> {
        let process = command
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("could not start {command:?}"))?;
        let mut server = Self { process, address };
        let began = Instant::now();
        while Connection::open(address).is_err() {
            ensure!(began.elapsed() < START_MAX, "the server does not answer");
            if let Some(status) = server.process.try_wait()? {
                bail!("the server ended with {status}");
            }
            std::thread::park_timeout(START_PAUSE);
        }
        Ok(server)
    }

    /// Calls Kinesis.
    pub(crate) fn call(&self, operation: &str, body: &serde_json::Value) -> Result<serde_json::Value> {
        self.call_to(&target(operation), body)
    }

    /// Calls the service and operation that a target names.
    pub(crate) fn call_to(&self, target: &str, body: &serde_json::Value) -> Result<serde_json::Value> {
        let mut connection = Connection::open(self.address)?;
        let (status, answer) = connection.exchange(&request_to(target, body.to_string().as_bytes()))?;
        if status != 200 {
            bail!("{target}: {status} {}", String::from_utf8_lossy(answer));
        }
        if answer.is_empty() {
            Ok(serde_json::Value::Null)
        } else {
            Ok(serde_json::from_slice(answer)?)
        }
    }

    pub(crate) fn create(&self, stream: &str, shards: usize) -> Result<()> {
        self.call(
            "CreateStream",
            &serde_json::json!({"StreamName": stream, "ShardCount": shards}),
        )
        .map(drop)?;
        self.until(
            "DescribeStreamSummary",
            &serde_json::json!({ "StreamName": stream }),
            |answer| answer["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE",
        )
        .map(drop)
    }

    /// Asks until the answer is as wanted, and returns it.
    pub(crate) fn until(
        &self,
        operation: &str,
        body: &serde_json::Value,
        wanted: impl Fn(&serde_json::Value) -> bool,
    ) -> Result<serde_json::Value> {
        let began = Instant::now();
        loop {
            let answer = self.call(operation, body)?;
            if wanted(&answer) {
                return Ok(answer);
            }
            ensure!(began.elapsed() < START_MAX, "{operation} still answers {answer}");
            std::thread::park_timeout(START_PAUSE);
        }
    }

    pub(crate) fn resident_mib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
    }

    pub(crate) fn cpu_seconds(&self) -> Result<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let fields = stat
            .rsplit_once(')')
            .context("no fields")?
            .1
            .split_whitespace()
            .collect::<Vec<_>>();
        // utime and stime, in hundredths of a second.
        Ok((fields[11].parse::<u64>()? + fields[12].parse::<u64>()?) / 100)
    }

    /// Ends the process as a power cut ends it, as far as the process is concerned.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

/// A port of this machine that nobody listens on.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is a server of this run on a directory of this run, so nothing is lost.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
