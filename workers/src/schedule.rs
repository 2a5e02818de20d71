//! The schedule. Any number of schedulers may run: each tick becomes one job.

use flysk_jobs::amocrm::CheckHooksDue;
use flysk_jobs::billing;
use flysk_jobs::calls::{ReconcileDue, ResumePolls, RetryUnpaid, SweepStorage};
use flysk_jobs::flycoins::{ExpireHolds, VerifyLedger};
use flysk_jobs::oauth::RefreshDue;
use flysk_jobs::runtime::cron::Entry;
use flysk_jobs::upkeep::PruneJobs;

/// What happens when, in UTC; what only FlySense needs, where it is configured.
pub fn entries(flysense: bool) -> anyhow::Result<Vec<Entry>> {
    let mut entries = vec![
        Entry::new("oauth.refresh_due", "0 */10 * * * *", || RefreshDue {})?,
        Entry::new("billing.reconcile_due", "*/30 * * * * *", || billing::ReconcileDue {})?,
        Entry::new("billing.reconcile_day", "0 20 4 * * *", || billing::ReconcileDay {
            day: None,
            after: None,
        })?,
        Entry::new("flycoins.expire_holds", "15 * * * * *", || ExpireHolds {})?,
        Entry::new("flycoins.verify_ledger", "0 23 1 * * *", || VerifyLedger {})?,
        Entry::new("upkeep.prune_jobs", "0 17 * * * *", || PruneJobs {})?,
    ];
    if flysense {
        entries.extend([
            Entry::new("calls.resume_polls", "*/30 * * * * *", || ResumePolls {})?,
            Entry::new("calls.retry_unpaid", "*/10 * * * * *", || RetryUnpaid {})?,
            Entry::new("calls.sweep_storage", "0 */15 * * * *", || SweepStorage {})?,
            Entry::new("calls.reconcile_due", "30 */10 * * * *", || ReconcileDue {})?,
            Entry::new("amocrm.check_hooks_due", "15 5 * * * *", || CheckHooksDue {})?,
        ]);
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_platform_schedules_nothing_that_would_wait_for_flysense() {
        let names = |flysense| entries(flysense).unwrap().iter().map(|entry| entry.name).collect::<Vec<_>>();
        let (bare, both) = (names(false), names(true));
        assert!(bare.contains(&"oauth.refresh_due") && both.contains(&"oauth.refresh_due"));
        let of_flysense = |name: &&str| name.starts_with("calls.") || name.starts_with("amocrm.");
        assert_eq!(bare.iter().filter(|name| of_flysense(name)).count(), 0, "{bare:?}");
        assert_eq!(both.iter().filter(|name| of_flysense(name)).count(), 5, "{both:?}");
    }
}
