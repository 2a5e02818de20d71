//! Performs `flycoins.verify_ledger` and `flycoins.verify_whole_ledger`. Harmless when run twice: a range of entries is proven
//! once, and nothing else is written.

use flysk_jobs::platform::flycoins::{VerifyLedger, VerifyWholeLedger};
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_services::ledger_proof;
use flysk_store::platform::ledger::Verification;

use crate::App;

/// Maximum number of discrepancies to report for each rule.
const MAX_REPORTED_DISCREPANCIES: u32 = 100;

impl JobHandler<App> for VerifyLedger {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let clock = app.clock();
        let verified =
            ledger_proof::verify_new_entries(run.pool(), clock, MAX_REPORTED_DISCREPANCIES).await?;
        report(run, "new", &verified);
        Ok(JobOutcome::Done)
    }
}

impl JobHandler<App> for VerifyWholeLedger {
    async fn handle(&self, run: &JobContext, _app: &App) -> JobResult {
        let verified = ledger_proof::verify_whole_ledger(run.pool(), MAX_REPORTED_DISCREPANCIES).await?;
        report(run, "all", &verified);
        Ok(JobOutcome::Done)
    }
}

/// Sets the gauges and raises an alert for each discrepancy. The job is done nevertheless: a retry would only raise the same
/// alerts again.
fn report(run: &JobContext, scope: &'static str, verified: &Verification) {
    let found = u32::try_from(verified.discrepancies.len()).unwrap_or(u32::MAX);
    metrics::gauge!("flysk_ledger_discrepancies", "scope" => scope).set(f64::from(found));
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; seconds and entries are below 2^53")]
    let (entries, now) = (verified.entries as f64, run.now().timestamp() as f64);
    metrics::gauge!("flysk_ledger_verified_entries", "scope" => scope).set(entries);
    metrics::gauge!("flysk_ledger_verified_timestamp_seconds", "scope" => scope).set(now);
    for one in &verified.discrepancies {
        tracing::error!(
            alert = "ledger",
            rule = one.rule,
            row_id = one.row_id,
            proven_micro = one.proven,
            stored_micro = one.stored,
            "balances do not match the ledger entries"
        );
    }
    tracing::info!(
        scope,
        entries = verified.entries,
        wallets = verified.wallets,
        discrepancies = found,
        "ledger verified"
    );
}
