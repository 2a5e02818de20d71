//! Our own addresses.

use std::net::SocketAddr;
use std::time::Duration;

use url::Url;

use super::proxies::TRUSTED_PROXIES;
use super::{ConfigError, Env, Proxies, Variable};

pub(super) const PUBLIC_URL: Variable = Variable::required(
    "FLYSK_PUBLIC_URL",
    "http://127.0.0.1:8080",
    "Where the world reaches the API; redirect and hook addresses are made from it.\n\
     amoCRM redirects to https only, so https anywhere but on a developer's machine.\n\
     The secrets of .env.example are accepted only while this is an http address of this machine (localhost, 127.0.0.1).",
);
const LISTEN: Variable = Variable::with_default(
    "FLYSK_LISTEN",
    "127.0.0.1:8080",
    "Address and port the API listens on; 0.0.0.0:8080 in a container.",
);
const REQUEST_TIMEOUT_MS: Variable = Variable::with_default(
    "FLYSK_REQUEST_TIMEOUT_MS",
    "15000",
    "Longest time one request may take before it is answered with 503, in milliseconds. What is passed on to\n\
     amoCRM has FLYSK_AMOCRM_TIMEOUT_MS instead; a recording that is listened to has to begin in time.",
);
const MAX_BODY_BYTES: Variable = Variable::with_default(
    "FLYSK_MAX_BODY_BYTES",
    "1048576",
    "Largest request body that is read, in bytes; larger ones are answered with 413, told length or not. What is\n\
     passed on to amoCRM has FLYSK_AMOCRM_MAX_BODY_BYTES instead.",
);

pub(super) const VARIABLES: &[Variable] =
    &[PUBLIC_URL, LISTEN, TRUSTED_PROXIES, REQUEST_TIMEOUT_MS, MAX_BODY_BYTES];

/// How the API is reached.
#[derive(Debug, Clone)]
pub struct Http {
    /// `FLYSK_PUBLIC_URL`: ends in `/`, so that `join("oauth/…")` appends.
    pub public_url: Url,
    /// `FLYSK_LISTEN`: where the API listens.
    pub listen: SocketAddr,
    /// `FLYSK_TRUSTED_PROXIES`: whose `X-Forwarded-For` is believed.
    pub proxies: Proxies,
    /// `FLYSK_REQUEST_TIMEOUT_MS`: longest time of one request.
    pub request_timeout: Duration,
    /// `FLYSK_MAX_BODY_BYTES`: largest body read.
    pub max_body_bytes: usize,
}

impl Http {
    /// Reads the concern.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let public_url = vars.base_url(&PUBLIC_URL);
            let listen = vars.socket(&LISTEN);
            let proxies = Proxies::read(vars);
            let request_timeout = vars.millis(&REQUEST_TIMEOUT_MS, 100..=120_000);
            let max_body_bytes = vars.number(&MAX_BODY_BYTES, 1_024..=64 * 1024 * 1024);
            Ok(Self {
                public_url: public_url?,
                listen: listen?,
                proxies: proxies?,
                request_timeout: request_timeout?,
                max_body_bytes: max_body_bytes?,
            })
        })
    }
}
