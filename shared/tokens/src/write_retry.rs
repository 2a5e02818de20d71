//! Retries storing a new token pair until the database accepts it: the pair exists nowhere else.

use std::future::Future;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use flysk_store::{StoreError, answered, repeat_contended};

use crate::VaultError;

/// Time for which an unavailable database is retried. Afterwards the new pair is lost, and the stored one is in doubt.
const WRITE_RETRY_TIMEOUT: Duration = Duration::from_mins(10);
const FIRST_RETRY_PAUSE: Duration = Duration::from_millis(50);
const MAX_RETRY_PAUSE: Duration = Duration::from_secs(5);

/// Runs `write` until the database accepts it, or the timeout passes.
pub(crate) async fn retry_until_written<T, F>(write: impl Fn() -> F) -> Result<T, VaultError>
where
    F: Future<Output = Result<T, VaultError>>,
{
    let backoff = ExponentialBuilder::new()
        .with_min_delay(FIRST_RETRY_PAUSE)
        .with_max_delay(MAX_RETRY_PAUSE)
        .without_max_times()
        .with_total_delay(Some(WRITE_RETRY_TIMEOUT));
    let write = &write;
    (move || repeat_contended(move || answered(write())))
        .retry(backoff)
        .when(is_database_error)
        .notify(|error, _| tracing::error!(error = %error, "failed to store a new token pair; retrying"))
        .await
}

/// A rejected statement is retried too: an operator may fix a privilege or a limit of the server.
fn is_database_error(error: &VaultError) -> bool {
    matches!(
        error,
        VaultError::Store(StoreError::Database(_) | StoreError::Conflict(_) | StoreError::Defect(_))
    )
}
