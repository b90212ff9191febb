//! Who is subscribed to which shard: one subscription for each consumer and shard.

use std::collections::HashMap;
use std::sync::Arc;

use base::Millis;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Within this time after a subscription nobody else gets the shard; later the newcomer takes over.
const EXCLUSIVE_MS: Millis = 5_000;

/// A consumer's ARN and a shard's number.
type Key = (String, u32);

#[derive(Default)]
pub(crate) struct Subscriptions(Arc<Mutex<HashMap<Key, Holder>>>);

struct Holder {
    since_ms: Millis,
    taken: Arc<Notify>,
    is_open: bool,
}

/// The right to a shard, until somebody takes it over.
pub(crate) struct Subscription {
    all: Arc<Mutex<HashMap<Key, Holder>>>,
    key: Key,
    taken: Arc<Notify>,
}

impl Subscriptions {
    /// Takes the shard, from whoever has had it for long enough. `None` where somebody took it just now.
    pub(crate) fn take(&self, consumer_arn: &str, shard: u32, now_ms: Millis) -> Option<Subscription> {
        let mut all = self.0.lock();
        all.retain(|_, holder| holder.is_open || now_ms - holder.since_ms < EXCLUSIVE_MS);
        let key = (consumer_arn.to_owned(), shard);
        if let Some(holder) = all.get(&key) {
            if now_ms - holder.since_ms < EXCLUSIVE_MS {
                return None;
            }
            holder.taken.notify_one();
        }
        let taken = Arc::new(Notify::new());
        let holder = Holder {
            since_ms: now_ms,
            taken: taken.clone(),
            is_open: true,
        };
        all.insert(key.clone(), holder);
        Some(Subscription {
            all: self.0.clone(),
            key,
            taken,
        })
    }
}

impl Subscription {
    /// Returns once somebody else has taken over.
    pub(crate) async fn taken(&self) {
        self.taken.notified().await;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(holder) = self.all.lock().get_mut(&self.key)
            && Arc::ptr_eq(&holder.taken, &self.taken)
        {
            holder.is_open = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_shard_is_held_for_five_seconds_and_then_taken_over() {
        let all = Subscriptions::default();
        let first = all.take("a", 0, 0).expect("free");
        assert!(all.take("a", 0, 4_999).is_none());
        assert!(all.take("a", 1, 4_999).is_some() && all.take("b", 0, 4_999).is_some());
        let second = all.take("a", 0, 5_000).expect("taken over");
        first.taken().await;
        drop(first);
        assert!(
            all.take("a", 0, 9_999).is_none(),
            "the first's end does not free what the second holds"
        );
        drop(second);
        assert!(
            all.take("a", 0, 9_999).is_none(),
            "the time holds for one that has ended too"
        );
        assert!(all.take("a", 0, 10_000).is_some());
    }
}
