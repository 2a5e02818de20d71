//! Enqueues one job for each account with active FlySense.

use std::time::Duration;

use flysk_domain::id::AccountId;
use flysk_queue::{Job, JobContext, JobError};
use flysk_store::flysense::accounts;

use crate::App;

const ACCOUNTS_PER_TRANSACTION: u32 = 200;

/// Enqueues the job that `make` returns for every active account, at a random time within `spread` so that requests to
/// amoCRM do not bunch up. Returns the number of new jobs; a job that is already waiting is not enqueued again.
pub(crate) async fn enqueue_for_active<J: Job>(
    run: &JobContext,
    app: &App,
    spread: Duration,
    make: impl Fn(AccountId) -> J,
) -> Result<usize, JobError> {
    let (now, mut after, mut enqueued) = (run.now(), None, 0);
    loop {
        let active =
            accounts::list_active(&mut *run.pool().acquire().await?, after, ACCOUNTS_PER_TRANSACTION).await?;
        let Some(last) = active.last() else { return Ok(enqueued) };
        after = Some(last.account_id);
        let mut unit = run.begin().await?;
        for account in &active {
            let run_at = now + spread.mul_f64(app.clock().random_unit());
            enqueued += usize::from(unit.enqueue_at(&make(account.account_id), run_at).await?.is_some());
        }
        unit.commit().await?;
    }
}
