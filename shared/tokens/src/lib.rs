//! The token vault: stores OAuth token pairs and renews them.
//!
//! A refresh token of amoCRM works once, and only the customer can replace a lost pair. So one renewal at a time holds
//! the pair's lease. Its intent is stored before the request to amoCRM. The new pair is stored before anything else
//! happens, by a task that continues if the caller is dropped. A lost answer leaves the pair *in doubt*, and only a
//! definite refusal of the grant moves the install to `reconnect`. Refresh tokens never leave this crate.

mod access;
mod account_host;
mod audit_log;
mod error;
mod exchange;
mod grant;
mod rate_limit;
mod reencrypt;
mod renewal;
mod renewal_outcome;
mod write_retry;

use std::fmt;
use std::sync::Arc;

use flysk_clients::amocrm::{AmoCrm, Credentials};
use flysk_crypto::{Keyring, aad};
use flysk_domain::Clock;
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::host::AccountHost;
use flysk_queue::Outbox;
use flysk_queue::limits::RateLimiter;
use flysk_services::widgets::WidgetRegistry;
use flysk_store::platform::widgets::Widget;
use secrecy::{ExposeSecret, SecretString};
use tokio_util::task::TaskTracker;

use audit_log::TokenAuditLog;
use rate_limit::TokenRequestLimit;

pub use access::TokenRequester;
pub use error::VaultError;
pub use grant::Granted;
pub use reencrypt::ReencryptionReport;
pub use renewal::{AccessToken, Freshness, Renewal};

/// The token vault. Clones share all state.
#[derive(Clone)]
pub struct Vault {
    outbox: Outbox,
    keyring: Arc<Keyring>,
    amocrm: AmoCrm,
    suffixes: Arc<[String]>,
    renewals: TaskTracker,
    audit_log: TokenAuditLog,
    rate_limit: Option<Arc<TokenRequestLimit>>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("suffixes", &self.suffixes).finish_non_exhaustive()
    }
}

impl Vault {
    /// `suffixes`: domains whose direct subdomains are allowed as hosts of accounts.
    pub fn new(outbox: Outbox, keyring: Arc<Keyring>, amocrm: AmoCrm, suffixes: Vec<String>) -> Self {
        Self {
            audit_log: TokenAuditLog::new(outbox.pool().clone()),
            outbox,
            keyring,
            amocrm,
            suffixes: suffixes.into(),
            renewals: TaskTracker::new(),
            rate_limit: None,
        }
    }

    /// Sets a limit of `per_second` token requests, shared by all processes that use `limits`.
    #[must_use]
    pub fn with_rate_limit(self, limits: RateLimiter, per_second: u32) -> Self {
        Self { rate_limit: Some(Arc::new(TokenRequestLimit::new(limits, per_second))), ..self }
    }

    /// Keys of encryption at rest.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The registry of widgets, whose secrets are encrypted by the same key ring.
    pub fn widgets(&self) -> WidgetRegistry<'_> {
        WidgetRegistry::new(&self.keyring, self.clock())
    }

    /// Credentials of the integration for amoCRM.
    pub fn credentials(&self, widget: &Widget) -> Result<Credentials, VaultError> {
        Ok(Credentials {
            client_id: widget.client_uuid.clone(),
            client_secret: self.client_secret(widget)?,
            redirect_uri: widget.redirect_uri.clone(),
        })
    }

    /// The integration's secret key, which also signs the one-time tokens of widgets.
    pub fn client_secret(&self, widget: &Widget) -> Result<SecretString, VaultError> {
        Ok(self.keyring.open(&widget.client_secret_sealed, &aad::client_secret(widget.id))?)
    }

    /// Parses a stored host of an account, checking again that secrets may be sent to it.
    pub fn host(&self, crm: Crm, text: &str) -> Result<AccountHost, VaultError> {
        AccountHost::parse(text, &self.suffixes).and_then(|host| host.of(crm)).map_err(VaultError::Host)
    }

    /// Waits until all running renewals have stored their pairs. Call it before the process ends.
    pub async fn drain(&self) {
        self.renewals.close();
        self.renewals.wait().await;
    }

    fn clock(&self) -> &dyn Clock {
        self.outbox.clock().as_ref()
    }

    fn seal(&self, secret: &SecretString, aad: &str) -> Result<String, VaultError> {
        Ok(self.keyring.seal(secret, aad)?)
    }

    fn blind_index(&self, token: &SecretString) -> String {
        self.keyring.blind_index(token.expose_secret()).to_string()
    }
}
