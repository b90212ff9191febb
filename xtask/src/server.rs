//! The built binary as a server, for benchmarks and for the crash harness.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::load::{Connection, request};

const START_MAX: Duration = Duration::from_secs(30);

/// A server on a port of its own; it is killed when it goes out of scope.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(binary: &Path, data: &Path) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let process = Command::new(binary)
            .args(["serve", "--log", "warn", "--listen", &address.to_string(), "--data-dir"])
            .arg(data)
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| format!("could not start {}", binary.display()))?;
        let server = Self { process, address };
        let began = Instant::now();
        while Connection::open(address).is_err() {
            ensure!(began.elapsed() < START_MAX, "the server does not answer");
            std::thread::yield_now();
        }
        Ok(server)
    }

    pub(crate) fn call(&self, operation: &str, body: &serde_json::Value) -> Result<serde_json::Value> {
        let mut connection = Connection::open(self.address)?;
        let (status, answer) = connection.exchange(&request(operation, body.to_string().as_bytes()))?;
        if status != 200 {
            bail!("{operation}: {status} {}", String::from_utf8_lossy(answer));
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
        .map(drop)
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

impl Drop for Server {
    fn drop(&mut self) {
        // It is a server of this run on a directory of this run, so nothing is lost.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
