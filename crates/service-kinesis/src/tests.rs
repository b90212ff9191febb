use std::sync::Arc;
use std::time::Duration;

use base::{ManualClock, Scope, Tasks};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use engine_log::streams::{HashKey, Streams};
use engine_log::{KeyStore, Log, LogOptions};
use proptest::prelude::*;
use protocol_aws::{AwsError, Context};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

/// A service on a directory of its own, at a time that stands still.
struct Place {
    _dir: tempfile::TempDir,
    clock: ManualClock,
    kinesis: Arc<Kinesis>,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = ManualClock::at(1_700_000_000_123);
        let kinesis = Arc::new(open(dir.path(), &clock));
        Self {
            _dir: dir,
            clock,
            kinesis,
        }
    }

    fn call(&self) -> Call {
        let context = Context {
            scope: Scope::default(),
            request_id: "request".into(),
            access_key: String::new(),
            endpoint: "http://localhost:4566".into(),
        };
        Call::new(self.kinesis.clone(), context)
    }

    /// Runs a handler on awsJson, without validation by the model.
    async fn run<'a, I, O, F>(
        &self,
        call: &'a Call,
        handler: impl FnOnce(&'a Call, I) -> F,
        input: Value,
    ) -> Result<Value, AwsError>
    where
        I: DeserializeOwned,
        O: Serialize,
        F: Future<Output = Result<O, AwsError>>,
    {
        let output = handler(call, serde_json::from_value(input).expect("an input")).await?;
        Ok(serde_json::to_value(output).expect("an output"))
    }

    async fn create(&self, name: &str, shards: u32) {
        let call = self.call();
        let input = json!({"StreamName": name, "ShardCount": shards});
        self.run(&call, create_stream::handle, input).await.expect("creates");
    }

    async fn iterator(&self, more: Value) -> Result<String, AwsError> {
        let call = self.call();
        let mut input = json!({"StreamName": "s", "ShardId": "shardId-000000000000"});
        input
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        let output = self.run(&call, get_shard_iterator::handle, input).await?;
        Ok(output["ShardIterator"].as_str().expect("an iterator").to_owned())
    }

    async fn put(&self, data: &str) -> String {
        let call = self.call();
        let input = json!({"StreamName": "s", "PartitionKey": "k", "Data": STANDARD.encode(data)});
        let output = self.run(&call, put_record::handle, input).await.expect("puts");
        output["SequenceNumber"].as_str().expect("a number").to_owned()
    }

    /// Reads both ways, which must agree, and returns the data and the output.
    async fn get(&self, iterator: &str) -> Result<(Vec<String>, Value), AwsError> {
        let call = self.call();
        let body = Bytes::from(json!({"ShardIterator": iterator, "Limit": 100}).to_string());
        let slow = self
            .run(
                &call,
                get_records::handle,
                json!({"ShardIterator": iterator, "Limit": 100}),
            )
            .await;
        let fast = get_records::fast(&call, &body).await;
        let output = slow?;
        let fast: Value = serde_json::from_slice(&fast.expect("ordinary").expect("reads")).expect("JSON");
        assert_eq!(fast, output);
        let text = |record: &Value| {
            String::from_utf8_lossy(&STANDARD.decode(record["Data"].as_str().expect("data")).expect("base64"))
                .into_owned()
        };
        Ok((
            output["Records"].as_array().expect("a list").iter().map(text).collect(),
            output,
        ))
    }
}

fn open(dir: &std::path::Path, clock: &ManualClock) -> Kinesis {
    let (clock, tasks) = (clock.clock(), Tasks::new());
    let mut options = LogOptions::new(dir.join("log"), clock.clone(), tasks.clone());
    options.keys = Some(KeyStore::open(&dir.join("master.key")).expect("a key"));
    let log = Log::open(options).expect("opens");
    let meta = store_meta::Meta::open(dir.join("meta.redb")).expect("opens");
    let streams = Streams::open(log, meta.clone(), clock, tasks).expect("opens");
    Kinesis::new(streams, meta)
}

#[tokio::test]
async fn what_is_not_built_is_listed() {
    let place = Place::new();
    let Some(kinesis) = Arc::into_inner(place.kinesis) else {
        panic!("one owner")
    };
    protocol_aws::testing::check_unimplemented(&service(kinesis), include_str!("../unimplemented.txt"));
}

#[tokio::test]
async fn the_models_cases_are_answered_as_they_must() {
    let place = Place::new();
    let Some(kinesis) = Arc::into_inner(place.kinesis) else {
        panic!("one owner")
    };
    protocol_aws::testing::check_model_cases(service(kinesis)).await;
}

