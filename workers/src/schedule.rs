//! The schedule. Any number of schedulers may run: each tick becomes one job.

use flysk_jobs::flysense::activation::{CheckMaxWebhook, CheckTelegramWebhook, SendNoticesDue};
use flysk_jobs::flysense::calls::{ReconcileDue, ResumePolls, RetryUnpaid, SweepPlayback, SweepStorage};
use flysk_jobs::flysense::hooks::CheckHooksDue;
use flysk_jobs::platform::billing;
use flysk_jobs::platform::flycoins::{ExpireHolds, PublishWalletEvents, VerifyLedger, VerifyWholeLedger};
use flysk_jobs::platform::oauth::RefreshDue;
use flysk_jobs::platform::panel::SweepExports;
use flysk_jobs::platform::subscriptions::{AnnouncePrices, ReconcileInvoices, SubscriptionsDue};
use flysk_jobs::platform::transfers::{ExpireTransferInvoices, ReadStatements, TransfersDue};
use flysk_jobs::platform::upkeep::{
    HashContacts, PruneHistory, PruneJobs, RollUpFigures, RollUpWidgets, SealAuditLog, VerifyAuditLog,
};
use flysk_queue::cron::ScheduleEntry;

/// Cron entries in UTC; those of FlySense only where it is enabled.
pub fn entries(flysense: bool) -> anyhow::Result<Vec<ScheduleEntry>> {
    let mut entries = vec![
        ScheduleEntry::new("oauth.refresh_due", "0 */10 * * * *", || RefreshDue {})?,
        ScheduleEntry::new("billing.reconcile_due", "*/30 * * * * *", || billing::ReconcileDue {})?,
        ScheduleEntry::new("billing.reconcile_day", "0 20 4 * * *", || billing::ReconcileDay {
            day: None,
            after: None,
        })?,
        ScheduleEntry::new("billing.verify_subscriptions", "0 41 * * * *", || {
            billing::VerifySubscriptions {}
        })?,
        ScheduleEntry::new("billing.reconcile_invoices", "0 40 4 * * *", || ReconcileInvoices {
            day: None,
            after: None,
        })?,
        ScheduleEntry::new("billing.announce_prices", "50 */5 * * * *", || AnnouncePrices {})?,
        ScheduleEntry::new("billing.subscriptions_due", "*/30 * * * * *", || SubscriptionsDue {})?,
        ScheduleEntry::new("flycoins.expire_holds", "15 * * * * *", || ExpireHolds {})?,
        ScheduleEntry::new("flycoins.publish_wallet_events", "*/15 * * * * *", || PublishWalletEvents {})?,
        ScheduleEntry::new("flycoins.verify_ledger", "0 23 1 * * *", || VerifyLedger {})?,
        ScheduleEntry::new("flycoins.verify_whole_ledger", "0 23 2 * * Sun", || VerifyWholeLedger {})?,
        ScheduleEntry::new("panel.sweep_exports", "0 11-59/15 * * * *", || SweepExports {})?,
        ScheduleEntry::new("transfers.due", "25 */5 * * * *", || TransfersDue {})?,
        ScheduleEntry::new("transfers.expire_invoices", "0 53 * * * *", || ExpireTransferInvoices {})?,
        ScheduleEntry::new("transfers.read_statements", "35 */10 * * * *", || ReadStatements {})?,
        ScheduleEntry::new("upkeep.hash_contacts", "0 37 * * * *", || HashContacts {})?,
        ScheduleEntry::new("upkeep.prune_history", "0 47 * * * *", || PruneHistory {})?,
        ScheduleEntry::new("upkeep.prune_jobs", "0 17 * * * *", || PruneJobs {})?,
        ScheduleEntry::new("upkeep.roll_up_figures", "40 * * * * *", || RollUpFigures {})?,
        ScheduleEntry::new("upkeep.roll_up_widgets", "0 4-59/15 * * * *", || RollUpWidgets {})?,
        ScheduleEntry::new("upkeep.seal_audit_log", "20 * * * * *", || SealAuditLog {})?,
        ScheduleEntry::new("upkeep.verify_audit_log", "0 41 2 * * *", || VerifyAuditLog {})?,
    ];
    if flysense {
        entries.extend([
            ScheduleEntry::new("calls.resume_polls", "*/30 * * * * *", || ResumePolls {})?,
            ScheduleEntry::new("calls.retry_unpaid", "*/10 * * * * *", || RetryUnpaid {})?,
            ScheduleEntry::new("calls.sweep_storage", "0 */15 * * * *", || SweepStorage {})?,
            ScheduleEntry::new("calls.sweep_playback", "0 7-59/15 * * * *", || SweepPlayback {})?,
            ScheduleEntry::new("calls.reconcile_due", "30 */10 * * * *", || ReconcileDue {})?,
            ScheduleEntry::new("activation.send_notices_due", "20 11 * * * *", || SendNoticesDue {})?,
            ScheduleEntry::new("telegram.check_webhook", "5 * * * * *", || CheckTelegramWebhook {})?,
            ScheduleEntry::new("max.check_webhook", "10 * * * * *", || CheckMaxWebhook {})?,
            ScheduleEntry::new("amocrm.check_hooks_due", "15 5 * * * *", || CheckHooksDue {})?,
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
        assert_eq!(both.iter().filter(|name| of_flysense(name)).count(), 6, "{both:?}");
    }
}
