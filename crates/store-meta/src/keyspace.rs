//! A named map from keys to values within the store.

use std::marker::PhantomData;

use redb::TableDefinition;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Key, MetaError};

/// Values are kept as JSON, so that a field can be added with `#[serde(default)]` and a person can read a
/// dump. Declare keyspaces as constants: `const TABLES: Keyspace<(Scope, String), Table> = Keyspace::new("catalog/tables");`
#[derive(Debug)]
pub struct Keyspace<K, V> {
    name: &'static str,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: Key, V: Serialize + DeserializeOwned> Keyspace<K, V> {
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            types: PhantomData,
        }
    }

    pub(crate) fn table(&self) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
        TableDefinition::new(self.name)
    }

    pub(crate) fn encode(&self, value: &V) -> Result<Vec<u8>, MetaError> {
        serde_json::to_vec(value).map_err(|e| self.corrupt(e))
    }

    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<V, MetaError> {
        serde_json::from_slice(bytes).map_err(|e| self.corrupt(e))
    }

    pub(crate) fn decode_key(&self, mut bytes: &[u8]) -> Result<K, MetaError> {
        K::decode(&mut bytes)
            .filter(|_| bytes.is_empty())
            .ok_or_else(|| self.corrupt("a key of another form"))
    }

    fn corrupt(&self, reason: impl ToString) -> MetaError {
        MetaError::Corrupt {
            keyspace: self.name,
            reason: reason.to_string(),
        }
    }
}
