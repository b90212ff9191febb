//! ListObjects: lists objects, the first version of the operation.

use s3s::dto::{ListObjectsInput, ListObjectsOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::errors::from_objects;
use crate::headers::{KeyText, owner};
use crate::operations::list_objects_v2::{listed, page_size};
use s3s::dto::CommonPrefix;
use store_objects::ListQuery;

pub(crate) async fn handle(api: &Api, request: S3Request<ListObjectsInput>) -> S3Result<ListObjectsOutput> {
    let S3Request { input, extensions, .. } = request;
    let bucket = api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let text = KeyText::of(input.encoding_type.as_ref())?;
    let max = page_size(input.max_keys, "max-keys")?;
    let query = ListQuery {
        prefix: input.prefix.clone().unwrap_or_default(),
        start_after: input.marker.clone().filter(|marker| !marker.is_empty()),
        delimiter: input.delimiter.clone(),
        limit: max,
    };
    let page = api.objects.list_query(&input.bucket, query).await.map_err(from_objects)?;
    let contents = page.objects.into_iter().map(|object| listed(object, text, Some(owner(&bucket))));
    let prefixes = page.common_prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(text.write(prefix)) });
    Ok(ListObjectsOutput {
        name: Some(input.bucket),
        contents: Some(contents.collect()),
        common_prefixes: Some(prefixes.collect()),
        is_truncated: Some(page.next.is_some()),
        // S3 gives it with a delimiter only; without, the last key is the next marker.
        next_marker: page.next.filter(|_| input.delimiter.is_some()).map(|next| text.write(&next)),
        delimiter: input.delimiter.map(|delimiter| text.write(&delimiter)),
        prefix: Some(text.write(&input.prefix.unwrap_or_default())),
        marker: Some(text.write(&input.marker.unwrap_or_default())),
        max_keys: Some(max as i32),
        encoding_type: input.encoding_type,
        ..ListObjectsOutput::default()
    })
}
