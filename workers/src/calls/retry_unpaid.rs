//! Performs `calls.retry_unpaid`: finds accounts in which something waits for coins. Asks nobody itself.
//!
//! Harmless when run twice: of one account at most one `calls.resume_unpaid` waits.

use flysk_domain::id::AccountId;
use flysk_jobs::calls::{ResumeUnpaid, RetryUnpaid};
use flysk_jobs::{Handle, JobResult, Run, Verdict};
use flysk_store::flysense::payments;

use crate::App;

/// Accounts per transaction.
const AT_ONCE: u32 = 200;

impl Handle<App> for RetryUnpaid {
    async fn handle(&self, run: &Run, _app: &App) -> JobResult {
        let mut after = AccountId(0);
        loop {
            let mut conn = run.pool().acquire().await?;
            let accounts = payments::accounts_to_ask(&mut conn, run.now(), after, AT_ONCE).await?;
            drop(conn);
            let Some(last) = accounts.last() else { return Ok(Verdict::Done) };
            after = *last;
            let mut unit = run.begin().await?;
            for account_id in accounts {
                unit.enqueue(&ResumeUnpaid { account_id }).await?;
            }
            unit.commit().await?;
        }
    }
}
