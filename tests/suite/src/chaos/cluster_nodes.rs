//! The nodes of a cluster of databases: of Galera, or of the kind that `FLYSK_DATABASE` selects.

use std::path::Path;

use anyhow::Context as _;
use xtask::services::{
    DatabasePrograms, Durability, Galera, GaleraCluster, GroupReplication, ReplicationGroup, Server,
};

use crate::ports::quiet_port;

/// The nodes and their programs.
#[derive(Debug)]
pub(super) enum ClusterNodes {
    /// All nodes take writes.
    Galera(Galera, GaleraCluster),
    /// The primary takes writes.
    Group(GroupReplication, ReplicationGroup),
}

impl ClusterNodes {
    /// Starts the nodes with data in `dir`.
    pub(super) fn start(dir: &Path) -> anyhow::Result<Self> {
        if let Some(DatabasePrograms::Group(programs)) = DatabasePrograms::find() {
            let ports = quiet_ports(ReplicationGroup::PORTS)?;
            let group = ReplicationGroup::start_on(&programs, dir, &ports, Durability::Process)?;
            return Ok(Self::Group(programs, group));
        }
        let galera = Galera::find().context(
            "no Galera cluster: run `FLYSK_DATABASE=galera cargo xtask test`, which installs its packages",
        )?;
        let ports = quiet_ports(GaleraCluster::PORTS)?;
        let cluster = GaleraCluster::start_on(&galera, dir, &ports, Durability::Process)?;
        Ok(Self::Galera(galera, cluster))
    }

    /// The servers.
    pub(super) fn servers(&self) -> &[Server] {
        match self {
            Self::Galera(_, cluster) => &cluster.nodes,
            Self::Group(_, group) => &group.members,
        }
    }

    /// Starts a node again, which may be frozen, and waits until it has what it missed.
    pub(super) fn rejoin(&mut self, dir: &Path, number: usize) -> anyhow::Result<()> {
        match self {
            Self::Galera(galera, cluster) => {
                cluster.kill_node(number);
                cluster.rejoin(galera, number, Durability::Process)
            }
            Self::Group(programs, group) => {
                group.kill_member(number);
                group.rejoin(programs, dir, number, Durability::Process)
            }
        }
    }

    /// Starts all nodes after they were killed.
    pub(super) fn start_again(&mut self, dir: &Path) -> anyhow::Result<()> {
        match self {
            Self::Galera(galera, cluster) => {
                let last = cluster.clone();
                *cluster = GaleraCluster::start(galera, dir, Some(&last), Durability::Process)?;
            }
            Self::Group(programs, group) => {
                let last = group.clone();
                *group = ReplicationGroup::start(programs, dir, Some(&last), Durability::Process)?;
            }
        }
        Ok(())
    }

    /// Kills all nodes.
    pub(super) fn kill(&self) {
        self.servers().iter().for_each(Server::kill);
    }
}

fn quiet_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    (0..count).map(|_| quiet_port()).collect()
}
