//! What the command line understands.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::client::Client;

/// A self-hosted data ingestion and transformation platform: the AWS data services' protocols in front, a durable
/// log, Parquet files and SQL behind.
#[derive(Parser)]
#[command(name = "catchment", version, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Read settings from this TOML file. Without it, `catchment.toml` in the working directory is read if there.
    #[arg(long, global = true, value_name = "FILE", env = "CATCHMENT_CONFIG")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start the server and keep running until SIGTERM or Ctrl-C.
    Serve(ServeArguments),
    /// Send a year of real flights from a record in to SQL out, then keep serving.
    Demo(DemoArguments),
    /// Show what a running server is doing. Fails where it takes no writes.
    Status(StatusArguments),
    /// Put lines into a Kinesis stream, from files or standard input. What is refused for its rate, or by a server
    /// that is not well, is put again for a while, as SDKs do.
    Put(PutArguments),
    /// Follow a Kinesis stream: print records as they come, through splits and merges of shards.
    Tail(TailArguments),
    /// Show the Kinesis streams of a running server.
    Streams(StreamsArguments),
    /// Show the Firehose delivery streams of a running server.
    ///
    /// One line each. Since the start of the server: records delivered and their bytes as they were written;
    /// failed, which are in error documents instead; lost, which were gone from the source before they were read.
    /// At the moment: records that wait in buffers, records of the source that are not read yet (lag), and how long
    /// ago the oldest of those came that are not delivered, or not backed up. Then the object that was written last,
    /// and why the last attempt failed, until one succeeds: it is made again after a second, later after up to a
    /// minute.
    Deliveries(DeliveriesArguments),
    /// Make chosen operations on chosen streams fail or take longer, to test producers and consumers.
    Faults(FaultsArguments),
    /// Show the keys that streams are encrypted with, and say what one may be used for.
    Keys(KeysArguments),
    /// Work out sizes before you build.
    Plan {
        #[command(subcommand)]
        what: Plan,
    },
    /// Print the effective settings, with the file, the environment and the flags applied, as TOML.
    Config(ServeArguments),
    /// Print a completion script for a shell.
    Completions { shell: clap_complete::Shell },
}

/// Settings of the server. Each can also stand in the settings file (with `_` for `-`) or in the environment;
/// the environment overrides the file, a flag overrides both.
#[derive(Args, Default, Clone)]
pub(crate) struct ServeArguments {
    /// The address to listen on. Anything but loopback needs access keys. [default: 127.0.0.1:4566]
    #[arg(long, value_name = "ADDRESS:PORT", env = "CATCHMENT_LISTEN", value_parser = address)]
    pub listen: Option<SocketAddr>,
    /// Where everything is kept. [default: catchment-data]
    #[arg(long, value_name = "DIRECTORY", env = "CATCHMENT_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// An access key that callers sign with, `ID:SECRET` or `ID:SECRET:ACCOUNT`; may be given several times. With
    /// any key set every signature is checked.
    #[arg(
        long = "access-key",
        value_name = "ID:SECRET[:ACCOUNT]",
        env = "CATCHMENT_ACCESS_KEYS",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub access_keys: Vec<String>,
    /// Rate limits: `none` runs as fast as the machine, `aws` throttles as the services document. [default: none]
    #[arg(long, env = "CATCHMENT_LIMITS")]
    pub limits: Option<LimitsProfile>,
    /// When a record counts as written: `fsync` when it is on the disk, `os` when the system has it. [default: fsync]
    #[arg(long, env = "CATCHMENT_DURABILITY")]
    pub durability: Option<Durability>,
    /// How logs are written. [default: human]
    #[arg(long, env = "CATCHMENT_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// What is logged: `error`, `warn`, `info`, `debug`, or per module as in `info,engine_log=debug`. [default: info]
    #[arg(long, value_name = "FILTER", env = "CATCHMENT_LOG")]
    pub log: Option<String>,
    /// A PEM certificate chain for TLS, with --tls-key. Without it a self-signed one is made.
    #[arg(long, value_name = "FILE", env = "CATCHMENT_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert.
    #[arg(long, value_name = "FILE", env = "CATCHMENT_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// Web pages of these origins may call; pages served from loopback always may. `*` lets all.
    #[arg(
        long = "cors-origin",
        value_name = "ORIGIN",
        env = "CATCHMENT_CORS_ORIGINS",
        value_delimiter = ','
    )]
    pub cors_origins: Vec<String>,
    /// A name besides localhost and *.amazonaws.com that callers may call a server without access keys by; names
    /// below it are allowed too. `*` lets all.
    #[arg(
        long = "allowed-host",
        value_name = "NAME",
        env = "CATCHMENT_ALLOWED_HOSTS",
        value_delimiter = ','
    )]
    pub allowed_hosts: Vec<String>,
    /// How long Kinesis streams and consumers stay in the states CREATING, UPDATING and DELETING, in milliseconds.
    /// [default: 0]
    #[arg(long, value_name = "MS", env = "CATCHMENT_STATE_DELAY_MS")]
    pub state_delay_ms: Option<u64>,
    /// Where old records go that are to leave this disk, `s3://bucket/prefix` or `file:///directory`: those of streams
    /// with the tag `catchment.tier_after_hours`, once they are as old as it says.
    #[arg(long, value_name = "URL", env = "CATCHMENT_TIER")]
    pub tier: Option<String>,
    /// How to reach the tier's bucket: `endpoint`, `region`, `access_key_id`, `secret_access_key` and others; may be
    /// given several times. AWS_ variables are not looked at, since they may point at this very server.
    #[arg(
        long = "tier-option",
        value_name = "KEY=VALUE",
        env = "CATCHMENT_TIER_OPTIONS",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub tier_options: Vec<String>,
    /// How many connections may be open at once. [default: 10000]
    #[arg(long, value_name = "COUNT", env = "CATCHMENT_CONNECTIONS_MAX")]
    pub connections_max: Option<usize>,
}

