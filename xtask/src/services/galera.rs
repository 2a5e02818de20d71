//! Three MariaDB servers that form a Galera cluster on the loopback interface.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::mysql::Flavour;
use super::server::ServerSpec;
use super::{Database, Durability, Mysql, Server, port};
use crate::process;
use crate::tools::{self, GALERA, RSYNC, WSREP_SST};

/// What a node logs when it has everything that the cluster has.
const SYNCHRONIZED: &str = "Synchronized with group, ready for connections";
/// Before the position at which a node that was killed goes on.
const RECOVERED: &str = "WSREP: Recovered position:";
/// Position of a node without data of a cluster.
const NO_POSITION: &str = "00000000-0000-0000-0000-000000000000:-1";
/// File in which a node notes its position, and whether it left last.
const STATE_FILE: &str = "grastate.dat";

/// The programs of a Galera cluster.
#[derive(Debug, Clone)]
pub struct Galera {
    mysql: Mysql,
    provider: PathBuf,
}

impl Galera {
    /// Finds the programs; `None` if one is missing, or the system's server is not MariaDB.
    pub fn find() -> Option<Self> {
        let mysql = Mysql::find_for(Database::Galera).filter(|mysql| mysql.flavour() == Flavour::MariaDb)?;
        let _copies_nodes = (WSREP_SST.find()?, RSYNC.find()?);
        Some(Self { mysql, provider: GALERA.find()? })
    }

    /// Finds the programs; installs missing ones.
    pub fn require() -> Result<Self> {
        Mysql::require(Database::Galera)?;
        tools::require(&[&GALERA, &WSREP_SST, &RSYNC])?;
        Self::find().context("a Galera cluster needs MariaDB: unset FLYSK_MYSQLD")
    }

    /// The position at which a node goes on; `None` if it has no data of a cluster.
    ///
    /// A node that was killed does not note its position. Its server finds it (`galera_recovery` of the package does the same).
    fn position(&self, node: &NodePlan<'_>) -> Result<Option<String>> {
        if !node.state_file().exists() {
            return Ok(None);
        }
        let mut command = self.command(node, 0);
        let output = command
            .arg("--wsrep_recover")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .output()
            .context("cannot look for the position of a node")?;
        let log = String::from_utf8_lossy(&output.stderr);
        let Some(position) = log.lines().find_map(|line| line.split_once(RECOVERED)) else {
            bail!("a node's position is unknown:\n{log}");
        };
        let position = position.1.trim().to_owned();
        Ok((position != NO_POSITION).then_some(position))
    }

    fn command(&self, node: &NodePlan<'_>, port: u16) -> Command {
        let NodePlan { number, group, ports, .. } = *node;
        let mut command = self.mysql.command(node.dir, port, node.durability);
        let addresses: Vec<String> =
            group.ports.iter().map(|ports| format!("127.0.0.1:{}", ports.group)).collect();
        let mut provider = std::ffi::OsString::from("--wsrep-provider=");
        provider.push(&self.provider);
        command
            .arg(provider)
            .args(["--wsrep-on=ON", "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2"])
            .args(["--wsrep-slave-threads=4", "--innodb-buffer-pool-size=128M"])
            .arg(format!("--wsrep-cluster-name={}", group.name))
            .arg(format!("--wsrep-cluster-address=gcomm://{}", addresses.join(",")))
            .arg(format!("--wsrep-node-name=node-{number}"))
            .args(["--wsrep-node-address=127.0.0.1", "--wsrep-sst-method=rsync"])
            .arg(format!("--wsrep-node-incoming-address=127.0.0.1:{port}"))
            .arg(format!("--wsrep-sst-receive-address=127.0.0.1:{}", ports.copy))
            .arg(format!(
                "--wsrep-provider-options=base_port={group};gmcast.listen_addr=tcp://127.0.0.1:{group};\
                 ist.recv_addr=127.0.0.1:{rest};gcache.size=64M",
                group = ports.group,
                rest = ports.rest,
            ));
        command
    }

