//! Records on their way into the log, as both put operations take them.

use base64_simd::{AsOut, STANDARD};
use bytes::Bytes;
use protocol_aws::AwsError;

use crate::{Call, errors};
use protocol_aws::scan::{Scan, once};

/// One record, before base64.
pub(crate) const RECORD_BYTES_MAX: usize = 1_024_000;

/// Appends the records to the delivery stream's own log; they are durable when this returns.
pub(crate) async fn put(call: &Call, name: &str, records: Vec<Bytes>) -> Result<engine_delivery::Put, AwsError> {
    let done = call.deliveries.put(call.scope(), name, records).await;
    done.map_err(|error| errors::from_delivery(call.scope(), name, error))
}

/// How many of the records the delivery stream's quotas let in, from the first on.
pub(crate) fn let_in(call: &Call, name: &str, records: &[Bytes]) -> usize {
    let sizes = records.iter().map(Bytes::len);
    let limits = call.limits.as_ref();
    limits.map_or(records.len(), |limits| {
        limits.put(call.scope(), name, sizes, call.clock.now_ms())
    })
}

/// A record as it stands in a body: its base64 and how many bytes that holds.
pub(crate) struct Raw<'b> {
    base64: &'b [u8],
    pub(crate) bytes: usize,
}

/// Reads `{"Data": ".."}`; `None` for anything out of the ordinary.
pub(crate) fn scan_record<'b>(scan: &mut Scan<'b>) -> Option<Raw<'b>> {
    let mut data = None;
    scan.object(|scan, member| match member {
        b"Data" => once(&mut data, scan.string()?),
        _ => None,
    })?;
    let base64: &[u8] = data?;
    let bytes = decoded_bytes(base64)?;
    (bytes <= RECORD_BYTES_MAX).then_some(Raw { base64, bytes })
}

/// Decodes the records one behind the other into one piece of memory; `None` where one is no base64.
pub(crate) fn decode(raw: &[Raw<'_>]) -> Option<Vec<Bytes>> {
    let mut room = vec![0; raw.iter().map(|raw| raw.bytes).sum()];
    let mut rest = room.as_mut_slice();
    for raw in raw {
        let (place, behind) = rest.split_at_mut(raw.bytes);
        let written = STANDARD.decode(raw.base64, place.as_out()).ok()?;
        if written.len() != raw.bytes {
            return None;
        }
        rest = behind;
    }
    let mut room = Bytes::from(room);
    Some(raw.iter().map(|raw| room.split_to(raw.bytes)).collect())
}

/// The size of what a base64 text with padding holds, if its length is one.
fn decoded_bytes(base64: &[u8]) -> Option<usize> {
    if !base64.len().is_multiple_of(4) {
        return None;
    }
    let padding = base64.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    (base64.len() / 4 * 3).checked_sub(padding)
}

pub(crate) fn json_bool(value: bool) -> &'static [u8] {
    if value { b"true" } else { b"false" }
}

/// Whether a name is one that the model allows; others are refused on the common way.
pub(crate) fn is_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(letter)
}