#[derive(Args)]
pub(crate) struct DemoArguments {
    #[command(flatten)]
    pub serve: ServeArguments,
    /// End after the last query instead of serving on.
    #[arg(long)]
    pub exit: bool,
    /// The directory with the flight tables. [default: examples/flights]
    #[arg(long, value_name = "DIRECTORY")]
    pub data: Option<PathBuf>,
}

/// Which server.
#[derive(Args, Clone)]
pub(crate) struct Endpoint {
    /// The server. [default: AWS_ENDPOINT_URL or http://127.0.0.1:4566]
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "AWS_ENDPOINT_URL",
        default_value = "http://127.0.0.1:4566",
        hide_default_value = true
    )]
    pub endpoint: String,
}

#[derive(Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub server: Endpoint,
    /// Print JSON.
    #[arg(long, conflicts_with = "health")]
    pub json: bool,
    /// Only tell, by the exit status, whether the server is well.
    #[arg(long)]
    pub health: bool,
}

/// Which server, and as whom.
#[derive(Args, Clone)]
pub(crate) struct ServerArguments {
    #[command(flatten)]
    pub server: Endpoint,
    /// The region. [default: AWS_REGION, AWS_DEFAULT_REGION or us-east-1]
    #[arg(long, env = "AWS_REGION", hide_env = true)]
    pub region: Option<String>,
    /// The access key id. [default: AWS_ACCESS_KEY_ID, or any]
    #[arg(long, value_name = "ID", env = "AWS_ACCESS_KEY_ID", hide_env = true)]
    pub access_key_id: Option<String>,
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide = true)]
    pub secret_access_key: Option<String>,
}

/// An address, also by a name such as `localhost`.
fn address(text: &str) -> Result<SocketAddr, String> {
    let mut found = text.to_socket_addrs().map_err(|error| error.to_string())?;
    found.next().ok_or_else(|| "it is the name of no address".to_owned())
}

/// The region given, or that of the environment.
pub(crate) fn region(given: Option<&str>) -> String {
    let in_environment = || std::env::var("AWS_DEFAULT_REGION").ok();
    let region = given.map(str::to_owned).or_else(in_environment);
    region
        .filter(|region| !region.is_empty())
        .unwrap_or_else(|| "us-east-1".to_owned())
}

impl ServerArguments {
    pub(crate) fn client(&self) -> Client {
        let region = region(self.region.as_deref());
        let client = Client::new(&self.server.endpoint).with_region(&region);
        match (&self.access_key_id, &self.secret_access_key) {
            (Some(id), Some(secret)) => client.with_key(id, secret),
            _ => client,
        }
    }
}

#[derive(Args, Clone)]
pub(crate) struct PutArguments {
    /// The stream.
    pub stream: String,
    /// Files of one record a line, also compressed as .zst; `-` is standard input. [default: -]
    pub files: Vec<PathBuf>,
    /// The partition key of every record. Without it each gets a key of its own.
    #[arg(long, value_name = "KEY", conflicts_with = "key_member")]
    pub partition_key: Option<String>,
    /// Take each record's partition key from this member of its JSON.
    #[arg(long, value_name = "NAME")]
    pub key_member: Option<String>,
    /// Wait for each call before the next, so that records of one key stay in the lines' order.
    #[arg(long)]
    pub ordered: bool,
    #[command(flatten)]
    pub server: ServerArguments,
}

