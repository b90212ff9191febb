//! The operations: one file and one line each.

use s3s::dto;
use s3s::{S3, S3Request, S3Response, S3Result};

use crate::Api;

/// Takes the fields of an input that say what the object will be.
macro_rules! given {
    ($input:ident) => {
        crate::headers::Given {
            content_type: $input.content_type.take(),
            content_encoding: $input.content_encoding.take(),
            content_language: $input.content_language.take(),
            content_disposition: $input.content_disposition.take(),
            cache_control: $input.cache_control.take(),
            expires: $input.expires.take(),
            website_redirect_location: $input.website_redirect_location.take(),
            storage_class: $input.storage_class.take(),
            metadata: $input.metadata.take(),
        }
    };
}

/// The checksum among an input's five fields for it.
macro_rules! given_checksum {
    ($input:ident) => {
        crate::checksums::from_fields([
            (store_objects::Algorithm::Crc32, $input.checksum_crc32.as_ref()),
            (store_objects::Algorithm::Crc32c, $input.checksum_crc32c.as_ref()),
            (store_objects::Algorithm::Crc64Nvme, $input.checksum_crc64nvme.as_ref()),
            (store_objects::Algorithm::Sha1, $input.checksum_sha1.as_ref()),
            (store_objects::Algorithm::Sha256, $input.checksum_sha256.as_ref()),
        ])
    };
}

/// Fills an output's five fields for a checksum.
macro_rules! fill_checksum {
    ($output:ident, $checksum:expr) => {
        let fields = crate::checksums::Fields::of($checksum);
        $output.checksum_crc32 = fields.crc32;
        $output.checksum_crc32c = fields.crc32c;
        $output.checksum_crc64nvme = fields.crc64nvme;
        $output.checksum_sha1 = fields.sha1;
        $output.checksum_sha256 = fields.sha256;
    };
}

/// Fills an output's fields for the object's own headers and metadata.
macro_rules! describe {
    ($output:ident, $info:ident) => {
        let headers = $info.headers;
        $output.content_type = Some(
            headers
                .content_type
                .unwrap_or_else(|| crate::headers::DEFAULT_CONTENT_TYPE.to_owned()),
        );
        $output.content_encoding = headers.content_encoding;
        $output.content_language = headers.content_language;
        $output.content_disposition = headers.content_disposition;
        $output.cache_control = headers.cache_control;
        $output.expires = headers.expires.as_deref().and_then(crate::time::from_http_date);
        $output.website_redirect_location = headers.website_redirect_location;
        $output.storage_class = headers.storage_class.map(s3s::dto::StorageClass::from);
        $output.metadata = (!$info.user.is_empty()).then(|| $info.user.into_iter().collect());
    };
}

/// Declares the operations; what is not in the list answers NotImplemented, naming itself.
macro_rules! operations {
    ($($name:literal $operation:ident($input:ident) -> $output:ident;)*) => {
        $(mod $operation;)*

        /// The names of the operations that are built.
        pub const IMPLEMENTED: &[&str] = &[$($name),*];

        #[async_trait::async_trait]
        impl S3 for Api {
            $(async fn $operation(&self, request: S3Request<dto::$input>) -> S3Result<S3Response<dto::$output>> {
                Ok(S3Response::new($operation::handle(self, request).await?))
            })*
        }
    };
}

operations! {
    "AbortMultipartUpload" abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput;
    "CompleteMultipartUpload" complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput;
    "CopyObject" copy_object(CopyObjectInput) -> CopyObjectOutput;
    "CreateBucket" create_bucket(CreateBucketInput) -> CreateBucketOutput;
    "CreateMultipartUpload" create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput;
    "DeleteBucket" delete_bucket(DeleteBucketInput) -> DeleteBucketOutput;
    "DeleteBucketCors" delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput;
    "DeleteBucketTagging" delete_bucket_tagging(DeleteBucketTaggingInput) -> DeleteBucketTaggingOutput;
    "DeleteObject" delete_object(DeleteObjectInput) -> DeleteObjectOutput;
    "DeleteObjectTagging" delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput;
    "DeleteObjects" delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput;
    "GetBucketCors" get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput;
    "GetBucketLocation" get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput;
    "GetBucketTagging" get_bucket_tagging(GetBucketTaggingInput) -> GetBucketTaggingOutput;
    "GetObject" get_object(GetObjectInput) -> GetObjectOutput;
    "GetObjectAttributes" get_object_attributes(GetObjectAttributesInput) -> GetObjectAttributesOutput;
    "GetObjectTagging" get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput;
    "HeadBucket" head_bucket(HeadBucketInput) -> HeadBucketOutput;
    "HeadObject" head_object(HeadObjectInput) -> HeadObjectOutput;
    "ListBuckets" list_buckets(ListBucketsInput) -> ListBucketsOutput;
    "ListMultipartUploads" list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput;
    "ListObjects" list_objects(ListObjectsInput) -> ListObjectsOutput;
    "ListObjectsV2" list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output;
    "ListParts" list_parts(ListPartsInput) -> ListPartsOutput;
    "PutBucketCors" put_bucket_cors(PutBucketCorsInput) -> PutBucketCorsOutput;
    "PutBucketTagging" put_bucket_tagging(PutBucketTaggingInput) -> PutBucketTaggingOutput;
    "PutObject" put_object(PutObjectInput) -> PutObjectOutput;
    "PutObjectTagging" put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput;
    "UploadPart" upload_part(UploadPartInput) -> UploadPartOutput;
    "UploadPartCopy" upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput;
}
