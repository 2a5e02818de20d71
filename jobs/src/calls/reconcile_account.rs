//! `calls.reconcile_account`.

use chrono::{DateTime, Utc};
use flysk_domain::id::AccountId;
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Priority, Queue};

/// Reads one page of an account's log of calls and requests those that nobody told us of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReconcileAccount {
    /// Which account.
    pub account_id: AccountId,
    /// Where the window ends; `None` for now. All pages of one window share it, so that they do not shift.
    pub until: Option<DateTime<Utc>>,
    /// Which page, from 1.
    pub page: u32,
}

impl ReconcileAccount {
    /// Everything since the last time.
    pub fn up_to_now(account_id: AccountId) -> Self {
        Self { account_id, until: None, page: 1 }
    }
}

impl Job for ReconcileAccount {
    const KIND: &'static str = "calls.reconcile_account";
    const POLICY: Policy = Policy::on(Queue::Calls).priority(Priority::Low).attempts(4).timeout_secs(120);
    const TRIGGER: &'static str = "`calls.reconcile_due`, and a hook that was repaired";
    const ABOUT: &'static str = "finds calls whose hook was lost";

    /// The first page waits once; later ones are kept apart from it, or a tick would swallow them.
    fn dedup_key(&self) -> Option<String> {
        Some(match self.page {
            0 | 1 => self.account_id.to_string(),
            page => format!("{}/{page}", self.account_id),
        })
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}
