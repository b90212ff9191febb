//! What fuzzing asks of requests and frames: no panic, always a well-formed answer, and agreement where there are
//! two ways of reading. `fuzz/` calls these with bytes that a fuzzer makes, our own tests with random ones.

use base::{Clock, ManualClock, Random, Tasks};
use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::BodyExt;
use serde_json::{Map, Value};

use crate::scan::{Scan, once};
use crate::{AwsError, Body, Call, Empty, Frame, Gateway, Model, Service, full_body, json};

/// 2015-08-30T12:36:00Z.
const NOW_MS: i64 = 1_440_938_160_000;

/// One request: its first byte says in which protocol, then come lines with the operation, the path and further
/// headers (`name: value`), and behind an empty line the body.
///
/// # Panics
/// Where the answer is not well-formed, or the request made something of ours panic.
pub fn request(data: &[u8]) {
    let Some((protocol, rest)) = data.split_first() else {
        return;
    };
    let (head, body) = match memchr::memmem::find(rest, b"\n\n") {
        Some(at) => (&rest[..at], &rest[at + 2..]),
        None => (rest, &[][..]),
    };
    if let Some(request) = make(*protocol, head, body) {
        answer(request);
    }
    both_ways(body);
}

fn make(protocol: u8, head: &[u8], body: &[u8]) -> Option<Request<Body>> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let (operation, path) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let mut request = Request::new(full_body(Bytes::copy_from_slice(body)));
    *request.method_mut() = Method::POST;
    let (path, target, content_type, service) = match protocol % 6 {
        0 => (path, Some("Kinesis_20131202"), "application/x-amz-json-1.1", None),
        1 => (path, Some("Kinesis_20131202"), "application/x-amz-cbor-1.1", None),
        2 => (path, None, "application/cbor", None),
        3 => (path, None, "application/x-www-form-urlencoded", None),
        4 => (path, None, "application/json", Some("batch")),
        _ => (path, None, "application/x-www-form-urlencoded", Some("kinesis")),
    };
    let path = match protocol % 6 {
        2 => format!("/service/Kinesis_20131202/operation/{operation}"),
        _ if path.starts_with('/') => path.to_owned(),
        _ => format!("/{path}"),
    };
    *request.uri_mut() = path.parse::<Uri>().ok()?;
    let headers = request.headers_mut();
    for line in lines {
        if let Some((name, value)) = line.split_once(':')
            && let (Ok(name), Ok(value)) = (name.trim().parse::<HeaderName>(), value.trim().parse::<HeaderValue>())
        {
            headers.append(name, value);
        }
    }
    headers
        .entry("content-type")
        .or_insert(HeaderValue::from_static(content_type));
    if let Some(target) = target {
        headers.insert("x-amz-target", format!("{target}.{operation}").parse().ok()?);
    }
    if let Some(service) = service {
        let credential = format!("AWS4-HMAC-SHA256 Credential=id/20150830/us-east-1/{service}/aws4_request");
        headers.insert("authorization", credential.parse().ok()?);
    }
    Some(request)
}

fn answer(request: Request<Body>) {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        static GATEWAY: Gateway = gateway();
    }
    let (parts, body) = RUNTIME.with(|runtime| {
        let gateway = GATEWAY.with(Clone::clone);
        runtime.block_on(async move {
            let (parts, body) = gateway.handle(request).await.into_parts();
            let body = body.collect().await.expect("an answer is whole").to_bytes();
            (parts, body)
        })
    });
    let status = parts.status.as_u16();
    assert!(matches!(status, 200 | 400..=499 | 501), "{status}: {body:?}");
    assert!(parts.headers.contains_key("x-amzn-requestid"));
    let content_type = parts.headers.get("content-type").and_then(|value| value.to_str().ok());
    match content_type.unwrap_or_default() {
        "" => assert!(body.is_empty()),
        kind if kind.contains("json") => {
            let is_object = serde_json::from_slice::<Map<String, Value>>(&body).is_ok();
            assert!(is_object || (body.is_empty() && status == 200), "{body:?}");
        }
        kind if kind.contains("cbor") => {
            let read = ciborium::from_reader::<ciborium::Value, _>(&body[..]);
            assert!(
                matches!(read, Ok(ciborium::Value::Map(_))) || (body.is_empty() && status == 200),
                "{body:?}"
            );
        }
        kind if kind.contains("xml") => assert!(is_xml(&body), "{body:?}"),
        other => panic!("an answer of the type {other}"),
    }
}

