//! SubscribeToShard end to end: from before a put to its event at each subscriber.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use memchr::memmem;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Bench;
use crate::bench::table::Line;
use crate::load::{self, Connection, percentile, request};
use crate::server::Server;

const STREAM: &str = "fan-out";
const RECORD_BYTES: usize = 1024;
/// Between two puts, so that each record makes its way alone.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a subscriber waits for something to come.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn measure(bench: &Bench<'_>) -> Result<()> {
    for subscribers in [1, 5] {
        let (server, directory) = bench.server()?;
        server.create(STREAM, 1)?;
        let consumers = (0..subscribers)
            .map(|number| consumer(&server, number))
            .collect::<Result<Vec<_>>>()?;
        let (puts, events) = put_and_receive(server.address, &consumers, bench.arguments.seconds)?;
        if subscribers == 1 {
            line("PutRecord, one every 5 ms", &puts, String::new()).print();
        }
        let of = if subscribers == 1 {
            "1 subscriber"
        } else {
            "5 subscribers"
        };
        let note = format!("{} records, each once at each", puts.len());
        line(&format!("  put to event, {of}"), &events, note).print();
        drop(server);
        std::fs::remove_dir_all(directory)?;
    }
    Ok(())
}

fn line<'a>(name: &'a str, times: &[Duration], note: String) -> Line<'a> {
    Line {
        name,
        rate: None,
        p50: Some(percentile(times, 0.5)),
        p99: Some(percentile(times, 0.99)),
        note,
    }
}

/// Registers a consumer and returns its ARN once it may subscribe.
fn consumer(server: &Server, number: usize) -> Result<String> {
    let summary = server.call("DescribeStreamSummary", &json!({ "StreamName": STREAM }))?;
    let stream = &summary["StreamDescriptionSummary"]["StreamARN"];
    let named = json!({ "StreamARN": stream, "ConsumerName": format!("subscriber-{number}") });
    server.call("RegisterStreamConsumer", &named)?;
    let ready = server.until("DescribeStreamConsumer", &named, |answer| {
        answer["ConsumerDescription"]["ConsumerStatus"] == "ACTIVE"
    })?;
    let arn = ready["ConsumerDescription"]["ConsumerARN"].as_str();
    Ok(arn.context("a consumer without ARN")?.to_owned())
}

/// Puts single records for so long. Gives the times that puts took and those that events took, both sorted.
fn put_and_receive(address: SocketAddr, consumers: &[String], seconds: u64) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let began = Instant::now();
    let (ready, readiness) = mpsc::channel();
    thread::scope(|scope| {
        // All subscribers share a thread: the machine needs its cores for the server.
        let receiving = scope.spawn(move || receive(address, consumers, began, &ready));
        let mut puts = Vec::new();
        let all_ready = consumers.iter().all(|_| readiness.recv_timeout(PATIENCE).is_ok());
        if all_ready {
            let mut connection = Connection::open(address)?;
            let mut number = 0;
            while number == 0 || began.elapsed() < Duration::from_secs(seconds) {
                puts.push(put(&mut connection, began, &number.to_string())?);
                number += 1;
                thread::park_timeout(PAUSE);
            }
            put(&mut connection, began, LAST)?;
        }
        let received = receiving.join().unwrap_or_else(|_| bail!("the subscribers panicked"))?;
        let mut times = Vec::new();
        for mut of_one in received {
            for number in 0..puts.len() {
                let [time] = of_one.remove(&number.to_string()).unwrap_or_default()[..] else {
                    bail!("record {number} did not come once");
                };
                times.push(time);
            }
            ensure!(of_one.is_empty(), "records came that were not put: {:?}", of_one.keys());
        }
        puts.sort_unstable();
        times.sort_unstable();
        Ok((puts, times))
    })
}

/// The name of the record that ends the subscriptions.
const LAST: &str = "last";

