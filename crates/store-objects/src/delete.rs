//! Deleting objects.

use store_meta::Read;

use crate::put::check_key;
use crate::record::{OBJECT_PARTS, OBJECTS, ObjectName, UNSETTLED, Unsettled};
use crate::{Condition, ObjectError, Objects};

impl Objects {
    /// Removes an object and tells whether there was one. The transaction is the commit point; the file
    /// goes right after, or at the next opening.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<bool, ObjectError> {
        self.delete_if(bucket, key, Condition::default()).await
    }

    /// [`Objects::delete`] where the condition holds.
    pub async fn delete_if(&self, bucket: &str, key: &str, condition: Condition) -> Result<bool, ObjectError> {
        check_key(key)?;
        self.bucket(bucket)?;
        let name = ObjectName::new(bucket, key);
        let id = self.0.fresh_id();
        let objects = self.clone();
        // In a task of its own: the file must go even if the caller stops waiting.
        let work = async move {
            let deleted = objects
                .0
                .meta
                .write({
                    let (name, id) = (name.clone(), id.clone());
                    move |tx| {
                        let there = tx.get(&OBJECTS, &name)?;
                        condition.check(&name, there.as_ref())?;
                        let Some(there) = there else {
                            return Ok::<_, ObjectError>(None);
                        };
                        tx.delete(&OBJECTS, &name)?;
                        if there.parts.is_some() {
                            tx.delete_prefix(&OBJECT_PARTS, &(there.id.clone(),))?;
                        }
                        let mut remove = tx
                            .get(&UNSETTLED, &name)?
                            .map(|unsettled| unsettled.remove)
                            .unwrap_or_default();
                        remove.push(there.path);
                        tx.put(&UNSETTLED, &name, &Unsettled { id, remove })?;
                        Ok(Some(there.staged.then_some(there.id)))
                    }
                })
                .await?;
            let Some(staged) = deleted else { return Ok(false) };
            objects.installed(name, id, staged.into_iter().collect()).await;
            Ok(true)
        };
        self.0.tasks.spawn(work).await?
    }
}
