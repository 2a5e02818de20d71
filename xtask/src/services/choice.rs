//! Selection of the database server with `FLYSK_DATABASE`.

use anyhow::{Result, bail};

use crate::tools::ReleaseRoot;
use crate::workspace;

/// A supported database server that xtask can provide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// The executable of `FLYSK_MYSQLD` or the system's server; installs `MariaDB` packages if there is none.
    System,
    /// `MySQL`: the system's, or one from Debian unstable, unpacked below `target/roots`.
    Mysql,
    /// `MariaDB` 11.8 from Debian 13, unpacked below `target/roots`.
    MariaDb118,
    /// The system's `MariaDB` as a Galera cluster of three nodes; installs its packages if they are missing.
    Galera,
    /// [`Database::Mysql`] as a replication group of three members with one primary.
    GroupReplication,
}

impl Database {
    /// Reads `FLYSK_DATABASE`.
    pub fn from_process() -> Result<Self> {
        workspace::variable(VARIABLE).map_or(Ok(Self::System), |name| Self::named(&name))
    }

    /// The server of this name.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "mariadb" => Ok(Self::System),
            "mysql" => Ok(Self::Mysql),
            "mariadb-11.8" => Ok(Self::MariaDb118),
            "galera" => Ok(Self::Galera),
            "group-replication" => Ok(Self::GroupReplication),
            other => bail!(
                "{VARIABLE}={other}: unknown server; use mariadb, mysql, mariadb-11.8, galera or group-replication"
            ),
        }
    }

    /// The value of `FLYSK_DATABASE` for this server.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "mariadb",
            Self::Mysql => "mysql",
            Self::MariaDb118 => "mariadb-11.8",
            Self::Galera => "galera",
            Self::GroupReplication => "group-replication",
        }
    }

    /// The Debian release to unpack if the system's packages lack the server.
    pub(super) fn root(self) -> Option<&'static ReleaseRoot> {
        match self {
            Self::System | Self::Galera => None,
            Self::Mysql | Self::GroupReplication => Some(&MYSQL_ROOT),
            Self::MariaDb118 => Some(&MARIADB_11_8_ROOT),
        }
    }
}

/// Variable that selects the server.
pub const VARIABLE: &str = "FLYSK_DATABASE";

/// `MySQL` is not in Debian's stable releases any more, only in unstable.
const MYSQL_ROOT: ReleaseRoot = ReleaseRoot {
    name: "mysql",
    suite: "sid",
    packages: "mysql-server-core,mysql-client-core",
    server: "usr/sbin/mysqld",
    messages: "usr/share/mysql",
};

/// Debian 13 contains `MariaDB` 11.8.
const MARIADB_11_8_ROOT: ReleaseRoot = ReleaseRoot {
    name: "mariadb-11.8",
    suite: "trixie",
    packages: "mariadb-server-core,mariadb-client-core",
    server: "usr/sbin/mariadbd",
    messages: "usr/share/mysql",
};

#[cfg(test)]
mod tests {
    use super::Database;

    #[test]
    fn every_server_is_named_and_nothing_else_is() {
        for database in [
            Database::System,
            Database::Mysql,
            Database::MariaDb118,
            Database::Galera,
            Database::GroupReplication,
        ] {
            assert_eq!(Database::named(database.name()).unwrap(), database);
        }
        let error = Database::named("postgres").unwrap_err().to_string();
        assert!(error.contains("galera"), "{error}");
    }
}