/// Handlers of every protocol, that take whatever the models let through.
fn gateway() -> Gateway {
    async fn anything(_: &Call<()>, _: Value) -> Result<Empty, AwsError> {
        Ok(Empty {})
    }
    async fn names(_: &Call<()>, input: Value) -> Result<Value, AwsError> {
        let name = input.get("ExclusiveStartStreamName").cloned().unwrap_or_default();
        let name = name.as_str().unwrap_or("none").to_owned();
        Ok(serde_json::json!({ "StreamNames": [name], "HasMoreStreams": false }))
    }
    async fn refused(_: &Call<()>, input: Value) -> Result<Value, AwsError> {
        Err(AwsError::new("ResourceNotFoundException", input.to_string()))
    }
    let kinesis = Service::new("kinesis", ())
        .on("CreateStream", anything)
        .on("AddTagsToStream", anything)
        .on("ListStreams", names)
        .on("GetShardIterator", refused)
        .on("PutRecord", refused)
        .on("PutRecords", refused)
        .on("ListShards", refused)
        .on("SubscribeToShard", refused)
        .build();
    let sts = Service::new("sts", ())
        .on("AssumeRole", refused)
        .on("GetCallerIdentity", refused)
        .build();
    let batch = Service::new("batch", ())
        .on("TagResource", anything)
        .on("ListTagsForResource", refused)
        .on("SubmitJob", refused)
        .on("CreateComputeEnvironment", refused)
        .on("RegisterJobDefinition", refused)
        .build();
    Gateway::builder(manual_clock(), Random::seeded(1), Tasks::new())
        .service(kinesis)
        .service(sts)
        .service(batch)
        .build()
}

fn manual_clock() -> Clock {
    ManualClock::at(NOW_MS).clock()
}

/// Whether every element is closed in order, and nothing stands outside the first.
fn is_xml(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else {
        return false;
    };
    let text = text
        .strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
        .unwrap_or(text);
    let mut open = Vec::new();
    for (index, piece) in text.split('<').enumerate() {
        let Some((tag, content)) = piece.split_once('>') else {
            if index == 0 && piece.is_empty() {
                continue;
            }
            return false;
        };
        let closes = match tag.strip_prefix('/') {
            Some(name) => open.pop() == Some(name),
            None => {
                let name = tag.split(' ').next().unwrap_or_default();
                if !tag.ends_with('/') {
                    open.push(name);
                }
                !name.is_empty()
            }
        };
        let entities = content.split('&').skip(1);
        let known = |entity: &str| {
            ["amp;", "lt;", "gt;", "quot;", "#xD;"]
                .iter()
                .any(|name| entity.starts_with(name))
        };
        let is_allowed = |c: char| matches!(c, '\t' | '\n' | ' '..='\u{FFFD}' | '\u{10000}'..);
        let is_last = open.is_empty() && !content.is_empty();
        if !closes || is_last || !entities.into_iter().all(known) || !content.chars().all(is_allowed) {
            return false;
        }
    }
    open.is_empty()
}

/// What the reader of the hot paths accepts, the common way accepts too and reads the same.
fn both_ways(body: &[u8]) {
    let Some(fast) = scanned(body) else { return };
    let model = Model::get("kinesis").expect("embedded");
    let read = json::decode(model, model.operations["PutRecords"].input, body);
    match read {
        Ok(slow) => assert_eq!(fast, slow),
        // What is wrong with base64 is seen where it is decoded.
        Err(error) => assert_eq!(error.message, "Invalid base64 encoding"),
    }
}

/// The members of PutRecords as the hot path reads them.
fn scanned(body: &[u8]) -> Option<Value> {
    let mut scan = Scan::new(body);
    let (mut name, mut records) = (None, None);
    scan.object(|scan, member| match member {
        b"StreamName" => once(&mut name, scan.text()?),
        b"Records" => {
            let mut items = Vec::new();
            scan.array(|scan| {
                items.push(scanned_record(scan)?);
                Some(())
            })?;
            once(&mut records, items)
        }
        _ => None,
    })?;
    scan.end()?;
    let mut map = Map::new();
    map.extend(name.map(|name| ("StreamName".to_owned(), Value::from(name))));
    map.extend(records.map(|records| ("Records".to_owned(), Value::Array(records))));
    Some(Value::Object(map))
}

fn scanned_record(scan: &mut Scan<'_>) -> Option<Value> {
    let (mut data, mut key, mut hash) = (None, None, None);
    scan.object(|scan, member| match member {
        b"Data" => once(&mut data, scan.text()?),
        b"PartitionKey" => once(&mut key, scan.text()?),
        b"ExplicitHashKey" => once(&mut hash, scan.text()?),
        _ => None,
    })?;
    let members = [("Data", data), ("PartitionKey", key), ("ExplicitHashKey", hash)];
    let given = members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
    Some(Value::Object(given.collect()))
}

