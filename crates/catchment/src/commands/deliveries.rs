//! `catchment deliveries`: the delivery streams of a running server.

use anyhow::{Context, Result};
use base::{Clock, Millis, human_bytes, human_count};
use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;

use crate::cli::DeliveriesArguments;
use crate::client::Client;
use crate::commands::human_age;
use crate::commands::serve::runtime;
use crate::say;

pub(crate) fn run(arguments: &DeliveriesArguments) -> Result<()> {
    let client = Client::new(&arguments.server.endpoint);
    let page = runtime()?.block_on(client.page("/_catchment/status"))?;
    let status: Value = serde_json::from_slice(&page).context("the answer is no status of catchment")?;
    let all = status["deliveries"].as_array().map_or(&[][..], Vec::as_slice);
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(all)?);
    } else {
        // Only the lines of what fails are as long as its reason.
        say!("{}", table(all, Clock::system().now_ms()).trim_fmt());
    }
    Ok(())
}

fn table(all: &[Value], now_ms: Millis) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header([
        "delivery stream",
        "region",
        "source",
        "destination",
        "delivered",
        "bytes",
        "failed",
        "lost",
        "buffered",
        "lag",
        "oldest",
        "last object",
        "error",
    ]);
    for delivery in all {
        let text = |name: &str| delivery[name].as_str().unwrap_or("-").to_owned();
        let number = |name: &str| delivery[name].as_u64().unwrap_or_default();
        let count = |name: &str| human_count(number(name));
        let arrivals = ["oldest_ms", "backup_oldest_ms"].map(|name| delivery[name].as_i64());
        let oldest = arrivals.into_iter().flatten().min();
        table.add_row([
            text("name"),
            text("region"),
            text("source"),
            text("destination"),
            count("delivered_records"),
            human_bytes(number("delivered_bytes")),
            count("failed_records"),
            count("lost_records"),
            count("buffered_records"),
            count("lag_records"),
            oldest.map_or_else(|| "-".to_owned(), |oldest_ms| human_age(now_ms - oldest_ms)),
            text("last_object"),
            text("last_error"),
        ]);
    }
    for column in 4..=10 {
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
    fn what_is_not_there_is_a_dash() {
        let shown = table(
            &[json!({"name": "clicks", "delivered_records": 1_234, "oldest_ms": 1_000})],
            62_000,
        )
        .to_string();
        assert!(
            shown.contains("1,234") && shown.contains("1 min") && shown.contains(" - "),
            "{shown}"
        );
    }
}
