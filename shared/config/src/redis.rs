//! Redis, which carries wake-ups and rate limits.

use std::time::Duration;

use secrecy::SecretString;

use super::{ConfigError, Env, Variable};

const URL: Variable = Variable::required(
    "REDIS_URL",
    "redis://127.0.0.1:6379/0",
    "Redis 6.2 or newer, without TLS, so in a private network: redis://user:password@host:port/database.\n\
     `cargo xtask` starts a private server if this is not set.",
)
.secret_address();
const RESPONSE_TIMEOUT_MS: Variable = Variable::with_default(
    "FLYSK_REDIS_RESPONSE_TIMEOUT_MS",
    "10000",
    "Timeout of one command, in milliseconds; then the connection counts as lost.\n\
     With a short timeout, pauses of Redis (a fork, a failover) cause lost connections.",
);
const PREFIX: Variable = Variable::with_default(
    "FLYSK_REDIS_PREFIX",
    "flysk",
    "Prefix of all Redis keys; use a different one per deployment sharing a Redis.",
);

pub(super) const VARIABLES: &[Variable] = &[URL, RESPONSE_TIMEOUT_MS, PREFIX];

/// Connection to Redis, which carries wake-ups, rate limits and ephemeral jobs and may lose its data at any time.
#[derive(Debug, Clone)]
pub struct Redis {
    /// `REDIS_URL`: URL with password and database.
    pub url: SecretString,
    /// `FLYSK_REDIS_RESPONSE_TIMEOUT_MS`: timeout of one command.
    pub response_timeout: Duration,
    /// `FLYSK_REDIS_PREFIX`: prefix of all keys of this deployment.
    pub prefix: String,
}

impl Redis {
    /// Reads the variables of Redis.
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
