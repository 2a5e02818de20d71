//! HTTP server of the API: public URL, listener, limits of requests.

use std::net::SocketAddr;
use std::time::Duration;

use url::Url;

use super::proxies::TRUSTED_PROXIES;
use super::public_url::PUBLIC_URL;
use super::{ConfigError, Env, Proxies, Variable};

const LISTEN: Variable = Variable::with_default(
    "FLYSK_LISTEN",
    "127.0.0.1:8080",
    "IP address and port of the API's listener; 0.0.0.0:8080 in a container.",
);
const REQUEST_TIMEOUT_MS: Variable = Variable::with_default(
    "FLYSK_REQUEST_TIMEOUT_MS",
    "15000",
    "Time limit of one request, in milliseconds; a slower one is answered with 503. Requests of the amoCRM gateway have\n\
     FLYSK_AMOCRM_TIMEOUT_MS instead, POST /v1/pauth has at least a minute; the stream of a recording must begin within\n\
     this limit.",
);
const MAX_BODY_BYTES: Variable = Variable::with_default(
    "FLYSK_MAX_BODY_BYTES",
    "1048576",
    "Maximum request body, in bytes; a larger one is answered with 413, with or without Content-Length. Requests of the\n\
     amoCRM gateway have FLYSK_AMOCRM_MAX_BODY_BYTES instead.",
);

const BACKEND_REQUESTS_PER_MINUTE: Variable = Variable::with_default(
    "FLYSK_BACKEND_REQUESTS_PER_MINUTE",
    "60000",
    "Requests per minute that all backends of a widget together may send to /v1/backend and /v1/pauth, counted by all\n\
     processes; further ones are answered with 429. 0 sets no limit. The amoCRM gateway has amoCRM's limits instead.",
);

const HOOKS_PER_HOUR: Variable = Variable::with_default(
    "FLYSK_HOOKS_PER_HOUR",
    "6000",
    "Webhooks of amoCRM per hour that are accepted for an install of FlySense; an address may send 60 times as many, for all\n\
     installs. Further ones are answered with 429, and their calls are found by polling. 0 sets no limit.",
);

pub(super) const VARIABLES: &[Variable] = &[
    PUBLIC_URL,
    LISTEN,
    TRUSTED_PROXIES,
    REQUEST_TIMEOUT_MS,
    MAX_BODY_BYTES,
    BACKEND_REQUESTS_PER_MINUTE,
    HOOKS_PER_HOUR,
];

/// Public URL, listener and request limits of the API.
#[derive(Debug, Clone)]
pub struct Http {
    /// `FLYSK_PUBLIC_URL`: URL of the API as others reach it; ends in `/`, so that `join("oauth/…")` appends.
    pub public_url: Url,
    /// `FLYSK_LISTEN`: IP address and port of the listener.
    pub listen: SocketAddr,
    /// `FLYSK_TRUSTED_PROXIES`: proxies whose `X-Forwarded-For` is trusted.
    pub proxies: Proxies,
    /// `FLYSK_REQUEST_TIMEOUT_MS`: time limit of one request.
    pub request_timeout: Duration,
    /// `FLYSK_MAX_BODY_BYTES`: maximum request body.
    pub max_body_bytes: usize,
    /// `FLYSK_BACKEND_REQUESTS_PER_MINUTE`: requests of a widget's backends per minute; 0: no limit.
    pub backend_requests_per_minute: u32,
    /// `FLYSK_HOOKS_PER_HOUR`: webhooks of amoCRM per install and hour; 0: no limit.
    pub hooks_per_hour: u32,
}

impl Http {
    /// Reads the variables of the HTTP server.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let public_url = vars.base_url(&PUBLIC_URL);
            let listen = vars.socket(&LISTEN);
            let proxies = Proxies::read(vars);
            let request_timeout = vars.millis(&REQUEST_TIMEOUT_MS, 100..=120_000);
            let max_body_bytes = vars.number(&MAX_BODY_BYTES, 1_024..=64 * 1024 * 1024);
            let backend_requests = vars.number(&BACKEND_REQUESTS_PER_MINUTE, 0..=100_000_000);
            let hooks = vars.number(&HOOKS_PER_HOUR, 0..=10_000_000);
            Ok(Self {
                public_url: public_url?,
                listen: listen?,
                proxies: proxies?,
                request_timeout: request_timeout?,
                max_body_bytes: max_body_bytes?,
                backend_requests_per_minute: backend_requests?,
                hooks_per_hour: hooks?,
            })
        })
    }
}
