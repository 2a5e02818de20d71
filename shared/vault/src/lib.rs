//! The token vault: pairs of tokens, who may renew them, and what a lost grant means for an install.
//!
//! A refresh token of amoCRM works once, and a pair that is lost can only be replaced by the customer's
//! hand. So one renewal at a time holds the pair's lease; its intent is durable before amoCRM is asked;
//! the new pair is written before anything else happens, by a task that outlives whoever wanted it; an
//! answer that never came leaves the pair *in doubt*, not lost; and only a definite refusal of the grant
//! moves the install to `reconnect`. Refresh tokens never leave this crate.

mod access;
mod disclosures;
mod error;
mod exchange;
pub mod flycoins;
mod grant;
pub mod lifecycle;
mod pace;
mod patience;
pub mod places;
pub mod registry;
mod renewal;
mod reseal;
mod settle;
mod whereabouts;

use std::fmt;
use std::sync::Arc;

use flysk_clients::amocrm::{AmoCrm, Credentials};
use flysk_domain::Clock;
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::host::AccountHost;
use flysk_jobs::Outbox;
use flysk_jobs::runtime::limits::Limits;
use flysk_runtime::Keyring;
use flysk_store::platform::widgets::Widget;
use secrecy::SecretString;
use tokio_util::task::TaskTracker;

use disclosures::Disclosures;
use pace::Pace;

pub use access::Reader;
pub use error::VaultError;
pub use grant::Granted;
pub use renewal::{Held, Need, Renewal};
pub use reseal::Resealed;

/// Holds tokens; clones share everything.
#[derive(Clone)]
pub struct Vault {
    outbox: Outbox,
    keyring: Arc<Keyring>,
    amocrm: AmoCrm,
    suffixes: Arc<[String]>,
    renewals: TaskTracker,
    disclosures: Arc<Disclosures>,
    pace: Option<Arc<Pace>>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("suffixes", &self.suffixes).finish_non_exhaustive()
    }
}

impl Vault {
    /// `suffixes` are the domains an account's host may be directly under.
    pub fn new(outbox: Outbox, keyring: Arc<Keyring>, amocrm: AmoCrm, suffixes: Vec<String>) -> Self {
        Self {
            outbox,
            keyring,
            amocrm,
            suffixes: suffixes.into(),
            renewals: TaskTracker::new(),
            disclosures: Arc::default(),
            pace: None,
        }
    }

    /// The same, asking amoCRM for tokens `per_second` times a second at most, together with everybody who shares `limits`.
    #[must_use]
    pub fn paced(self, limits: Limits, per_second: u32) -> Self {
        Self { pace: Some(Arc::new(Pace::new(limits, per_second))), ..self }
    }

    /// Encryption at rest.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Who the integration is towards amoCRM.
    pub fn credentials(&self, widget: &Widget) -> Result<Credentials, VaultError> {
        Ok(Credentials {
            client_id: widget.client_uuid.clone(),
            client_secret: self.client_secret(widget)?,
            redirect_uri: widget.redirect_uri.clone(),
        })
    }

    /// The integration's secret key, which also signs widgets' one-time tokens.
    pub fn client_secret(&self, widget: &Widget) -> Result<SecretString, VaultError> {
        Ok(self.keyring.open(&widget.client_secret_sealed, &places::client_secret(widget.id))?)
    }

    /// The host of an account of `crm` as rows keep it, checked again before anything secret is sent there.
    pub fn host(&self, crm: Crm, text: &str) -> Result<AccountHost, VaultError> {
        AccountHost::parse(text, &self.suffixes).and_then(|host| host.of(crm)).map_err(VaultError::Host)
    }

    /// Waits until every renewal under way has written what it got; before the process ends.
    pub async fn drain(&self) {
        self.renewals.close();
        self.renewals.wait().await;
    }

    fn clock(&self) -> &dyn Clock {
        self.outbox.clock().as_ref()
    }
}
