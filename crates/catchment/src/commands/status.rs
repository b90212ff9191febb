//! `catchment status`: what a running server is doing.

use anyhow::{Context, Result, bail};
use base::{human_bytes, human_count};
use comfy_table::{Table, presets};
use serde_json::Value;

use crate::cli::StatusArguments;
use crate::client::Client;
use crate::commands::serve::runtime;
use crate::say;

pub(crate) fn run(arguments: &StatusArguments) -> Result<()> {
    let client = Client::new(&arguments.server.endpoint);
    if arguments.health {
        return runtime()?.block_on(client.page("/_catchment/health")).map(drop);
    }
    let page = runtime()?.block_on(client.page("/_catchment/status"))?;
    let status: Value = serde_json::from_slice(&page).context("the answer is no status of catchment")?;
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(&status)?);
        return well(&status);
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let count = |value: &Value| human_count(value.as_u64().unwrap_or_default());
    say!(
        "catchment {} at {}, process {}",
        text(&status["version"]),
        text(&status["listen"]),
        status["pid"]
    );
    say!(
        "data in {}, up {} s, {} requests",
        text(&status["data_dir"]),
        count(&status["uptime_seconds"]),
        count(&status["requests"])
    );
    let log = &status["log"];
    say!(
        "log: {} in {} files, {} records appended since the start",
        human_bytes(log["bytes"].as_u64().unwrap_or_default()),
        count(&log["files"]),
        count(&log["appended_records"])
    );
    if let Some(objects) = log["tiered_objects"].as_u64().filter(|objects| *objects > 0) {
        let bytes = human_bytes(log["tiered_bytes"].as_u64().unwrap_or_default());
        say!("tier: {bytes} in {objects} objects");
    }
    if let Some(failure) = log["tier_failure"].as_str() {
        say!("tier: FAILS: {failure}");
    }
    deliveries(&status);
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_header(["service", "operations", "of"]);
    for (name, service) in status["services"].as_object().into_iter().flatten() {
        table.add_row([name.clone(), count(&service["operations"]), count(&service["modelled"])]);
    }
    say!("\n{table}");
    well(&status)
}

/// The delivery streams, and what holds them up.
fn deliveries(status: &Value) {
    let all = status["deliveries"].as_array().map_or(&[][..], Vec::as_slice);
    if all.is_empty() {
        return;
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header([
        "delivery stream",
        "records delivered",
        "buffered",
        "behind",
        "failing",
    ]);
    for delivery in all {
        let count = |name: &str| human_count(delivery[name].as_u64().unwrap_or_default());
        table.add_row([
            delivery["name"].as_str().unwrap_or_default().to_owned(),
            count("delivered_records"),
            count("buffered_records"),
            count("lag_records"),
            delivery["last_error"].as_str().unwrap_or("-").to_owned(),
        ]);
    }
    say!("\n{}", table.trim_fmt());
}

fn well(status: &Value) -> Result<()> {
    match status["log"]["refusing_writes"].as_str() {
        Some(reason) => bail!("THE LOG REFUSES WRITES: {reason}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_log_that_refuses_writes_fails_the_command() {
        assert!(well(&json!({ "log": { "refusing_writes": null } })).is_ok());
        let refused = well(&json!({ "log": { "refusing_writes": "the disk broke" } }));
        assert!(refused.expect_err("fails").to_string().contains("the disk broke"));
    }
}
