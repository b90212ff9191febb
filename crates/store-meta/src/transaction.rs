//! Reading and writing within one transaction.

use std::ops::Bound;

use redb::{ReadTransaction, ReadableTable, TableDefinition, TableError, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Key, Keyspace, MetaError};

type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;
type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<bool, MetaError>;

/// What a snapshot and a write transaction have in common.
pub trait Read {
    #[doc(hidden)]
    fn get_bytes(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, MetaError>;

    /// Visits entries from `from` on in key order until `visit` returns false.
    #[doc(hidden)]
    fn visit_bytes(&self, table: Table, from: Bound<&[u8]>, visit: Visit<'_>) -> Result<(), MetaError>;

    fn get<K: Key, V: Serialize + DeserializeOwned>(
        &self,
        space: &Keyspace<K, V>,
        key: &K,
    ) -> Result<Option<V>, MetaError> {
        self.get_bytes(space.table(), &key.to_bytes())?
            .map(|bytes| space.decode(&bytes))
            .transpose()
    }

    /// At most `limit` entries in key order whose keys begin with `prefix` (the first parts of `K`'s tuple, or
    /// `()` for all) and, where `after` is given, come behind it.
    fn scan<K: Key, V: Serialize + DeserializeOwned>(
        &self,
        space: &Keyspace<K, V>,
        prefix: &impl Key,
        after: Option<&K>,
        limit: usize,
    ) -> Result<Vec<(K, V)>, MetaError> {
        let mut found = Vec::new();
        self.visit(space, prefix, after, |key, value| {
            if found.len() < limit {
                found.push((key, value));
            }
            found.len() < limit
        })?;
        Ok(found)
    }

    /// Calls `visit` with each entry that [`Read::scan`] would return, until it returns false.
    fn visit<K: Key, V: Serialize + DeserializeOwned>(
        &self,
        space: &Keyspace<K, V>,
        prefix: &impl Key,
        after: Option<&K>,
        mut visit: impl FnMut(K, V) -> bool,
    ) -> Result<(), MetaError> {
        let prefix = prefix.to_bytes();
        let after = after.map(Key::to_bytes).filter(|after| *after >= prefix);
        let from = after
            .as_ref()
            .map_or(Bound::Included(prefix.as_slice()), |after| Bound::Excluded(after));
        self.visit_bytes(space.table(), from, &mut |key, value| {
            Ok(key.starts_with(&prefix) && visit(space.decode_key(key)?, space.decode(value)?))
        })
    }
}

/// A consistent view of the store at one moment.
pub struct Snapshot {
    pub(crate) transaction: ReadTransaction,
}

impl Read for Snapshot {
    fn get_bytes(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, MetaError> {
        match self.transaction.open_table(table) {
            Ok(table) => Ok(table
                .get(key)
                .map_err(MetaError::storage)?
                .map(|value| value.value().to_vec())),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(MetaError::storage(error)),
        }
    }

    fn visit_bytes(&self, table: Table, from: Bound<&[u8]>, visit: Visit<'_>) -> Result<(), MetaError> {
        match self.transaction.open_table(table) {
            Ok(table) => visit_table(&table, from, visit),
            Err(TableError::TableDoesNotExist(_)) => Ok(()),
            Err(error) => Err(MetaError::storage(error)),
        }
    }
}

/// One closure's part of a write transaction: it sees its own writes, and they vanish if it fails.
pub struct Tx<'t> {
    transaction: &'t WriteTransaction,
    /// What stood there before each write, oldest first.
    undo: Vec<(Table, Vec<u8>, Option<Vec<u8>>)>,
    /// The first failure of the disk; what redb says of later ones is only that there was an earlier one.
    failed: Option<MetaError>,
}

impl<'t> Tx<'t> {
    pub(crate) fn new(transaction: &'t WriteTransaction) -> Self {
        Self {
            transaction,
            undo: Vec::new(),
            failed: None,
        }
    }

    pub fn put<K: Key, V: Serialize + DeserializeOwned>(
        &mut self,
        space: &Keyspace<K, V>,
        key: &K,
        value: &V,
    ) -> Result<(), MetaError> {
        let bytes = space.encode(value)?;
        self.write_bytes(space.table(), key.to_bytes(), Some(&bytes)).map(drop)
    }

    /// Removes an entry and tells whether there was one.
    pub fn delete<K: Key, V: Serialize + DeserializeOwned>(
        &mut self,
        space: &Keyspace<K, V>,
        key: &K,
    ) -> Result<bool, MetaError> {
        self.write_bytes(space.table(), key.to_bytes(), None)
    }

    /// Removes every entry whose key begins with `prefix` and returns how many there were.
    pub fn delete_prefix<K: Key, V: Serialize + DeserializeOwned>(
        &mut self,
        space: &Keyspace<K, V>,
        prefix: &impl Key,
    ) -> Result<usize, MetaError> {
        let prefix = prefix.to_bytes();
        let mut keys = Vec::new();
        self.visit_bytes(space.table(), Bound::Included(&prefix), &mut |key, _| {
            let inside = key.starts_with(&prefix);
            if inside {
                keys.push(key.to_vec());
            }
            Ok(inside)
        })?;
        let count = keys.len();
        for key in keys {
            self.write_bytes(space.table(), key, None)?;
        }
        Ok(count)
    }

    fn write_bytes(&mut self, table: Table, key: Vec<u8>, value: Option<&[u8]>) -> Result<bool, MetaError> {
        let before = apply(self.transaction, table, &key, value).inspect_err(|error| {
            self.failed.get_or_insert_with(|| error.clone());
        })?;
        let existed = before.is_some();
        self.undo.push((table, key, before));
        Ok(existed)
    }

    /// Takes this closure's writes back. A disk that failed on one of them fails the whole transaction.
    pub(crate) fn roll_back(self) -> Result<(), MetaError> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        for (table, key, before) in self.undo.into_iter().rev() {
            apply(self.transaction, table, &key, before.as_deref())?;
        }
        Ok(())
    }
}

impl Read for Tx<'_> {
    fn get_bytes(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, MetaError> {
        let table = self.transaction.open_table(table).map_err(MetaError::storage)?;
        let value = table.get(key).map_err(MetaError::storage)?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    fn visit_bytes(&self, table: Table, from: Bound<&[u8]>, visit: Visit<'_>) -> Result<(), MetaError> {
        visit_table(
            &self.transaction.open_table(table).map_err(MetaError::storage)?,
            from,
            visit,
        )
    }
}

fn apply(
    transaction: &WriteTransaction,
    table: Table,
    key: &[u8],
    value: Option<&[u8]>,
) -> Result<Option<Vec<u8>>, MetaError> {
    let mut table = transaction.open_table(table).map_err(MetaError::storage)?;
    let before = match value {
        Some(value) => table.insert(key, value),
        None => table.remove(key),
    };
    Ok(before
        .map_err(MetaError::storage)?
        .map(|before| before.value().to_vec()))
}

fn visit_table(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    from: Bound<&[u8]>,
    visit: Visit<'_>,
) -> Result<(), MetaError> {
    for entry in table
        .range::<&[u8]>((from, Bound::Unbounded))
        .map_err(MetaError::storage)?
    {
        let (key, value) = entry.map_err(MetaError::storage)?;
        if !visit(key.value(), value.value())? {
            break;
        }
    }
    Ok(())
}
