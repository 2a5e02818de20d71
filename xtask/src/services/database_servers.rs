//! The database servers of one [`Database`] that run.

use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{Database, Durability, Galera, GaleraCluster, GroupReplication, Mysql, ReplicationGroup, Server};

/// Executables of a database server, found or installed.
#[derive(Debug, Clone)]
pub enum DatabasePrograms {
    /// One server.
    Single(Mysql),
    /// A Galera cluster.
    Galera(Galera),
    /// A replication group of `MySQL`.
    Group(GroupReplication),
}

impl DatabasePrograms {
    /// Finds the programs that the environment selects; `None` if one is missing.
    pub fn find() -> Option<Self> {
        match Database::from_process().ok()? {
            Database::Galera => Galera::find().map(Self::Galera),
            Database::GroupReplication => GroupReplication::find().map(Self::Group),
            database => Mysql::find_for(database).map(Self::Single),
        }
    }

    /// Finds the programs of this database; installs or unpacks missing ones.
    pub fn require(database: Database) -> Result<Self> {
        match database {
            Database::Galera => Galera::require().map(Self::Galera),
            Database::GroupReplication => GroupReplication::require().map(Self::Group),
            database => Mysql::require(database).map(Self::Single),
        }
    }

    /// Starts the servers with data in `dir`, on the ports of `last` if they are free. None of them may run.
    pub fn start(
        &self,
        dir: &Path,
        last: Option<&DatabaseServers>,
        durability: Durability,
    ) -> Result<DatabaseServers> {
        match (self, last) {
            (Self::Single(mysql), Some(DatabaseServers::Single(last))) => {
                Ok(DatabaseServers::Single(mysql.start(dir, Some(last.port), durability)?))
            }
            (Self::Single(mysql), _) => Ok(DatabaseServers::Single(mysql.start(dir, None, durability)?)),
            (Self::Galera(galera), Some(DatabaseServers::Galera(last))) => {
                GaleraCluster::start(galera, dir, Some(last), durability).map(DatabaseServers::Galera)
            }
            (Self::Galera(galera), _) => {
                GaleraCluster::start(galera, dir, None, durability).map(DatabaseServers::Galera)
            }
            (Self::Group(programs), Some(DatabaseServers::Group(last))) => {
                ReplicationGroup::start(programs, dir, Some(last), durability).map(DatabaseServers::Group)
            }
            (Self::Group(programs), _) => {
                ReplicationGroup::start(programs, dir, None, durability).map(DatabaseServers::Group)
            }
        }
    }
}

/// The servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)] // a server alone is written as it was before there were clusters
pub enum DatabaseServers {
    /// One server.
    Single(Server),
    /// The nodes of a Galera cluster.
    Galera(GaleraCluster),
    /// The members of a replication group.
    Group(ReplicationGroup),
}

impl DatabaseServers {
    /// Whether these are servers of `database`, whose data is in the directory of its name.
    pub(super) fn are_of(&self, database: Database) -> bool {
        match self {
            Self::Single(server) => {
                !matches!(database, Database::Galera | Database::GroupReplication)
                    && server.dir.ends_with(database.name())
            }
            Self::Galera(_) => database == Database::Galera,
            Self::Group(_) => database == Database::GroupReplication,
        }
    }

    /// URL of the server, or of the first node, which takes writes after a start: tests make databases there.
    pub fn url(&self) -> Option<String> {
        self.servers().first().map(|server| Mysql::url(server))
    }

    /// URL of each node of a cluster whose nodes all take writes; `None` for others.
    pub fn node_urls(&self) -> Option<Vec<String>> {
        match self {
            Self::Single(_) | Self::Group(_) => None,
            Self::Galera(cluster) => Some(cluster.node_urls()),
        }
    }

    /// One, or the nodes of the cluster.
    pub fn servers(&self) -> Vec<&Server> {
        match self {
            Self::Single(server) => vec![server],
            Self::Galera(cluster) => cluster.nodes.iter().collect(),
            Self::Group(group) => group.members.iter().collect(),
        }
    }

    /// Whether all servers run.
    pub(super) fn is_complete(&self) -> bool {
        self.servers().into_iter().all(Server::is_alive)
    }

    /// Whether a server runs.
    pub(super) fn is_alive(&self) -> bool {
        self.servers().into_iter().any(Server::is_alive)
    }

    /// Lets them shut down in order.
    pub fn stop(&self) {
        match self {
            Self::Single(server) => server.stop(),
            Self::Galera(cluster) => cluster.stop(),
            Self::Group(group) => group.stop(),
        }
    }

    /// As a power cut would; the directories stay.
    pub fn kill(&self) {
        self.servers().into_iter().for_each(Server::kill);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_one_server_is_read_as_before() {
        let server = Server { pid: 7, port: 3306, dir: "target/services/dev/mariadb".into() };
        let written = serde_json::to_string(&server).unwrap();
        let read: DatabaseServers = serde_json::from_str(&written).unwrap();
        assert_eq!(read, DatabaseServers::Single(server));
        assert!(read.are_of(Database::System) && !read.are_of(Database::Galera));
        assert_eq!(read.url().unwrap(), "mysql://flysk:flysk@127.0.0.1:3306/flysk");
    }
}
