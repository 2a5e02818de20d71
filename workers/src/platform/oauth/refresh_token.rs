//! Performs `oauth.refresh_token`.
//!
//! Harmless when run twice: the second run finds a pair newer than the request. The vault lets one caller at a time
//! renew a pair, and keeps the rate limit of token requests.

use flysk_jobs::platform::oauth::RefreshToken;
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_tokens::{Freshness, Renewal, VaultError};

use crate::App;
use crate::job_error::IntoJobError;

impl JobHandler<App> for RefreshToken {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        match app.vault.renew(self.install_id, Freshness::IssuedAfter(self.requested_at), run.trace()).await {
            Ok(Renewal::Renewed(_)) => Ok(JobOutcome::Done),
            Ok(Renewal::NotNeeded(_)) => Ok(JobOutcome::skip("the pair was renewed meanwhile")),
            // A refusal is final and visible in the install's status, so a dead job would give an operator nothing to do.
            Err(VaultError::Refused(refusal)) => {
                Ok(JobOutcome::skip(format!("refused, the install waits for a reconnect: {refusal}")))
            }
            Err(error @ (VaultError::NoAccess(_) | VaultError::UnknownInstall)) => {
                Ok(JobOutcome::skip(error.to_string()))
            }
            Err(error) => Err(error.into_job_error()),
        }
    }
}
