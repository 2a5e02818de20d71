//! `billing.apply_tbank_notice`.

use flysk_domain::id::NoticeId;
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Priority, Queue};

/// Applies what the bank posted to the purchase it is about; the coins of a paid one are credited here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApplyTbankNotice {
    /// The notice as it was kept.
    pub notice_id: NoticeId,
}

impl Job for ApplyTbankNotice {
    const KIND: &'static str = "billing.apply_tbank_notice";
    const POLICY: Policy = Policy::on(Queue::Billing).priority(Priority::High).attempts(12);
    const TRIGGER: &'static str = "T-Bank's notice";
    const ABOUT: &'static str = "applies a notice of the bank; credits the coins of a paid purchase";

    fn dedup_key(&self) -> Option<String> {
        Some(self.notice_id.to_string())
    }
}
