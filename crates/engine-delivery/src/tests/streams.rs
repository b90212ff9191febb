//! Data streams as destinations.

use std::collections::HashMap;

use engine_log::streams::{HashKey, Kind, NewStream, Step, StreamError, StreamId};

use super::*;
use crate::StreamDestination;

const SHARDS: u32 = 3;

fn stream(name: &str) -> StreamId {
    StreamId::new(Kind::Data, &Scope::default(), name)
}

fn to_stream(name: &str) -> DeliverySpec {
    DeliverySpec {
        destination: Destination::Stream(StreamDestination {
            scope: Scope::default(),
            name: name.to_owned(),
            retry_ms: 0,
        }),
        delimiter: None,
        ..spec()
    }
}

impl Platform {
    async fn stream(&self, name: &str) {
        let created = self.parts.streams.create(NewStream::new(stream(name), SHARDS)).await;
        created.expect("a stream");
    }

    /// The partition key and the data of each record of a data stream, shard after shard.
    async fn records(&self, name: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let Some(stream) = self.parts.streams.get(&stream(name)) else {
            return found;
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        for partition in stream.partitions() {
            let log = self.parts.streams.log();
            let read = log.read(partition, 0, usize::MAX, usize::MAX).await.expect("reads");
            found.extend(
                read.records
                    .iter()
                    .map(|record| (text(&record.key), text(&record.data))),
            );
        }
        found
    }

    async fn split_first_open_shard(&self, name: &str) {
        let id = stream(name);
        let split = self.parts.streams.reshard(&id, |stream| {
            let shard = stream.shards.iter().find(|shard| shard.closed.is_none());
            let shard = shard.expect("an open shard");
            let (first, last) = (shard.first_hash.0, shard.last_hash.0);
            let at = HashKey(first + (last - first) / 2 + 1);
            let shard = shard.number;
            Ok::<_, StreamError>(vec![Step::Split { shard, at }])
        });
        split.await.expect("splits");
        self.parts.streams.settled().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_in_the_stream_once_over_ends_before_the_commit_and_splits() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut sent = Vec::new();
    for restart in 0..6 {
        let platform = Platform::open(dir.path());
        if restart == 0 {
            platform.bucket().await;
            platform.stream("copy").await;
            platform.create(to_stream("copy")).await;
        }
        // Everything of the plan is in the stream then, and nothing is committed.
        platform.parts.faults.end.store(restart % 2 == 0, Ordering::SeqCst);
        for batch in 0..10 {
            let records: Vec<String> = (0..10).map(|n| format!("{restart}-{batch}-{n}")).collect();
            platform
                .put(&records.iter().map(String::as_str).collect::<Vec<_>>())
                .await;
            sent.extend(records);
        }
        let wanted = if restart % 2 == 0 { sent.len() - 99 } else { sent.len() };
        platform
            .until("the records", async || {
                (platform.records("copy").await.len() >= wanted).then_some(())
            })
            .await;
        platform.split_first_open_shard("copy").await;
        platform.close().await;
    }
    let platform = Platform::open(dir.path());
    platform.put(&["the last one"]).await;
    sent.push("the last one".to_owned());
    platform
        .until("all of them", async || {
            (platform.records("copy").await.len() >= sent.len()).then_some(())
        })
        .await;
    let mut found: Vec<_> = platform
        .records("copy")
        .await
        .into_iter()
        .map(|(_, data)| data)
        .collect();
    found.sort();
    sent.sort();
    assert_eq!(found, sent);
    platform.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_plan_that_is_there_is_not_appended_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let platform = Platform::open(dir.path());
    platform.bucket().await;
    platform.stream("copy").await;
    platform.create(to_stream("copy")).await;
    platform.parts.faults.end.store(true, Ordering::SeqCst);
    let records: Vec<String> = (0..50).map(|n| format!("record {n}")).collect();
    platform
        .put(&records.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    platform
        .until("all of them", async || {
            (platform.records("copy").await.len() == 50).then_some(())
        })
        .await;
    platform.close().await;
    // What a crash between the shards' frames leaves: one shard has nothing of the plan.
    let mut trimmed = 0;
    let platform = Platform::open_with(dir.path(), |parts| {
        let copy = parts.streams.get(&stream("copy")).expect("is there");
        let partition = &copy.partitions()[1];
        trimmed = partition.end_offset() as usize;
        partition.trim(partition.end_offset());
    });
    assert!(trimmed > 0 && trimmed < 50, "{trimmed}");
    platform.put(&["the last one"]).await;
    let is_there = async || {
        let found = platform.records("copy").await;
        found.iter().any(|(_, data)| data == "the last one").then_some(())
    };
    platform.until("the last one", is_there).await;
    let mut times = HashMap::new();
    for (_, data) in platform.records("copy").await {
        *times.entry(data).or_insert(0) += 1;
    }
    assert!(times.values().all(|times| *times == 1), "{times:?}");
    assert_eq!(times.len(), 51, "what was trimmed is there again");
    platform.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_a_stream_keep_their_keys_and_their_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let platform = Platform::open(dir.path());
    platform.bucket().await;
    platform.stream("source").await;
    platform.stream("copy").await;
    platform
        .create(DeliverySpec {
            source: Source::Stream {
                scope: Scope::default(),
                name: "source".into(),
            },
            ..to_stream("copy")
        })
        .await;
    let source = platform.parts.streams.get(&stream("source")).expect("is there");
    let log = platform.parts.streams.log();
    for number in 0..300 {
        let key = format!("key {}", number % 7);
        let hash = HashKey::of(key.as_bytes());
        let shard = source.shard_for(hash).expect("a shard");
        let mut batch = source.batch(log, shard, 0, 100).expect("a batch");
        batch.push(key.as_bytes(), None, format!("{number}").as_bytes());
        log.append(vec![batch]).await.expect("appends");
    }
    platform
        .until("all of them", async || {
            (platform.records("copy").await.len() == 300).then_some(())
        })
        .await;
    let mut last = HashMap::new();
    for (key, data) in platform.records("copy").await {
        let number: u32 = data.parse().expect("a number");
        assert_eq!(key, format!("key {}", number % 7));
        assert!(last.insert(key, number).is_none_or(|before| before < number));
    }
    platform.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_stream_does_not_take_is_documented() {
    let dir = tempfile::tempdir().expect("a directory");
    let platform = Platform::open(dir.path());
    platform.bucket().await;
    platform.stream("copy").await;
    platform.create(to_stream("copy")).await;
    let large = "x".repeat(1 << 20);
    platform.put(&["one", &large, "two"]).await;
    platform.settled(3).await;
    let mut found: Vec<_> = platform
        .records("copy")
        .await
        .into_iter()
        .map(|(_, data)| data)
        .collect();
    found.sort();
    assert_eq!(found, ["one", "two"]);
    let documents = platform.lines("errors/kinesis-stream-failed/").await;
    let [document] = &documents[..] else {
        panic!("{} documents", documents.len());
    };
    assert!(document.contains("the stream takes 1048576"), "{}", &document[..300]);
    platform.parts.streams.delete(&stream("copy")).await.expect("deletes");
    platform.put(&["three"]).await;
    platform.settled(4).await;
    let documents = platform.lines("errors/kinesis-stream-failed/").await;
    let document = documents
        .iter()
        .find(|document| document.len() < 1_000)
        .expect("a document");
    let document: Value = serde_json::from_str(document).expect("JSON");
    assert_eq!(document["errorCode"], "Kinesis.ResourceNotFoundException");
    assert_eq!(document["rawData"], "dGhyZWU=");
    platform.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_is_read_after_its_parents() {
    let dir = tempfile::tempdir().expect("a directory");
    let platform = Platform::open(dir.path());
    platform.bucket().await;
    platform.stream("source").await;
    platform.stream("copy").await;
    // More than one page of the parents is there before anything is read.
    let sent = async |from: u32, to: u32| {
        let source = platform.parts.streams.get(&stream("source")).expect("is there");
        let log = platform.parts.streams.log();
        for number in from..to {
            let key = format!("key {}", number % 7);
            let shard = source.shard_for(HashKey::of(key.as_bytes())).expect("a shard");
            let mut batch = source.batch(log, shard, 0, 100).expect("a batch");
            batch.push(key.as_bytes(), None, format!("{number:x<20000}").as_bytes());
            log.append(vec![batch]).await.expect("appends");
        }
    };
    let spec = DeliverySpec {
        source: Source::Stream {
            scope: Scope::default(),
            name: "source".into(),
        },
        buffer_bytes: 64 << 20,
        ..to_stream("copy")
    };
    let gone = DeliverySpec {
        bucket: "not yet".into(),
        ..spec.clone()
    };
    platform.create(gone).await;
    sent(0, 1_500).await;
    for _ in 0..3 {
        platform.split_first_open_shard("source").await;
    }
    sent(1_500, 2_000).await;
    let scope = Scope::default();
    let update = platform.deliveries.update(&scope, "flights", 1, spec, Value::Null);
    update.await.expect("updates");
    platform
        .until("all of them", async || {
            (platform.records("copy").await.len() == 2_000).then_some(())
        })
        .await;
    let mut last = HashMap::new();
    for (key, data) in platform.records("copy").await {
        let number: u32 = data.trim_end_matches('x').parse().expect("a number");
        assert!(
            last.insert(key, number).is_none_or(|before| before < number),
            "{number}"
        );
    }
    platform.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_no_put_would_take_are_documented() {
    let dir = tempfile::tempdir().expect("a directory");
    let platform = Platform::open(dir.path());
    platform.bucket().await;
    platform.stream("source").await;
    platform.stream("copy").await;
    let source = Source::Stream {
        scope: Scope::default(),
        name: "source".into(),
    };
    platform
        .create(DeliverySpec {
            source,
            ..to_stream("copy")
        })
        .await;
    let source = platform.parts.streams.get(&stream("source")).expect("is there");
    let log = platform.parts.streams.log();
    let mut batch = source.batch(log, 0, 0, 100).expect("a batch");
    for (key, data) in [
        (&b"first"[..], "1"),
        (&[b'k'; 70_000], "long"),
        (b"\xFF", "no text"),
        (b"last", "2"),
    ] {
        batch.push(key, None, data.as_bytes());
    }
    log.append(vec![batch]).await.expect("appends");
    platform.settled(4).await;
    let mut found = platform.records("copy").await;
    found.sort();
    let pair = |key: &str, data: &str| (key.to_owned(), data.to_owned());
    assert_eq!(found, [pair("first", "1"), pair("last", "2")]);
    let documents = platform.lines("errors/kinesis-stream-failed/").await;
    assert_eq!(documents.len(), 2);
    assert!(
        documents
            .iter()
            .all(|document| document.contains("no text of at most 256"))
    );
    platform.close().await;
}
