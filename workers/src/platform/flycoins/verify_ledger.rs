//! Performs `flycoins.verify_ledger`. Harmless when run twice: it only reads.

use flysk_jobs::platform::flycoins::VerifyLedger;
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::platform::ledger;

use crate::App;

/// Maximum number of discrepancies to report for each rule.
const MAX_REPORTED_DISCREPANCIES: u32 = 100;

impl JobHandler<App> for VerifyLedger {
    async fn handle(&self, run: &JobContext, _app: &App) -> JobResult {
        let proof = ledger::verify_snapshot(run.pool(), MAX_REPORTED_DISCREPANCIES).await?;
        let found = u32::try_from(proof.discrepancies.len()).unwrap_or(u32::MAX);
        metrics::gauge!("flysk_ledger_discrepancies").set(f64::from(found));
        for one in &proof.discrepancies {
            tracing::error!(
                alert = "ledger",
                rule = one.rule,
                place = one.place,
                proven_micro = one.proven,
                stored_micro = one.stored,
                "balances do not match the ledger entries"
            );
        }
        tracing::info!(
            entries = proof.entries,
            wallets = proof.wallets,
            discrepancies = found,
            "ledger verified"
        );
        // The alert was raised; a retry would only raise it again.
        Ok(JobOutcome::Done)
    }
}
