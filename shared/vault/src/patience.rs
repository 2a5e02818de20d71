//! Offering a new pair to the database until it takes it: the pair exists nowhere else.

use std::future::Future;
use std::time::Duration;

use flysk_store::{StoreError, repeat_contended};

use crate::VaultError;

/// How long a database that is away is waited for. After that the pair is lost, and its predecessor in doubt.
const PATIENCE: Duration = Duration::from_mins(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Runs `write` until the database answers.
pub(crate) async fn until_written<T, F>(write: impl Fn() -> F) -> Result<T, VaultError>
where
    F: Future<Output = Result<T, VaultError>>,
{
    let (mut pause, mut waited) = (Duration::from_millis(50), Duration::ZERO);
    loop {
        match repeat_contended(&write).await {
            // A refused statement may be taken after a grant or a limit of the server is set right: the pair exists nowhere else.
            Err(VaultError::Store(
                error @ (StoreError::Database(_) | StoreError::Contended(_) | StoreError::Defect(_)),
            )) if waited < PATIENCE => {
                tracing::error!(error = %error, "a new pair could not be written yet");
                tokio::time::sleep(pause).await;
                waited += pause;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            result => return result,
        }
    }
}
