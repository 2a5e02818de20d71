//! OAuth tokens of amoCRM.

use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::id::{InstallId, OauthCodeId};
use flysk_queue::{Backoff, Job, Policy, Priority};
use serde::{Deserialize, Serialize};

use crate::declare::recurring_job;
use crate::queues;

/// Verifies a disconnect hook with amoCRM. The hook's signature never expires, so an old request may be replayed by
/// anybody who captured it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConfirmDisconnect {
    /// The install that the hook names.
    pub install_id: InstallId,
    /// Time at which the hook arrived.
    pub received_at: DateTime<Utc>,
    /// Generation of the token pair at that time. Hooks about one pair are deduplicated; a later grant has another generation.
    #[serde(default)]
    pub generation: u64,
}

impl Job for ConfirmDisconnect {
    const KIND: &'static str = "oauth.confirm_disconnect";
    const POLICY: Policy = Policy::for_queue(queues::OAUTH)
        .attempts(30)
        .timeout_secs(60)
        .backoff(Backoff::Exponential { first: Duration::from_secs(10), max: Duration::from_mins(10) });
    const TRIGGER: &'static str = "amoCRM's disconnect hook";
    const DESCRIPTION: &'static str = "checks that amoCRM refuses access, then uninstalls";

    fn dedup_key(&self) -> Option<String> {
        Some(format!("{}:{}", self.install_id, self.generation))
    }

    fn tenant(&self) -> Option<String> {
        Some(self.install_id.to_string())
    }
}

/// Exchanges one of the unvouched authorization codes, and activates the install.
///
/// The job is a permit for one exchange, not bound to its code: the handler selects the next code by its own order. So
/// forged codes cannot delay a genuine one that arrives later.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExchangeCode {
    /// The code whose arrival enqueued the job.
    pub code_id: OauthCodeId,
}

impl Job for ExchangeCode {
    const KIND: &'static str = "oauth.exchange_code";
    const POLICY: Policy = Policy::for_queue(queues::OAUTH_UNVOUCHED)
        .priority(Priority::High)
        .attempts(40)
        .timeout_secs(100)
        .backoff(Backoff::Exponential { first: Duration::from_secs(1), max: Duration::from_secs(30) });
    const TRIGGER: &'static str = "an authorization code without a valid state";
    const DESCRIPTION: &'static str =
        "exchanges the next unvouched code, reads the account, activates the install";

    fn dedup_key(&self) -> Option<String> {
        Some(self.code_id.to_string())
    }
}

/// Exchanges an authorization code that arrived with the state of an account's administrator, and activates the install.
///
/// A code works once. The handler stores its intent first; if the outcome was unknown and amoCRM then refuses the code
/// as used, the administrator is asked to reconnect.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExchangeVouchedCode {
    /// Row of `oauth_codes`.
    pub code_id: OauthCodeId,
}

impl Job for ExchangeVouchedCode {
    const KIND: &'static str = "oauth.exchange_vouched_code";
    const POLICY: Policy = Policy::for_queue(queues::OAUTH)
        .priority(Priority::High)
        .attempts(40)
        .timeout_secs(40)
        .backoff(Backoff::Exponential { first: Duration::from_secs(1), max: Duration::from_secs(30) });
    const TRIGGER: &'static str = "an authorization code with a valid state";
    const DESCRIPTION: &'static str = "exchanges the code, reads the account, activates the install";

    fn dedup_key(&self) -> Option<String> {
        Some(self.code_id.to_string())
    }
}

recurring_job! {
    /// Finds token pairs that expire within two hours or were not renewed for a week, and enqueues their renewal.
    RefreshDue, "oauth.refresh_due";
    policy: Policy::for_queue(queues::OAUTH).attempts(3);
    trigger: "every 10 min";
    description: "enqueues `oauth.refresh_token` for tokens due for renewal";
}

/// Renews the token pair of one install.
///
/// A refresh token works once. A lease on the row admits one renewal at a time, and only a definite refusal moves the
/// install to `reconnect`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RefreshToken {
    /// The install whose tokens are renewed.
    pub install_id: InstallId,
    /// Time of the request; a pair granted after it needs no renewal.
    pub requested_at: DateTime<Utc>,
}

impl Job for RefreshToken {
    const KIND: &'static str = "oauth.refresh_token";
    const POLICY: Policy = Policy::for_queue(queues::OAUTH)
        .attempts(30)
        .timeout_secs(40)
        .backoff(Backoff::Exponential { first: Duration::from_secs(5), max: Duration::from_mins(15) });
    const TRIGGER: &'static str = "`oauth.refresh_due`, `token:refresh-all`";
    const DESCRIPTION: &'static str = "renews the token pair of an install";

    fn dedup_key(&self) -> Option<String> {
        Some(self.install_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.install_id.to_string())
    }
}
