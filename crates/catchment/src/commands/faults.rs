//! `catchment faults`: makes chosen calls fail or take longer.

use anyhow::{Result, bail};
use comfy_table::{Table, presets};
use http::Method;
use serde_json::{Value, json};

use crate::cli::{FaultsArguments, FaultsCommand};
use crate::client::Client;
use crate::commands::serve::runtime;
use crate::say;

const PAGE: &str = "/_catchment/faults";

pub(crate) fn run(arguments: &FaultsArguments) -> Result<()> {
    let client = Client::new(&arguments.server.endpoint);
    runtime()?.block_on(async {
        match &arguments.command {
            None => show(&client.own(Method::GET, PAGE, None).await?),
            Some(FaultsCommand::List { json }) => {
                let faults = client.own(Method::GET, PAGE, None).await?;
                match json {
                    true => say!("{}", serde_json::to_string_pretty(&faults["faults"])?),
                    false => show(&faults),
                }
            }
            Some(FaultsCommand::Add(fault)) => {
                if fault.error.is_none() && fault.delay_ms.is_none() {
                    bail!("give --error, --delay-ms or both");
                }
                let mut body = json!({
                    "service": fault.service,
                    "rate": fault.rate,
                    "each_record": fault.each_record,
                    "delay_ms": fault.delay_ms.unwrap_or_default(),
                });
                let texts = [
                    ("operation", &fault.operation),
                    ("stream", &fault.stream),
                    ("error", &fault.error),
                    ("message", &fault.message),
                ];
                for (name, text) in texts {
                    if let Some(text) = text {
                        body[name] = text.as_str().into();
                    }
                }
                if let Some(count) = fault.count {
                    body["count"] = count.into();
                }
                let set = client.own(Method::POST, PAGE, Some(&body)).await?;
                say!("fault {} is set", set["id"]);
            }
            Some(FaultsCommand::Clear { id }) => {
                let path = id.map_or_else(|| PAGE.to_owned(), |id| format!("{PAGE}/{id}"));
                let cleared = client.own(Method::DELETE, &path, None).await?;
                say!("{} cleared", cleared["cleared"]);
            }
        }
        Ok(())
    })
}

fn show(faults: &Value) {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header([
        "id",
        "service",
        "operation",
        "stream",
        "error",
        "rate",
        "delay",
        "left",
        "hits",
    ]);
    for fault in faults["faults"].as_array().into_iter().flatten() {
        let text = |name: &str, none: &str| fault[name].as_str().unwrap_or(none).to_owned();
        table.add_row([
            fault["id"].to_string(),
            text("service", ""),
            text("operation", "any"),
            text("stream", "any"),
            text("error", "-"),
            match fault["each_record"].as_bool() {
                Some(true) => format!("{} of records", fault["rate"]),
                _ => fault["rate"].to_string(),
            },
            format!("{} ms", fault["delay_ms"]),
            fault["count"]
                .as_u64()
                .map_or_else(|| "-".to_owned(), |count| count.to_string()),
            fault["hits"].to_string(),
        ]);
    }
    say!("{table}");
}
