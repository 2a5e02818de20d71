//! `oauth.refresh_token`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::id::InstallId;
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Delays, Policy, Queue};

/// Renews the pair of tokens of one install.
///
/// A refresh token works once: one refresher at a time by a lease on the row, and only a definite refusal
/// moves the install to `reconnect`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RefreshToken {
    /// Whose tokens.
    pub install_id: InstallId,
    /// When the renewal was wished for; a pair given after that moment is good enough.
    pub wished_at: DateTime<Utc>,
}

impl Job for RefreshToken {
    const KIND: &'static str = "oauth.refresh_token";
    const POLICY: Policy = Policy::on(Queue::Oauth)
        .attempts(30)
        .timeout_secs(40)
        .delays(Delays::Doubling { first: Duration::from_secs(5), most: Duration::from_mins(15) });
    const TRIGGER: &'static str = "`oauth.refresh_due`, `token:refresh-all`";
    const ABOUT: &'static str = "renews a pair of tokens";

    fn dedup_key(&self) -> Option<String> {
        Some(self.install_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.install_id.to_string())
    }
}
