//! UploadPartCopy: makes a part of a range of another object.

use s3s::dto::{UploadPartCopyInput, UploadPartCopyOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use std::pin::pin;
use crate::conditions::ReadConditions;
use crate::errors::from_objects;
use crate::operations::copy_object::open_source;
use crate::operations::upload_part::part_number;
use crate::time::timestamp;
use futures::StreamExt;
use s3s::dto::{CopyPartResult, ETag, Range};
use s3s::s3_error;
use store_objects::Expected;

pub(crate) async fn handle(api: &Api, request: S3Request<UploadPartCopyInput>) -> S3Result<UploadPartCopyOutput> {
    let S3Request { input, extensions, .. } = request;
    api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let number = part_number(input.part_number)?;
    let source = open_source(api, &extensions, &input.copy_source, input.expected_source_bucket_owner.as_deref()).await?;
    let conditions = ReadConditions {
        if_match: input.copy_source_if_match,
        if_none_match: input.copy_source_if_none_match,
        if_modified_since: input.copy_source_if_modified_since,
        if_unmodified_since: input.copy_source_if_unmodified_since,
    };
    conditions.check_copy_source(source.info())?;
    let size = source.info().size;
    let bytes = match input.copy_source_range.as_deref() {
        None => 0..size,
        Some(text) => match Range::parse(text) {
            Ok(Range::Int { first, last: Some(last) }) if first <= last && last < size => first..last + 1,
            Ok(Range::Int { last: Some(_), .. }) => {
                return Err(s3_error!(InvalidArgument, "Range specified is not valid for source object of size: {size}"));
            }
            _ => {
                return Err(s3_error!(InvalidArgument, "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy"));
            }
        },
    };
    let begun = api.objects.begin_part(&input.bucket, &input.key, &input.upload_id, number, None);
    let mut writer = begun.map_err(from_objects)?;
    let mut pieces = pin!(source.stream(bytes));
    while let Some(piece) = pieces.next().await {
        writer.write(piece.map_err(from_objects)?).await.map_err(from_objects)?;
    }
    let part = writer.finish(Expected::default()).await.map_err(from_objects)?;
    let mut result = CopyPartResult {
        e_tag: Some(ETag::Strong(part.etag)),
        last_modified: Some(timestamp(part.modified_ms)),
        ..CopyPartResult::default()
    };
    fill_checksum!(result, Some(&part.checksum));
    Ok(UploadPartCopyOutput { copy_part_result: Some(result), ..UploadPartCopyOutput::default() })
}
