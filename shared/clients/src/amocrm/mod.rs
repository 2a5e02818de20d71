//! Client of amoCRM and Kommo: OAuth, account, call notes, webhooks, proxied requests.
//!
//! Every request names the account's host, because amoCRM has no common host. The caller enforces amoCRM's rate limit
//! (7/s per integration and account) and stores the token pair.
//!
//! Sources: amoCRM docs (`oauth`, `crm_platform`, `api/recommendations`) and `amocrm/amocrm-api-php`.

mod account;
mod claims;
mod error;
mod events;
mod notes;
mod proxy;
mod requests;
mod responses;
mod send;
mod tokens;
mod webhooks;

use std::time::Duration;

use reqwest::Client;
use url::Url;

use crate::http::{self, BuildError, HttpOptions};

pub use claims::AccessClaims;
pub use error::{AmoError, Rejection, RejectionKind, TokenError, Violation};
pub use proxy::{ProxyError, ProxyPayload, ProxyRequest, ProxyResponse};
pub use requests::{Credentials, NoteEvent};
pub use responses::{
    Account, CallEvent, CallParams, CallStatus, CurrentDomain, DatetimeSettings, Note, NoteType, Page,
    Responsible, TokenPair, User, UserState, Webhook,
};

/// Target and limits of requests.
#[derive(Debug, Clone)]
pub struct Config {
    /// Sends all requests to this URL instead of the account's host, with the account's host in the `Host` header: a
    /// simulator in development, or an egress proxy. Its path is the prefix of request paths.
    pub via: Option<Url>,
    /// HTTP options of API requests.
    pub http: HttpOptions,
    /// Timeout of a token request. It must be shorter than the caller's renewal lease.
    pub token_timeout: Duration,
}

impl Default for Config {
    /// The timeouts of amoCRM's own library: 20 s for an API request, 15 s for a token request.
    fn default() -> Self {
        Self { via: None, http: HttpOptions::default(), token_timeout: Duration::from_secs(15) }
    }
}

/// A client for all accounts; clones share connections.
#[derive(Debug, Clone)]
pub struct AmoCrm {
    client: Client,
    via: Option<Url>,
    token_timeout: Duration,
    /// Maximum time without progress of a proxied request.
    stall_timeout: Duration,
}

impl AmoCrm {
    /// Builds the client; sends nothing.
    pub fn new(config: Config) -> Result<Self, BuildError> {
        let mut builder = http::builder(&config.http)?.timeout(config.http.timeout);
        if config.via.is_some() {
            // HTTP/2 has no separate Host header from which the proxy could read the account.
            builder = builder.http1_only();
        }
        let (token_timeout, stall_timeout) = (config.token_timeout, config.http.timeout);
        Ok(Self { client: builder.build()?, via: config.via, token_timeout, stall_timeout })
    }
}
