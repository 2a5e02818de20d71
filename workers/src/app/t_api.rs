//! T-Bank's T-API for job handlers: a client with a vendor's token, and the limits on requests.

use std::time::Duration;

use anyhow::Context as _;
use flysk_clients::http::HttpOptions;
use flysk_clients::tbank::t_api::{TApi, TApiConfig};
use flysk_config as config;
use flysk_crypto::aad;
use flysk_domain::id::VendorId;
use flysk_queue::JobError;
use flysk_queue::limits::{RateLimit, WaitOutcome};
use flysk_store::platform::transfers::{self, TApiAccess};

use super::App;

/// Retry delay while an operator repairs the key ring, the token or the configuration.
pub(crate) const CONFIG_RETRY_DELAY: Duration = Duration::from_mins(5);
/// Longest wait for a permit in the middle of a job.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(20);

/// A method of the T-API with a limit of its own. Source: T-API, limits per method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TApiMethod {
    /// `invoice/send`.
    SendInvoice,
    /// `invoice/{id}/info`.
    InvoiceInfo,
    /// `statement`.
    Statement,
}

impl TApiMethod {
    fn limit(self, vendor: VendorId) -> RateLimit {
        let (name, requests_per_second) = match self {
            Self::SendInvoice => ("send", 4),
            Self::InvoiceInfo => ("info", 20),
            Self::Statement => ("statement", 20),
        };
        RateLimit::per_second(format!("t_api.{name}.{vendor}"), requests_per_second)
    }
}

/// HTTP options of the T-API. Reads the file of extra root certificates.
pub(super) fn t_api_http(config: &config::TApi) -> anyhow::Result<HttpOptions> {
    let extra_roots = config
        .extra_roots
        .as_ref()
        .map(|path| std::fs::read_to_string(path).with_context(|| path.display().to_string()))
        .transpose()
        .context("FLYSK_T_API_EXTRA_ROOTS")?;
    Ok(HttpOptions {
        extra_roots: extra_roots.into_iter().collect(),
        ..HttpOptions::with_timeout(config.timeout)
    })
}

impl App {
    /// The T-API with the token of a vendor; `None` if it has none.
    pub(crate) async fn t_api_of(&self, vendor: VendorId) -> Result<Option<(TApi, TApiAccess)>, JobError> {
        let mut conn = self.outbox.pool().acquire().await?;
        let access = transfers::find_access(&mut conn, vendor).await?;
        drop(conn);
        let Some(access) = access else { return Ok(None) };
        let token = self.keyring.open(&access.token_sealed, &aad::t_api_token(vendor));
        let token = token.map_err(|error| wait(format!("the key ring: {error}")))?;
        let bank = TApi::new(TApiConfig {
            base_url: self.config().t_api.url.clone(),
            token,
            http: self.t_api_http.clone(),
        });
        let bank = bank.map_err(|error| wait(format!("the client of the T-API: {error}")))?;
        Ok(Some((bank, access)))
    }

    /// A permit for one request, before anything was stored: `?` postpones the job.
    pub(crate) async fn t_api_permit(
        &self,
        method: TApiMethod,
        vendor: VendorId,
        who: &str,
    ) -> Result<(), JobError> {
        self.limits.acquire_or_snooze(&method.limit(vendor), "", who).await
    }

    /// A permit for one request in the middle of a job: waits for it. Without one in time the request is sent nevertheless, and
    /// the bank answers an excess with 429.
    pub(crate) async fn wait_for_t_api_permit(&self, method: TApiMethod, vendor: VendorId, who: &str) {
        match self.limits.acquire_timeout(&method.limit(vendor), "", who, PERMIT_TIMEOUT).await {
            Ok(WaitOutcome::Acquired(_)) => {}
            Ok(WaitOutcome::TimedOut(_)) => {
                tracing::warn!(vendor.id = %vendor, "no permit for a request to the T-API in time");
            }
            Err(error) => {
                tracing::warn!(%error, vendor.id = %vendor, "the limit on requests to the T-API is not available");
            }
        }
    }
}

fn wait(reason: String) -> JobError {
    JobError::Wait { after: CONFIG_RETRY_DELAY, reason }
}
