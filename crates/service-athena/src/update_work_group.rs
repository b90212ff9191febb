//! UpdateWorkGroup: changes a work group; what is not named stays.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::Call;
use crate::work_group::WorkGroup;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    work_group: String,
    description: Option<String>,
    configuration_updates: Option<Map<String, Value>>,
    state: Option<String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let Input {
        work_group,
        description,
        configuration_updates,
        state,
    } = input;
    let change = move |group: &mut WorkGroup| {
        if let Some(description) = description {
            group.description = Some(description);
        }
        if let Some(state) = state {
            group.enabled = state == "ENABLED";
        }
        apply(&mut group.configuration, configuration_updates.unwrap_or_default());
        group.complete(true);
    };
    call.update_work_group(call.scope(), &work_group, change).await?;
    Ok(Empty {})
}

/// `Remove<Member>` takes a member away, `<Member>Updates` changes within it, any other replaces it.
fn apply(configuration: &mut Map<String, Value>, updates: Map<String, Value>) {
    for (name, value) in updates {
        if let Some(member) = name.strip_prefix("Remove") {
            if value == Value::Bool(true) {
                configuration.remove(member);
            }
        } else if let (Some(member), Value::Object(inner)) = (name.strip_suffix("Updates"), &value) {
            let nested = configuration.entry(member).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(nested) = nested {
                apply(nested, inner.clone());
            }
        } else {
            configuration.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn updates_replace_nest_and_remove() {
        let object = |value: Value| value.as_object().cloned().unwrap_or_default();
        let mut configuration = object(
            json!({"ResultConfiguration": {"OutputLocation": "s3://a/"}, "BytesScannedCutoffPerQuery": 10000000}),
        );
        let updates = json!({
            "ResultConfigurationUpdates": {"RemoveOutputLocation": true, "ExpectedBucketOwner": "000000000000"},
            "RemoveBytesScannedCutoffPerQuery": true,
            "EnforceWorkGroupConfiguration": false,
        });
        apply(&mut configuration, object(updates));
        let expect = json!({"ResultConfiguration": {"ExpectedBucketOwner": "000000000000"}, "EnforceWorkGroupConfiguration": false});
        assert_eq!(Value::Object(configuration), expect);
    }
}
