//! Limits of the wait for an answer of the database.
//!
//! A server that vanishes without a word (its machine or the network is gone, its process is stopped) leaves a statement
//! waiting until the kernel gives the connection up, on Linux after a quarter of an hour. Requests and job handlers have time
//! limits of their own. Loops that run for ever, and work that many callers wait for, have these.

use std::future::Future;
use std::io;
use std::time::Duration;

use crate::StoreError;

/// Limit for one statement or short transaction: longer than a wait for a lock, which the session limits to 10 s.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(15);

/// [`answered_within`] [`ANSWER_LIMIT`].
pub async fn answered<T, E>(asked: impl Future<Output = Result<T, E>>) -> Result<T, E>
where
    E: From<StoreError>,
{
    answered_within(ANSWER_LIMIT, asked).await
}

/// Drops work on the database that takes longer than `limit`. The pool closes the connection that it used.
///
/// # Errors
///
/// That of the work, or [`StoreError::Database`] after `limit`. As after a broken connection, the database may have committed.
pub async fn answered_within<T, E>(limit: Duration, asked: impl Future<Output = Result<T, E>>) -> Result<T, E>
where
    E: From<StoreError>,
{
    // On the heap: work on the database is large, and callers keep this future in theirs.
    match tokio::time::timeout(limit, Box::pin(asked)).await {
        Ok(answered) => answered,
        Err(_elapsed) => Err(StoreError::from(no_answer()).into()),
    }
}

pub(crate) fn no_answer() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the database does not answer"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StoreResult;

    #[tokio::test]
    async fn a_wait_without_an_answer_ends_as_a_broken_connection_does() {
        let silent =
            answered_within(Duration::from_millis(1), std::future::pending::<StoreResult<()>>()).await;
        let Err(StoreError::Database(error)) = silent else { panic!("{silent:?}") };
        assert!(error.to_string().contains("does not answer"), "{error}");
        assert_eq!(answered(async { StoreResult::Ok(7) }).await.unwrap(), 7);
    }
}
