//! Long work of the admin panel.

use std::time::Duration;

use flysk_domain::id::{AccountId, BulkActId, ErasureId, ExportId};
use flysk_queue::{Backoff, Job, Policy, Priority};
use serde::{Deserialize, Serialize};

use crate::declare::recurring_job;
use crate::queues;

/// Writes an exported list to a file in object storage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WriteExport {
    /// Row of `list_exports`.
    pub export_id: ExportId,
}

impl Job for WriteExport {
    const KIND: &'static str = "panel.write_export";
    const POLICY: Policy =
        Policy::for_queue(queues::PANEL).priority(Priority::High).attempts(4).timeout_secs(3_600);
    const TRIGGER: &'static str = "an operator's request in the admin panel";
    const DESCRIPTION: &'static str = "writes an exported list to a file in object storage";

    fn dedup_key(&self) -> Option<String> {
        Some(self.export_id.to_string())
    }
}

/// Performs a bulk act row by row. A slice of the rows is one attempt, so that a pause and a restart cost little.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunBulkAct {
    /// Row of `bulk_acts`.
    pub bulk_act_id: BulkActId,
}

impl Job for RunBulkAct {
    const KIND: &'static str = "panel.run_bulk_act";
    const POLICY: Policy = Policy::for_queue(queues::PANEL).attempts(8).timeout_secs(600);
    const TRIGGER: &'static str = "an operator's request in the admin panel";
    const DESCRIPTION: &'static str = "acts on every row of a list, and writes a result for each";

    fn dedup_key(&self) -> Option<String> {
        Some(self.bulk_act_id.to_string())
    }
}

/// Erases what the platform keeps about an account: name, settings, tokens, letters, comments, addresses and cards.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EraseCustomer {
    /// Row of `account_erasures`.
    pub erasure_id: ErasureId,
    /// The account: the tenant, for fair scheduling.
    pub account_id: AccountId,
}

impl Job for EraseCustomer {
    const KIND: &'static str = "panel.erase_account";
    const POLICY: Policy = Policy::for_queue(queues::PANEL)
        .attempts(100)
        .timeout_secs(600)
        .backoff(Backoff::Exponential { first: Duration::from_secs(5), max: Duration::from_mins(30) });
    const TRIGGER: &'static str = "an erasure requested in the admin panel, `account:erase`";
    const DESCRIPTION: &'static str =
        "erases an account's name, settings, letters, addresses and cards, counting each kind";

    fn dedup_key(&self) -> Option<String> {
        Some(self.erasure_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}

recurring_job! {
    /// Deletes files of exports whose time is over, and ends exports that make no progress.
    SweepExports, "panel.sweep_exports";
    policy: Policy::for_queue(queues::PANEL).attempts(2).timeout_secs(300);
    trigger: "every 15 min";
    description: "deletes files of exports whose time is over";
}
