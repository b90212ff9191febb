//! PutObject: writes an object.

use s3s::dto::{PutObjectInput, PutObjectOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::body::Trailers;
use crate::checksums::{Announced, Fields};
use crate::conditions::{etag, write_condition};
use crate::errors::{from_body, from_objects};
use crate::headers::refuse_unbuilt;
use crate::tags;
use bytes::Bytes;
use futures::StreamExt;
use http::{Extensions, HeaderMap};
use s3s::dto::StreamingBlob;
use s3s::s3_error;
use store_objects::{Algorithm, ObjectError, PutOptions, WRITE_BYTES_MAX};

pub(crate) async fn handle(api: &Api, request: S3Request<PutObjectInput>) -> S3Result<PutObjectOutput> {
    let S3Request { mut input, extensions, headers, .. } = request;
    api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    refuse_unbuilt(&headers)?;
    if input.write_offset_bytes.is_some() {
        return Err(s3_error!(NotImplemented, "Appending is for directory buckets, which are not implemented"));
    }
    let announced = Announced::new(&headers, input.checksum_algorithm.as_ref(), input.content_md5.as_deref())?;
    let algorithm = announced.algorithm.unwrap_or(Algorithm::Crc64Nvme);
    let (object_headers, user) = given!(input).check()?;
    let options = PutOptions {
        headers: object_headers,
        user,
        tags: tags::from_header(input.tagging)?,
        condition: write_condition(input.if_match, input.if_none_match),
        algorithm: Some(algorithm),
    };
    let length = input.content_length.and_then(|length| u64::try_from(length).ok());
    if let Some(size) = length.filter(|length| *length > WRITE_BYTES_MAX) {
        return Err(from_objects(ObjectError::TooLarge { size, max: WRITE_BYTES_MAX }));
    }
    let mut writer = api.objects.begin_put(&input.bucket, &input.key, options).map_err(from_objects)?;
    let mut received = 0;
    let mut body = input.body;
    while let Some(bytes) = next(&mut body).await? {
        received += bytes.len() as u64;
        writer.write(bytes).await.map_err(from_objects)?;
    }
    check_length(length, received)?;
    let expected = announced.expected(&trailers(&extensions), algorithm)?;
    let info = writer.finish(expected).await.map_err(from_objects)?;
    let mut output = PutObjectOutput {
        e_tag: Some(etag(&info)),
        checksum_type: Fields::of(info.checksum.as_ref()).kind,
        ..PutObjectOutput::default()
    };
    fill_checksum!(output, info.checksum.as_ref());
    Ok(output)
}

/// The next bytes of a request's content.
pub(crate) async fn next(body: &mut Option<StreamingBlob>) -> S3Result<Option<Bytes>> {
    let Some(body) = body else { return Ok(None) };
    body.next().await.transpose().map_err(|error| from_body(&error))
}

pub(crate) fn check_length(announced: Option<u64>, received: u64) -> S3Result<()> {
    match announced {
        Some(announced) if announced != received => {
            Err(s3_error!(IncompleteBody, "You did not provide the number of bytes specified by the Content-Length HTTP header"))
        }
        _ => Ok(()),
    }
}

pub(crate) fn trailers(extensions: &Extensions) -> HeaderMap {
    extensions.get::<Trailers>().map(Trailers::take).unwrap_or_default()
}
