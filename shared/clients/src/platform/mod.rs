//! Flysk's own public API, as the backend of any vendor sees it.
//!
//! FlySense uses it like a stranger would; vendors may take it for a worked example.

mod error;
mod requests;
mod responses;

use flysk_domain::trace::Trace;
use reqwest::Client;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::http::{
    self, BuildError, HttpOptions, ReadError, Transport, read_json, read_limited, retry_after,
};

pub use error::{PlatformError, Problem};
pub use requests::Caller;
pub use responses::{Access, InstallStatus};

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

/// Settings are the longest part, and limited to far less.
const LONGEST_ANSWER: usize = 4 << 20;

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
        let url = format!("{}/v1/pauth", self.base_url);
        let mut request = self.client.post(url).json(&PauthBody::from(caller));
        // A token with a line break cannot be a header; without one the platform answers 401.
        if let Ok(mut token) = HeaderValue::from_str(self.project_token.expose_secret()) {
            token.set_sensitive(true);
            request = request.header("x-project-token", token);
        }
        if let Some(trace) = trace {
            request = request.header("x-request-id", &trace.correlation_id);
            if let Some(parent) = &trace.traceparent {
                request = request.header("traceparent", parent);
            }
        }
        let response = request.send().await.map_err(Transport::from).map_err(ReadError::from)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_limited(response, LONGEST_ANSWER).await?;
        if status.is_success() {
            return Ok(read_json(&body)?);
        }
        Err(PlatformError::Refused(Problem::read(status.as_u16(), &body, &headers), retry_after(&headers)))
    }
}
