//! Work groups: where results go and how far queries may go.

use std::collections::BTreeMap;

use base::{Millis, Scope};
use protocol_aws::{AwsError, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use store_meta::{Keyspace, Read};

use crate::library::TAGS;
use crate::{Athena, errors, executions, library};

const WORK_GROUPS: Keyspace<(Scope, String), WorkGroup> = Keyspace::new("athena/work-groups");

/// The group that is always there.
pub(crate) const PRIMARY: &str = "primary";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WorkGroup {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) enabled: bool,
    /// As the service model has it; members that nothing here works with are kept.
    pub(crate) configuration: Map<String, Value>,
    pub(crate) created_ms: Option<Millis>,
}

impl WorkGroup {
    pub(crate) fn new(name: &str, description: Option<String>, configuration: Map<String, Value>, now: Millis) -> Self {
        let mut group = Self {
            name: name.to_owned(),
            description,
            enabled: true,
            configuration,
            created_ms: Some(now),
        };
        group.complete(true);
        group
    }

    fn primary() -> Self {
        let mut group = Self {
            name: PRIMARY.to_owned(),
            description: None,
            enabled: true,
            configuration: Map::new(),
            created_ms: None,
        };
        group.complete(false);
        group
    }

    /// Sets what the service answers where nothing was said.
    pub(crate) fn complete(&mut self, enforce: bool) {
        let configuration = &mut self.configuration;
        configuration.entry("ResultConfiguration").or_insert_with(|| json!({}));
        configuration
            .entry("EnforceWorkGroupConfiguration")
            .or_insert_with(|| enforce.into());
        configuration
            .entry("PublishCloudWatchMetricsEnabled")
            .or_insert_with(|| false.into());
        configuration
            .entry("RequesterPaysEnabled")
            .or_insert_with(|| false.into());
        let selected = configuration
            .get("EngineVersion")
            .and_then(|version| version.get("SelectedEngineVersion"))
            .and_then(Value::as_str)
            .unwrap_or("AUTO")
            .to_owned();
        let version = json!({ "SelectedEngineVersion": selected, "EffectiveEngineVersion": ENGINE_VERSION });
        configuration.insert("EngineVersion".to_owned(), version);
    }

    pub(crate) fn state(&self) -> &'static str {
        if self.enabled { "ENABLED" } else { "DISABLED" }
    }

    /// Whether clients' own settings are passed over.
    pub(crate) fn enforces(&self) -> bool {
        self.configuration.get("EnforceWorkGroupConfiguration") == Some(&Value::Bool(true))
    }

    pub(crate) fn result_configuration(&self) -> Map<String, Value> {
        match self.configuration.get("ResultConfiguration") {
            Some(Value::Object(configuration)) => configuration.clone(),
            _ => Map::new(),
        }
    }

    /// How many bytes one query may read.
    pub(crate) fn cutoff_bytes(&self) -> Option<u64> {
        self.configuration.get("BytesScannedCutoffPerQuery")?.as_u64()
    }
}

/// The engine that all queries run on, by the service's name for what it is compatible with.
pub(crate) const ENGINE_VERSION: &str = "Athena engine version 3";

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct WorkGroupShape {
    name: String,
    state: &'static str,
    configuration: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    creation_time: Option<Timestamp>,
}

