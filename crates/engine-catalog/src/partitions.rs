//! Partitions of a table.

use base::Scope;
use store_meta::{Keyspace, Read, Tx};

use crate::catalog::fold;
use crate::tables::{TableKey, existing_table};
use crate::{Catalog, CatalogError, Partition, PartitionSpec, PartitionValues, Table};

type PartitionKey = (Scope, String, String, PartitionValues);

pub(crate) const PARTITIONS: Keyspace<PartitionKey, Partition> = Keyspace::new("catalog/partitions");

impl Catalog {
    /// Creates each partition on its own; the answers stand in the order of `specs`. The outer error means that
    /// none was tried.
    pub async fn create_partitions(
        &self,
        scope: &Scope,
        database: &str,
        table: &str,
        specs: Vec<PartitionSpec>,
    ) -> Result<Vec<Result<(), CatalogError>>, CatalogError> {
        let now = self.clock.now_ms();
        self.change(scope, database, table, move |tx, key, table| {
            let mut outcomes = Vec::with_capacity(specs.len());
            for spec in specs {
                let outcome = check_values(table, &spec.values).and_then(|()| {
                    let key = partition_key(key, spec.values.clone());
                    match tx.get(&PARTITIONS, &key)? {
                        Some(_) => {
                            let (_, database, table, values) = key;
                            Err(CatalogError::PartitionExists {
                                database,
                                table,
                                values: values.0,
                            })
                        }
                        None => Ok(tx.put(
                            &PARTITIONS,
                            &key,
                            &Partition {
                                spec,
                                created_at_ms: now,
                            },
                        )?),
                    }
                });
                outcomes.push(own_outcome(outcome)?);
            }
            Ok(outcomes)
        })
        .await
    }

    /// Creates the partitions that are not there yet, all or none, and returns how many those were. Partitions
    /// that exist stay as they are, so repeating the call changes nothing.
    pub async fn create_partitions_if_absent(
        &self,
        scope: &Scope,
        database: &str,
        table: &str,
        specs: Vec<PartitionSpec>,
    ) -> Result<usize, CatalogError> {
        let now = self.clock.now_ms();
        self.change(scope, database, table, move |tx, key, table| {
            let mut created = 0;
            for spec in specs {
                check_values(table, &spec.values)?;
                let key = partition_key(key, spec.values.clone());
                if tx.get(&PARTITIONS, &key)?.is_none() {
                    tx.put(
                        &PARTITIONS,
                        &key,
                        &Partition {
                            spec,
                            created_at_ms: now,
                        },
                    )?;
                    created += 1;
                }
            }
            Ok(created)
        })
        .await
    }

    pub fn partition(
        &self,
        scope: &Scope,
        database: &str,
        table: &str,
        values: &PartitionValues,
    ) -> Result<Partition, CatalogError> {
        let key = (scope.clone(), fold(database), fold(table), values.clone());
        match self.meta.read(|s| s.get(&PARTITIONS, &key))? {
            Some(partition) => Ok(partition),
            None => {
                self.table(scope, database, table)?;
                Err(partition_not_found(key))
            }
        }
    }

    /// At most `limit` partitions that `keep` lets through (see [`crate::PartitionFilter::matches`]), in order of
    /// their values, behind `after` where it is given.
    pub fn partitions(
        &self,
        scope: &Scope,
        database: &str,
        table: &str,
        after: Option<&PartitionValues>,
        limit: usize,
        mut keep: impl FnMut(&Partition) -> bool,
    ) -> Result<Vec<Partition>, CatalogError> {
        self.table(scope, database, table)?;
        let prefix = (scope.clone(), fold(database), fold(table));
        let after = after.map(|values| partition_key(&prefix, values.clone()));
        let mut found = Vec::new();
        self.meta.read(|s| {
            s.visit(&PARTITIONS, &prefix, after.as_ref(), |_, partition| {
                if found.len() < limit && keep(&partition) {
                    found.push(partition);
                }
                found.len() < limit
            })
        })?;
        Ok(found)
    }

