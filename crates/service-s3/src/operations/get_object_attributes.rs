//! GetObjectAttributes: tells what is asked for about an object.

use s3s::dto::{GetObjectAttributesInput, GetObjectAttributesOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::checksums::Fields;
use crate::conditions::etag;
use crate::errors::from_objects;
use crate::headers::check_version;
use crate::time::timestamp_seconds;
use s3s::dto::{Checksum, GetObjectAttributesParts, ObjectAttributes, ObjectPart, StorageClass};

/// Most parts in one answer.
const PARTS_MAX: i32 = 1000;

pub(crate) async fn handle(api: &Api, request: S3Request<GetObjectAttributesInput>) -> S3Result<GetObjectAttributesOutput> {
    let S3Request { input, extensions, .. } = request;
    api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    check_version(input.version_id.as_deref())?;
    let info = api.objects.head(&input.bucket, &input.key).map_err(from_objects)?;
    // The library gives a header with commas as one attribute.
    let attributes: Vec<&str> = input.object_attributes.iter().flat_map(|named| named.as_str().split(',')).collect();
    let asked = |name: &str| attributes.iter().any(|attribute| attribute.trim() == name);
    let mut output = GetObjectAttributesOutput {
        last_modified: Some(timestamp_seconds(info.modified_ms)),
        e_tag: asked(ObjectAttributes::ETAG).then(|| etag(&info)),
        object_size: asked(ObjectAttributes::OBJECT_SIZE).then_some(info.size as i64),
        ..GetObjectAttributesOutput::default()
    };
    if asked(ObjectAttributes::STORAGE_CLASS) {
        let class = info.headers.storage_class.clone().unwrap_or_else(|| StorageClass::STANDARD.to_owned());
        output.storage_class = Some(StorageClass::from(class));
    }
    if asked(ObjectAttributes::CHECKSUM) && info.checksum.is_some() {
        let mut checksum = Checksum { checksum_type: Fields::of(info.checksum.as_ref()).kind, ..Checksum::default() };
        fill_checksum!(checksum, info.checksum.as_ref());
        output.checksum = Some(checksum);
    }
    if let (true, Some(total)) = (asked(ObjectAttributes::OBJECT_PARTS), info.parts) {
        let max = input.max_parts.unwrap_or(PARTS_MAX).clamp(0, PARTS_MAX);
        let after = input.part_number_marker.unwrap_or(0).max(0);
        let mut found = api.objects.object_parts(&info, after as u32, max as usize + 1).map_err(from_objects)?;
        let is_truncated = found.len() > max as usize;
        found.truncate(max as usize);
        let next = found.last().map(|part| part.number as i32);
        // Parts are listed only where they have checksums of their own.
        let parts: Vec<_> = found.into_iter().filter(|part| part.checksum.is_some()).map(|part| {
            let mut listed = ObjectPart {
                part_number: Some(part.number as i32),
                size: Some(part.size as i64),
                ..ObjectPart::default()
            };
            fill_checksum!(listed, part.checksum.as_ref());
            listed
        }).collect();
        output.object_parts = Some(GetObjectAttributesParts {
            is_truncated: Some(is_truncated),
            max_parts: Some(max),
            next_part_number_marker: next,
            part_number_marker: Some(after),
            parts: Some(parts),
            total_parts_count: Some(total as i32),
        });
    }
    Ok(output)
}
