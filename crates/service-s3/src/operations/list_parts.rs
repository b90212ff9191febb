//! ListParts: lists the parts of an upload.

use s3s::dto::{ListPartsInput, ListPartsOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::checksums::name;
use crate::errors::from_objects;
use crate::headers::owner;
use crate::operations::list_objects_v2::page_size;
use crate::time::timestamp;
use s3s::dto::{ChecksumType, ETag, Initiator, Part, StorageClass};

pub(crate) async fn handle(api: &Api, request: S3Request<ListPartsInput>) -> S3Result<ListPartsOutput> {
    let S3Request { input, extensions, .. } = request;
    let bucket = api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let max = page_size(input.max_parts, "max-parts")?;
    let after = input.part_number_marker.unwrap_or(0).max(0);
    let (bucket_name, key, id) = (&input.bucket, &input.key, &input.upload_id);
    let upload = api.objects.upload(bucket_name, key, id).map_err(from_objects)?;
    let mut found = api.objects.upload_parts(bucket_name, key, id, after as u32, max + 1).map_err(from_objects)?;
    let is_truncated = found.len() > max;
    found.truncate(max);
    let next = found.last().map(|part| part.number as i32);
    let declared = upload.algorithm.is_some();
    let parts = found.into_iter().map(|part| {
        let mut listed = Part {
            part_number: Some(part.number as i32),
            size: Some(part.size as i64),
            last_modified: Some(timestamp(part.modified_ms)),
            e_tag: Some(ETag::Strong(part.etag)),
            ..Part::default()
        };
        fill_checksum!(listed, Some(&part.checksum).filter(|_| declared));
        listed
    });
    let parts = parts.collect();
    let kind = if upload.composite { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT };
    let account = owner(&bucket);
    Ok(ListPartsOutput {
        initiator: Some(Initiator { display_name: account.display_name.clone(), id: account.id.clone() }),
        owner: Some(account),
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        parts: Some(parts),
        is_truncated: Some(is_truncated),
        max_parts: Some(max as i32),
        next_part_number_marker: next,
        part_number_marker: Some(after),
        checksum_algorithm: upload.algorithm.map(name),
        checksum_type: upload.algorithm.map(|_| ChecksumType::from_static(kind)),
        storage_class: Some(StorageClass::from(upload.headers.storage_class.unwrap_or_else(|| StorageClass::STANDARD.to_owned()))),
        ..ListPartsOutput::default()
    })
}