impl From<WorkGroup> for WorkGroupShape {
    fn from(group: WorkGroup) -> Self {
        Self {
            state: group.state(),
            name: group.name,
            configuration: group.configuration,
            description: group.description,
            creation_time: group.created_ms.map(Timestamp),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct WorkGroupSummary {
    name: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    creation_time: Option<Timestamp>,
    engine_version: Value,
}

impl From<WorkGroup> for WorkGroupSummary {
    fn from(group: WorkGroup) -> Self {
        Self {
            state: group.state(),
            name: group.name,
            description: group.description,
            creation_time: group.created_ms.map(Timestamp),
            engine_version: group.configuration.get("EngineVersion").cloned().unwrap_or_default(),
        }
    }
}

impl Athena {
    pub(crate) fn work_group(&self, scope: &Scope, name: &str) -> Result<WorkGroup, AwsError> {
        let found = self
            .meta
            .read(|s| s.get(&WORK_GROUPS, &(scope.clone(), name.to_owned())));
        match found.map_err(errors::from_meta)? {
            Some(group) => Ok(group),
            None if name == PRIMARY => Ok(WorkGroup::primary()),
            None => Err(not_found(name)),
        }
    }

    pub(crate) fn work_groups(&self, scope: &Scope) -> Result<Vec<WorkGroup>, AwsError> {
        let found = self
            .meta
            .read(|s| s.scan(&WORK_GROUPS, &(scope.clone(),), None, usize::MAX));
        let mut groups: Vec<_> = found
            .map_err(errors::from_meta)?
            .into_iter()
            .map(|(_, group)| group)
            .collect();
        if let Err(place) = groups.binary_search_by(|group| group.name.as_str().cmp(PRIMARY)) {
            groups.insert(place, WorkGroup::primary());
        }
        Ok(groups)
    }

    pub(crate) async fn create_work_group(
        &self,
        scope: &Scope,
        group: WorkGroup,
        tags: BTreeMap<String, String>,
    ) -> Result<(), AwsError> {
        let key = (scope.clone(), group.name.clone());
        let created = self.meta.write(move |tx| {
            let free = group.name != PRIMARY && tx.get(&WORK_GROUPS, &key)?.is_none();
            if free {
                tx.put(&WORK_GROUPS, &key, &group)?;
                if !tags.is_empty() {
                    tx.put(&TAGS, &(key.0, format!("workgroup/{}", key.1)), &tags)?;
                }
            }
            Ok(free)
        });
        match created.await.map_err(errors::from_meta)? {
            true => Ok(()),
            false => Err(errors::invalid("WorkGroup is already created")),
        }
    }

    /// Changes a work group in one step.
    pub(crate) async fn update_work_group(
        &self,
        scope: &Scope,
        name: &str,
        change: impl FnOnce(&mut WorkGroup) + Send + 'static,
    ) -> Result<(), AwsError> {
        let key = (scope.clone(), name.to_owned());
        let updated = self.meta.write(move |tx| {
            let found = match tx.get(&WORK_GROUPS, &key)? {
                None if key.1 == PRIMARY => Some(WorkGroup::primary()),
                found => found,
            };
            let Some(mut group) = found else { return Ok(false) };
            change(&mut group);
            tx.put(&WORK_GROUPS, &key, &group)?;
            Ok(true)
        });
        match updated.await.map_err(errors::from_meta)? {
            true => Ok(()),
            false => Err(not_found(name)),
        }
    }

    /// Deletes a work group in one step, with what is in it if that is asked for.
    pub(crate) async fn delete_work_group(&self, scope: &Scope, name: &str, recursive: bool) -> Result<(), AwsError> {
        enum Deleted {
            Done,
            NotEmpty,
            NotFound,
        }
        let key = (scope.clone(), name.to_owned());
        let deleted = self.meta.write(move |tx| {
            let (scope, name) = &key;
            if tx.get(&WORK_GROUPS, &key)?.is_none() {
                return Ok(Deleted::NotFound);
            }
            let is_free = recursive || (executions::none_in(tx, scope, name)? && library::none_in(tx, scope, name)?);
            if !is_free {
                return Ok(Deleted::NotEmpty);
            }
            executions::forget_all_in(tx, scope, name)?;
            library::forget_all_in(tx, scope, name)?;
            tx.delete(&WORK_GROUPS, &key)?;
            Ok(Deleted::Done)
        });
        match deleted.await.map_err(errors::from_meta)? {
            Deleted::Done => Ok(()),
            Deleted::NotEmpty => Err(errors::invalid(format!("WorkGroup {name} is not empty"))),
            Deleted::NotFound => Err(not_found(name)),
        }
    }
}

fn not_found(name: &str) -> AwsError {
    errors::invalid(format!("WorkGroup {name} is not found."))
}