#[tokio::test]
async fn all_five_kinds_of_iterator_begin_where_they_say() {
    let place = Place::new();
    place.create("s", 1).await;
    let first = place.put("0").await;
    place.clock.advance(Duration::from_millis(500));
    let middle_ms = place.clock.clock().now_ms();
    let second = place.put("1").await;
    assert!(first < second && first.len() == 56);
    let latest = place
        .iterator(json!({"ShardIteratorType": "LATEST"}))
        .await
        .expect("an iterator");
    place.put("2").await;
    let cases = [
        (json!({"ShardIteratorType": "TRIM_HORIZON"}), ["0", "1", "2"].as_slice()),
        (
            json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": second}),
            &["1", "2"],
        ),
        (
            json!({"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": first}),
            &["1", "2"],
        ),
        (
            json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": middle_ms as f64 / 1000.0}),
            &["1", "2"],
        ),
        (
            json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1}),
            &["0", "1", "2"],
        ),
        (json!({"ShardIteratorType": "LATEST"}), &[]),
    ];
    for (input, expected) in cases {
        let iterator = place.iterator(input.clone()).await.expect("an iterator");
        let (found, output) = place.get(&iterator).await.expect("reads");
        assert_eq!(found, expected, "{input}");
        assert_eq!(output["MillisBehindLatest"], 0);
    }
    assert_eq!(place.get(&latest).await.expect("reads").0, ["2"]);
    // The shard's own starting number leads to the first record both ways.
    let call = place.call();
    let described = place
        .run(&call, describe_stream::handle, json!({"StreamName": "s"}))
        .await
        .expect("describes");
    let start = &described["StreamDescription"]["Shards"][0]["SequenceNumberRange"]["StartingSequenceNumber"];
    for kind in ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"] {
        let input = json!({"ShardIteratorType": kind, "StartingSequenceNumber": start});
        let iterator = place.iterator(input).await.expect("an iterator");
        assert_eq!(place.get(&iterator).await.expect("reads").0, ["0", "1", "2"]);
    }
}

#[tokio::test]
async fn wrong_iterators_are_refused_in_the_services_words() {
    let place = Place::new();
    place.create("s", 2).await;
    place.create("t", 2).await;
    let sequence = place.put("0").await;
    let now_ms = place.clock.clock().now_ms();
    let refused = [
        (
            json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER"}),
            "Request specified AT_SEQUENCE_NUMBER and no Starting",
        ),
        (
            json!({"ShardIteratorType": "LATEST", "StartingSequenceNumber": sequence}),
            "LATEST and also a Starting",
        ),
        (
            json!({"ShardIteratorType": "AT_TIMESTAMP"}),
            "Current request has no timestamp parameter",
        ),
        (
            json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": now_ms / 1000 + 9}),
            "cannot be greater than the current",
        ),
        (
            json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": "12"}),
            "under account 000000000000 is invalid.",
        ),
        (
            json!({"ShardIteratorType": "LATEST", "ShardId": "shardId-000000000007"}),
            "Shard shardId-000000000007 in stream s",
        ),
        (
            json!({"ShardIteratorType": "LATEST", "ShardId": "x"}),
            "Could not find shard x in stream s",
        ),
        (
            json!({"ShardIteratorType": "LATEST", "StreamName": "no"}),
            "Stream no under account 000000000000 not found.",
        ),
    ];
    for (input, message) in refused {
        let error = place.iterator(input.clone()).await.expect_err("refused");
        assert!(error.message.contains(message), "{input}: {error}");
    }
    let iterator = place
        .iterator(json!({"ShardIteratorType": "TRIM_HORIZON"}))
        .await
        .expect("an iterator");
    place.clock.advance(Duration::from_millis(300_000));
    place.get(&iterator).await.expect("still good");
    place.clock.advance(Duration::from_millis(1));
    let error = place.get(&iterator).await.expect_err("expired");
    assert_eq!(error.code, "ExpiredIteratorException");
    assert!(
        error.message.contains(
            "created at time Tue Nov 14 22:13:20 UTC 2023 while right now it is Tue Nov 14 22:18:20 UTC 2023"
        )
    );
    for garbage in ["x", "AAAA", &iterator[..iterator.len() - 4]] {
        assert_eq!(
            place.get(garbage).await.expect_err("refused").message,
            "Invalid ShardIterator."
        );
    }
}

#[tokio::test]
async fn an_iterator_of_a_deleted_stream_leads_nowhere() {
    let place = Place::new();
    place.create("s", 1).await;
    let iterator = place
        .iterator(json!({"ShardIteratorType": "TRIM_HORIZON"}))
        .await
        .expect("an iterator");
    let call = place.call();
    place
        .run(&call, delete_stream::handle, json!({"StreamName": "s"}))
        .await
        .expect("deletes");
    place.create("s", 1).await;
    assert_eq!(
        place.get(&iterator).await.expect_err("refused").code,
        "ResourceNotFoundException"
    );
}

