//! The database of a test: one server, or a cluster of three nodes.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;
use xtask::services::{DatabasePrograms, Durability, GaleraCluster, Mysql, Server};

use super::cluster_nodes::ClusterNodes;
use super::directory::own_directory;
use super::freeze;
use super::link::Link;
use crate::ports::quiet_port;

/// How a node goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeDeparture {
    /// Its process is killed: connections break.
    Killed,
    /// Its process is stopped: it accepts connections and answers nothing.
    Frozen,
}

/// Three nodes of a Galera cluster, which all take writes, or of the cluster that the environment selects. Killed on drop.
#[derive(Debug)]
pub struct TestCluster {
    nodes: ClusterNodes,
    dir: TempDir,
}

impl TestCluster {
    /// Number of nodes.
    pub const SIZE: usize = GaleraCluster::SIZE;

    /// Starts the nodes.
    pub fn start() -> anyhow::Result<Self> {
        let dir = own_directory()?;
        Ok(Self { nodes: ClusterNodes::start(dir.path())?, dir })
    }

    /// Address of all nodes. A client uses the first one that takes writes, beginning with node `first`, counted round.
    pub fn url_from(&self, first: usize) -> String {
        Mysql::url_from(self.nodes.servers(), first % Self::SIZE)
    }

    /// Whether one node takes writes, the primary, and not all.
    pub fn has_one_primary(&self) -> bool {
        matches!(self.nodes, ClusterNodes::Group(..))
    }

    /// Address of one node.
    pub fn node_url(&self, number: usize) -> anyhow::Result<String> {
        Ok(Mysql::url(self.node(number)?))
    }

    /// The node with this port for clients.
    pub fn node_at(&self, port: u16) -> Option<usize> {
        self.nodes.servers().iter().position(|node| node.port == port)
    }

    /// A node goes.
    pub fn depart(&self, number: usize, departure: NodeDeparture) -> anyhow::Result<()> {
        let node = self.node(number)?;
        match departure {
            NodeDeparture::Killed => node.kill(),
            NodeDeparture::Frozen => freeze(node)?,
        }
        Ok(())
    }

    /// The node that went starts again on its port. Returns when it has what it missed.
    pub fn rejoin(&mut self, number: usize) -> anyhow::Result<()> {
        let port = self.node(number)?.port;
        self.nodes.rejoin(self.dir.path(), number)?;
        ensure!(self.node(number)?.port == port, "port {port} is in use");
        Ok(())
    }

    /// Kills all nodes and starts them again.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.stop();
        self.start_again()
    }

    fn stop(&self) {
        self.nodes.kill();
    }

    fn start_again(&mut self) -> anyhow::Result<()> {
        let ports = self.ports();
        self.nodes.start_again(self.dir.path())?;
        ensure!(self.ports() == ports, "a port of the cluster is in use");
        Ok(())
    }

    fn ports(&self) -> Vec<u16> {
        self.nodes.servers().iter().map(|node| node.port).collect()
    }

    fn node(&self, number: usize) -> anyhow::Result<&Server> {
        self.nodes.servers().get(number).context("no such node")
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        self.nodes.kill();
    }
}

#[derive(Debug)]
pub(super) enum FleetDatabase {
    /// One server.
    Single {
        /// Its programs.
        mysql: Mysql,
        /// Its process, or its last one.
        server: Server,
    },
    /// A cluster, whose nodes the clients share out.
    Cluster(TestCluster),
}

impl FleetDatabase {
    /// What the environment selects: one server with data in `dir`, or a cluster.
    pub(super) fn start(dir: &Path) -> anyhow::Result<Self> {
        let programs = DatabasePrograms::find()
            .context("no database server: run `cargo xtask test`, which installs it")?;
        match programs {
            DatabasePrograms::Single(mysql) => {
                let server = mysql.start(dir, Some(quiet_port()?), Durability::Process)?;
                Ok(Self::Single { mysql, server })
            }
            DatabasePrograms::Galera(_) | DatabasePrograms::Group(_) => {
                Ok(Self::Cluster(TestCluster::start()?))
            }
        }
    }

    /// Address for a client. On a cluster, consecutive clients use consecutive nodes; client 0 is the test.
    pub(super) fn url(&self, client: usize) -> String {
        match self {
            Self::Single { server, .. } => Mysql::url(server),
            Self::Cluster(cluster) => cluster.url_from(client),
        }
    }

    /// Address of one server: for a client that does not follow the cluster.
    pub(super) fn node_url(&self, client: usize) -> String {
        match self {
            Self::Single { server, .. } => Mysql::url(server),
            Self::Cluster(cluster) => Mysql::url(&cluster.nodes.servers()[client % TestCluster::SIZE]),
        }
    }

    /// A link to the server, or to the test's node of a cluster, and the address through the link.
    pub(super) async fn link(&self) -> anyhow::Result<(Link, String)> {
        let server = match self {
            Self::Single { server, .. } => server,
            Self::Cluster(cluster) => cluster.node(0)?,
        };
        let link = Link::to(server.port).await?;
        let url = Mysql::url(&Server { port: link.port, ..server.clone() });
        Ok((link, url))
    }

    pub(super) fn cluster(&mut self) -> anyhow::Result<&mut TestCluster> {
        match self {
            Self::Single { .. } => bail!("the fleet has one database server"),
            Self::Cluster(cluster) => Ok(cluster),
        }
    }

    /// Kills the server, or all nodes.
    pub(super) fn stop(&self) {
        match self {
            Self::Single { server, .. } => server.kill(),
            Self::Cluster(cluster) => cluster.stop(),
        }
    }

    /// Starts it again on its port.
    pub(super) fn start_again(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Single { mysql, server } => {
                let port = server.port;
                *server = mysql.start(&server.dir, Some(port), Durability::Process)?;
                ensure!(server.port == port, "port {port} is in use");
                Ok(())
            }
            Self::Cluster(cluster) => cluster.start_again(),
        }
    }

    /// Kills the server and starts it again; of a cluster, the node that the test uses.
    pub(super) fn restart(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Single { .. } => {
                self.stop();
                self.start_again()
            }
            Self::Cluster(cluster) => {
                cluster.depart(0, NodeDeparture::Killed)?;
                cluster.rejoin(0)
            }
        }
    }
}

impl Drop for FleetDatabase {
    fn drop(&mut self) {
        self.stop();
    }
}
