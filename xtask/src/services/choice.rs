//! Which database server runs: `FLYSK_DATABASE`.

use anyhow::{Result, bail};

use crate::programs::ReleaseRoot;
use crate::workspace;

/// A database server that the product supports and that can be had here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// Whatever `FLYSK_MYSQLD` names or the system has; `MariaDB`'s packages are installed if there is none.
    System,
    /// `MySQL`: the system's, or the one of Debian unstable in a directory of ours.
    Mysql,
    /// `MariaDB` 11.8 of Debian 13, in a directory of ours.
    MariaDb118,
}

impl Database {
    /// The one that `FLYSK_DATABASE` names.
    pub fn from_process() -> Result<Self> {
        Self::named(workspace::variable(VARIABLE).as_deref())
    }

    fn named(name: Option<&str>) -> Result<Self> {
        match name {
            None | Some("mariadb") => Ok(Self::System),
            Some("mysql") => Ok(Self::Mysql),
            Some("mariadb-11.8") => Ok(Self::MariaDb118),
            Some(other) => {
                bail!("{VARIABLE}={other}: no such server; there are mariadb, mysql and mariadb-11.8")
            }
        }
    }

    /// The value of `FLYSK_DATABASE` that names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "mariadb",
            Self::Mysql => "mysql",
            Self::MariaDb118 => "mariadb-11.8",
        }
    }

    /// The release of Debian that has it, where the system's packages do not.
    pub(super) fn root(self) -> Option<&'static ReleaseRoot> {
        match self {
            Self::System => None,
            Self::Mysql => Some(&MYSQL_ROOT),
            Self::MariaDb118 => Some(&MARIADB_11_8_ROOT),
        }
    }
}

/// Names the server.
pub const VARIABLE: &str = "FLYSK_DATABASE";

/// `MySQL` left Debian's stable releases; unstable still has it.
const MYSQL_ROOT: ReleaseRoot = ReleaseRoot {
    name: "mysql",
    suite: "sid",
    packages: "mysql-server-core,mysql-client-core",
    server: "usr/sbin/mysqld",
    messages: "usr/share/mysql",
};

/// `MariaDB` 11.8 is Debian 13's.
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
        for database in [Database::System, Database::Mysql, Database::MariaDb118] {
            assert_eq!(Database::named(Some(database.name())).unwrap(), database);
        }
        assert_eq!(Database::named(None).unwrap(), Database::System);
        let error = Database::named(Some("postgres")).unwrap_err().to_string();
        assert!(error.contains("mariadb-11.8"), "{error}");
    }
}
