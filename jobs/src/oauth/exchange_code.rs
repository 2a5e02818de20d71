//! `oauth.exchange_code`.

use std::time::Duration;

use flysk_domain::id::OauthCodeId;
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Delays, Policy, Priority, Queue};

/// Exchanges one of the codes that no state vouches for, and makes the install active.
///
/// Each such code brings one of these jobs, which is a turn and not a claim on that code: the handler exchanges the code
/// whose turn it is. So a code that comes last may be served first, and made-up ones stand before nobody.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExchangeCode {
    /// The code that brought the job.
    pub code_id: OauthCodeId,
}

impl Job for ExchangeCode {
    const KIND: &'static str = "oauth.exchange_code";
    const POLICY: Policy = Policy::on(Queue::OauthUnvouched)
        .priority(Priority::High)
        .attempts(40)
        .timeout_secs(100)
        .delays(Delays::Doubling { first: Duration::from_secs(1), most: Duration::from_secs(30) });
    const TRIGGER: &'static str = "a code arrives at the redirect address that no state vouches for";
    const ABOUT: &'static str =
        "exchanges the code whose turn it is, reads the account, activates the install";

    fn dedup_key(&self) -> Option<String> {
        Some(self.code_id.to_string())
    }
}
