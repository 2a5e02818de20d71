//! Performs `calls.retry_unpaid`: enqueues a check for accounts with calls that wait for coins. Makes no request itself.
//!
//! Harmless when run twice: at most one `calls.resume_unpaid` waits per account.

use flysk_domain::id::AccountId;
use flysk_jobs::flysense::calls::{ResumeUnpaid, RetryUnpaid};
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::flysense::payments;

use crate::App;

/// Accounts per transaction.
const ACCOUNT_BATCH_SIZE: u32 = 200;

impl JobHandler<App> for RetryUnpaid {
    async fn handle(&self, run: &JobContext, _app: &App) -> JobResult {
        let mut after = AccountId(0);
        loop {
            let mut conn = run.pool().acquire().await?;
            let accounts =
                payments::list_due_accounts(&mut conn, run.now(), after, ACCOUNT_BATCH_SIZE).await?;
            drop(conn);
            let Some(last) = accounts.last() else { return Ok(JobOutcome::Done) };
            after = *last;
            let mut unit = run.begin().await?;
            for account_id in accounts {
                unit.enqueue(&ResumeUnpaid { account_id }).await?;
            }
            unit.commit().await?;
        }
    }
}
