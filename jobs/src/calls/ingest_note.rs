//! `calls.ingest_note`.

use flysk_domain::id::{AccountId, HookId};
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Queue};

/// Reads one hook delivery of amoCRM and requests the transcription of each call in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IngestNote {
    /// Which delivery.
    pub hook_id: HookId,
    /// Whose.
    pub account_id: AccountId,
}

impl Job for IngestNote {
    const KIND: &'static str = "calls.ingest_note";
    const POLICY: Policy = Policy::on(Queue::Calls).attempts(10);
    const TRIGGER: &'static str = "`POST /hooks/amocrm`";
    const ABOUT: &'static str = "filters notes, drops doubles, starts transcriptions";

    fn dedup_key(&self) -> Option<String> {
        Some(self.hook_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}
