//! Long work of the admin panel.

use flysk_domain::id::{BulkActId, ExportId};
use flysk_queue::{Job, Policy, Priority};
use serde::{Deserialize, Serialize};

use crate::declare::recurring_job;
use crate::queues;

/// Writes an exported list to a file in object storage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WriteExport {
    /// The export.
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
    /// The act.
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

recurring_job! {
    /// Deletes files of exports whose time is over, and ends exports that make no progress.
    SweepExports, "panel.sweep_exports";
    policy: Policy::for_queue(queues::PANEL).attempts(2).timeout_secs(300);
    trigger: "every 15 min";
    description: "deletes files of exports whose time is over";
}
