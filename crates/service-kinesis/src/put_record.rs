//! PutRecord: appends one record.

use base64_simd::{AsOut, STANDARD};
use bytes::Bytes;
use engine_log::LogError;
use protocol_aws::{AwsError, Blob};
use serde::{Deserialize, Serialize};

use crate::put::{
    PARTITION_KEY_UNITS_MAX, Put, append, decoded_bytes, is_ordinary, key_units, partition_key_missing, write_done,
};
use crate::sequence::Sequence;
use crate::shapes::{self, shard_id};
use crate::{Call, errors};
use protocol_aws::scan::{Scan, once};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    data: Blob,
    partition_key: Option<String>,
    explicit_hash_key: Option<String>,
    sequence_number_for_ordering: Option<String>,
    dry_run: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    shard_id: String,
    sequence_number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_type: Option<&'static str>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let stream = call.stream(call.scope(), input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let name = stream.id.name.as_str();
    if let Some(text) = &input.sequence_number_for_ordering
        && Sequence::parse(text).is_none_or(|sequence| sequence.arrival_s as i64 > call.clock.now_ms() / 1000)
    {
        // Records of a shard are numbered in the order of their arrival, so a sound one asks for nothing more.
        let message = format!(
            "ExclusiveMinimumSequenceNumber {text} used in PutRecord on stream {name} under account {} is invalid.",
            call.scope().account
        );
        return Err(errors::invalid_argument(message));
    }
    let key = input
        .partition_key
        .ok_or_else(|| partition_key_missing("partitionKey"))?;
    let prepare = |stream| {
        let mut put = Put::new(call, stream, 1, input.data.0.len());
        put.add(
            &key,
            input.explicit_hash_key.as_deref(),
            input.data.0.len(),
            &str::to_owned,
            |room| {
                room.copy_from_slice(&input.data.0);
                Ok(())
            },
        )?;
        if input.dry_run == Some(true) {
            return Err(errors::dry_run());
        }
        Ok(put)
    };
    let done = append(call, stream.clone(), prepare).await?;
    let first = done
        .first()
        .ok_or_else(|| AwsError::internal("an append of one record answered none"))?;
    let shard_id = shard_id(first.shard);
    match first.sequence {
        Some(sequence) => Ok(Output {
            shard_id,
            sequence_number: sequence.to_string(),
            encryption_type: shapes::encrypted(&stream),
        }),
        None => Err(errors::throughput_exceeded(call.scope(), &stream.id.name, &shard_id)),
    }
}

pub(crate) async fn fast(call: &Call, body: &Bytes) -> Option<Result<Bytes, AwsError>> {
    let (put, name) = prepare(call, body)?;
    let done = match put.append().await {
        Ok(done) => done,
        // Its shard was closed in between; the common way looks for its children.
        Err(LogError::Fenced) => return None,
        Err(error) => return Some(Err(errors::from_log(call.scope(), &name, error))),
    };
    let mut out = Vec::with_capacity(128);
    out.push(b'{');
    write_done(done.first()?, &mut out);
    out.push(b'}');
    Some(Ok(out.into()))
}

fn prepare<'c>(call: &'c Call, body: &[u8]) -> Option<(Put<'c>, String)> {
    let (mut stream_name, mut stream_arn, mut data, mut key, mut hash) = (None, None, None, None, None);
    let mut scan = Scan::new(body);
    scan.object(|scan, member| match member {
        b"StreamName" => once(&mut stream_name, scan.text()?),
        b"StreamARN" => once(&mut stream_arn, scan.text()?),
        b"Data" => once(&mut data, scan.string()?),
        b"PartitionKey" => once(&mut key, scan.text()?),
        b"ExplicitHashKey" => once(&mut hash, scan.text()?),
        _ => None,
    })?;
    scan.end()?;
    let (data, key) = (data?, key?);
    let stream = call.stream(call.scope(), stream_name, stream_arn).ok()?;
    if !is_ordinary(call, &stream) {
        return None;
    }
    let name = stream.id.name.clone();
    let bytes = decoded_bytes(data)?;
    if key.is_empty() || key_units(key) > PARTITION_KEY_UNITS_MAX {
        return None;
    }
    let mut put = Put::new(call, stream, 1, bytes);
    put.add(key, hash, bytes, &str::to_owned, |room| decode(data, room))
        .ok()?;
    Some((put, name))
}

/// Decodes base64 into exactly `room`.
pub(crate) fn decode(base64: &[u8], room: &mut [u8]) -> Result<(), AwsError> {
    let wanted = room.len();
    match STANDARD.decode(base64, room.as_out()) {
        Ok(written) if written.len() == wanted => Ok(()),
        _ => Err(AwsError::serialization("Invalid base64 encoding")),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use proptest::prelude::*;

    use super::*;
    use crate::put::decoded_bytes;

    proptest! {
        #[test]
        fn base64_is_taken_and_refused_as_on_the_common_way(
            text in prop_oneof![
                "[A-Za-z0-9+/=]{0,16}",
                "([A-Za-z0-9+/]{4}){0,12}([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
                "[A-Za-z0-9+/=\\- \n]{0,40}",
            ],
        ) {
            let common = base64::engine::general_purpose::STANDARD.decode(&text).ok();
            let hot = decoded_bytes(text.as_bytes()).and_then(|bytes| {
                let mut room = vec![0; bytes];
                decode(text.as_bytes(), &mut room).ok().map(|()| room)
            });
            prop_assert_eq!(hot, common);
        }
    }
}
