//! UploadPart: writes a part of an upload.

use s3s::dto::{UploadPartInput, UploadPartOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::checksums::Announced;
use crate::errors::from_objects;
use crate::operations::put_object::{check_length, next, trailers};
use s3s::dto::ETag;
use s3s::s3_error;
use store_objects::{Algorithm, ObjectError, WRITE_BYTES_MAX};

pub(crate) async fn handle(api: &Api, request: S3Request<UploadPartInput>) -> S3Result<UploadPartOutput> {
    let S3Request { input, extensions, headers, .. } = request;
    api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let number = part_number(input.part_number)?;
    let announced = Announced::new(&headers, input.checksum_algorithm.as_ref(), input.content_md5.as_deref())?;
    let upload = api.objects.upload(&input.bucket, &input.key, &input.upload_id).map_err(from_objects)?;
    let algorithm = upload.algorithm.or(announced.algorithm).unwrap_or(Algorithm::Crc64Nvme);
    let length = input.content_length.and_then(|length| u64::try_from(length).ok());
    if let Some(size) = length.filter(|length| *length > WRITE_BYTES_MAX) {
        return Err(from_objects(ObjectError::TooLarge { size, max: WRITE_BYTES_MAX }));
    }
    let begun = api.objects.begin_part(&input.bucket, &input.key, &input.upload_id, number, Some(algorithm));
    let mut writer = begun.map_err(from_objects)?;
    let mut received = 0;
    let mut body = input.body;
    while let Some(bytes) = next(&mut body).await? {
        received += bytes.len() as u64;
        writer.write(bytes).await.map_err(from_objects)?;
    }
    check_length(length, received)?;
    let expected = announced.expected(&trailers(&extensions), algorithm)?;
    let part = writer.finish(expected).await.map_err(from_objects)?;
    let mut output = UploadPartOutput { e_tag: Some(ETag::Strong(part.etag)), ..UploadPartOutput::default() };
    fill_checksum!(output, Some(&part.checksum));
    Ok(output)
}

pub(crate) fn part_number(number: i32) -> S3Result<u32> {
    match u32::try_from(number) {
        Ok(number @ 1..=10_000) => Ok(number),
        _ => Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive")),
    }
}
