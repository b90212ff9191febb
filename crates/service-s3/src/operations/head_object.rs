//! HeadObject: GetObject without the bytes.

use s3s::dto::{HeadObjectInput, HeadObjectOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::checksums::Fields;
use crate::conditions::{ReadConditions, etag};
use crate::errors::from_objects;
use crate::headers::{check_version, refuse_customer_keys};
use crate::operations::get_object::piece;
use crate::time::timestamp_seconds;

pub(crate) async fn handle(api: &Api, request: S3Request<HeadObjectInput>) -> S3Result<HeadObjectOutput> {
    let S3Request { input, extensions, .. } = request;
    api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    check_version(input.version_id.as_deref())?;
    refuse_customer_keys(input.sse_customer_algorithm.as_deref())?;
    let info = api.objects.head(&input.bucket, &input.key).map_err(from_objects)?;
    let conditions = ReadConditions {
        if_match: input.if_match,
        if_none_match: input.if_none_match,
        if_modified_since: input.if_modified_since,
        if_unmodified_since: input.if_unmodified_since,
    };
    conditions.check_read(&info)?;
    let piece = piece(api, &info, input.range, input.part_number)?;
    let whole = piece.content_range.is_none();
    let checksum = info.checksum.as_ref().filter(|_| whole && input.checksum_mode.is_some());
    let mut output = HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: Some((piece.bytes.end - piece.bytes.start) as i64),
        content_range: piece.content_range,
        e_tag: Some(etag(&info)),
        last_modified: Some(timestamp_seconds(info.modified_ms)),
        parts_count: piece.parts_count,
        checksum_type: Fields::of(checksum).kind,
        ..HeadObjectOutput::default()
    };
    fill_checksum!(output, checksum);
    describe!(output, info);
    Ok(output)
}
