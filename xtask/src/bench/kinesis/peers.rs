//! The other servers that Cargo and npm install, under the same load on the same machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::Bench;
use super::put::{RECORDS_PER_CALL, bodies};
use crate::bench::table::ms;
use crate::load::{self, Load};
use crate::server::{Server, free_address};

const SHARDS: usize = 4;
const RECORD_BYTES: usize = 1024;

/// A server and a way to run it.
struct Peer {
    name: &'static str,
    installed_by: Installer,
    package: &'static str,
    /// How it is started: the program under the place where it was installed, a port and a directory for its data.
    start: fn(&Path, u16, &Path) -> Result<Command>,
}

#[derive(Clone, Copy)]
enum Installer {
    Cargo,
    Npm,
}

const PEERS: [Peer; 6] = [
    Peer {
        name: "ferrokinesis, in memory",
        installed_by: Installer::Cargo,
        package: "ferrokinesis",
        start: |peers, port, _| Ok(ferrokinesis(peers, port)),
    },
    Peer {
        name: "ferrokinesis --state-dir",
        installed_by: Installer::Cargo,
        package: "ferrokinesis",
        start: |peers, port, data| {
            let mut command = ferrokinesis(peers, port);
            command.arg("--state-dir").arg(data);
            Ok(command)
        },
    },
    Peer {
        name: "kinesalite, in memory",
        installed_by: Installer::Npm,
        package: "kinesalite",
        start: |peers, port, _| Ok(kinesalite(peers, port)),
    },
    Peer {
        name: "kinesalite --path (LevelDB)",
        installed_by: Installer::Npm,
        package: "kinesalite",
        start: |peers, port, data| {
            let mut command = kinesalite(peers, port);
            command.arg("--path").arg(data);
            Ok(command)
        },
    },
    Peer {
        name: "kinesis-local, in memory",
        installed_by: Installer::Npm,
        package: "kinesis-local",
        start: |peers, port, _| kinesis_local(peers, port),
    },
    Peer {
        name: "kinesis-local, saved every 5 s",
        installed_by: Installer::Npm,
        package: "kinesis-local",
        start: |peers, port, data| {
            let mut command = kinesis_local(peers, port)?;
            command.env("SHOULD_PERSIST_DATA", "true").env("PERSIST_PATH", data);
            Ok(command)
        },
    },
];

fn ferrokinesis(peers: &Path, port: u16) -> Command {
    let mut command = Command::new(peers.join("bin/ferrokinesis"));
    command.args([
        "--log-level",
        "error",
        "--shard-limit",
        "100",
        "--port",
        &port.to_string(),
    ]);
    command
}

fn kinesalite(peers: &Path, port: u16) -> Command {
    let mut command = Command::new(peers.join("node_modules/.bin/kinesalite"));
    command.args(["--shardLimit", "100", "--port", &port.to_string()]);
    command
}

fn kinesis_local(peers: &Path, port: u16) -> Result<Command> {
    let mut command = Command::new(peers.join("node_modules/.bin/kinesis-local"));
    command
        .env("KINESIS_MOCK_PLAIN_PORT", port.to_string())
        .env("KINESIS_MOCK_TLS_PORT", free_address()?.port().to_string())
        .env(
            "KINESIS_MOCK_CERT_PATH",
            peers.join("node_modules/kinesis-local/server.json"),
        )
        .env("LOG_LEVEL", "ERROR");
    Ok(command)
}

struct Measured {
    many: Load,
    single: Load,
}

/// Loads catchment and each of the others in turn and prints how they compare.
pub(super) fn compare(bench: &Bench<'_>) -> Result<()> {
    let peers = crate::target_dir().join("peers");
    std::fs::create_dir_all(&peers)?;
    let (server, directory) = bench.server()?;
    let ours = load_it(bench, &server)?;
    drop(server);
    std::fs::remove_dir_all(directory)?;
    println!(
        "\n{:<44} {:>10} {:>8} {:>10} {:>8}",
        "", "records/s", "p50 ms", "records/s", "p50 ms"
    );
    println!(
        "{:<44} {:>19} {:>19}",
        format!("{RECORD_BYTES} B, {SHARDS} shards"),
        format!("PutRecords x{RECORDS_PER_CALL}"),
        "PutRecord, 1 conn."
    );
    print("catchment, fsynced", &ours, None);
    for peer in &PEERS {
        let data = bench.new_directory()?;
        let theirs = measure(bench, peer, &peers, &data);
        std::fs::remove_dir_all(&data)?;
        match theirs {
            Ok(theirs) => print(peer.name, &theirs, Some(&ours)),
            Err(error) => println!("{:<44} could not be measured: {error:#}", peer.name),
        }
    }
    Ok(())
}

fn print(name: &str, measured: &Measured, ours: Option<&Measured>) {
    let (many, single) = (&measured.many, &measured.single);
    let p50 = |load: &Load| load.percentile(0.5);
    let compared = ours.map(|ours| {
        format!(
            "   catchment: {:.1} x the records of PutRecords, {:.2} x the p50 of PutRecord",
            ours.many.per_second(RECORDS_PER_CALL) / many.per_second(RECORDS_PER_CALL),
            p50(&ours.single).as_secs_f64() / p50(single).as_secs_f64()
        )
    });
    println!(
        "{name:<44} {:>10.0} {:>8} {:>10.0} {:>8}{}",
        many.per_second(RECORDS_PER_CALL),
        ms(p50(many)),
        single.per_second(1),
        ms(p50(single)),
        compared.unwrap_or_default()
    );
}

fn measure(bench: &Bench<'_>, peer: &Peer, peers: &Path, data: &Path) -> Result<Measured> {
    install(peer, peers)?;
    let address = free_address()?;
    let mut command = (peer.start)(peers, address.port(), data)?;
    // What it says of itself is of no use here.
    command.current_dir(data).stderr(Stdio::null());
    let server = Server::start_with(&mut command, address)?;
    load_it(bench, &server)
}

fn load_it(bench: &Bench<'_>, server: &Server) -> Result<Measured> {
    const STREAM: &str = "compared";
    server.create(STREAM, SHARDS)?;
    let (connections, seconds) = (bench.arguments.connections, bench.arguments.seconds);
    let run = |records, connections, seconds| {
        let requests = bodies(STREAM, RECORD_BYTES, records);
        load::run(server.address, &requests, connections, seconds)
    };
    // First the single records: some slow down with what they hold.
    let single = run(1, 1, seconds.div_ceil(2)).context("PutRecord")?;
    let many = run(RECORDS_PER_CALL, connections, seconds).context("PutRecords")?;
    Ok(Measured { many, single })
}

/// Installs the package unless it is there.
fn install(peer: &Peer, peers: &Path) -> Result<()> {
    let installed: PathBuf = match peer.installed_by {
        Installer::Cargo => peers.join("bin").join(peer.package),
        Installer::Npm => peers.join("node_modules").join(peer.package),
    };
    if installed.exists() {
        return Ok(());
    }
    let mut command = match peer.installed_by {
        Installer::Cargo => Command::new("cargo"),
        Installer::Npm => Command::new("npm"),
    };
    match peer.installed_by {
        // Built apart from our own, since it is built with other features.
        Installer::Cargo => command
            .args(["install", "--quiet", "--locked", "--root"])
            .arg(peers)
            .arg("--target-dir")
            .arg(peers.join("build")),
        Installer::Npm => command
            .args(["install", "--silent", "--no-save", "--prefix"])
            .arg(peers),
    };
    crate::run(command.arg(peer.package).stdout(Stdio::null())).with_context(|| format!("installing {}", peer.package))
}
