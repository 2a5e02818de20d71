//! Deletion of old rows, hashes of contacts, figures of the dashboard, hash chain of the audit log.

use flysk_queue::Policy;

use crate::declare::recurring_job;
use crate::queues;

recurring_job! {
    /// Deletes jobs that ended long ago: done and cancelled ones after 7 days, dead ones after 90. Also deletes other
    /// expired rows. A run ends after 15 s and is continued by the next one.
    PruneJobs, "upkeep.prune_jobs";
    policy: Policy::for_queue(queues::UPKEEP).attempts(2).timeout_secs(300);
    trigger: "every hour";
    description: "deletes old jobs, ticks, codes, hook requests and idempotency keys";
}

recurring_job! {
    /// Deletes old history: disclosures of tokens, versions of settings, events and their attempts, records of feeds, quotes,
    /// idle dialogues with bots, calls whose note was never seen, and dialogues of calls if `FLYSENSE_TRANSCRIPT_DAYS` is set. A
    /// run ends after 15 s and is continued by the next one.
    PruneHistory, "upkeep.prune_history";
    policy: Policy::for_queue(queues::UPKEEP).attempts(2).timeout_secs(1_800);
    trigger: "every hour";
    description: "deletes old events, disclosures of tokens, versions of settings, records of feeds and quotes";
}

recurring_job! {
    /// Computes the hashes by which the search box of the admin panel finds encrypted e-mail addresses and phone numbers, for rows
    /// of before and those of an earlier release. A run ends after 15 s and is continued by the next one.
    HashContacts, "upkeep.hash_contacts";
    policy: Policy::for_queue(queues::UPKEEP).attempts(2).timeout_secs(300);
    trigger: "every hour";
    description: "computes missing hashes of encrypted e-mail addresses and phone numbers, for the panel's search box";
}

recurring_job! {
    /// Computes the figures of the admin panel's dashboard: those of today, and every ten minutes those of yesterday and those
    /// that count all customers.
    RollUpFigures, "upkeep.roll_up_figures";
    policy: Policy::for_queue(queues::UPKEEP).attempts(2).timeout_secs(120);
    trigger: "every minute";
    description: "computes the figures of the admin panel's dashboard";
}

recurring_job! {
    /// Computes the figures of every widget for today and yesterday, for the vendors' portal.
    RollUpWidgets, "upkeep.roll_up_widgets";
    policy: Policy::for_queue(queues::UPKEEP).attempts(2).timeout_secs(600);
    trigger: "every 15 min";
    description: "computes the figures of widgets that vendors see in the portal";
}

recurring_job! {
    /// Seals new rows of the audit log into its hash chain.
    SealAuditLog, "upkeep.seal_audit_log";
    policy: Policy::for_queue(queues::UPKEEP).attempts(2).timeout_secs(120);
    trigger: "every minute";
    description: "seals new rows of the audit log into its hash chain";
}

recurring_job! {
    /// Verifies the hash chain of the audit log; a break is an alert.
    VerifyAuditLog, "upkeep.verify_audit_log";
    policy: Policy::for_queue(queues::UPKEEP).attempts(2).timeout_secs(600);
    trigger: "every night";
    description: "verifies the hash chain of the audit log";
}
