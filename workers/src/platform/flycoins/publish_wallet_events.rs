//! Performs `flycoins.publish_wallet_events`. Harmless when run twice or in part: an event is recorded in the transaction
//! that deletes its row, so once.

use flysk_jobs::platform::flycoins::PublishWalletEvents;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult};
use flysk_services::wallets;
use flysk_store::platform::ledger;
use flysk_store::repeat_contended;

use crate::App;

/// Events per query.
const BATCH_SIZE: u32 = 500;
/// Queries per run; the rest waits for the next run, 15 s later.
const MAX_BATCHES_PER_RUN: u32 = 20;

impl JobHandler<App> for PublishWalletEvents {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let mut after = 0;
        for _ in 0..MAX_BATCHES_PER_RUN {
            let mut conn = run.pool().acquire().await?;
            let pending = ledger::list_pending_events(&mut conn, after, BATCH_SIZE).await?;
            drop(conn);
            let Some(last) = pending.last() else { break };
            after = last.id;
            for event in &pending {
                let publish = || async {
                    let mut unit = run.begin().await?;
                    wallets::publish_event(&mut unit, app.clock(), event).await?;
                    Ok::<_, JobError>(unit.commit().await?)
                };
                repeat_contended(publish).await?;
            }
        }
        Ok(JobOutcome::Done)
    }
}
