//! `catchment keys`: the keys that streams are encrypted with.

use anyhow::{Context, Result};
use base::Scope;
use comfy_table::{Table, presets};
use http::Method;
use serde_json::{Value, json};

use crate::cli::{KeysArguments, KeysCommand, region as region_of};
use crate::client::Client;
use crate::commands::serve::runtime;
use crate::say;

const PAGE: &str = "/_catchment/keys";

pub(crate) fn run(arguments: &KeysArguments) -> Result<()> {
    let client = Client::new(&arguments.server.endpoint);
    runtime()?.block_on(async {
        match &arguments.command {
            None | Some(KeysCommand::List) => show(&client.own(Method::GET, PAGE, None).await?),
            Some(KeysCommand::Set {
                key,
                state,
                account,
                region,
            }) => {
                let mut scope = Scope::default();
                if let Some(account) = account {
                    scope.account = account.parse().context("an account has twelve digits")?;
                }
                let region = region_of(region.as_deref());
                scope.region = region.parse().context("this is no region")?;
                let set = json!({ "scope": scope, "key": key, "state": state });
                let set = client.own(Method::POST, PAGE, Some(&set)).await?;
                let state = set["state"].as_str().unwrap_or_default();
                say!("{key} is {state} for account {} in {region}", scope.account);
            }
        }
        Ok(())
    })
}

fn show(keys: &Value) {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_header(["key", "state", "account", "region"]);
    for key in keys["keys"].as_array().into_iter().flatten() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let scope = &key["scope"];
        table.add_row([&key["key"], &key["state"], &scope["account"], &scope["region"]].map(text));
    }
    say!("{table}");
}
