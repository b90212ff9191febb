//! CompleteMultipartUpload: makes the parts the object.

use s3s::dto::{CompleteMultipartUploadInput, CompleteMultipartUploadOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::checksums::Fields;
use crate::conditions::{etag, write_condition};
use crate::errors::from_objects;
use crate::operations::upload_part::part_number;
use s3s::s3_error;
use store_objects::{CompletePart, CompleteUpload};

pub(crate) async fn handle(api: &Api, request: S3Request<CompleteMultipartUploadInput>) -> S3Result<CompleteMultipartUploadOutput> {
    let S3Request { input, extensions, headers, .. } = request;
    api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let named = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    let mut parts = Vec::with_capacity(named.len());
    for part in named {
        let (Some(number), Some(etag)) = (part.part_number, part.e_tag.as_ref()) else {
            return Err(s3_error!(MalformedXML));
        };
        let number = part_number(number)?;
        parts.push(CompletePart { number, etag: etag.value().to_owned(), checksum: given_checksum!(part)? });
    }
    let complete = CompleteUpload {
        parts,
        condition: write_condition(input.if_match, input.if_none_match),
        checksum: given_checksum!(input)?,
        size: input.mpu_object_size.map(|size| size.max(0) as u64),
    };
    let completed = api.objects.complete_upload(&input.bucket, &input.key, &input.upload_id, complete).await;
    let info = completed.map_err(from_objects)?;
    let host = headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let mut output = CompleteMultipartUploadOutput {
        location: Some(format!("http://{host}/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: Some(etag(&info)),
        checksum_type: Fields::of(info.checksum.as_ref()).kind,
        ..CompleteMultipartUploadOutput::default()
    };
    fill_checksum!(output, info.checksum.as_ref());
    Ok(output)
}
