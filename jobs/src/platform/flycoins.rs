//! The ledger of Flycoins.

use flysk_queue::{Policy, Priority};

use crate::declare::recurring_job;
use crate::queues;

recurring_job! {
    /// Releases expired holds and removes the unspent coins of expired lots.
    ExpireHolds, "flycoins.expire_holds";
    policy: Policy::for_queue(queues::BILLING).attempts(3).timeout_secs(120);
    trigger: "every minute";
    description: "releases expired holds, removes coins of expired lots";
}

recurring_job! {
    /// Publishes what happened in wallets as events to vendors' backends.
    PublishWalletEvents, "flycoins.publish_wallet_events";
    policy: Policy::for_queue(queues::BILLING).attempts(3).timeout_secs(60);
    trigger: "every 15 s";
    description: "records events for vendors' backends about low balances and expired holds";
}

recurring_job! {
    /// Checks the ledger entries since the last check and every wallet's balance, and raises an alert on a mismatch.
    VerifyLedger, "flycoins.verify_ledger";
    policy: Policy::for_queue(queues::BILLING).priority(Priority::Low).attempts(3).timeout_secs(3_600);
    trigger: "daily at 01:23 UTC";
    description: "checks new ledger entries and all balances, raises an alert on a mismatch";
}

recurring_job! {
    /// Checks all ledger entries and balances, also those that were checked before, and raises an alert on a mismatch.
    VerifyWholeLedger, "flycoins.verify_whole_ledger";
    policy: Policy::for_queue(queues::BILLING).priority(Priority::Low).attempts(2).timeout_secs(14_400);
    trigger: "on Sundays at 02:23 UTC";
    description: "checks all ledger entries and balances, raises an alert on a mismatch";
}
