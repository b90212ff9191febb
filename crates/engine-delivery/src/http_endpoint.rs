//! Delivery to an HTTP endpoint, by the protocol of the developer guide's page "HTTP endpoint delivery request and
//! response specifications".
//!
//! A request that is tried again has the id that it had, over crashes too, so that an endpoint that keeps the ids of
//! what it has taken gets every record once.

use std::io::Write;
use std::time::Duration;

use base::{Millis, Random};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::write::GzEncoder;
use futures::StreamExt;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::{Client, StatusCode, redirect};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::DeliveryParts;
use crate::buffers::{Buffer, Held};
use crate::error_document::{self, Failed};
use crate::settings::Settings;
use crate::worker::Shared;
use crate::write::Sent;

/// What one request carries at most, before compression.
const RECORDS_MAX: usize = 10_000;
const BODY_BYTES_MAX: usize = 64 << 20;
/// An endpoint has so long to answer, and so much to say.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(180);
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Between attempts: doubled each time, and up to 15 % shorter or longer.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(120);
const JITTER: f64 = 0.15;

/// Where and how records are sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpEndpoint {
    pub url: String,
    pub access_key: Option<String>,
    pub gzip: bool,
    /// Names and values that every request carries.
    pub attributes: Vec<(String, String)>,
    /// For so long a request is tried again.
    pub retry_ms: Millis,
    /// What the endpoint is told that records come from.
    pub source: String,
}

/// Why an attempt failed: the service's code and what happened.
#[derive(Debug)]
struct Failure {
    code: &'static str,
    message: String,
    /// Whether another attempt would fail just so.
    is_final: bool,
}

/// A client for all endpoints; connections are kept.
pub(crate) fn client() -> Result<Client, reqwest::Error> {
    let builder = Client::builder().timeout(ANSWER_TIME_MAX);
    builder
        .redirect(redirect::Policy::none())
        // As the service writes them.
        .http1_title_case_headers()
        .user_agent("Amazon Kinesis Data Firehose Agent/1.0")
        .build()
}

/// Posts a buffer, in as many requests as it takes. The ids of the requests follow `first_id`. Ends with an error only
/// when it is to stop, or to go on by other settings.
pub(crate) async fn post(
    parts: &DeliveryParts,
    shared: &Shared,
    client: &Client,
    endpoint: &HttpEndpoint,
    settings: &Settings,
    first_id: Uuid,
    buffer: &Buffer,
) -> Result<Sent, String> {
    let (delimiter, version) = (settings.delimiter(), settings.version());
    let mut sent = Sent::default();
    let mut id = first_id.as_u128();
    let mut request = Request::new(endpoint, version);
    for part in buffer.parts() {
        let part = part.map_err(|error| error.to_string())?;
        let mut records = part.records().peekable();
        while let Some(record) = records.peek() {
            if request.has_room_for(record, delimiter) {
                request.push(record, delimiter);
                records.next();
                continue;
            }
            let full = std::mem::replace(&mut request, Request::new(endpoint, version));
            full.send(parts, shared, client, Uuid::from_u128(id), &mut sent).await?;
            id = id.wrapping_add(1);
        }
    }
    if !request.offsets.is_empty() {
        request
            .send(parts, shared, client, Uuid::from_u128(id), &mut sent)
            .await?;
    }
    Ok(sent)
}

/// A request in the making.
struct Request<'e> {
    endpoint: &'e HttpEndpoint,
    /// Of the settings that it is posted by.
    version: u64,
    /// The entries of `records` in the body.
    entries: Vec<u8>,
    /// Arrival times and the ends of the entries.
    offsets: Vec<(Millis, usize)>,
}

impl<'e> Request<'e> {
    fn new(endpoint: &'e HttpEndpoint, version: u64) -> Self {
        Self {
            endpoint,
            version,
            entries: Vec::new(),
            offsets: Vec::new(),
        }
    }

    fn has_room_for(&self, record: &Held<'_>, delimiter: &[u8]) -> bool {
        let bytes = (record.data.len() + delimiter.len()) / 3 * 4 + 16;
        self.offsets.is_empty()
            || self.offsets.len() < RECORDS_MAX && self.entries.len() + bytes <= BODY_BYTES_MAX - 128
    }

