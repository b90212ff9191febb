//! GetObject: reads an object or a range of it.

use s3s::dto::{GetObjectInput, GetObjectOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::checksums::Fields;
use crate::conditions::{ReadConditions, etag};
use crate::errors::{custom, from_objects};
use http::StatusCode;
use crate::headers::{check_version, refuse_customer_keys};
use crate::time::timestamp_seconds;
use s3s::dto::{Range, StreamingBlob};
use s3s::s3_error;
use store_objects::{ByteRange, ObjectInfo};

pub(crate) async fn handle(api: &Api, request: S3Request<GetObjectInput>) -> S3Result<GetObjectOutput> {
    let S3Request { input, extensions, .. } = request;
    api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    check_version(input.version_id.as_deref())?;
    refuse_customer_keys(input.sse_customer_algorithm.as_deref())?;
    let reader = api.objects.open_object(&input.bucket, &input.key).await.map_err(from_objects)?;
    let info = reader.info().clone();
    let conditions = ReadConditions {
        if_match: input.if_match,
        if_none_match: input.if_none_match,
        if_modified_since: input.if_modified_since,
        if_unmodified_since: input.if_unmodified_since,
    };
    conditions.check_read(&info)?;
    let piece = piece(api, &info, input.range, input.part_number)?;
    let whole = piece.content_range.is_none();
    let length = piece.bytes.end - piece.bytes.start;
    let checksum = info.checksum.as_ref().filter(|_| whole && input.checksum_mode.is_some());
    let body = reader.stream(piece.bytes);
    let mut output = GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        body: Some(StreamingBlob::wrap(body)),
        content_length: Some(length as i64),
        content_range: piece.content_range,
        e_tag: Some(etag(&info)),
        last_modified: Some(timestamp_seconds(info.modified_ms)),
        parts_count: piece.parts_count,
        tag_count: (!info.tags.is_empty()).then_some(info.tags.len() as i32),
        checksum_type: Fields::of(checksum).kind,
        ..GetObjectOutput::default()
    };
    fill_checksum!(output, checksum);
    describe!(output, info);
    Ok(output)
}

/// The bytes that a read is about.
pub(crate) struct Piece {
    pub(crate) bytes: std::ops::Range<u64>,
    /// Of a read of less than the object.
    pub(crate) content_range: Option<String>,
    /// Of a read by part number.
    pub(crate) parts_count: Option<i32>,
}

pub(crate) fn piece(api: &Api, info: &ObjectInfo, range: Option<Range>, part: Option<i32>) -> S3Result<Piece> {
    let content_range = |bytes: &std::ops::Range<u64>| format!("bytes {}-{}/{}", bytes.start, bytes.end.saturating_sub(1), info.size);
    match (range, part) {
        (Some(_), Some(_)) => Err(s3_error!(InvalidRequest, "Cannot specify both Range header and partNumber query parameter")),
        (None, None) => Ok(Piece { bytes: 0..info.size, content_range: None, parts_count: None }),
        (Some(range), None) => {
            let range = match range {
                Range::Int { first, last: None } => ByteRange::From(first),
                Range::Int { first, last: Some(last) } => ByteRange::Between(first, last),
                Range::Suffix { length } => ByteRange::Last(length),
            };
            let bytes = range.resolve(info.size).map_err(from_objects)?;
            Ok(Piece { content_range: Some(content_range(&bytes)), bytes, parts_count: None })
        }
        (None, Some(number)) => {
            let refused = || custom("InvalidPartNumber", StatusCode::RANGE_NOT_SATISFIABLE, "The requested partnumber is not satisfiable");
            let number = u32::try_from(number).ok().filter(|number| *number > 0).ok_or_else(refused)?;
            // An object that was written at once is its own part 1.
            let bytes = match info.parts {
                None if number == 1 => 0..info.size,
                None => return Err(refused()),
                Some(_) => api.objects.object_part_range(info, number).map_err(from_objects)?.ok_or_else(refused)?,
            };
            let content_range = (info.size > 0).then(|| content_range(&bytes));
            Ok(Piece { content_range, bytes, parts_count: info.parts.map(|parts| parts as i32) })
        }
    }
}
