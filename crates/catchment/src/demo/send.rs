//! Every flight into the stream, 500 to a call and several calls at a time.

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt;
use serde_json::Value;

use super::flights::{Flight, Tables};
use super::show::Progress;
use crate::client::{Client, KINESIS};

/// What the service takes in one call.
const RECORDS_PER_CALL: usize = 500;
const CALLS_AT_ONCE: usize = 8;
/// Calls that are written and wait to be sent.
const CALLS_AHEAD: usize = 8;

/// Sends all flights and returns how many there were. A record that the service refuses ends the demo: without
/// limits none is.
pub(super) async fn all(client: &Client, stream: &str, tables: &Tables, bar: &Progress) -> Result<u64> {
    let (calls, waiting) = tokio::sync::mpsc::channel::<(usize, Bytes)>(CALLS_AHEAD);
    let (tables, stream) = (tables.clone(), stream.to_owned());
    let writing = tokio::task::spawn_blocking(move || {
        let mut records = Vec::with_capacity(RECORDS_PER_CALL);
        tables.each_flight(|flight| {
            records.push(flight);
            if records.len() == RECORDS_PER_CALL {
                calls
                    .blocking_send((records.len(), body(&stream, &records)))
                    .context("nobody sends any more")?;
                records.clear();
            }
            Ok(())
        })?;
        if !records.is_empty() {
            calls
                .blocking_send((records.len(), body(&stream, &records)))
                .context("nobody sends any more")?;
        }
        Ok::<_, anyhow::Error>(())
    });
    let calls = futures::stream::unfold(waiting, |mut waiting| async { Some((waiting.recv().await?, waiting)) });
    let answers = calls
        .map(|(count, body)| async move { (count, client.call_bytes(KINESIS, "PutRecords", body).await) })
        .buffer_unordered(CALLS_AT_ONCE);
    let mut sent = 0;
    let mut answers = std::pin::pin!(answers);
    while let Some((count, answer)) = answers.next().await {
        refuse_failures(&answer?)?;
        sent += count as u64;
        bar.at(sent);
    }
    writing.await.context("reading the flights failed")??;
    Ok(sent)
}

fn refuse_failures(answer: &Value) -> Result<()> {
    if answer["FailedRecordCount"].as_u64() == Some(0) {
        return Ok(());
    }
    let failed = answer["Records"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|record| record["ErrorCode"].is_string());
    bail!("PutRecords refused records: {}", failed.cloned().unwrap_or_default())
}

fn body(stream: &str, records: &[Flight]) -> Bytes {
    let mut text = format!("{{\"StreamName\":\"{stream}\",\"Records\":[");
    for (index, record) in records.iter().enumerate() {
        text.push_str(if index == 0 { "{\"Data\":\"" } else { ",{\"Data\":\"" });
        STANDARD.encode_string(&record.json, &mut text);
        text.push_str("\",\"PartitionKey\":\"");
        // Carrier codes and flight numbers need no escaping.
        text.push_str(&record.partition_key);
        text.push_str("\"}");
    }
    text.push_str("]}");
    text.into()
}
