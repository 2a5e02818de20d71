//! Several rate-limited calls to one account within one job.

use std::time::Duration;

use flysk_clients::amocrm::AmoError;
use flysk_domain::id::AccountId;
use flysk_queue::limits::RateLimit;
use flysk_queue::{JobContext, JobError};

use super::block;
use crate::App;
use crate::flysense::FlySense;

/// Maximum wait in place for the rate limit after the first call.
const RATE_LIMIT_WAIT: Duration = Duration::from_secs(5);

/// Acquires an account's rate limit for each call of a job. Before the first call the job is snoozed. Before later ones
/// it waits in place for a second or two, because another run would repeat the earlier calls.
pub(crate) struct RateLimitedCalls<'a> {
    app: &'a App,
    account: AccountId,
    rate: RateLimit,
    tenant: String,
    job: String,
    begun: bool,
}

impl<'a> RateLimitedCalls<'a> {
    pub(crate) fn new(app: &'a App, flysense: &FlySense, account: AccountId, run: &JobContext) -> Self {
        let rate = flysense.amocrm_rate(account);
        Self { app, account, rate, tenant: account.to_string(), job: run.job_id().to_string(), begun: false }
    }

    /// Converts a failed call to a job error.
    pub(crate) async fn job_error(&self, error: AmoError) -> JobError {
        block::job_error(self.app, self.account, error).await
    }

    /// Called before each API call.
    pub(crate) async fn acquire(&mut self) -> Result<(), JobError> {
        block::ensure_not_blocked(self.app, self.account).await?;
        if !self.begun {
            self.app.limits.acquire_or_snooze(&self.rate, &self.tenant, &self.job).await?;
            self.begun = true;
            return Ok(());
        }
        let mut waited = Duration::ZERO;
        loop {
            match self.app.limits.try_acquire(&self.rate, &self.tenant, &self.job).await {
                Ok(None) => return Ok(()),
                Ok(Some(wait)) if waited + wait <= RATE_LIMIT_WAIT => {
                    tokio::time::sleep(wait).await;
                    waited += wait;
                }
                _ => return self.app.limits.acquire_or_snooze(&self.rate, &self.tenant, &self.job).await,
            }
        }
    }
}
