//! Accounts whose API has blocked the platform's IP address. All processes pause FlySense's requests to them, because
//! requests would prolong the block.

use std::time::Duration;

use flysk_clients::amocrm::{AmoError, RejectionKind};
use flysk_domain::id::AccountId;
use flysk_queue::JobError;
use flysk_services::installs::{AMOCRM_BLOCK_DURATION, AmocrmCaller, block_account, blocked_for};

use crate::App;
use crate::job_error::IntoJobError as _;

/// Maximum delay until a job checks again whether the block has ended.
const BLOCK_RECHECK_INTERVAL: Duration = Duration::from_mins(15);

/// Called before each API call. Without Redis the block is unknown; the rate limit that follows needs Redis too and waits.
pub(crate) async fn ensure_not_blocked(app: &App, account: AccountId) -> Result<(), JobError> {
    match blocked_for(&app.limits, account, AmocrmCaller::FlySense).await {
        Ok(Some(time)) => Err(JobError::Wait {
            after: time.min(BLOCK_RECHECK_INTERVAL),
            reason: "amoCRM blocks this address".to_owned(),
        }),
        Ok(None) | Err(_) => Ok(()),
    }
}

/// Converts a failed call to a job error, and records a block for all processes.
pub(crate) async fn job_error(app: &App, account: AccountId, error: AmoError) -> JobError {
    if error.kind() == Some(RejectionKind::Blocked) {
        tracing::error!(alert = "amocrm_block", account.id = %account, "amoCRM blocks this address");
        block_account(&app.limits, account, AmocrmCaller::FlySense, AMOCRM_BLOCK_DURATION).await;
    }
    error.into_job_error()
}
