//! MySQL or MariaDB.

use std::time::Duration;

use secrecy::SecretString;

use super::{ConfigError, Env, Variable};

const URL: Variable = Variable::required(
    "DATABASE_URL",
    "mysql://root@127.0.0.1:3306/flysk",
    "MySQL 8 or newer, or MariaDB 10.11 or newer: mysql://user:password@host:port/database.\n\
     TLS is used if the server offers it. `cargo xtask` starts a private server if this is not set.\n\
     Nodes of a cluster: user:password@host:port,host:port/database. The first that takes writes is used.",
)
.secret_address();
const MAX_CONNECTIONS: Variable = Variable::with_default(
    "FLYSK_DATABASE_MAX_CONNECTIONS",
    "20",
    "Maximum size of the connection pool of one process.",
);
const ACQUIRE_TIMEOUT_MS: Variable = Variable::with_default(
    "FLYSK_DATABASE_ACQUIRE_TIMEOUT_MS",
    "5000",
    "Timeout of waiting for a free connection of the pool, in milliseconds.",
);

pub(super) const VARIABLES: &[Variable] = &[URL, MAX_CONNECTIONS, ACQUIRE_TIMEOUT_MS];

/// Connection pool of the database, which stores all state.
#[derive(Debug, Clone)]
pub struct Database {
    /// `DATABASE_URL`: URL with user, password and database; it may list several hosts.
    pub url: SecretString,
    /// `FLYSK_DATABASE_MAX_CONNECTIONS`: size of this process's pool.
    pub max_connections: u32,
    /// `FLYSK_DATABASE_ACQUIRE_TIMEOUT_MS`: timeout of waiting for a free connection.
    pub acquire_timeout: Duration,
}

impl Database {
    /// Reads the variables of the database.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let url = vars.secret_url_of_hosts(&URL, &["mysql", "mariadb"]);
            let max_connections = vars.number(&MAX_CONNECTIONS, 1..=1_000);
            let acquire_timeout = vars.millis(&ACQUIRE_TIMEOUT_MS, 10..=120_000);
            Ok(Self { url: url?, max_connections: max_connections?, acquire_timeout: acquire_timeout? })
        })
    }
}
