//! DeleteObjects: removes up to 1000 objects.

use s3s::dto::{DeleteObjectsInput, DeleteObjectsOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::conditions::write_condition;
use crate::errors::from_objects;
use crate::headers::check_version;
use futures::stream::{self, StreamExt};
use s3s::dto::{Delete, DeletedObject, ETagCondition, Error, ObjectIdentifier};
use s3s::s3_error;

/// As DeleteObjects documents.
const OBJECTS_MAX: usize = 1000;
/// How many deletions of one request are under way at a time.
const CONCURRENT_MAX: usize = 64;

pub(crate) async fn handle(api: &Api, request: S3Request<DeleteObjectsInput>) -> S3Result<DeleteObjectsOutput> {
    let S3Request { input, extensions, .. } = request;
    api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let Delete { objects, quiet } = input.delete;
    if objects.is_empty() || objects.len() > OBJECTS_MAX {
        return Err(s3_error!(MalformedXML));
    }
    let bucket = input.bucket.as_str();
    // Those that run together share the store's commits.
    let outcomes: Vec<_> = stream::iter(objects)
        .map(|object| async move {
            let outcome = delete(api, bucket, &object).await;
            (object.key, outcome)
        })
        .buffered(CONCURRENT_MAX)
        .collect()
        .await;
    let mut deleted = Vec::new();
    let mut errors = Vec::new();
    for (key, outcome) in outcomes {
        match outcome {
            Ok(()) if quiet == Some(true) => {}
            Ok(()) => deleted.push(DeletedObject { key: Some(key), ..DeletedObject::default() }),
            Err(error) => errors.push(Error {
                code: Some(error.code().as_str().to_owned()),
                message: error.message().map(str::to_owned),
                key: Some(key),
                version_id: None,
            }),
        }
    }
    Ok(DeleteObjectsOutput { deleted: Some(deleted), errors: Some(errors), ..DeleteObjectsOutput::default() })
}

async fn delete(api: &Api, bucket: &str, object: &ObjectIdentifier) -> S3Result<()> {
    check_version(object.version_id.as_deref())?;
    let condition = write_condition(object.e_tag.clone().map(ETagCondition::ETag), None);
    api.objects.delete_if(bucket, &object.key, condition).await.map_err(from_objects)?;
    Ok(())
}
