//! One job for each account FlySense is active in.

use std::time::Duration;

use flysk_domain::id::AccountId;
use flysk_jobs::{Job, JobError, Run};
use flysk_store::flysense::accounts;

use crate::App;

/// Accounts of one transaction.
const PER_UNIT: u32 = 200;

/// Enqueues what `make` gives for every active account, spread at random over `spread` so that accounts do not ask
/// amoCRM all at once; returns how many were not waiting already.
pub(crate) async fn enqueue_for_active<J: Job>(
    run: &Run,
    app: &App,
    spread: Duration,
    make: impl Fn(AccountId) -> J,
) -> Result<usize, JobError> {
    let (now, mut after, mut enqueued) = (run.now(), None, 0);
    loop {
        let active = accounts::list_active(&mut *run.pool().acquire().await?, after, PER_UNIT).await?;
        let Some(last) = active.last() else { return Ok(enqueued) };
        after = Some(last.account_id);
        let mut unit = app.outbox.begin(run.trace().clone()).await?;
        for account in &active {
            let run_at = now + spread.mul_f64(rand::random());
            enqueued += usize::from(unit.enqueue_at(&make(account.account_id), run_at).await?.is_some());
        }
        unit.commit().await?;
    }
}
