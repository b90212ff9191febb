//! Tags of work groups.

use std::collections::BTreeMap;

use base::{Arn, Scope};
use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};
use store_meta::Read;

use crate::library::TAGS;
use crate::{Athena, Call, errors};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) value: String,
}

impl Athena {
    pub(crate) fn tags(&self, scope: &Scope, resource: &str) -> Result<BTreeMap<String, String>, AwsError> {
        let found = self.meta.read(|s| s.get(&TAGS, &(scope.clone(), resource.to_owned())));
        Ok(found.map_err(errors::from_meta)?.unwrap_or_default())
    }

    pub(crate) async fn update_tags(
        &self,
        scope: &Scope,
        resource: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>) + Send + 'static,
    ) -> Result<(), AwsError> {
        let key = (scope.clone(), resource.to_owned());
        let updated = self.meta.write(move |tx| {
            let mut tags = tx.get(&TAGS, &key)?.unwrap_or_default();
            change(&mut tags);
            tx.put(&TAGS, &key, &tags)
        });
        updated.await.map_err(errors::from_meta)
    }
}

/// The resource that an ARN names, if it is a work group of the caller.
pub(crate) fn tagged(call: &Call, arn: &str) -> Result<String, AwsError> {
    let not_found = || {
        AwsError::new("ResourceNotFoundException", format!("Resource {arn} was not found"))
            .with("ResourceName", arn.to_owned())
    };
    let parsed: Arn = arn
        .parse()
        .map_err(|_| errors::invalid(format!("Invalid resource ARN: {arn}")))?;
    let name = parsed.resource_after("workgroup/").ok_or_else(not_found)?;
    if parsed.scope().as_ref() != Some(call.scope()) || call.work_group(call.scope(), name).is_err() {
        return Err(not_found());
    }
    Ok(parsed.resource.clone())
}