    /// Starts a node and waits until it has everything that the cluster has. `founds`: it is the first of its cluster.
    fn start(&self, node: &NodePlan<'_>, last_port: Option<u16>, founds: bool) -> Result<Server> {
        let (dir, log) = self.mysql.prepare(node.dir)?;
        let node = NodePlan { dir: &dir, ..*node };
        let position = self.position(&node)?;
        if founds {
            mark_as_last(&node.state_file())?;
        }
        let seen = fs::metadata(&log).map_or(0, |log| log.len());
        let command = |port| {
            let mut command = self.command(&node, port);
            command.args(founds.then_some("--wsrep-new-cluster"));
            command.args(position.iter().map(|position| format!("--wsrep-start-position={position}")));
            command
        };
        let is_synchronized = |port| super::mysql::greets(port) && says(&log, seen, SYNCHRONIZED);
        let spec = ServerSpec {
            name: "a node of the cluster",
            log: &log,
            command: &command,
            ready: &is_synchronized,
        };
        Server::start(&spec, &dir, last_port)
    }
}

/// Ports of a node besides that of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct NodePorts {
    /// Messages of the group.
    group: u16,
    /// Transactions that the node missed.
    rest: u16,
    /// A copy of all data.
    copy: u16,
}

impl NodePorts {
    fn pick() -> Result<Self> {
        Ok(Self { group: port::pick(None)?, rest: port::pick(None)?, copy: port::pick(None)? })
    }

    fn are_free(self) -> bool {
        [self.group, self.rest, self.copy].into_iter().all(port::is_free)
    }
}

/// What the nodes know of each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Group {
    name: String,
    ports: Vec<NodePorts>,
}

impl Group {
    fn plan() -> Result<Self> {
        let ports: Vec<NodePorts> =
            (0..GaleraCluster::SIZE).map(|_| NodePorts::pick()).collect::<Result<_>>()?;
        Ok(Self::of(ports))
    }

    fn of(ports: Vec<NodePorts>) -> Self {
        let name = ports.first().map_or_else(String::new, |ports| format!("flysk-{}", ports.group));
        Self { name, ports }
    }
}

/// A node to be started.
#[derive(Clone, Copy)]
struct NodePlan<'a> {
    number: usize,
    dir: &'a Path,
    group: &'a Group,
    ports: NodePorts,
    durability: Durability,
}

impl NodePlan<'_> {
    fn state_file(&self) -> PathBuf {
        self.dir.join("data").join(STATE_FILE)
    }
}

/// The nodes of a cluster. Each takes reads and writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GaleraCluster {
    group: Group,
    /// One for each node.
    pub nodes: Vec<Server>,
}

impl GaleraCluster {
    /// Number of nodes.
    pub const SIZE: usize = 3;

    /// Number of ports of a cluster: of each node for clients, messages of the group, a missed rest and a copy.
    pub const PORTS: usize = 4 * Self::SIZE;

    /// Starts a cluster with data in `dir`; existing data is kept. No node of it may run.
    pub fn start(galera: &Galera, dir: &Path, last: Option<&Self>, durability: Durability) -> Result<Self> {
        let group = last.map(|last| &last.group).filter(|group| group.ports.iter().all(|one| one.are_free()));
        let group = group.cloned().map_or_else(Group::plan, Ok)?;
        let last_ports: Vec<u16> =
            last.map(|last| last.nodes.iter().map(|node| node.port).collect()).unwrap_or_default();
        Self::start_group(galera, dir, group, &last_ports, durability)
    }

    /// The same on the first [`Self::PORTS`] of `ports`, for nodes that are killed and start again there.
    pub fn start_on(galera: &Galera, dir: &Path, ports: &[u16], durability: Durability) -> Result<Self> {
        let mut plan = Vec::new();
        let mut clients = Vec::new();
        for node in ports.chunks(Self::PORTS / Self::SIZE).take(Self::SIZE) {
            let [client, group, rest, copy] = *node else { bail!("a node has four ports, not {node:?}") };
            plan.push(NodePorts { group, rest, copy });
            clients.push(client);
        }
        if plan.len() < Self::SIZE {
            bail!("a cluster has {} ports, not {}", Self::PORTS, ports.len());
        }
        Self::start_group(galera, dir, Group::of(plan), &clients, durability)
    }

    fn start_group(
        galera: &Galera,
        dir: &Path,
        group: Group,
        client_ports: &[u16],
        durability: Durability,
    ) -> Result<Self> {
        let founder = most_advanced(galera, dir, &group, durability)?;
        let mut started: Vec<Option<Server>> = vec![None; Self::SIZE];
        let others = (0..Self::SIZE).filter(|number| *number != founder);
        for number in std::iter::once(founder).chain(others) {
            let node_dir = node_dir(dir, number);
            let ports = group.ports[number];
            let node = NodePlan { number, dir: &node_dir, group: &group, ports, durability };
            match galera.start(&node, client_ports.get(number).copied(), number == founder) {
                Ok(server) => started[number] = Some(server),
                Err(error) => {
                    started.iter().flatten().for_each(Server::kill);
                    return Err(error);
                }
            }
        }
        Ok(Self { group, nodes: started.into_iter().flatten().collect() })
    }

