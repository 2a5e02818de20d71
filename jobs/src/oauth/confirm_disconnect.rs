//! `oauth.confirm_disconnect`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::id::InstallId;
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Delays, Policy, Queue};

/// Finds out whether a disconnect hook is true: its signature never goes stale, so an old one may be
/// sent again by anybody who saw it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConfirmDisconnect {
    /// Which install the hook names.
    pub install_id: InstallId,
    /// When the hook arrived.
    pub heard_at: DateTime<Utc>,
    /// Number of the pair it was about. Hooks about one pair are one fact; after another grant it is another.
    #[serde(default)]
    pub pair: u64,
}

impl Job for ConfirmDisconnect {
    const KIND: &'static str = "oauth.confirm_disconnect";
    const POLICY: Policy = Policy::on(Queue::Oauth)
        .attempts(30)
        .timeout_secs(60)
        .delays(Delays::Doubling { first: Duration::from_secs(10), most: Duration::from_mins(10) });
    const TRIGGER: &'static str = "amoCRM's disconnect hook";
    const ABOUT: &'static str = "asks amoCRM whether access is really gone, then uninstalls";

    fn dedup_key(&self) -> Option<String> {
        Some(format!("{}:{}", self.install_id, self.pair))
    }

    fn tenant(&self) -> Option<String> {
        Some(self.install_id.to_string())
    }
}
