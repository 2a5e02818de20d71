//! Redis, which carries wake-ups and rate limits.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::reader::Reader;
use super::{ConfigError, Env, RedisAddress, Variable};

const URL: Variable = Variable::required(
    "REDIS_URL",
    "redis://127.0.0.1:6379/0",
    "Redis 6.2 or newer, or Valkey: redis://user:password@host:port/database, with TLS rediss://.\n\
     With Sentinel: redis+sentinel://user:password@host:port,host:port,host:port/service/database, with TLS\n\
     rediss+sentinel://. The hosts are the sentinels; user and password are those of Redis.\n\
     `cargo xtask` starts a private server if this is not set.",
)
.secret_address();
const SENTINEL_PASSWORD: Variable = Variable::optional(
    "FLYSK_REDIS_SENTINEL_PASSWORD",
    "development-sentinel-password",
    "Password of the sentinels in REDIS_URL (their `requirepass`), if they have one.",
)
.secret("generate a random value, for example with `openssl rand -hex 32`");
const EXTRA_ROOTS: Variable = Variable::optional(
    "FLYSK_REDIS_EXTRA_ROOTS",
    "/etc/flysk/redis-ca.pem",
    "PEM file with root certificates that are trusted for Redis and its sentinels in addition to the system's.",
);
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

pub(super) const VARIABLES: &[Variable] = &[URL, SENTINEL_PASSWORD, EXTRA_ROOTS, RESPONSE_TIMEOUT_MS, PREFIX];

/// `FLYSK_REDIS_RESPONSE_TIMEOUT_MS` of [`Redis::at`].
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Connection to Redis, which carries wake-ups, rate limits and ephemeral jobs and may lose its data at any time.
#[derive(Debug, Clone)]
pub struct Redis {
    /// `REDIS_URL`: a valid [`RedisAddress`].
    pub url: SecretString,
    /// `FLYSK_REDIS_SENTINEL_PASSWORD`: password of the sentinels.
    pub sentinel_password: Option<SecretString>,
    /// `FLYSK_REDIS_EXTRA_ROOTS`: PEM file with additional root certificates.
    pub extra_roots: Option<PathBuf>,
    /// `FLYSK_REDIS_RESPONSE_TIMEOUT_MS`: timeout of one command.
    pub response_timeout: Duration,
    /// `FLYSK_REDIS_PREFIX`: prefix of all keys of this deployment.
    pub prefix: String,
}

impl Redis {
    /// Reads the variables of Redis.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let url = vars.parsed(&URL, |text| RedisAddress::parse(text).map(|_| SecretString::from(text)));
            let sentinel_password = vars.optional(&SENTINEL_PASSWORD, Reader::secret);
            let extra_roots = vars.optional(&EXTRA_ROOTS, Reader::path);
            let response_timeout = vars.millis(&RESPONSE_TIMEOUT_MS, 100..=120_000);
            let prefix = vars.parsed(&PREFIX, |text| {
                let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
                if plain && text.len() <= 40 {
                    Ok(text.to_owned())
                } else {
                    Err("at most 40 of letters, digits, `-`, `_`, `.`".to_owned())
                }
            });
            Ok(Self {
                url: url?,
                sentinel_password: sentinel_password?,
                extra_roots: extra_roots?,
                response_timeout: response_timeout?,
                prefix: prefix?,
            })
        })
    }

    /// The configuration for this address with the defaults of the other variables, for tests and tools.
    pub fn at(url: &str) -> Self {
        Self {
            url: SecretString::from(url),
            sentinel_password: None,
            extra_roots: None,
            response_timeout: RESPONSE_TIMEOUT,
            prefix: PREFIX.example().to_owned(),
        }
    }
}
