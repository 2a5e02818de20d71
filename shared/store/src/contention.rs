//! Retry of transactions that the database rolled back because of contention.
//!
//! Two transactions may deadlock (1213), wait for a lock too long (1205), or have read a row that changed since (1020).
//! On a cluster the loser gets the error as late as at `COMMIT` (1213, 3101, 1180): instead of a duplicate key (1062), too, which
//! the repetition then finds. A node may be unavailable (1047) or read-only (1290, 1836) until the pool has left it. The
//! whole transaction is then rolled back and must be repeated from its beginning. Only this module does that.

use flysk_domain::{Randomness as _, SystemRandomness};
use std::future::Future;
use std::time::{Duration, Instant};

use crate::StoreError;

/// Maximum number of tries, the first included.
pub const MAX_TRANSACTION_TRIES: u32 = 8;
/// No further try starts after this time, so that a waiting caller gets the error in time.
pub const TRANSACTION_RETRY_LIMIT: Duration = Duration::from_secs(3);

const FIRST_RETRY_PAUSE: Duration = Duration::from_millis(10);
const MAX_RETRY_PAUSE: Duration = Duration::from_millis(400);

/// An error that may mean that the whole transaction was rolled back and may be repeated.
pub trait Contention {
    /// Whether the transaction may be repeated.
    fn is_contended(&self) -> bool;
}

impl Contention for StoreError {
    fn is_contended(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }
}

/// Runs `transaction`, from `BEGIN` to `COMMIT`, and repeats it while it is rolled back because of contention.
///
/// Effects outside the database would be repeated as well: the transaction must not call other services.
pub async fn repeat_contended<T, E, F>(transaction: impl Fn() -> F) -> Result<T, E>
where
    E: Contention,
    F: Future<Output = Result<T, E>>,
{
    repeat_while(E::is_contended, transaction).await
}

/// [`repeat_contended`] for errors for which `may_run_again` returns true.
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
            Err(error) if tried < MAX_TRANSACTION_TRIES && may_run_again(&error) => {
                let pause = contention_pause(tried, SystemRandomness.random_unit());
                // The second try always runs: waiting for a lock alone may exceed the limit.
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

/// Pause after `tried` tries: random, below a bound that doubles with each try, so that the same transactions do not
/// collide again (backoff with jitter). `luck` is in `0..1`.
pub fn contention_pause(tried: u32, luck: f64) -> Duration {
    let bound = FIRST_RETRY_PAUSE.saturating_mul(1 << tried.min(10)).min(MAX_RETRY_PAUSE);
    FIRST_RETRY_PAUSE / 2 + bound.mul_f64(luck.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn lost() -> StoreError {
        StoreError::Conflict(sqlx::Error::WorkerCrashed)
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
        assert!(matches!(ended, Err(StoreError::Conflict(_))));
        assert!((2..=MAX_TRANSACTION_TRIES).contains(&runs.into_inner()));
    }

    #[tokio::test]
    async fn other_errors_are_told_at_once() {
        let runs = AtomicU32::new(0);
        let ended: Result<(), _> = repeat_contended(|| async {
            runs.fetch_add(1, Ordering::SeqCst);
            Err(StoreError::WrongState { what: "row" })
        })
        .await;
        assert!(matches!(ended, Err(StoreError::WrongState { .. })));
        assert_eq!(runs.into_inner(), 1);
    }

    #[test]
    fn pauses_grow_differ_and_stay_short() {
        assert_eq!(contention_pause(1, 0.0), FIRST_RETRY_PAUSE / 2);
        assert!(contention_pause(2, 0.5) > contention_pause(1, 0.5));
        assert_ne!(contention_pause(3, 0.2), contention_pause(3, 0.7));
        assert!(contention_pause(u32::MAX, 1.0) <= MAX_RETRY_PAUSE + FIRST_RETRY_PAUSE);
    }
}
