//! Performs `flycoins.expire_holds`. Harmless when run twice or half: each wallet is swept in a transaction of
//! its own, under its lock, and what is free is not freed again.

use flysk_domain::id::WalletId;
use flysk_jobs::flycoins::ExpireHolds;
use flysk_jobs::{Handle, JobResult, Run, Verdict};
use flysk_store::{StoreError, StoreResult, ledger, repeat_contended};

use crate::App;

/// Wallets looked for at once.
const AT_ONCE: u32 = 500;
/// Looks of one run: what is left waits a minute for the next.
const LOOKS: u32 = 20;

impl Handle<App> for ExpireHolds {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let mut swept: usize = 0;
        for _ in 0..LOOKS {
            let due =
                ledger::list_wallets_to_sweep(&mut *run.pool().acquire().await?, run.now(), AT_ONCE).await?;
            let mut freed = 0;
            for wallet in &due {
                match repeat_contended(|| sweep(run, app, *wallet)).await {
                    Ok(()) => freed += 1,
                    // One wallet that cannot be swept must not keep all others waiting.
                    Err(error @ StoreError::Corrupt { .. }) => {
                        tracing::error!(alert = "ledger", wallet.id = %wallet, error = %error, "a wallet cannot be swept");
                    }
                    // So must one that everybody writes to: it is swept by whoever does, or by the next run.
                    Err(StoreError::Contended(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            swept += freed;
            if freed == 0 || due.len() < AT_ONCE as usize {
                break;
            }
        }
        if swept > 0 {
            tracing::info!(wallets = swept, "freed what was over");
        }
        Ok(Verdict::Done)
    }
}

async fn sweep(run: &Run, app: &App, wallet: WalletId) -> StoreResult<()> {
    let mut tx = run.pool().begin().await?;
    ledger::apply(&mut tx, wallet, &[], app.clock()).await?;
    Ok(tx.commit().await?)
}
