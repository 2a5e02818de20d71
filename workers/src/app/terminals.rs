//! Terminals at T-Bank: the one of the environment, and those of vendors.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flysk_config as config;
use flysk_crypto::aad;
use flysk_queue::JobError;
use flysk_queue::limits::{RateLimit, WaitOutcome};
use flysk_store::platform::vendors;

use super::App;
use crate::acquiring::Acquiring;

/// Retry delay while an operator repairs the key ring or the configuration.
const CONFIG_RETRY_DELAY: Duration = Duration::from_mins(5);
/// Window of the limit on requests. Requests bunch up in transit, so it is longer than a second.
const RATE_WINDOW: Duration = Duration::from_millis(1_040);
/// Longest wait for a permit after the first request of a run. Without one the request is sent nevertheless: the bank answers an
/// excess with 429, after which a charge is asked about, and the others are repeated.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(20);
/// Requests of payments that have begun take turns with the first requests of others, however many of those wait.
const BEGUN: &str = "begun";

/// Clients of vendors' terminals, by terminal key, with the sealed password that each was built with.
#[derive(Debug, Default)]
pub struct VendorTerminals(Mutex<HashMap<String, (String, Arc<Acquiring>)>>);

impl VendorTerminals {
    fn find(&self, key: &str, sealed: &str) -> Option<Arc<Acquiring>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|(password, _)| password == sealed).map(|(_, client)| Arc::clone(client))
    }

    fn put(&self, key: &str, sealed: String, client: &Arc<Acquiring>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(key.to_owned(), (sealed, Arc::clone(client)));
    }
}

impl App {
    /// T-Bank with this terminal: the environment's, or a vendor's own.
    pub async fn acquiring_of(&self, terminal_key: &str) -> Result<Arc<Acquiring>, JobError> {
        let own = self.acquiring_handle()?;
        if own.config.terminal_key == terminal_key {
            return Ok(own);
        }
        let mut conn = self.outbox.pool().acquire().await?;
        let vendor = vendors::find_vendor_of_terminal(&mut conn, terminal_key).await?;
        let sealed = vendor.as_ref().and_then(|vendor| vendor.terminal_password_sealed.clone());
        let (Some(vendor), Some(sealed)) = (vendor, sealed) else {
            return Err(wait(format!("the terminal {terminal_key} is not configured")));
        };
        if let Some(known) = self.vendor_terminals.find(terminal_key, &sealed) {
            return Ok(known);
        }
        let password = self.keyring.open(&sealed, &aad::terminal_password(vendor.id));
        let password = password.map_err(|error| wait(format!("the key ring: {error}")))?;
        let terminal =
            config::TBank { terminal_key: terminal_key.to_owned(), password, ..own.config.clone() };
        let client = Acquiring::new(&terminal, &self.config().http.public_url);
        let client = Arc::new(client.map_err(|error| wait(format!("T-Bank's client: {error:#}")))?);
        self.vendor_terminals.put(terminal_key, sealed, &client);
        Ok(client)
    }

    /// A permit for the first request of a run to the terminal: `?` postpones the job.
    ///
    /// The requests after it use [`App::wait_for_bank_permit`]. Postponed before its second request, a job would spend the permit of
    /// its next run on the first request again: of many such jobs none would ever come to its second one.
    pub async fn bank_permit(&self, terminal_key: &str, who: &str) -> Result<(), JobError> {
        match self.bank_rate(terminal_key)? {
            Some(rate) => self.limits.acquire_or_snooze(&rate, "", who).await,
            None => Ok(()),
        }
    }

    /// A permit for a request to the terminal after the first one of a run, or after its intent was stored: waits for it.
    pub async fn wait_for_bank_permit(&self, terminal_key: &str, who: &str) -> Result<(), JobError> {
        let Some(rate) = self.bank_rate(terminal_key)? else { return Ok(()) };
        match self.limits.acquire_timeout(&rate, BEGUN, who, PERMIT_TIMEOUT).await {
            Ok(WaitOutcome::Acquired(_)) => {}
            Ok(WaitOutcome::TimedOut(_)) => {
                tracing::warn!(terminal_key, "no permit for a request to T-Bank in time");
            }
            Err(error) => {
                tracing::warn!(%error, terminal_key, "the limit on requests to T-Bank is not available");
            }
        }
        Ok(())
    }

    fn bank_rate(&self, terminal_key: &str) -> Result<Option<RateLimit>, JobError> {
        let permits = self.acquiring()?.config.requests_per_second;
        Ok(permits.map(|permits| RateLimit::new(format!("tbank.{terminal_key}"), permits, RATE_WINDOW)))
    }
}

fn wait(reason: String) -> JobError {
    JobError::Wait { after: CONFIG_RETRY_DELAY, reason }
}
