//! `catchment demo`: a year of real flights, from a record in to SQL out, through the same protocols that any
//! AWS client speaks.

mod flights;
mod lake;
mod queries;
mod send;
mod show;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use base::human_count;
use serde_json::{Value, json};

use crate::assembly::Platform;
use crate::client::{Client, KINESIS};
use crate::commands::serve::{runtime, stop_on_signal};
use crate::config::Config;
use crate::logs;
use crate::server::Server;
use flights::Tables;
use lake::Names;
use show::Steps;

/// Nothing the demo waits for takes longer.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// How often the state that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(crate) fn run(mut config: Config, exit: bool, data: Option<&Path>) -> Result<()> {
    // The demo speaks for itself; warnings still show.
    if config.log == Config::default().log {
        config.log = "warn".into();
    }
    logs::start(&config.log, config.log_format)?;
    let tables = Tables::find(data)?;
    runtime()?.block_on(async {
        let started = Instant::now();
        let server = Server::bind(&config, Platform::open(&config)?)
            .await
            .context("the demo starts a server of its own; choose another address with --listen 127.0.0.1:0")?;
        let endpoint = format!("http://{}", server.address()?);
        let stop = stop_on_signal()?;
        let end = stop.child_token();
        let serving = {
            let end = end.clone();
            #[expect(clippy::disallowed_methods, reason = "shutdown waits for this handle itself")]
            tokio::spawn(server.run(end))
        };
        println!(
            "catchment {} at {endpoint}, data in {}",
            env!("CARGO_PKG_VERSION"),
            config.data_dir.display()
        );
        println!("started in {:.0} ms\n", started.elapsed().as_secs_f64() * 1e3);
        let client = client(&config, &endpoint);
        let outcome = tokio::select! {
            outcome = story(&client, &tables) => outcome,
            () = stop.cancelled() => Err(anyhow::anyhow!("stopped before the end")),
        };
        if let (Ok(names), false) = (&outcome, exit) {
            invite(&config, &endpoint, names);
            stop.cancelled().await;
        }
        end.cancel();
        serving.await.context("the server died")?;
        outcome.map(drop)
    })
}

/// Signs with the first configured key, if any.
fn client(config: &Config, endpoint: &str) -> Client {
    let client = Client::new(endpoint);
    match config
        .access_keys
        .first()
        .map(|key| key.split(':').collect::<Vec<_>>())
        .as_deref()
    {
        Some([id, secret, ..]) => client.with_key(id, secret),
        _ => client,
    }
}

async fn story(client: &Client, tables: &Tables) -> Result<Names> {
    let names = lake::free_names(client).await?;
    let steps = Steps::default();

    let step = steps.begin("Make the bucket, the catalog's tables, the stream and its delivery");
    lake::make(client, &names, tables).await?;
    step.done(&format!(
        "stream {}, 4 shards; table {}.flights in s3://{}",
        names.stream, names.database, names.bucket
    ));

    let total = tables.flights_count;
    let first_put = Instant::now();
    let bar = steps.progress("Send every flight through Kinesis (PutRecords)", total);
    let sent = send::all(client, &names.stream, tables, &bar).await?;
    let seconds = first_put.elapsed().as_secs_f64();
    bar.done(&format!(
        "{} flights in {seconds:.1} s, {} records/s, each on disk before its answer",
        human_count(sent),
        human_count((sent as f64 / seconds) as u64)
    ));

    let bar = steps.progress("Deliver them through Firehose as partitioned Parquet", sent);
    wait_for_delivery(client, &names, sent, &bar).await?;
    let seconds = first_put.elapsed().as_secs_f64();
    bar.done(&format!(
        "all in S3 and in the catalog {seconds:.1} s after the first put"
    ));

    queries::run(client, &names, sent).await?;
    Ok(names)
}

async fn wait_for_delivery(client: &Client, names: &Names, sent: u64, bar: &show::Progress) -> Result<()> {
    let waiting = async {
        loop {
            let page: Value = serde_json::from_slice(&client.page("/_catchment/status").await?)?;
            let deliveries = page["deliveries"].as_array().cloned().unwrap_or_default();
            let ours = deliveries
                .iter()
                .find(|delivery| delivery["name"] == names.delivery.as_str());
            let ours = ours.context("the delivery stream is gone")?;
            let count = |name: &str| ours[name].as_u64().unwrap_or_default();
            bar.at(count("delivered_records"));
            if let Some(error) = ours["last_error"].as_str() {
                anyhow::bail!("the delivery fails: {error}");
            }
            if count("delivered_records") + count("failed_records") >= sent {
                anyhow::ensure!(
                    count("failed_records") == 0,
                    "{} flights could not be delivered",
                    count("failed_records")
                );
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(WAIT_MAX, waiting)
        .await
        .context("the delivery takes too long")?
}

/// What to do next: three lines that point an AWS client here.
fn invite(config: &Config, endpoint: &str, names: &Names) {
    let keyed = config
        .access_keys
        .first()
        .and_then(|key| key.split(':').next().map(str::to_owned));
    let (id, secret) = match keyed {
        Some(id) => (id, "<its secret>".to_owned()),
        None => ("test".to_owned(), "test".to_owned()),
    };
    println!("\nThe server stays up; Ctrl-C ends it. Point any AWS client at it:\n");
    println!("  export AWS_ENDPOINT_URL={endpoint}");
    println!("  export AWS_ACCESS_KEY_ID={id} AWS_SECRET_ACCESS_KEY={secret}");
    println!("  export AWS_DEFAULT_REGION=us-east-1\n");
    println!("  aws s3 ls s3://{} --recursive | head", names.bucket);
    println!("  aws kinesis describe-stream-summary --stream-name {}\n", names.stream);
}

/// Waits until the stream takes records, and gives its ARN.
async fn wait_until_active(client: &Client, stream: &str) -> Result<String> {
    let waiting = async {
        loop {
            let described = client
                .call(KINESIS, "DescribeStreamSummary", &json!({ "StreamName": stream }))
                .await?;
            let summary = &described["StreamDescriptionSummary"];
            if summary["StreamStatus"] == "ACTIVE" {
                let arn = summary["StreamARN"].as_str().context("the stream has no ARN")?;
                return Ok(arn.to_owned());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(WAIT_MAX, waiting)
        .await
        .context("the stream does not get active")?
}
