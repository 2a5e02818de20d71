//! `oauth.exchange_vouched_code`.

use std::time::Duration;

use flysk_domain::id::OauthCodeId;
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Delays, Policy, Priority, Queue};

/// Exchanges an authorization code that came back with a state of an account's administrator, and makes the install active.
///
/// A code works once: the handler notes its intent first, and after an unknown outcome a refusal as
/// "already used" asks the administrator to reconnect.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExchangeVouchedCode {
    /// The code that arrived.
    pub code_id: OauthCodeId,
}

impl Job for ExchangeVouchedCode {
    const KIND: &'static str = "oauth.exchange_vouched_code";
    const POLICY: Policy = Policy::on(Queue::Oauth)
        .priority(Priority::High)
        .attempts(40)
        .timeout_secs(40)
        .delays(Delays::Doubling { first: Duration::from_secs(1), most: Duration::from_secs(30) });
    const TRIGGER: &'static str = "an administrator's browser brings a code and the state it was given";
    const ABOUT: &'static str = "exchanges the code, reads the account, activates the install";

    fn dedup_key(&self) -> Option<String> {
        Some(self.code_id.to_string())
    }
}
