//! Running a transaction again that the database rolled back.
//!
//! Two transactions may wait for each other (1213), wait for too long (1205), or have read what another changed since (1020);
//! on a cluster the loser finds out as late as at `COMMIT`, and a node may be away for a moment (1047). The transaction is gone
//! then, whole, and whoever began it begins it anew. This is the one place that does.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::StoreError;

/// How often a transaction is run in all.
pub const TRANSACTION_TRIES: u32 = 8;
/// After this long no further try begins, so that a caller who waits is told in time.
pub const TRANSACTION_RETRY_LIMIT: Duration = Duration::from_secs(3);

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// An error that may say that its transaction was rolled back as a whole and may be run again.
pub trait Contention {
    /// Whether it says so.
    fn is_contended(&self) -> bool;
}

impl Contention for StoreError {
    fn is_contended(&self) -> bool {
        matches!(self, Self::Contended(_))
    }
}

/// Runs `transaction`, from its `BEGIN` to its `COMMIT`, and again while it is rolled back by a race.
///
/// What it did outside the database before the race was lost it does again: no call of another service belongs inside.
pub async fn repeat_contended<T, E, F>(transaction: impl Fn() -> F) -> Result<T, E>
where
    E: Contention,
    F: Future<Output = Result<T, E>>,
{
    repeat_while(E::is_contended, transaction).await
}

/// [`repeat_contended`] for errors of which `may_run_again` says it.
pub async fn repeat_while<T, E, F>(
    may_run_again: impl Fn(&E) -> bool,
    transaction: impl Fn() -> F,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let began = Instant::now();
    let mut tried = 1;
    loop {
        match transaction().await {
            Err(error) if tried < TRANSACTION_TRIES && may_run_again(&error) => {
                let pause = contention_pause(tried, rand::random());
                // The second try is always made: waiting for a lock alone may take longer than the limit.
                if tried > 1 && began.elapsed() + pause > TRANSACTION_RETRY_LIMIT {
                    return Err(error);
                }
                tokio::time::sleep(pause).await;
                tried += 1;
            }
            ended => return ended,
        }
    }
}

/// How long to pause after `tried` tries: at random below a bound that doubles, so that those who met do not meet again. `luck`
/// is at least 0 and below 1.
pub fn contention_pause(tried: u32, luck: f64) -> Duration {
    let bound = FIRST_PAUSE.saturating_mul(1 << tried.min(10)).min(LONGEST_PAUSE);
    FIRST_PAUSE / 2 + bound.mul_f64(luck.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn lost() -> StoreError {
        StoreError::Contended(sqlx::Error::WorkerCrashed)
    }

    #[tokio::test]
    async fn a_transaction_that_lost_races_is_run_until_it_wins() {
        let runs = AtomicU32::new(0);
        let ended = repeat_contended(|| async {
            if runs.fetch_add(1, Ordering::SeqCst) < 3 { Err(lost()) } else { Ok("won") }
        });
        assert_eq!(ended.await.unwrap(), "won");
        assert_eq!(runs.into_inner(), 4);
    }

    #[tokio::test]
    async fn one_that_always_loses_is_told_after_some_tries() {
        let runs = AtomicU32::new(0);
        let ended: Result<(), _> = repeat_contended(|| async {
            runs.fetch_add(1, Ordering::SeqCst);
            Err(lost())
        })
        .await;
        assert!(matches!(ended, Err(StoreError::Contended(_))));
        assert!((2..=TRANSACTION_TRIES).contains(&runs.into_inner()));
    }

    #[tokio::test]
    async fn other_errors_are_told_at_once() {
        let runs = AtomicU32::new(0);
        let ended: Result<(), _> = repeat_contended(|| async {
            runs.fetch_add(1, Ordering::SeqCst);
            Err(StoreError::Stale { what: "row" })
        })
        .await;
        assert!(matches!(ended, Err(StoreError::Stale { .. })));
        assert_eq!(runs.into_inner(), 1);
    }

    #[test]
    fn pauses_grow_differ_and_stay_short() {
        assert_eq!(contention_pause(1, 0.0), FIRST_PAUSE / 2);
        assert!(contention_pause(2, 0.5) > contention_pause(1, 0.5));
        assert_ne!(contention_pause(3, 0.2), contention_pause(3, 0.7));
        assert!(contention_pause(u32::MAX, 1.0) <= LONGEST_PAUSE + FIRST_PAUSE);
    }
}
