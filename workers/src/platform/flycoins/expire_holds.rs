//! Performs `flycoins.expire_holds`. Harmless when run twice or in part: each wallet is processed in its own
//! transaction, under its lock, and released holds are not released again.

use flysk_jobs::platform::flycoins::ExpireHolds;
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_services::wallets;
use flysk_store::{StoreError, platform::ledger};

use crate::App;

/// Wallets per query.
const WALLET_BATCH_SIZE: u32 = 500;
/// Queries per run; the rest waits for the next run, a minute later.
const MAX_BATCHES_PER_RUN: u32 = 20;

impl JobHandler<App> for ExpireHolds {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let mut swept: usize = 0;
        for _ in 0..MAX_BATCHES_PER_RUN {
            let due = ledger::list_wallets_to_sweep(
                &mut *run.pool().acquire().await?,
                run.now(),
                WALLET_BATCH_SIZE,
            )
            .await?;
            let mut freed = 0;
            for wallet in &due {
                match wallets::expire_due(&app.outbox, *wallet).await {
                    Ok(()) => freed += 1,
                    // One broken wallet must not block the others.
                    Err(error @ StoreError::InvalidRow { .. }) => {
                        tracing::error!(alert = "ledger", wallet.id = %wallet, error = %error, "failed to release expired holds");
                    }
                    // Nor must a contended one. Each write to it also releases expired holds, and so does the next run.
                    Err(StoreError::Conflict(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            swept += freed;
            if freed == 0 || due.len() < WALLET_BATCH_SIZE as usize {
                break;
            }
        }
        if swept > 0 {
            tracing::info!(wallets = swept, "expired holds and lots released");
        }
        Ok(JobOutcome::Done)
    }
}
