//! The schedule. Any number of schedulers may run: each tick becomes one job.

use flysk_jobs::amocrm::CheckHooksDue;
use flysk_jobs::billing;
use flysk_jobs::calls::{ReconcileDue, ResumePolls, RetryUnpaid, SweepStorage};
use flysk_jobs::flycoins::{ExpireHolds, VerifyLedger};
use flysk_jobs::oauth::RefreshDue;
use flysk_jobs::runtime::cron::Entry;
use flysk_jobs::upkeep::PruneJobs;

/// What happens when, in UTC.
pub fn entries() -> anyhow::Result<Vec<Entry>> {
    Ok(vec![
        Entry::new("oauth.refresh_due", "0 */10 * * * *", || RefreshDue {})?,
        Entry::new("billing.reconcile_due", "*/30 * * * * *", || billing::ReconcileDue {})?,
        Entry::new("billing.reconcile_day", "0 20 4 * * *", || billing::ReconcileDay {
            day: None,
            after: None,
        })?,
        Entry::new("calls.resume_polls", "*/30 * * * * *", || ResumePolls {})?,
        Entry::new("calls.retry_unpaid", "*/10 * * * * *", || RetryUnpaid {})?,
        Entry::new("calls.sweep_storage", "0 */15 * * * *", || SweepStorage {})?,
        Entry::new("calls.reconcile_due", "30 */10 * * * *", || ReconcileDue {})?,
        Entry::new("amocrm.check_hooks_due", "15 5 * * * *", || CheckHooksDue {})?,
        Entry::new("flycoins.expire_holds", "15 * * * * *", || ExpireHolds {})?,
        Entry::new("flycoins.verify_ledger", "0 23 1 * * *", || VerifyLedger {})?,
        Entry::new("upkeep.prune_jobs", "0 17 * * * *", || PruneJobs {})?,
    ])
}
