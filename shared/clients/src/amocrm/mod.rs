//! amoCRM and Kommo: OAuth, account, call notes, web hooks.
//!
//! Every call names the account's host, because amoCRM has no common address. Whoever calls keeps
//! amoCRM's limits (7 requests a second per integration and account) and the token pair.
//!
//! Sources: amoCRM docs (`oauth`, `crm_platform`, `api/recommendations`) and `amocrm/amocrm-api-php`.

mod account;
mod claims;
mod error;
mod events;
mod forward;
mod notes;
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
pub use error::{AmoError, Effect, Rejection, RejectionKind, TokenError, Violation};
pub use forward::{Forward, ForwardError, Forwarded, Payload};
pub use requests::{AccountDetail, Credentials, EntityType, NoteEvent, ServiceNote};
pub use responses::{
    Account, CallEvent, CallParams, CallStatus, CurrentDomain, Note, NoteType, Page, Responsible, TokenPair,
    Webhook,
};

/// Where and how amoCRM is called.
#[derive(Debug, Clone)]
pub struct Config {
    /// Send everything to this address instead of the account's own host, which then is named in the
    /// `Host` header: a simulator in development, or an egress gateway. Its path is put before ours.
    pub via: Option<Url>,
    /// Limits for API calls.
    pub http: HttpOptions,
    /// Total time of a token request. It must stay below the time the caller holds a token's lease.
    pub token_timeout: Duration,
}

impl Default for Config {
    /// The times of amoCRM's own library: 20 s for a call, 15 s for a token request.
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
    /// How long amoCRM may be silent about what is passed through.
    patience: Duration,
}

impl AmoCrm {
    /// Builds the client; nothing is sent.
    pub fn new(config: Config) -> Result<Self, BuildError> {
        let mut builder = http::builder(&config.http)?.timeout(config.http.timeout);
        if config.via.is_some() {
            // HTTP/2 has no Host header of its own to tell a gateway which account is meant.
            builder = builder.http1_only();
        }
        let (token_timeout, patience) = (config.token_timeout, config.http.timeout);
        Ok(Self { client: builder.build()?, via: config.via, token_timeout, patience })
    }
}
