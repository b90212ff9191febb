//! Listing the objects of a bucket.

use store_meta::Read;

use crate::record::{KeyPrefix, OBJECTS, ObjectName};
use crate::{ObjectError, ObjectInfo, Objects};

/// Which objects to list. Order is that of the keys' UTF-8 bytes.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    pub prefix: String,
    /// Lists keys and common prefixes behind this one.
    pub start_after: Option<String>,
    /// Rolls keys up that have it behind the prefix. Empty is none.
    pub delimiter: Option<String>,
    /// Most objects and common prefixes together.
    pub limit: usize,
}

/// Objects and common prefixes, each in order.
#[derive(Debug, Clone, Default)]
pub struct ListPage {
    pub objects: Vec<ObjectInfo>,
    pub common_prefixes: Vec<String>,
    /// Where there is more: the `start_after` of the next page.
    pub next: Option<String>,
}

impl Objects {
    /// One page of the bucket's objects.
    pub async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        start_after: Option<&str>,
        limit: usize,
    ) -> Result<ListPage, ObjectError> {
        let start_after = start_after.map(str::to_owned);
        self.list_query(
            bucket,
            ListQuery {
                prefix: prefix.to_owned(),
                start_after,
                delimiter: None,
                limit,
            },
        )
        .await
    }

    /// One page of the bucket's objects and common prefixes. What is under a common prefix is skipped, not
    /// walked.
    pub async fn list_query(&self, bucket: &str, query: ListQuery) -> Result<ListPage, ObjectError> {
        self.bucket(bucket)?;
        let bucket = bucket.to_owned();
        self.blocking(move |store| Ok(store.meta.read(|s| list(s, &bucket, &query))?))
            .await
    }
}

fn list(snapshot: &impl Read, bucket: &str, query: &ListQuery) -> Result<ListPage, store_meta::MetaError> {
    let mut page = ListPage::default();
    if query.limit == 0 {
        return Ok(page);
    }
    let delimiter = query.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
    let rolled_up = |key: &str| {
        let rest = &key[query.prefix.len()..];
        delimiter.and_then(|d| {
            rest.find(d)
                .map(|at| key[..query.prefix.len() + at + d.len()].to_owned())
        })
    };
    let within = KeyPrefix {
        bucket,
        prefix: &query.prefix,
    };
    let mut after = match &query.start_after {
        // A common prefix that the page before ended with.
        Some(start) if start.starts_with(&query.prefix) && rolled_up(start).is_some_and(|common| common == *start) => {
            Some(ObjectName::behind_prefix(bucket, start))
        }
        Some(start) => Some(ObjectName::new(bucket, start)),
        None => None,
    };
    let mut last = None;
    loop {
        let mut skip = None;
        let mut full = false;
        snapshot.visit(&OBJECTS, &within, after.as_ref(), |name, stored| {
            if page.objects.len() + page.common_prefixes.len() == query.limit {
                full = true;
                return false;
            }
            let key = name.key();
            match rolled_up(&key) {
                Some(common) => {
                    skip = Some(common);
                    false
                }
                None => {
                    last = Some(key.clone());
                    page.objects.push(stored.into_info(key));
                    true
                }
            }
        })?;
        if full {
            page.next = last;
            return Ok(page);
        }
        let Some(common) = skip else { return Ok(page) };
        after = Some(ObjectName::behind_prefix(bucket, &common));
        last = Some(common.clone());
        page.common_prefixes.push(common);
    }
}