#[derive(Args)]
pub(crate) struct TailArguments {
    /// The stream.
    pub stream: String,
    /// Only this shard.
    #[arg(long, value_name = "ID")]
    pub shard: Option<String>,
    /// Where to begin: `latest`, `oldest`, a time as 2026-01-31T12:00:00Z, or so long ago as 30s, 15m, 2h, 1d.
    #[arg(long, value_name = "PLACE", default_value = "latest")]
    pub from: String,
    /// Print the data of records only, a line each, byte for byte as they were put. Without it JSON is shown as JSON,
    /// so that numbers beyond 64 bits are rounded and of members of one name the last is shown.
    #[arg(long, conflicts_with = "pretty")]
    pub raw: bool,
    /// Indent the JSON, as is done on a terminal.
    #[arg(long)]
    pub pretty: bool,
    /// End after so many records.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// End at the tip instead of waiting for more.
    #[arg(long)]
    pub no_follow: bool,
    #[command(flatten)]
    pub server: ServerArguments,
}

#[derive(Args)]
pub(crate) struct StreamsArguments {
    #[command(flatten)]
    pub server: Endpoint,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub(crate) struct DeliveriesArguments {
    #[command(flatten)]
    pub server: Endpoint,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub(crate) struct FaultsArguments {
    #[command(flatten)]
    pub server: Endpoint,
    #[command(subcommand)]
    pub command: Option<FaultsCommand>,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "a share is a number from 0 to 1".to_owned())
}

#[derive(Subcommand)]
pub(crate) enum FaultsCommand {
    /// Show what is set, and how often it has hit.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Set a fault.
    Add(FaultArguments),
    /// Remove a fault, or all.
    Clear {
        /// Only this one.
        id: Option<u64>,
    },
}

#[derive(Args)]
pub(crate) struct KeysArguments {
    #[command(flatten)]
    pub server: Endpoint,
    #[command(subcommand)]
    pub command: Option<KeysCommand>,
}

#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// Show the keys in use, and those that are not enabled.
    List,
    /// Say what a key may be used for, as its administrators would: puts to and reads from streams that are encrypted
    /// with one that is not enabled fail with the service's errors.
    Set {
        /// As it is named in StartStreamEncryption: an id, an ARN or an alias.
        key: String,
        state: KeyStateName,
        /// The account of the streams. [default: 000000000000]
        #[arg(long)]
        account: Option<String>,
        /// The region of the streams. [default: AWS_REGION, AWS_DEFAULT_REGION or us-east-1]
        #[arg(long, env = "AWS_REGION", hide_env = true)]
        region: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KeyStateName {
    Enabled,
    /// KMSDisabledException.
    Disabled,
    /// KMSInvalidStateException.
    PendingDeletion,
    /// KMSNotFoundException.
    Missing,
    /// KMSAccessDeniedException.
    AccessDenied,
    /// KMSThrottlingException.
    Throttled,
    /// KMSOptInRequired.
    NotSubscribed,
}

#[derive(Args)]
pub(crate) struct FaultArguments {
    /// The service: kinesis, firehose, athena, glue, ..
    #[arg(long, default_value = "kinesis")]
    pub service: String,
    /// Only this operation, such as PutRecords.
    #[arg(long, value_name = "NAME")]
    pub operation: Option<String>,
    /// Only calls for this stream or delivery stream.
    #[arg(long, value_name = "NAME")]
    pub stream: Option<String>,
    /// The error's code, such as ProvisionedThroughputExceededException.
    #[arg(long, value_name = "CODE")]
    pub error: Option<String>,
    /// The error's text.
    #[arg(long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Fail single records of PutRecords or PutRecordBatch, not the call; --rate and --count are of records then.
    #[arg(long, requires_all = ["error", "operation"])]
    pub each_record: bool,
    /// The share of calls that it hits, from 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, value_parser = share)]
    pub rate: f64,
    /// How long the call waits first, in milliseconds.
    #[arg(long, value_name = "MS")]
    pub delay_ms: Option<u64>,
    /// After how many calls it ends.
    #[arg(long, value_name = "CALLS", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
}

#[derive(Subcommand)]
pub(crate) enum Plan {
    /// How many shards a provisioned stream needs: max(write KB/s / 1000, read KB/s / 2000), and no more than
    /// 1,000 records/s each.
    Shards {
        /// Records written per second.
        #[arg(long, value_name = "COUNT")]
        records_per_second: f64,
        /// Average size of a record in KB.
        #[arg(long, value_name = "KB")]
        record_kb: f64,
        /// Consumers that share the stream's read throughput (without enhanced fan-out).
        #[arg(long, value_name = "COUNT", default_value_t = 1)]
        consumers: u32,
    },
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LimitsProfile {
    #[default]
    None,
    Aws,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Durability {
    #[default]
    Fsync,
    Os,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    #[default]
    Human,
    Json,
}
