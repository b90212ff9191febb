//! The states of the keys that streams are encrypted with, as the users name them in their account and region.

use std::collections::BTreeMap;

use base::Scope;
use store_meta::{Keyspace, Meta, MetaError, Read};

use super::{StreamError, Streams};
use crate::{KeyState, Log};

/// Those of keys that are not enabled.
const KEY_STATES: Keyspace<(Scope, String), KeyState> = Keyspace::new("log/key-states");

/// What the key store knows a key by.
pub(super) fn full_name(scope: &Scope, key: &str) -> String {
    format!("{}/{}/{key}", scope.account, scope.region)
}

pub(super) fn load(log: &Log, meta: &Meta) -> Result<(), MetaError> {
    for ((scope, key), state) in meta.read(|snapshot| snapshot.scan(&KEY_STATES, &(), None, usize::MAX))? {
        if let Some(keys) = log.keys() {
            keys.set_state(&full_name(&scope, &key), state);
        }
    }
    Ok(())
}

impl Streams {
    /// Says what a key may be used for, for the streams that are encrypted with it and for those that will be.
    pub async fn set_key_state(&self, scope: &Scope, key: &str, state: KeyState) -> Result<(), StreamError> {
        let (this, entry) = (self.clone(), (scope.clone(), key.to_owned()));
        self.in_turn(async move {
            let kept = entry.clone();
            let write = this.0.meta.write(move |tx| match state {
                KeyState::Enabled => tx.delete(&KEY_STATES, &kept).map(drop),
                state => tx.put(&KEY_STATES, &kept, &state),
            });
            write.await?;
            if let Some(keys) = this.0.log.keys() {
                keys.set_state(&full_name(&entry.0, &entry.1), state);
            }
            Ok(())
        })
        .await
    }

    /// What a key may be used for.
    pub fn check_key(&self, scope: &Scope, key: &str) -> Result<(), KeyState> {
        match self.0.log.keys() {
            Some(keys) => keys.key(&full_name(scope, key)).check_usable(),
            None => Ok(()),
        }
    }

    /// The keys that streams are encrypted with, and those that are not enabled.
    pub fn keys(&self) -> Result<BTreeMap<(Scope, String), KeyState>, MetaError> {
        let all = self.all();
        let used = all.iter().filter_map(|stream| {
            let key = stream.encryption_key.clone()?;
            Some(((stream.id.scope.clone(), key), KeyState::Enabled))
        });
        let mut found = used.collect::<BTreeMap<_, _>>();
        found.extend(
            self.0
                .meta
                .read(|snapshot| snapshot.scan(&KEY_STATES, &(), None, usize::MAX))?,
        );
        Ok(found)
    }
}
