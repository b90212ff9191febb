//! `cargo xtask crash`: kills the real server at random moments under load, and counts what is there against what was
//! acknowledged.

mod delivery;
mod log;
mod stream;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::server::Server;

/// The server lives for so long under load before it is killed.
const LIFE_MS: std::ops::Range<u64> = 20..500;

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    kills: Kills,
    /// Leave the shards as they are.
    #[arg(long)]
    no_resharding: bool,
}

#[derive(clap::Subcommand)]
enum What {
    /// Firehose to S3 and to Kinesis streams, from direct puts and from a Kinesis stream: the set delivered is the set
    /// acknowledged.
    Delivery(Kills),
}

#[derive(clap::Args)]
struct Kills {
    /// The binary to kill. The release binary, built first, where none is given.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where the data directory is made.
    #[arg(long, default_value = "target")]
    directory: PathBuf,
    /// How often the server is killed.
    #[arg(long, default_value_t = 200)]
    kills: u64,
    #[arg(long, default_value_t = 4)]
    writers: u64,
    /// After how many kills everything is counted; at the end it is in any case.
    #[arg(long, default_value_t = 25)]
    count_every: u64,
    /// The same kills again. Taken from the process where none is given, and printed.
    #[arg(long)]
    seed: Option<u64>,
}

/// What is written to and counted.
trait Subject: Sync {
    fn prepare(&self, server: &Server) -> Result<()>;

    /// Has everybody work until `stop` or until the server is gone.
    fn work<'s>(
        &'s self,
        scope: &'s thread::Scope<'s, '_>,
        address: SocketAddr,
        stop: &'s AtomicBool,
        random: &mut Random,
    );

    /// Compares what is there with what was acknowledged, and says how much that is.
    fn count(&self, server: &Server, data: &Path) -> Result<String>;
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.what {
        Some(What::Delivery(kills)) => kill_and_count(kills, &delivery::DeliveryRun::new(kills.writers)),
        None => {
            let kills = &arguments.kills;
            kill_and_count(kills, &log::LogRun::new(kills.writers, !arguments.no_resharding))
        }
    }
}

fn kill_and_count(arguments: &Kills, subject: &impl Subject) -> Result<()> {
    let binary = match &arguments.binary {
        Some(binary) => binary.clone(),
        None => crate::build_release()?,
    };
    std::fs::create_dir_all(&arguments.directory)?;
    let directory = arguments.directory.join(format!("crash-{}", std::process::id()));
    let seed = arguments.seed.unwrap_or_else(|| u64::from(std::process::id()) << 20);
    println!("seed {seed}, data in {}", directory.display());
    let mut random = Random(seed | 1);
    let began = Instant::now();
    let mut slowest = Duration::ZERO;
    subject.prepare(&Server::start(&binary, &directory)?)?;
    for kill in 1..=arguments.kills {
        let starting = Instant::now();
        let mut server = Server::start(&binary, &directory)?;
        slowest = slowest.max(starting.elapsed());
        let life = Duration::from_millis(random.within(LIFE_MS));
        live(subject, &mut server, life, &mut random)?;
        if kill % arguments.count_every == 0 || kill == arguments.kills {
            let server = Server::start(&binary, &directory)?;
            let counted = subject.count(&server, &directory)?;
            println!(
                "{kill} kills in {:.0} s: {counted}; slowest start {} ms",
                began.elapsed().as_secs_f64(),
                slowest.as_millis()
            );
        }
    }
    // Left where it is when something was not as it should be.
    Ok(std::fs::remove_dir_all(&directory)?)
}

/// Has everybody work for a while and kills the server while calls are under way.
fn live(subject: &impl Subject, server: &mut Server, life: Duration, random: &mut Random) -> Result<()> {
    let (stop, address) = (AtomicBool::new(false), server.address);
    thread::scope(|scope| {
        subject.work(scope, address, &stop, random);
        let until = Instant::now() + life;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            thread::park_timeout(left);
        }
        let killed = server.kill();
        stop.store(true, Ordering::Relaxed);
        killed
    })
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The id, filled up with blanks so that nothing has to be padded.
fn base64(id: &str) -> String {
    let width = id.len().next_multiple_of(3);
    let padded = format!("{id:<width$}");
    let groups = padded.as_bytes().chunks_exact(3);
    let letters = groups.flat_map(|group| {
        let bits = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
        [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift) as usize & 63] as char)
    });
    letters.collect()
}

/// The id in front of the zeros that fill a record up.
fn id_of(data: &str) -> Result<String> {
    let mut bytes = Vec::new();
    for group in data.as_bytes().chunks_exact(4) {
        let mut bits = 0;
        for letter in group {
            let value = ALPHABET.iter().position(|known| known == letter).context("no base64")?;
            bits = bits << 6 | value as u32;
        }
        bytes.extend([(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
        if bytes.contains(&0) {
            break;
        }
    }
    let id = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(std::str::from_utf8(id)?.trim_end().to_owned())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Numbers that are the same for the same seed (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Another row of numbers.
    fn apart(&mut self) -> Self {
        Self(self.next() | 1)
    }

    fn within(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_base64_and_padding() {
        for id in ["0-0", "3-17", "12-12345", "1-99999999"] {
            assert_eq!(id_of(&base64(id)).expect("reads"), id);
            assert_eq!(id_of(&format!("{}AAAAAAAA", base64(id))).expect("reads"), id);
        }
    }
}
