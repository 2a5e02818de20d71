//! `oauth.exchange_code`.

use std::time::Duration;

use flysk_domain::id::OauthCodeId;
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Delays, Policy, Priority, Queue};

/// Exchanges an authorization code for the first pair of tokens and makes the install active.
///
/// A code works once: the handler notes its intent first, and after an unknown outcome a refusal as
/// "already used" asks the administrator to reconnect.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExchangeCode {
    /// The code that arrived.
    pub code_id: OauthCodeId,
}

impl Job for ExchangeCode {
    const KIND: &'static str = "oauth.exchange_code";
    const POLICY: Policy = Policy::on(Queue::Oauth)
        .priority(Priority::High)
        .attempts(40)
        .timeout_secs(40)
        .delays(Delays::Doubling { first: Duration::from_secs(1), most: Duration::from_secs(30) });
    const TRIGGER: &'static str = "a code arrives at the redirect address";
    const ABOUT: &'static str = "exchanges the code, reads the account, activates the install";

    fn dedup_key(&self) -> Option<String> {
        Some(self.code_id.to_string())
    }
}
