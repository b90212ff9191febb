//! CreateMultipartUpload: begins an upload in parts.

use s3s::dto::{CreateMultipartUploadInput, CreateMultipartUploadOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::checksums::{algorithm, name};
use crate::errors::from_objects;
use crate::headers::refuse_unbuilt;
use crate::tags;
use s3s::dto::ChecksumType;
use s3s::s3_error;
use store_objects::{Algorithm, UploadOptions};

pub(crate) async fn handle(api: &Api, request: S3Request<CreateMultipartUploadInput>) -> S3Result<CreateMultipartUploadOutput> {
    let S3Request { mut input, extensions, headers: given, .. } = request;
    api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    refuse_unbuilt(&given)?;
    let (headers, user) = given!(input).check()?;
    let algorithm = algorithm(input.checksum_algorithm.as_ref())?;
    let composite = match (algorithm, input.checksum_type.as_ref().map(ChecksumType::as_str)) {
        (None, None) => false,
        (None, Some(_)) => {
            return Err(s3_error!(InvalidRequest, "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."));
        }
        // CRC64NVME is of the full object only, SHA of the parts only, the others as asked (S3 User Guide,
        // "Checking object integrity").
        (Some(Algorithm::Crc64Nvme), Some(ChecksumType::COMPOSITE)) => {
            return Err(s3_error!(InvalidRequest, "The COMPOSITE checksum type cannot be used with the crc64nvme checksum algorithm."));
        }
        (Some(algorithm), Some(ChecksumType::FULL_OBJECT)) if !algorithm.combines() => {
            return Err(s3_error!(InvalidRequest, "The FULL_OBJECT checksum type cannot be used with the {} checksum algorithm.", algorithm.to_string().to_lowercase()));
        }
        (Some(_), Some(kind)) => kind == ChecksumType::COMPOSITE,
        (Some(algorithm), None) => algorithm != Algorithm::Crc64Nvme,
    };
    let options = UploadOptions { headers, user, tags: tags::from_header(input.tagging)?, algorithm, composite };
    let id = api.objects.create_upload(&input.bucket, &input.key, options).await.map_err(from_objects)?;
    let kind = if composite { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT };
    Ok(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id),
        checksum_algorithm: algorithm.map(name),
        checksum_type: algorithm.map(|_| ChecksumType::from_static(kind)),
        ..CreateMultipartUploadOutput::default()
    })
}