/// Puts a record with its name and the time it was sent, and returns how long that took.
fn put(connection: &mut Connection, began: Instant, name: &str) -> Result<Duration> {
    let sent = began.elapsed();
    let text = format!("{name} {} ", sent.as_nanos());
    let data = STANDARD.encode(format!("{text:x<RECORD_BYTES$}"));
    let body = format!(r#"{{"StreamName":"{STREAM}","PartitionKey":"key","Data":"{data}"}}"#);
    load::put(connection, &request("PutRecord", body.as_bytes()))?;
    Ok(began.elapsed() - sent)
}

/// By a record's name, how long it took to come; more than one time where it came more than once.
type Received = BTreeMap<String, Vec<Duration>>;

fn receive(
    address: SocketAddr,
    consumers: &[String],
    began: Instant,
    ready: &mpsc::Sender<()>,
) -> Result<Vec<Received>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut subscribers = JoinSet::new();
        for consumer in consumers {
            subscribers.spawn(subscribe(address, consumer.clone(), began, ready.clone()));
        }
        let mut received = Vec::new();
        while let Some(of_one) = subscribers.join_next().await {
            received.push(of_one??);
        }
        Ok(received)
    })
}

/// Subscribes over a connection of its own, until the last record comes.
async fn subscribe(address: SocketAddr, consumer: String, began: Instant, ready: mpsc::Sender<()>) -> Result<Received> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let body = json!({
        "ConsumerARN": consumer, "ShardId": "shardId-000000000000", "StartingPosition": { "Type": "TRIM_HORIZON" },
    });
    let mut request = http::Request::post(format!("http://{address}/"))
        .header("X-Amz-Target", load::target("SubscribeToShard"))
        .header("Content-Type", load::CONTENT_TYPE);
    for (name, value) in load::SIGNED {
        request = request.header(name, value);
    }
    let response = sender
        .send_request(request.body(Full::new(Bytes::from(body.to_string())))?)
        .await?;
    ensure!(response.status() == 200, "SubscribeToShard: {}", response.status());
    events(response.into_body(), began, &ready).await
}

async fn events(mut body: Incoming, began: Instant, ready: &mpsc::Sender<()>) -> Result<Received> {
    let mut received = Received::new();
    let mut buffer = Vec::new();
    loop {
        let frame = tokio::time::timeout(PATIENCE, body.frame()).await;
        let frame = frame.context("nothing came")?.context("the subscription ended")??;
        let at = began.elapsed();
        let Ok(data) = frame.into_data() else { continue };
        buffer.extend_from_slice(&data);
        while let Some(message) = take_message(&mut buffer)? {
            // The first message says that the subscription stands. Whoever waits for it may have given up.
            let _ = ready.send(());
            for (name, sent) in records(&message)? {
                if name == LAST {
                    return Ok(received);
                }
                received.entry(name).or_default().push(at.saturating_sub(sent));
            }
        }
    }
}

/// Takes one message of the event stream off the front: its length, in the first four bytes, counts all of it.
fn take_message(buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>> {
    let Some(length) = buffer.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*length) as usize;
    ensure!(length >= 16, "a message of {length} bytes");
    if buffer.len() < length {
        return Ok(None);
    }
    let rest = buffer.split_off(length);
    Ok(Some(std::mem::replace(buffer, rest)))
}

/// The records of a message: their names and when they were sent.
fn records(message: &[u8]) -> Result<Vec<(String, Duration)>> {
    const DATA: &[u8] = b"\"Data\":\"";
    let records = memmem::find_iter(message, DATA).map(|at| {
        let data = &message[at + DATA.len()..];
        let data = &data[..memchr::memchr(b'"', data).context("data without end")?];
        let text = String::from_utf8(STANDARD.decode(data)?)?;
        let mut words = text.split(' ');
        let (name, sent) = (words.next(), words.next().and_then(|sent| sent.parse().ok()));
        let (name, sent) = name.zip(sent).context("a record of somebody else")?;
        Ok((name.to_owned(), Duration::from_nanos(sent)))
    });
    records.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_whole() {
        let message = [&20_u32.to_be_bytes()[..], &[7; 16]].concat();
        let mut buffer = Vec::new();
        for byte in message.iter().chain(&message[..3]) {
            assert!(buffer.len() < 20);
            buffer.push(*byte);
            if buffer.len() == 20 {
                assert_eq!(take_message(&mut buffer).expect("reads"), Some(message.clone()));
            } else {
                assert_eq!(take_message(&mut buffer).expect("reads"), None);
            }
        }
        assert_eq!(buffer, message[..3]);
    }

    #[test]
    fn records_say_what_they_are_and_when_they_were_sent() {
        let data = STANDARD.encode("17 1000 xxxx");
        let message = format!(r#"..{{"Records":[{{"Data":"{data}","PartitionKey":"key"}}]}}...."#);
        let found = records(message.as_bytes()).expect("reads");
        assert_eq!(found, [("17".to_owned(), Duration::from_micros(1))]);
    }
}