#[tokio::test]
async fn millis_behind_latest_is_the_age_of_what_was_read() {
    let place = Place::new();
    place.create("s", 1).await;
    for data in ["0", "1"] {
        place.put(data).await;
        place.clock.advance(Duration::from_millis(700));
    }
    let iterator = place
        .iterator(json!({"ShardIteratorType": "TRIM_HORIZON"}))
        .await
        .expect("an iterator");
    let call = place.call();
    let input = json!({"ShardIterator": iterator, "Limit": 1});
    let output = place.run(&call, get_records::handle, input).await.expect("reads");
    assert_eq!(output["MillisBehindLatest"], 1400);
    assert_eq!(output["Records"][0]["ApproximateArrivalTimestamp"], 1_700_000_000.123);
    let input = json!({"ShardIterator": output["NextShardIterator"], "Limit": 1});
    let output = place.run(&call, get_records::handle, input).await.expect("reads");
    assert_eq!(
        (
            output["MillisBehindLatest"].clone(),
            output["Records"].as_array().expect("a list").len()
        ),
        (json!(0), 1)
    );
}

#[tokio::test]
async fn shards_are_listed_page_by_page_and_by_filter() {
    let place = Place::new();
    place.create("s", 5).await;
    let call = place.call();
    let list = async |input: Value| place.run(&call, list_shards::handle, input).await;
    let first = list(json!({"StreamName": "s", "MaxResults": 2})).await.expect("lists");
    assert_eq!(first["Shards"].as_array().expect("a list").len(), 2);
    let second = list(json!({"NextToken": first["NextToken"], "MaxResults": 3}))
        .await
        .expect("lists");
    assert_eq!(second["Shards"][0]["ShardId"], "shardId-000000000002");
    assert_eq!(second.get("NextToken"), None);
    for kind in ["AT_LATEST", "AT_TRIM_HORIZON", "FROM_TRIM_HORIZON"] {
        let listed = list(json!({"StreamName": "s", "ShardFilter": {"Type": kind}}))
            .await
            .expect("lists");
        assert_eq!(listed["Shards"].as_array().expect("a list").len(), 5, "{kind}");
    }
    let behind =
        list(json!({"StreamName": "s", "ShardFilter": {"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000003"}}));
    assert_eq!(
        behind.await.expect("lists")["Shards"].as_array().expect("a list").len(),
        1
    );
    let refused = [
        (
            json!({"StreamName": "s", "NextToken": first["NextToken"]}),
            "InvalidArgumentException",
        ),
        (json!({}), "InvalidArgumentException"),
        (json!({"NextToken": "x"}), "InvalidArgumentException"),
        (
            json!({"StreamName": "s", "ShardFilter": {"Type": "AT_TIMESTAMP"}}),
            "InvalidArgumentException",
        ),
        (
            json!({"StreamName": "s", "StreamCreationTimestamp": 5}),
            "ResourceNotFoundException",
        ),
    ];
    for (input, code) in refused {
        assert_eq!(list(input.clone()).await.expect_err("refused").code, code, "{input}");
    }
    place.clock.advance(Duration::from_secs(301));
    let expired = list(json!({"NextToken": first["NextToken"]}))
        .await
        .expect_err("refused");
    assert_eq!(expired.code, "ExpiredNextTokenException");
}

#[tokio::test]
async fn records_that_are_too_large_change_nothing() {
    let place = Place::new();
    place.create("s", 1).await;
    let call = place.call();
    let put = async |records: Value| {
        place
            .run(
                &call,
                put_records::handle,
                json!({"StreamName": "s", "Records": records}),
            )
            .await
    };
    let record = |bytes: usize, key: &str| json!({"Data": STANDARD.encode(vec![0u8; bytes]), "PartitionKey": key});
    put(json!([record((1 << 20) - 2, "ab")])).await.expect("just fits");
    let error = put(json!([record(1, "a"), record((1 << 20) - 1, "ab")]))
        .await
        .expect_err("refused");
    assert!(error.message.contains("'records.2.member.data'"), "{error}");
    let ten = (0..10).map(|_| record((1 << 20) - 1, "a")).collect::<Vec<_>>();
    put(Value::from(ten)).await.expect("ten MiB fit");
    let mut more = (0..10).map(|_| record((1 << 20) - 1, "a")).collect::<Vec<_>>();
    more.push(record(0, "b"));
    assert_eq!(
        put(Value::from(more)).await.expect_err("refused").message,
        "Records size exceeds 10 MB limit"
    );
    let stream = call.stream(call.scope(), Some("s"), None).expect("there");
    assert_eq!(stream.partitions()[0].end_offset(), 11);
}

