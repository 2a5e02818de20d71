//! The only place that builds HTTP clients, and what they all have in common.

mod body;
mod retry_after;
mod transport;

use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, redirect};

pub use body::{Malformed, ReadError};
pub use transport::{Transport, TransportKind};

pub(crate) use body::{json_of, read_json, read_limited, request_id};
pub(crate) use retry_after::retry_after;
pub(crate) use transport::find;

/// How we introduce ourselves to other services.
pub const USER_AGENT: &str = concat!("Flysk/", env!("CARGO_PKG_VERSION"));

/// What every client of ours needs to know about HTTP.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// For name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// From the first byte out to the last byte in.
    pub timeout: Duration,
    /// Sent as `User-Agent`.
    pub user_agent: String,
    /// PEM bundles trusted besides the system's roots. They add trust; verification is never turned off.
    pub extra_roots: Vec<String>,
}

impl HttpOptions {
    /// Our usual limits with another total time.
    pub fn with_timeout(timeout: Duration) -> Self {
        Self { timeout, ..Self::default() }
    }
}

impl Default for HttpOptions {
    /// 5 s to connect, 20 s in all: what amoCRM's own library allows.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(20),
            user_agent: USER_AGENT.to_owned(),
            extra_roots: Vec::new(),
        }
    }
}

/// An HTTP client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A bundle of extra roots holds no certificate, most likely the wrong file.
    #[error("extra root certificates: no certificate in bundle {index}")]
    EmptyBundle {
        /// Which one, from 0.
        index: usize,
    },
    /// A certificate is damaged, or the system has no roots at all.
    #[error("the HTTP client could not be built")]
    Tls(#[from] reqwest::Error),
}

/// A client that follows no redirects, keeps no cookies and reads no proxy from the environment.
pub fn client(options: &HttpOptions) -> Result<Client, BuildError> {
    Ok(builder(options)?.timeout(options.timeout).build()?)
}

/// The same before its total time is set, for clients with finer limits of their own.
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
