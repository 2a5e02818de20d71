//! Flysk's own public API, as the backend of any vendor sees it.
//!
//! FlySense uses it like a stranger would; vendors may take it for a worked example.

mod error;
mod flycoins;
mod requests;
mod responses;
mod send;

use flysk_domain::trace::Trace;
use reqwest::{Client, Method};
use secrecy::SecretString;
use url::Url;

use crate::http::{self, BuildError, HttpOptions};

pub use error::{FlycoinRefusal, PlatformError, Problem};
pub use requests::{
    Caller, CaptureRequest, ChargeRequest, EstimateRequest, HoldRequest, HoldSize, IdempotencyKey,
    InvalidKey, Line, RefundRequest, RefundSize,
};
pub use responses::{
    Access, Balance, Captured, Charged, Estimate, Held, HoldState, HoldStatus, InstallStatus, Quote,
    Refunded, Released,
};

use requests::PauthBody;

/// Where the platform is and which widget asks.
#[derive(Debug, Clone)]
pub struct Config {
    /// The platform's address; its path is put before ours.
    pub base_url: Url,
    /// The widget's project token.
    pub project_token: SecretString,
    /// Time limits. The platform may have to refresh a token first, which takes up to 15 s.
    pub http: HttpOptions,
}

/// A client; clones share connections.
#[derive(Debug, Clone)]
pub struct Platform {
    client: Client,
    base_url: String,
    project_token: SecretString,
}

impl Platform {
    /// Builds the client; nothing is sent.
    pub fn new(config: Config) -> Result<Self, BuildError> {
        Ok(Self {
            client: http::client(&config.http)?,
            base_url: config.base_url.as_str().trim_end_matches('/').to_owned(),
            project_token: config.project_token,
        })
    }

    /// Who the caller is, and what our widget may do in their account: a live access token, the
    /// install's status and settings. `trace` ties the platform's log lines to ours.
    pub async fn pauth(&self, caller: &Caller, trace: Option<&Trace>) -> Result<Access, PlatformError> {
        let request = self.request(Method::POST, "/v1/pauth", trace);
        self.send(request.json(&PauthBody::from(caller))).await
    }
}
