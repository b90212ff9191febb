//! The store's errors in S3's words (API Reference, "Error responses").

use http::StatusCode;
use protocol_aws::AwsError;
use s3s::{S3Error, S3ErrorCode, StdError, s3_error};
use store_objects::{Digest, ObjectError};

pub(crate) fn from_objects(error: ObjectError) -> S3Error {
    use ObjectError as E;
    let code = match &error {
        E::NoSuchBucket(_) => S3ErrorCode::NoSuchBucket,
        E::NoSuchKey { .. } => S3ErrorCode::NoSuchKey,
        E::NoSuchUpload(_) => S3ErrorCode::NoSuchUpload,
        E::BucketExists { .. } => S3ErrorCode::BucketAlreadyExists,
        E::BucketNotEmpty(_) => S3ErrorCode::BucketNotEmpty,
        E::InvalidBucketName { .. } => S3ErrorCode::InvalidBucketName,
        E::KeyTooLong { .. } => S3ErrorCode::KeyTooLongError,
        E::KeyEmpty => {
            return s3_error!(
                UserKeyMustBeSpecified,
                "The bucket POST must contain the specified field name. If it is specified, check the order of the fields."
            );
        }
        E::PreconditionFailed(_) => S3ErrorCode::PreconditionFailed,
        E::DigestMismatch { what: Digest::Md5, .. } => S3ErrorCode::BadDigest,
        E::DigestMismatch {
            what: Digest::Checksum(algorithm),
            ..
        } => {
            return s3_error!(
                BadDigest,
                "The {algorithm} you specified did not match the calculated checksum."
            );
        }
        E::InvalidRange { .. } => S3ErrorCode::InvalidRange,
        E::InvalidPart { .. } => S3ErrorCode::InvalidPart,
        E::InvalidPartOrder => S3ErrorCode::InvalidPartOrder,
        E::PartTooSmall { .. } => S3ErrorCode::EntityTooSmall,
        E::NoParts => S3ErrorCode::MalformedXML,
        E::PartWithoutChecksum { number, algorithm } => {
            return s3_error!(
                InvalidRequest,
                "The upload was created using a {algorithm} checksum. The complete request must include the checksum for each part. It was missing for part {number} in the request."
            );
        }
        E::SizeMismatch { expected, actual } => {
            return s3_error!(
                InvalidRequest,
                "The provided 'x-amz-mp-object-size' header value {expected} does not match what was computed: {actual}"
            );
        }
        E::TooLarge { .. } => S3ErrorCode::EntityTooLarge,
        E::Full => {
            let text = "There is no room left on the disk. Nothing was stored; free some room and try again.";
            return custom("InsufficientStorage", StatusCode::INSUFFICIENT_STORAGE, text);
        }
        E::Content(reason) => return s3_error!(IncompleteBody, "The request body could not be read: {reason}"),
        E::Closed => return s3_error!(ServiceUnavailable, "The server is shutting down."),
        E::Damaged { .. } | E::Io { .. } | E::Meta(_) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the object store failed");
            return s3_error!(
                InternalError,
                "We encountered an internal error. Please try again. ({error})"
            );
        }
    };
    let message = default_message(code.as_str());
    S3Error::with_message(code, message)
}

/// An error whose code the library does not know.
pub(crate) fn custom(code: &str, status: StatusCode, message: impl Into<String>) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), message.into());
    error.set_status_code(status);
    error
}

/// A request body that broke off: in the words of whoever refused it, or as incomplete.
pub(crate) fn from_body(error: &StdError) -> S3Error {
    match find::<AwsError>(error.as_ref()) {
        Some(refused) => {
            let code = S3ErrorCode::from_bytes(refused.code.as_bytes()).unwrap_or(S3ErrorCode::InvalidRequest);
            let mut refusal = S3Error::with_message(code, refused.message.clone());
            if refusal.status_code().is_none() {
                refusal.set_status_code(StatusCode::BAD_REQUEST);
            }
            refusal
        }
        None => s3_error!(
            IncompleteBody,
            "You did not provide the number of bytes specified by the Content-Length HTTP header: {error}"
        ),
    }
}

fn find<'e, T: std::error::Error + 'static>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// What S3 says about an error when it has nothing special to say.
pub(crate) fn default_message(code: &str) -> &'static str {
    match code {
        "AccessDenied" => "Access Denied",
        "BadDigest" => "The Content-MD5 you specified did not match what we received.",
        "BucketAlreadyExists" => {
            "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again."
        }
        "BucketAlreadyOwnedByYou" => {
            "Your previous request to create the named bucket succeeded and you already own it."
        }
        "BucketNotEmpty" => "The bucket you tried to delete is not empty",
        "EntityTooLarge" => "Your proposed upload exceeds the maximum allowed size",
        "EntityTooSmall" => "Your proposed upload is smaller than the minimum allowed size",
        "InternalError" => "We encountered an internal error. Please try again.",
        "InvalidArgument" => "Invalid Argument",
        "InvalidBucketName" => "The specified bucket is not valid.",
        "InvalidDigest" => "The Content-MD5 you specified was invalid.",
        "InvalidPart" => {
            "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."
        }
        "InvalidPartOrder" => {
            "The list of parts was not in ascending order. The parts list must be specified in order by part number."
        }
        "InvalidRange" => "The requested range is not satisfiable",
        "InvalidURI" => "Couldn't parse the specified URI.",
        "KeyTooLongError" => "Your key is too long",
        "MalformedXML" => "The XML you provided was not well-formed or did not validate against our published schema",
        "MethodNotAllowed" => "The specified method is not allowed against this resource.",
        "MissingContentLength" => "You must provide the Content-Length HTTP header.",
        "MissingRequestBodyError" => "Request body is empty.",
        "NoSuchBucket" => "The specified bucket does not exist",
        "NoSuchCORSConfiguration" => "The CORS configuration does not exist",
        "NoSuchKey" => "The specified key does not exist.",
        "NoSuchTagSet" => "The TagSet does not exist",
        "NoSuchUpload" => {
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
        }
        "NotImplemented" => "A header or query you provided implies functionality that is not implemented.",
        "PreconditionFailed" => "At least one of the pre-conditions you specified did not hold",
        _ => "The request was refused.",
    }
}
