//! `catchment status`: what a running server is doing.

use anyhow::{Context, Result, bail};
use base::{human_bytes, human_count};
use comfy_table::{Table, presets};
use serde_json::Value;

use crate::cli::StatusArguments;
use crate::client::Client;
use crate::commands::serve::runtime;

pub(crate) fn run(arguments: &StatusArguments) -> Result<()> {
    let client = Client::new(&arguments.endpoint);
    if arguments.health {
        return runtime()?.block_on(client.page("/_catchment/health")).map(drop);
    }
    let page = runtime()?.block_on(client.page("/_catchment/status"))?;
    let status: Value = serde_json::from_slice(&page).context("the answer is no status of catchment")?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
        return well(&status);
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let count = |value: &Value| human_count(value.as_u64().unwrap_or_default());
    println!(
        "catchment {} at {}, process {}",
        text(&status["version"]),
        text(&status["listen"]),
        status["pid"]
    );
    println!(
        "data in {}, up {} s, {} requests",
        text(&status["data_dir"]),
        count(&status["uptime_seconds"]),
        count(&status["requests"])
    );
    let log = &status["log"];
    println!(
        "log: {} in {} files, {} records appended since the start",
        human_bytes(log["bytes"].as_u64().unwrap_or_default()),
        count(&log["files"]),
        count(&log["appended_records"])
    );
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_header(["service", "operations", "of"]);
    for (name, service) in status["services"].as_object().into_iter().flatten() {
        table.add_row([name.clone(), count(&service["operations"]), count(&service["modelled"])]);
    }
    println!("\n{table}");
    well(&status)
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