/// Event-stream frames: what is read is written again as it was, and each byte taken is accounted for. Bytes that
/// no checksum lets through are given the checksums that do, so that what stands behind them is reached too.
///
/// # Panics
/// Where that does not hold.
pub fn frames(data: &[u8]) {
    let mut buffer = BytesMut::from(data);
    read_frames(&mut buffer);
    let mut sealed = data.to_vec();
    let total = sealed.len();
    if total >= 16 {
        sealed[..4].copy_from_slice(&(total as u32).to_be_bytes());
        let prelude = crc(&sealed[..8]);
        sealed[8..12].copy_from_slice(&prelude.to_be_bytes());
        let whole = crc(&sealed[..total - 4]);
        sealed[total - 4..].copy_from_slice(&whole.to_be_bytes());
        read_frames(&mut BytesMut::from(&sealed[..]));
    }
}

fn read_frames(buffer: &mut BytesMut) {
    loop {
        let before = buffer.clone();
        match Frame::decode(buffer) {
            Ok(Some(frame)) => {
                let taken = &before[..before.len() - buffer.len()];
                let mut again = BytesMut::new();
                frame.encode(&mut again);
                assert_eq!(&again[..], taken, "{frame:?}");
            }
            Ok(None) => return assert_eq!(before, *buffer),
            Err(_) => return,
        }
    }
}

fn crc(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, bytes) as u32
}

/// Requests and frames to start from.
#[must_use]
pub fn request_seeds() -> Vec<Vec<u8>> {
    let put = r#"{"StreamName":"s","Records":[{"Data":"aGk=","PartitionKey":"k","ExplicitHashKey":"1"}]}"#;
    let mut map = Vec::new();
    let cbor = serde_json::json!({ "StreamName": "s", "Tags": { "a": "b" }, "ShardCount": 1, "Limit": 1.5 });
    // Writing to memory does not fail.
    let _ = ciborium::into_writer(&cbor, &mut map);
    let seed = |protocol: u8, head: &str, body: &[u8]| [&[protocol], head.as_bytes(), b"\n\n", body].concat();
    vec![
        seed(0, "PutRecords\n/", put.as_bytes()),
        seed(0, "GetShardIterator\n/", br#"{"StreamName":"s","ShardId":"0","ShardIteratorType":"AT_TIMESTAMP","Timestamp":1.5}"#),
        seed(1, "AddTagsToStream\n/", &map),
        seed(2, "ListShards\n/\nsmithy-protocol: rpc-v2-cbor", &map),
        seed(3, "\n/", b"Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole&RoleSessionName=s&Tags.member.1.Key=a&Tags.member.1.Value=b"),
        seed(4, "\n/v1/submitjob", br#"{"jobName":"a","jobQueue":"q","jobDefinition":"d","arrayProperties":{"size":2}}"#),
        seed(4, "\n/v1/tags/arn%3Aaws?tagKeys=a&tagKeys=b", br#"{"tags":{"a":"b"}}"#),
        seed(5, "\n/?Action=PutRecord", b"StreamName=s&Data=aGk%3D&PartitionKey=k"),
    ]
}

/// Frames to start from.
#[must_use]
pub fn frame_seeds() -> Vec<Vec<u8>> {
    let mut out = BytesMut::new();
    Frame::event("SubscribeToShardEvent", "application/x-amz-json-1.1", "{}").encode(&mut out);
    let one = out.to_vec();
    Frame::default().encode(&mut out);
    vec![one, out.to_vec()]
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seeds_reach_the_handlers() {
        request_seeds().iter().for_each(|seed| request(seed));
        frame_seeds().iter().for_each(|seed| frames(seed));
        let put = &request_seeds()[0];
        let body = memchr::memmem::find(put, b"\n\n").map(|at| &put[at + 2..]);
        assert!(
            body.and_then(scanned).is_some(),
            "the hot path takes an ordinary request"
        );
    }

    /// A seed with some bytes replaced, removed or repeated.
    fn mutated(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
        let change = (any::<prop::sample::Index>(), any::<u8>(), 0..4u8);
        (prop::sample::select(seeds), vec(change, 0..6)).prop_map(|(mut seed, changes)| {
            for (at, byte, way) in changes {
                let at = at.index(seed.len().max(1)).min(seed.len());
                match way {
                    0 if at < seed.len() => drop(seed.remove(at)),
                    1 => seed.insert(at, byte),
                    2 => seed.extend_from_within(at..),
                    _ => seed.iter_mut().skip(at).take(1).for_each(|b| *b = byte),
                }
            }
            seed
        })
    }

    proptest! {
        #[test]
        fn any_request_has_a_well_formed_answer(data in prop_oneof![mutated(request_seeds()), vec(any::<u8>(), 0..200)]) {
            request(&data);
        }

        #[test]
        fn any_bytes_are_read_as_frames_or_refused(data in prop_oneof![mutated(frame_seeds()), vec(any::<u8>(), 0..200)]) {
            frames(&data);
        }
    }
}
