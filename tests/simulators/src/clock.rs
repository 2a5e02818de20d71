//! The simulators' clock: the machine's, shifted by an offset that tests may set.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use flysk_domain::{Clock, SystemClock};
use tokio::sync::watch;

/// The machine's time plus an offset. Clones share the offset.
///
/// Whatever a simulator lets expire, retries or delays follows this clock, so a test that moves it
/// by a day sees a token of a day expire at once.
#[derive(Debug, Clone)]
pub struct SimClock {
    offset: Arc<watch::Sender<Duration>>,
}

impl Default for SimClock {
    fn default() -> Self {
        Self { offset: Arc::new(watch::Sender::new(Duration::zero())) }
    }
}

impl SimClock {
    /// Moves the hands forward (or back, if negative).
    pub fn advance(&self, by: Duration) {
        self.offset.send_modify(|offset| *offset = offset.checked_add(&by).unwrap_or(*offset));
    }

    /// Makes the present moment `to`; time goes on from there.
    pub fn set(&self, to: DateTime<Utc>) {
        self.offset.send_replace(to - SystemClock.now());
    }

    /// Returns when the clock shows `moment` or later, however it came to show it.
    pub async fn sleep_until(&self, moment: DateTime<Utc>) {
        let mut moved = self.offset.subscribe();
        while let Ok(left) = (moment - self.now()).to_std() {
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                changed = moved.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

impl Clock for SimClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + *self.offset.borrow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_hands_are_moved_past_its_moment() {
        let clock = SimClock::default();
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(clock.now() + Duration::hours(1)).await }
        });
        tokio::task::yield_now().await;
        clock.advance(Duration::minutes(59));
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::minutes(2));
        tokio::time::timeout(std::time::Duration::from_secs(5), sleeper).await.unwrap().unwrap();
    }
}
