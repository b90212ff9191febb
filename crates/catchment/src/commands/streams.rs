//! `catchment streams`: the data streams of a running server.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use base::{Clock, human_bytes, human_count};
use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;

use crate::cli::StreamsArguments;
use crate::client::Client;
use crate::commands::human_age;
use crate::commands::serve::runtime;
use crate::say;

/// Between the two looks that tell the rate.
const BETWEEN: Duration = Duration::from_secs(1);

pub(crate) fn run(arguments: &StreamsArguments) -> Result<()> {
    runtime()?.block_on(async {
        let client = Client::new(&arguments.server.endpoint);
        let first = look(&client).await?;
        let begun = Instant::now();
        if arguments.json {
            say!("{}", serde_json::to_string_pretty(&first)?);
            return Ok(());
        }
        tokio::time::sleep(BETWEEN).await;
        let second = look(&client).await?;
        say!("{}", table(&first, &second, begun.elapsed(), Clock::system().now_ms()));
        Ok(())
    })
}

async fn look(client: &Client) -> Result<Vec<Value>> {
    let page = client.page("/_catchment/status").await?;
    let mut status: Value = serde_json::from_slice(&page).context("the answer is no status of catchment")?;
    match status["streams"].take() {
        Value::Array(streams) => Ok(streams),
        _ => Ok(Vec::new()),
    }
}

fn table(before: &[Value], now: &[Value], between: Duration, now_ms: i64) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header([
        "stream",
        "region",
        "status",
        "mode",
        "shards",
        "records/s",
        "on disk",
        "in the tier",
        "retention",
        "oldest record",
    ]);
    for stream in now {
        let text = |name: &str| stream[name].as_str().unwrap_or_default().to_owned();
        let number = |stream: &Value, name: &str| stream[name].as_u64().unwrap_or_default();
        let earlier = before.iter().find(|other| other["uid"] == stream["uid"]);
        let appended = earlier.map_or(0, |earlier| {
            number(stream, "records").saturating_sub(number(earlier, "records"))
        });
        let oldest = match stream["oldest_ms"].as_i64() {
            Some(oldest_ms) => format!("{} ago", human_age(now_ms - oldest_ms)),
            None => "-".to_owned(),
        };
        table.add_row([
            text("name"),
            text("region"),
            text("status"),
            text("mode"),
            human_count(number(stream, "open_shards")),
            human_count((appended as f64 / between.as_secs_f64()).round() as u64),
            human_bytes(number(stream, "bytes").saturating_sub(number(stream, "tiered_bytes"))),
            human_bytes(number(stream, "tiered_bytes")),
            format!("{} h", number(stream, "retention_hours")),
            oldest,
        ]);
    }
    for column in [4, 5, 6, 7, 8] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rates_are_the_difference_of_two_looks() {
        let stream = |records: u64| json!({"uid": 7, "name": "clicks", "region": "us-east-1", "records": records, "oldest_ms": 0});
        let shown = table(&[stream(100)], &[stream(1_100)], Duration::from_secs(2), 90_000_000).to_string();
        assert!(
            shown.contains("clicks") && shown.contains("500") && shown.contains("1 day"),
            "{shown}"
        );
    }
}
