//! Accounts whose API shuts us out: all processes leave them alone for a while, since hammering prolongs it.

use std::time::Duration;

use flysk_clients::amocrm::{AmoError, RejectionKind};
use flysk_domain::id::AccountId;
use flysk_jobs::JobError;
use flysk_jobs::runtime::limits::SHUT;

use crate::App;
use crate::outcome::HasOutcome as _;

/// How long a job waits at most before it looks again whether the account is open.
const LOOK_AGAIN: Duration = Duration::from_mins(15);

/// Before a call of the account's API; without Redis nobody knows, and the limit that follows waits for it.
pub(crate) async fn is_open(app: &App, account: AccountId) -> Result<(), JobError> {
    match app.limits.shut_for(account).await {
        Ok(Some(time)) => {
            Err(JobError::Wait { after: time.min(LOOK_AGAIN), reason: "amoCRM shuts us out".to_owned() })
        }
        Ok(None) | Err(_) => Ok(()),
    }
}

/// What a failed call means for its job; a block is told to everybody.
pub(crate) async fn job_error(app: &App, account: AccountId, error: AmoError) -> JobError {
    if error.kind() == Some(RejectionKind::Blocked) {
        tracing::error!(alert = "amocrm_block", account.id = %account, "amoCRM shuts our address out");
        app.limits.shut(account, SHUT).await;
    }
    error.into_job_error()
}
