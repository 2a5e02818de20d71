//! Performs `flycoins.verify_ledger`. Harmless when run twice: it only reads.

use flysk_jobs::flycoins::VerifyLedger;
use flysk_jobs::{Handle, JobResult, Run, Verdict};
use flysk_store::ledger;

use crate::App;

/// Discrepancies of each rule that are told; one is one too many.
const TOLD: u32 = 100;

impl Handle<App> for VerifyLedger {
    async fn handle(&self, run: &Run, _app: &App) -> JobResult {
        let proof = ledger::prove(run.pool(), TOLD).await?;
        let found = u32::try_from(proof.discrepancies.len()).unwrap_or(u32::MAX);
        metrics::gauge!("flysk_ledger_discrepancies").set(f64::from(found));
        for one in &proof.discrepancies {
            tracing::error!(
                alert = "ledger",
                rule = one.rule,
                place = one.place,
                proven_micro = one.proven,
                stored_micro = one.stored,
                "the books do not agree"
            );
        }
        tracing::info!(
            entries = proof.entries,
            wallets = proof.wallets,
            discrepancies = found,
            "the ledger was verified"
        );
        // The alarm is raised: trying again would raise it again.
        Ok(Verdict::Done)
    }
}
