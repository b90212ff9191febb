//! `catchment status`: what a running server is doing.

use anyhow::{Context, Result};
use base::{human_bytes, human_count};
use comfy_table::{Table, presets};
use serde_json::Value;

use crate::cli::StatusArguments;
use crate::client::Client;
use crate::commands::serve::runtime;

pub(crate) fn run(arguments: &StatusArguments) -> Result<()> {
    let page = runtime()?.block_on(Client::new(&arguments.endpoint).page("/_catchment/status"))?;
    let status: Value = serde_json::from_slice(&page).context("the answer is no status of catchment")?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
        return Ok(());
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
    if let Some(reason) = log["refusing_writes"].as_str() {
        println!("THE LOG REFUSES WRITES: {reason}");
    }
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_header(["service", "operations", "of"]);
    for (name, service) in status["services"].as_object().into_iter().flatten() {
        table.add_row([name.clone(), count(&service["operations"]), count(&service["modelled"])]);
    }
    println!("\n{table}");
    Ok(())
}