    /// Starts a node again that was killed or stopped, and waits until it has what it missed. The others must run.
    pub fn rejoin(&mut self, galera: &Galera, number: usize, durability: Durability) -> Result<()> {
        let (Some(former), Some(ports)) = (self.nodes.get(number), self.group.ports.get(number).copied())
        else {
            bail!("the cluster has no node {number}");
        };
        let node = NodePlan { number, dir: &former.dir, group: &self.group, ports, durability };
        let server = galera.start(&node, Some(former.port), false)?;
        self.nodes[number] = server;
        Ok(())
    }

    /// URL of each node.
    pub fn node_urls(&self) -> Vec<String> {
        self.nodes.iter().map(Mysql::url).collect()
    }

    /// URL of all nodes, beginning with `first`, which is used while it takes writes.
    pub fn url_from(&self, first: usize) -> String {
        Mysql::url_from(&self.nodes, first)
    }

    /// Kills a node, like a crash.
    pub fn kill_node(&self, number: usize) {
        if let Some(node) = self.nodes.get(number) {
            node.kill();
        }
    }

    /// Stops all nodes, the first one last, so that it has everything.
    pub fn stop(&self) {
        self.nodes.iter().rev().for_each(Server::stop);
    }

    /// Kills all nodes.
    pub fn kill(&self) {
        self.nodes.iter().for_each(Server::kill);
    }
}

/// Directory of a node.
pub(super) fn node_dir(dir: &Path, number: usize) -> PathBuf {
    dir.join(format!("node-{number}"))
}

/// The node that went on longest; the first one of a new cluster.
fn most_advanced(galera: &Galera, dir: &Path, group: &Group, durability: Durability) -> Result<usize> {
    let mut best = (0, -1);
    for (number, ports) in group.ports.iter().copied().enumerate() {
        process::ensure_not_stopped()?;
        let node_dir = node_dir(dir, number);
        let node = NodePlan { number, dir: &node_dir, group, ports, durability };
        let position = galera.position(&node)?;
        let reached = position.as_deref().and_then(sequence_number).unwrap_or(-1);
        if reached > best.1 {
            best = (number, reached);
        }
    }
    Ok(best.0)
}

/// The number of the last transaction of a position (`uuid:number`, or more after a comma).
fn sequence_number(position: &str) -> Option<i64> {
    let (_, number) = position.split(',').next()?.rsplit_once(':')?;
    number.parse().ok()
}

/// Lets a node found the cluster again: Galera refuses that to a node that did not leave last.
fn mark_as_last(state_file: &Path) -> Result<()> {
    let Ok(state) = fs::read_to_string(state_file) else { return Ok(()) };
    let marked = state.replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1");
    fs::write(state_file, marked).with_context(|| format!("cannot write {}", state_file.display()))
}

/// Whether the log contains a text after the first `seen` bytes.
pub(super) fn says(log: &Path, seen: u64, text: &str) -> bool {
    let log = fs::read(log).unwrap_or_default();
    let new = usize::try_from(seen).ok().and_then(|seen| log.get(seen..)).unwrap_or_default();
    String::from_utf8_lossy(new).contains(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_compared_by_their_number() {
        assert_eq!(sequence_number("6a5c2bd8-0000-11ef-8000-000000000000:1234"), Some(1234));
        assert_eq!(sequence_number("6a5c2bd8-0000-11ef-8000-000000000000:12,0-1-7"), Some(12));
        assert_eq!(sequence_number(NO_POSITION), Some(-1));
    }

    #[test]
    fn a_url_lists_the_nodes_beginning_with_the_wanted_one() {
        let node = |port| Server { pid: 1, port, dir: PathBuf::new() };
        let group = Group { name: String::new(), ports: Vec::new() };
        let cluster = GaleraCluster { group, nodes: vec![node(1), node(2), node(3)] };
        let wanted = "mysql://flysk:flysk@127.0.0.1:2,127.0.0.1:3,127.0.0.1:1/flysk";
        assert_eq!(cluster.url_from(1), wanted);
        assert_eq!(cluster.node_urls()[0], "mysql://flysk:flysk@127.0.0.1:1/flysk");
    }
}
