//! Several calls of one account within one job.

use std::time::Duration;

use flysk_clients::amocrm::AmoError;
use flysk_domain::id::AccountId;
use flysk_jobs::runtime::limits::Rate;
use flysk_jobs::{JobError, Run};

use super::block;
use crate::App;
use crate::flysense::FlySense;

/// How long a job that has begun to work waits in its place for one more call.
const PATIENCE: Duration = Duration::from_secs(5);

/// Turns at an account's limit. A job waits outside for its first; for the next it waits where it is, a second
/// or two, since coming back would repeat the calls before.
pub(crate) struct Turns<'a> {
    app: &'a App,
    account: AccountId,
    rate: Rate,
    tenant: String,
    job: String,
    begun: bool,
}

impl<'a> Turns<'a> {
    /// For the calls of this run.
    pub(crate) fn new(app: &'a App, flysense: &FlySense, account: AccountId, run: &Run) -> Self {
        let rate = flysense.amocrm_rate(account);
        Self { app, account, rate, tenant: account.to_string(), job: run.job_id().to_string(), begun: false }
    }

    /// What a failed call means for the job.
    pub(crate) async fn job_error(&self, error: AmoError) -> JobError {
        block::job_error(self.app, self.account, error).await
    }

    /// Before each call.
    pub(crate) async fn next(&mut self) -> Result<(), JobError> {
        block::is_open(self.app, self.account).await?;
        if !self.begun {
            self.app.limits.pass(&self.rate, &self.tenant, &self.job).await?;
            self.begun = true;
            return Ok(());
        }
        let mut waited = Duration::ZERO;
        loop {
            match self.app.limits.take(&self.rate, &self.tenant, &self.job).await {
                Ok(None) => return Ok(()),
                Ok(Some(wait)) if waited + wait <= PATIENCE => {
                    tokio::time::sleep(wait).await;
                    waited += wait;
                }
                _ => return self.app.limits.pass(&self.rate, &self.tenant, &self.job).await,
            }
        }
    }
}
