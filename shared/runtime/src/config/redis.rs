//! Redis.

use std::time::Duration;

use secrecy::SecretString;

use super::{ConfigError, Env, Variable};

const URL: Variable = Variable::required(
    "REDIS_URL",
    "redis://127.0.0.1:6379/0",
    "Redis 6.2 or newer, without TLS (a private network): redis://user:password@host:port/database.\n\
     `cargo xtask` starts a private server when this is not set.",
)
.secret_address();
const RESPONSE_TIMEOUT_MS: Variable = Variable::with_default(
    "FLYSK_REDIS_RESPONSE_TIMEOUT_MS",
    "10000",
    "How long one command may take before the connection counts as lost, in milliseconds.\n\
     Short values turn a pause of Redis (a fork, a failover) into lost connections.",
);
const PREFIX: Variable = Variable::with_default(
    "FLYSK_REDIS_PREFIX",
    "flysk",
    "What every key of ours begins with; two deployments on one Redis need two.",
);

pub(super) const VARIABLES: &[Variable] = &[URL, RESPONSE_TIMEOUT_MS, PREFIX];

/// The transport of wake-ups, locks, rate limits and sessions.
#[derive(Debug, Clone)]
pub struct Redis {
    /// `REDIS_URL`: address with password and database.
    pub url: SecretString,
    /// `FLYSK_REDIS_RESPONSE_TIMEOUT_MS`: longest wait for an answer.
    pub response_timeout: Duration,
    /// `FLYSK_REDIS_PREFIX`: the name space of our keys.
    pub prefix: String,
}

impl Redis {
    /// Reads the concern.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let url = vars.secret_url(&URL, &["redis"]);
            let response_timeout = vars.millis(&RESPONSE_TIMEOUT_MS, 100..=120_000);
            let prefix = vars.parsed(&PREFIX, |text| {
                let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
                if plain && text.len() <= 40 {
                    Ok(text.to_owned())
                } else {
                    Err("at most 40 of letters, digits, `-`, `_`, `.`".to_owned())
                }
            });
            Ok(Self { url: url?, response_timeout: response_timeout?, prefix: prefix? })
        })
    }
}
