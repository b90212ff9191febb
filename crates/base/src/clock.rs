//! The one source of time. Engines take a [`Clock`], so a test can stand still or jump ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Milliseconds since the Unix epoch, UTC.
pub type Millis = i64;

/// Tells the time of day and waits for it to pass.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Manual(ManualClock),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// Milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> Millis {
        match &self.0 {
            Source::System => system_now_ms(),
            Source::Manual(clock) => clock.now_ms.load(Ordering::SeqCst),
        }
    }

    /// Returns after `duration`. A manual clock returns once it has been moved that far.
    pub async fn sleep(&self, duration: Duration) {
        match &self.0 {
            Source::System => tokio::time::sleep(duration).await,
            Source::Manual(clock) => {
                let until = clock
                    .now_ms
                    .load(Ordering::SeqCst)
                    .saturating_add(duration.as_millis() as i64);
                loop {
                    let moved = clock.moved.notified();
                    if clock.now_ms.load(Ordering::SeqCst) >= until {
                        return;
                    }
                    moved.await;
                }
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock the ban points to")]
fn system_now_ms() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| d.as_millis() as i64)
}

/// A clock that moves only when told, for tests.
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    now_ms: Arc<AtomicI64>,
    moved: Arc<tokio::sync::Notify>,
}

impl ManualClock {
    pub fn at(now_ms: Millis) -> Self {
        Self {
            now_ms: Arc::new(AtomicI64::new(now_ms)),
            moved: Arc::default(),
        }
    }

    /// Moves the time ahead and wakes whoever waits for it.
    pub fn advance(&self, by: Duration) {
        self.now_ms.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
        self.moved.notify_waiters();
    }

    /// The [`Clock`] that engines take; it follows this one.
    pub fn clock(&self) -> Clock {
        Clock(Source::Manual(self.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_sleepers_only_when_moved_far_enough() {
        let manual = ManualClock::at(1_000);
        let clock = manual.clock();
        let sleeper = clock.sleep(Duration::from_millis(20));
        tokio::pin!(sleeper);
        assert!(futures_poll_once(sleeper.as_mut()).await.is_none());
        manual.advance(Duration::from_millis(19));
        assert!(futures_poll_once(sleeper.as_mut()).await.is_none());
        manual.advance(Duration::from_millis(1));
        sleeper.await;
        assert_eq!(clock.now_ms(), 1_020);
    }

    async fn futures_poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
            std::task::Poll::Ready(value) => std::task::Poll::Ready(Some(value)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }
}
