//! Builds all HTTP clients, and contains their common parts.

mod body;
mod retry_after;
mod transport;

use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, redirect};

pub use body::{Malformed, ReadError};
pub use transport::{Idempotency, Transport, TransportKind};

pub(crate) use body::{json_of, read_json, read_limited, request_id};
pub(crate) use retry_after::retry_after;
pub(crate) use transport::find_source;

/// Default `User-Agent` of requests.
pub const USER_AGENT: &str = concat!("Flysk/", env!("CARGO_PKG_VERSION"));

/// Common options of HTTP clients.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Timeout of name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Timeout of a request, from its first byte to the last byte of the response.
    pub timeout: Duration,
    /// Sent as `User-Agent`.
    pub user_agent: String,
    /// PEM bundles of root certificates that are trusted in addition to the system's. Verification is never disabled.
    pub extra_roots: Vec<String>,
}

impl HttpOptions {
    /// The default options with another total timeout.
    pub fn with_timeout(timeout: Duration) -> Self {
        Self { timeout, ..Self::default() }
    }
}

impl Default for HttpOptions {
    /// 5 s to connect, 20 s in total, as in amoCRM's own library.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(20),
            user_agent: USER_AGENT.to_owned(),
            extra_roots: Vec::new(),
        }
    }
}

/// An HTTP client could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A bundle of extra roots contains no certificate; probably the wrong file.
    #[error("extra root certificates: no certificate in bundle {index}")]
    EmptyBundle {
        /// Index of the bundle, from 0.
        index: usize,
    },
    /// A certificate is invalid, or the system has no root certificates.
    #[error("cannot build the HTTP client")]
    Tls(#[from] reqwest::Error),
}

/// A client that follows no redirects, keeps no cookies and reads no proxy from the environment.
pub fn client(options: &HttpOptions) -> Result<Client, BuildError> {
    Ok(builder(options)?.timeout(options.timeout).build()?)
}

/// The builder of [`client`] without the total timeout, for clients with finer timeouts of their own.
pub(crate) fn builder(options: &HttpOptions) -> Result<ClientBuilder, BuildError> {
    let mut roots = Vec::new();
    for (index, bundle) in options.extra_roots.iter().enumerate() {
        let certificates = Certificate::from_pem_bundle(bundle.as_bytes())?;
        if certificates.is_empty() {
            return Err(BuildError::EmptyBundle { index });
        }
        roots.extend(certificates);
    }
    Ok(Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(options.connect_timeout)
        .user_agent(&options.user_agent)
        .tls_certs_merge(roots))
}
