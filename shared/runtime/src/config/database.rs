//! MySQL or MariaDB.

use std::time::Duration;

use secrecy::SecretString;

use super::{ConfigError, Env, Variable};

const URL: Variable = Variable::required(
    "DATABASE_URL",
    "mysql://root@127.0.0.1:3306/flysk",
    "MySQL 8 or newer, or MariaDB 10.11 or newer: mysql://user:password@host:port/database. The connection is encrypted where the server offers TLS.\n\
     `cargo xtask` starts a private server when this is not set.",
)
.secret_address();
const MAX_CONNECTIONS: Variable =
    Variable::with_default("FLYSK_DATABASE_MAX_CONNECTIONS", "20", "Connections one process keeps at most.");
const ACQUIRE_TIMEOUT_MS: Variable = Variable::with_default(
    "FLYSK_DATABASE_ACQUIRE_TIMEOUT_MS",
    "5000",
    "How long work waits for a free connection before it fails, in milliseconds.",
);

pub(super) const VARIABLES: &[Variable] = &[URL, MAX_CONNECTIONS, ACQUIRE_TIMEOUT_MS];

/// Where the truth is kept.
#[derive(Debug, Clone)]
pub struct Database {
    /// `DATABASE_URL`: address with user, password and database.
    pub url: SecretString,
    /// `FLYSK_DATABASE_MAX_CONNECTIONS`: size of this process's pool.
    pub max_connections: u32,
    /// `FLYSK_DATABASE_ACQUIRE_TIMEOUT_MS`: longest wait for a connection.
    pub acquire_timeout: Duration,
}

impl Database {
    /// Reads the concern.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let url = vars.secret_url(&URL, &["mysql", "mariadb"]);
            let max_connections = vars.number(&MAX_CONNECTIONS, 1..=1_000);
            let acquire_timeout = vars.millis(&ACQUIRE_TIMEOUT_MS, 10..=120_000);
            Ok(Self { url: url?, max_connections: max_connections?, acquire_timeout: acquire_timeout? })
        })
    }
}
