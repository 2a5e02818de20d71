//! SSRF-safe HTTP client for untrusted URLs: recording links and vendors' event endpoints.
//!
//! An untrusted URL may point into the private network (SSRF). Protection: the resolver drops every IP address that is
//! not public, literal IP addresses are checked before the request, the connection uses the checked address, and each
//! redirect is validated like the first URL. Requests contain no tokens of Flysk and use no proxies. Credentials in a URL
//! are sent to that URL's host only, cookies to the hosts for which they were set.

mod address;
mod allow;
mod bad_url;
mod coding;
mod cookies;
mod download;
mod error;
mod get;
mod login;
mod post;
mod resolver;
mod stream;
mod validate_url;

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;

use crate::http::{self, BuildError, HttpOptions};

pub use address::is_public;
pub use allow::{AllowRule, InvalidAllowRule};
pub use bad_url::BadUrl;
pub use download::{DownloadLimits, Downloaded, Partial, ResumeToken};
pub use error::OutboundError;
pub use post::{PostLimits, Response};
pub use stream::{ByteRange, FileStream, StreamLimits};

use resolver::PublicOnly;

/// Options of requests to untrusted URLs.
#[derive(Debug, Clone)]
pub struct Config {
    /// HTTP options; the total timeout is not used here.
    pub http: HttpOptions,
    /// Permitted targets that are not public; empty in production.
    pub allow: Vec<AllowRule>,
    /// Maximum number of redirects.
    pub max_redirects: u32,
}

impl Default for Config {
    /// No permitted targets; 5 redirects; 10 s to connect, because telephony systems are slow.
    fn default() -> Self {
        let http = HttpOptions { connect_timeout: Duration::from_secs(10), ..HttpOptions::default() };
        Self { http, allow: Vec::new(), max_redirects: 5 }
    }
}

/// A client for untrusted URLs; clones share connections.
#[derive(Debug, Clone)]
pub struct Outbound {
    /// Connects to public IP addresses only.
    public: Client,
    /// Used only for targets of the allow-list.
    opened: Client,
    allow: Arc<[AllowRule]>,
    max_redirects: u32,
}

impl Outbound {
    /// Builds the client; sends nothing.
    pub fn new(config: Config) -> Result<Self, BuildError> {
        // No automatic decoding: module `coding` decodes where bytes are counted. Header errors that browsers tolerate
        // are accepted, because scripts of telephony systems send them.
        let builder = || {
            http::builder(&config.http).map(|builder| {
                builder
                    .no_gzip()
                    .no_deflate()
                    .no_brotli()
                    .no_zstd()
                    .http1_allow_spaces_after_header_name_in_responses(true)
                    .http1_allow_obsolete_multiline_headers_in_responses(true)
                    .http1_ignore_invalid_headers_in_responses(true)
            })
        };
        Ok(Self {
            public: builder()?.dns_resolver(PublicOnly::default()).build()?,
            opened: builder()?.build()?,
            allow: config.allow.into(),
            max_redirects: config.max_redirects,
        })
    }
}