#[derive(Debug, Clone)]
struct RawRecord {
    data: Vec<u8>,
    key: String,
    hash: Option<u128>,
    damage: u8,
}

fn raw_record() -> impl Strategy<Value = RawRecord> {
    let key = prop_oneof![4 => "[a-zA-Z0-9 ]{1,20}", 1 => "\\PC{1,8}", 1 => Just("\"\\\n".to_owned())];
    let data = proptest::collection::vec(any::<u8>(), 0..200);
    (data, key, proptest::option::weighted(0.2, any::<u128>()), any::<u8>()).prop_map(|(data, key, hash, damage)| {
        RawRecord {
            data,
            key,
            hash,
            damage,
        }
    })
}

/// The body, and whether the hot path must take it.
fn body(records: &[RawRecord], stream_first: bool, pretty: bool) -> (Value, Bytes, bool) {
    let mut ordinary = true;
    let entries = records.iter().map(|record| {
        let mut entry = json!({"Data": STANDARD.encode(&record.data), "PartitionKey": record.key});
        if let Some(hash) = record.hash {
            entry["ExplicitHashKey"] = HashKey(hash).to_string().into();
        }
        ordinary &= !record.key.contains(['"', '\\', '\n']);
        match record.damage {
            0 => entry["Data"] = "not base64".into(),
            1 => entry["ExplicitHashKey"] = "340282366920938463463374607431768211456".into(),
            2 => entry["PartitionKey"] = "k".repeat(257).into(),
            3 => entry["More"] = "unknown".into(),
            _ => return entry,
        }
        ordinary = false;
        entry
    });
    let entries = Value::from(entries.collect::<Vec<_>>());
    let value = if stream_first {
        json!({"StreamName": "s", "Records": entries})
    } else {
        json!({"Records": entries, "StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/s"})
    };
    let text = if pretty {
        serde_json::to_string_pretty(&value)
    } else {
        serde_json::to_string(&value)
    };
    (value, text.expect("JSON").into(), ordinary)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_hot_path_and_the_common_way_agree(
        calls in proptest::collection::vec((proptest::collection::vec(raw_record(), 1..12), any::<bool>(), any::<bool>()), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("starts");
        runtime.block_on(async {
            let (hot, common) = (Place::new(), Place::new());
            hot.create("s", 3).await;
            common.create("s", 3).await;
            let (hot_call, common_call) = (hot.call(), common.call());
            for (records, stream_first, pretty) in &calls {
                let (value, bytes, ordinary) = body(records, *stream_first, *pretty);
                let ends = |call: &Call| {
                    let stream = call.stream(call.scope(), Some("s"), None).expect("there");
                    stream.partitions().iter().map(|partition| partition.end_offset()).collect::<Vec<_>>()
                };
                let before = ends(&hot_call);
                match put_records::fast(&hot_call, &bytes).await {
                    Some(answer) => {
                        let answer: Value = serde_json::from_slice(&answer.expect("appends")).expect("JSON");
                        let expected = common.run(&common_call, put_records::handle, value).await.expect("appends");
                        assert_eq!(answer, expected);
                    }
                    None => {
                        assert!(!ordinary, "{}", String::from_utf8_lossy(&bytes));
                        assert_eq!(ends(&hot_call), before);
                    }
                }
                let first = &records[0];
                let (mut single, _, ordinary) = body(std::slice::from_ref(first), true, *pretty);
                let mut single = single["Records"][0].take();
                single["StreamName"] = "s".into();
                let answer = put_record::fast(&hot_call, &Bytes::from(single.to_string())).await;
                assert_eq!(answer.is_some(), ordinary, "{single}");
                if let Some(answer) = answer {
                    let answer: Value = serde_json::from_slice(&answer.expect("appends")).expect("JSON");
                    assert_eq!(answer, common.run(&common_call, put_record::handle, single).await.expect("appends"));
                }
            }
            for shard in 0..3 {
                let input = json!({"ShardIteratorType": "TRIM_HORIZON", "ShardId": format!("shardId-{shard:012}")});
                let iterator = hot.iterator(input).await.expect("an iterator");
                hot.get(&iterator).await.expect("both ways of reading agree");
            }
        });
    }

    #[test]
    fn the_scanner_takes_nothing_that_is_not_json(text in "[\\{\\}\\[\\]\":, a-zA-Z0-9\\\\]{0,40}") {
        let mut scan = protocol_aws::scan::Scan::new(text.as_bytes());
        let taken = scan.object(|scan, _| match scan.text() {
            Some(_) => Some(()),
            None => scan.number().map(drop).or_else(|| scan.array(|scan| scan.text().map(drop))),
        });
        if taken.and_then(|()| scan.end()).is_some() {
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
        }
    }
}
