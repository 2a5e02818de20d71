//! HTTP to addresses we did not choose: recording links and vendors' event endpoints.
//!
//! Whoever names such an address may name our own network. So names resolve through a resolver that
//! drops every address that is not public, literal addresses are checked before the request, the
//! connection goes to the very address that was checked, and redirects are followed by hand, each hop
//! checked like the first. No tokens or proxies of ours go along. What belongs to the chain itself does: a login in a
//! URL goes to that URL's host, a cookie to the hosts it was set for.

mod address;
mod allow;
mod coding;
mod cookies;
mod download;
mod error;
mod get;
mod login;
mod post;
mod resolver;
mod stream;
mod target;

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;

use crate::http::{self, BuildError, HttpOptions};

pub use address::is_public;
pub use allow::{AllowRule, InvalidAllowRule};
pub use download::{DownloadLimits, Downloaded, Partial, PartialMemo};
pub use error::OutboundError;
pub use post::{PostLimits, Response};
pub use stream::{ByteRange, FileStream, StreamLimits};
pub use target::BadUrl;

use resolver::PublicOnly;

/// How strangers' addresses are called.
#[derive(Debug, Clone)]
pub struct Config {
    /// Time for name resolution, TCP and TLS; the total time of `http` is not used here.
    pub http: HttpOptions,
    /// What the deployment opens although it is not public; empty in production.
    pub allow: Vec<AllowRule>,
    /// Longest chain of redirects.
    pub max_redirects: u32,
}

impl Default for Config {
    /// Nothing opened; 5 redirects; 10 s to connect, since telephonies are slow.
    fn default() -> Self {
        let http = HttpOptions { connect_timeout: Duration::from_secs(10), ..HttpOptions::default() };
        Self { http, allow: Vec::new(), max_redirects: 5 }
    }
}

/// A client for strangers' addresses; clones share connections.
#[derive(Debug, Clone)]
pub struct Outbound {
    /// Reaches public addresses only.
    public: Client,
    /// Reaches what the allow-list names, and is used for nothing else.
    opened: Client,
    allow: Arc<[AllowRule]>,
    max_redirects: u32,
}

impl Outbound {
    /// Builds the client; nothing is sent.
    pub fn new(config: Config) -> Result<Self, BuildError> {
        // Bodies come as they were sent: codings are undone where bytes are counted (`coding`). Headers are put up with
        // that browsers put up with, or a PBX's script could not be read at all.
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
            public: builder()?.dns_resolver(PublicOnly).build()?,
            opened: builder()?.build()?,
            allow: config.allow.into(),
            max_redirects: config.max_redirects,
        })
    }
}