    fn push(&mut self, record: &Held<'_>, delimiter: &[u8]) {
        if !self.offsets.is_empty() {
            self.entries.push(b',');
        }
        self.entries.extend_from_slice(b"{\"data\":\"");
        let text = match delimiter {
            [] => STANDARD.encode(record.data),
            _ => STANDARD.encode([record.data, delimiter].concat()),
        };
        self.entries.extend_from_slice(text.as_bytes());
        self.entries.extend_from_slice(b"\"}");
        self.offsets.push((record.arrival_ms, self.entries.len()));
    }

    fn body(&self, id: Uuid, now_ms: Millis) -> std::io::Result<Bytes> {
        let head = format!("{{\"requestId\":\"{id}\",\"timestamp\":{now_ms},\"records\":[");
        let parts: [&[u8]; 3] = [head.as_bytes(), &self.entries, b"]}"];
        if !self.endpoint.gzip {
            return Ok(parts.concat().into());
        }
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        parts.into_iter().try_for_each(|part| encoder.write_all(part))?;
        Ok(encoder.finish()?.into())
    }

    /// Tries until the endpoint takes it or the time for that is over.
    async fn send(
        self,
        parts: &DeliveryParts,
        shared: &Shared,
        client: &Client,
        id: Uuid,
        sent: &mut Sent,
    ) -> Result<(), String> {
        let began_ms = parts.clock.now_ms();
        let body = self.body(id, began_ms).map_err(|error| error.to_string())?;
        let mut pause = PAUSE;
        for attempt in 1.. {
            let outcome = tokio::select! {
                outcome = self.attempt(client, id, body.clone()) => outcome,
                () = shared.stop.cancelled() => return Err("the delivery stops".to_owned()),
            };
            let Err(failure) = outcome else {
                sent.requests += 1;
                sent.bytes += body.len() as u64;
                sent.refused = None;
                return Ok(());
            };
            let (url, code, message) = (&self.endpoint.url, failure.code, &failure.message);
            tracing::warn!(url, attempt, code, message, "an HTTP endpoint did not take a request");
            shared.note_failure(format!("{code}: {message}"));
            let next = jittered(pause, &parts.random);
            let now_ms = parts.clock.now_ms();
            // Who waited before may have been the one to hear of them.
            if shared.is_superseded(self.version) {
                return Err(format!("{code}: {message}"));
            }
            if failure.is_final || now_ms + next.as_millis() as Millis > began_ms + self.endpoint.retry_ms {
                self.give_up(attempt, &failure, now_ms, sent);
                return Ok(());
            }
            tokio::select! {
                () = parts.clock.sleep(next) => {}
                () = shared.changed.notified() => return Err(format!("{code}: {message}")),
                () = shared.stop.cancelled() => return Err("the delivery stops".to_owned()),
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
        Ok(())
    }

    async fn attempt(&self, client: &Client, id: Uuid, body: Bytes) -> Result<(), Failure> {
        let endpoint = self.endpoint;
        let mut request = client
            .post(&endpoint.url)
            .header(CONTENT_TYPE, "application/json")
            .header("X-Amz-Firehose-Protocol-Version", "1.0")
            .header("X-Amz-Firehose-Request-Id", id.to_string())
            .header("X-Amz-Firehose-Source-Arn", &endpoint.source)
            .body(body);
        if endpoint.gzip {
            request = request.header(CONTENT_ENCODING, "gzip");
        }
        if let Some(key) = &endpoint.access_key {
            request = request.header("X-Amz-Firehose-Access-Key", key);
        }
        if !endpoint.attributes.is_empty() {
            let attributes = endpoint.attributes.iter();
            let attributes = attributes.map(|(name, value)| (name.clone(), Value::from(value.as_str())));
            let attributes = json!({ "commonAttributes": Value::Object(attributes.collect()) });
            request = request.header("X-Amz-Firehose-Common-Attributes", attributes.to_string());
        }
        let answer = request.send().await.map_err(not_sent)?;
        let status = answer.status();
        let mut text = Vec::new();
        let mut content = answer.bytes_stream();
        while let Some(piece) = content.next().await {
            text.extend_from_slice(&piece.map_err(not_sent)?);
            if text.len() > ANSWER_BYTES_MAX {
                return Err(Failure {
                    code: "HttpEndpoint.ResponseTooLarge",
                    message: format!("the answer has more than {ANSWER_BYTES_MAX} bytes"),
                    is_final: false,
                });
            }
        }
        judge(status, &text, id)
    }

    /// Documents the records as not delivered.
    fn give_up(&self, attempts: u32, failure: &Failure, now_ms: Millis, sent: &mut Sent) {
        let mut from = 0;
        for (arrival_ms, to) in &self.offsets {
            let entry = &self.entries[from..*to];
            from = to + 1;
            let base64 = entry.strip_prefix(b"{\"data\":\"");
            let base64 = base64.and_then(|entry| entry.strip_suffix(b"\"}")).unwrap_or_default();
            let data = STANDARD.decode(base64).unwrap_or_default();
            let failed = Failed {
                attempts,
                arrival_ms: *arrival_ms,
                data: &data,
                code: failure.code,
                message: &failure.message,
                conversion: None,
            };
            error_document::write(&failed, now_ms, &mut sent.documents);
        }
        sent.failed += self.offsets.len() as u64;
        sent.refused = Some(format!("{}: {}", failure.code, failure.message));
    }
}

/// Only 200 with a document that names the request is an acknowledgement.
fn judge(status: StatusCode, answer: &[u8], id: Uuid) -> Result<(), Failure> {
    let document: Option<Value> = serde_json::from_slice(answer).ok();
    if status != StatusCode::OK {
        let said = document.as_ref().and_then(|document| document["errorMessage"].as_str());
        return Err(Failure {
            code: "HttpEndpoint.DestinationException",
            message: format!(
                "the endpoint answered {status}: {}",
                said.unwrap_or("without an errorMessage")
            ),
            is_final: status == StatusCode::PAYLOAD_TOO_LARGE,
        });
    }
    let invalid = |message: &str| {
        Err(Failure {
            code: "HttpEndpoint.InvalidResponseFromDestination",
            message: message.to_owned(),
            is_final: false,
        })
    };
    match document {
        None => invalid("the answer is no JSON"),
        Some(document) if document["requestId"].as_str() != Some(&id.to_string()) => {
            invalid("the answer does not name the request (requestId)")
        }
        Some(document) if !document["timestamp"].is_number() => invalid("the answer has no timestamp"),
        Some(_) => Ok(()),
    }
}

fn not_sent(error: reqwest::Error) -> Failure {
    let mut message = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(deeper) = source {
        message = format!("{message}: {deeper}");
        source = deeper.source();
    }
    let code = match () {
        () if error.is_timeout() => "HttpEndpoint.RequestTimeout",
        () if error.is_connect() && message.contains("certificate") => "HttpEndpoint.SSLHandshakeFailure",
        () if error.is_connect() => "HttpEndpoint.ConnectionFailed",
        () => "HttpEndpoint.ConnectionReset",
    };
    Failure {
        code,
        message,
        is_final: false,
    }
}

fn jittered(pause: Duration, random: &Random) -> Duration {
    let share = (random.u64() >> 11) as f64 / (1u64 << 53) as f64;
    pause.mul_f64(1.0 - JITTER + 2.0 * JITTER * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_that_names_the_request_counts() {
        let id = Uuid::from_u128(7);
        let good = format!(r#"{{"requestId": "{id}", "timestamp": 5}}"#);
        assert!(judge(StatusCode::OK, good.as_bytes(), id).is_ok());
        for (status, answer, code, is_final) in [
            (200, "", "InvalidResponseFromDestination", false),
            (200, "[]", "InvalidResponseFromDestination", false),
            (
                200,
                r#"{"requestId": "7", "timestamp": 5}"#,
                "InvalidResponseFromDestination",
                false,
            ),
            (201, &good, "DestinationException", false),
            (302, &good, "DestinationException", false),
            (413, r#"{"errorMessage": "too much"}"#, "DestinationException", true),
            (429, "", "DestinationException", false),
            (500, &good, "DestinationException", false),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let failure = judge(status, answer.as_bytes(), id).expect_err("refused");
            assert_eq!(failure.code, format!("HttpEndpoint.{code}"), "{status} {answer}");
            assert_eq!(failure.is_final, is_final, "{status} {answer}");
        }
        let failure = judge(StatusCode::OK, format!(r#"{{"requestId": "{id}"}}"#).as_bytes(), id);
        assert!(failure.expect_err("refused").message.contains("no timestamp"));
    }

    #[test]
    fn pauses_vary_by_15_percent() {
        let random = Random::seeded(1);
        let pauses: Vec<_> = (0..1_000).map(|_| jittered(PAUSE, &random).as_secs_f64()).collect();
        assert!(pauses.iter().all(|pause| (0.85..=1.15).contains(pause)));
        assert!(pauses.iter().any(|pause| *pause < 0.9) && pauses.iter().any(|pause| *pause > 1.1));
    }
}
