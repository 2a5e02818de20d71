//! Job errors of the key ring.

use std::time::Duration;

use flysk_crypto::KeyringError;
use flysk_queue::JobError;

/// Retry delay while an operator repairs the key ring or the configuration.
const CONFIG_RETRY_DELAY: Duration = Duration::from_mins(5);

/// The process's key ring cannot encrypt or decrypt.
pub(super) fn keyring_unavailable(error: &KeyringError) -> JobError {
    JobError::Wait { after: CONFIG_RETRY_DELAY, reason: format!("the key ring: {error}") }
}