    /// Replaces the partition at `values`. Where `spec` has other values, the partition moves to them.
    pub async fn update_partition(
        &self,
        scope: &Scope,
        database: &str,
        table: &str,
        values: PartitionValues,
        spec: PartitionSpec,
    ) -> Result<(), CatalogError> {
        let mut outcomes = self
            .update_partitions(scope, database, table, vec![(values, spec)])
            .await?;
        outcomes.pop().unwrap_or(Ok(()))
    }

    /// [`Catalog::update_partition`] for each pair on its own, answered in their order.
    pub async fn update_partitions(
        &self,
        scope: &Scope,
        database: &str,
        table: &str,
        updates: Vec<(PartitionValues, PartitionSpec)>,
    ) -> Result<Vec<Result<(), CatalogError>>, CatalogError> {
        self.change(scope, database, table, move |tx, key, table| {
            let update_one = |tx: &mut Tx<'_>, values: PartitionValues, spec: PartitionSpec| {
                check_values(table, &spec.values)?;
                let from = partition_key(key, values);
                let to = partition_key(key, spec.values.clone());
                let Some(before) = tx.get(&PARTITIONS, &from)? else {
                    return Err(partition_not_found(from));
                };
                if from != to {
                    if tx.get(&PARTITIONS, &to)?.is_some() {
                        let (_, database, table, values) = to;
                        return Err(CatalogError::PartitionExists {
                            database,
                            table,
                            values: values.0,
                        });
                    }
                    tx.delete(&PARTITIONS, &from)?;
                }
                Ok(tx.put(&PARTITIONS, &to, &Partition { spec, ..before })?)
            };
            updates
                .into_iter()
                .map(|(values, spec)| own_outcome(update_one(tx, values, spec)))
                .collect()
        })
        .await
    }

    /// Deletes each partition on its own; the answers stand in the order of `partitions`.
    pub async fn delete_partitions(
        &self,
        scope: &Scope,
        database: &str,
        table: &str,
        partitions: Vec<PartitionValues>,
    ) -> Result<Vec<Result<(), CatalogError>>, CatalogError> {
        self.change(scope, database, table, move |tx, key, _| {
            let mut delete_one = |values| {
                let key = partition_key(key, values);
                if tx.delete(&PARTITIONS, &key)? {
                    Ok(())
                } else {
                    Err(partition_not_found(key))
                }
            };
            partitions
                .into_iter()
                .map(|values| own_outcome(delete_one(values)))
                .collect()
        })
        .await
    }

    /// Runs `work` in a transaction that holds the table still.
    async fn change<T: Send + 'static>(
        &self,
        scope: &Scope,
        database: &str,
        table: &str,
        work: impl FnOnce(&mut Tx<'_>, &TableKey, &Table) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let key = (scope.clone(), fold(database), fold(table));
        self.meta
            .write(move |tx| {
                let table = existing_table(tx, &key)?;
                work(tx, &key, &table)
            })
            .await
    }
}

fn partition_key(table: &TableKey, values: PartitionValues) -> PartitionKey {
    (table.0.clone(), table.1.clone(), table.2.clone(), values)
}

fn partition_not_found((_, database, table, values): PartitionKey) -> CatalogError {
    CatalogError::PartitionNotFound {
        database,
        table,
        values: values.0,
    }
}

/// A refusal concerns one partition; a failing store undoes the whole transaction.
fn own_outcome(outcome: Result<(), CatalogError>) -> Result<Result<(), CatalogError>, CatalogError> {
    match outcome {
        Err(CatalogError::Meta(error)) => Err(CatalogError::Meta(error)),
        outcome => Ok(outcome),
    }
}

fn check_values(table: &Table, values: &PartitionValues) -> Result<(), CatalogError> {
    let (keys, given) = (table.spec.partition_keys.len(), values.0.len());
    if keys == given {
        Ok(())
    } else {
        Err(CatalogError::Invalid(format!(
            "The number of partition keys do not match the number of partition values: {keys} keys, {given} values."
        )))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_partition_key_begins_with_its_tables_key() {
        use store_meta::Key;

        use super::*;
        let table = (Scope::default(), "a".to_owned(), "b".to_owned());
        let key = partition_key(&table, ["x", "y"].into_iter().collect());
        assert!(key.to_bytes().starts_with(&table.to_bytes()));
    }
}
