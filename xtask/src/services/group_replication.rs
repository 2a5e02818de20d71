//! Three `MySQL` servers that form a replication group with one primary on the loopback interface.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::galera::{node_dir, says};
use super::mysql::Flavour;
use super::server::ServerSpec;
use super::{Database, Durability, Mysql, Server, port};

/// What a member logs when it has everything that the group has.
const ONLINE: &str = "This server was declared online within the replication group";
/// What the first member logs when it takes writes.
const PRIMARY: &str = "This server is working as primary member";

/// Statements executed at each start of a member, before it joins. They are not replicated: each member executes them. The last one
/// names the user with which a member gets what it missed.
const INIT_SQL: &str = "\
SET SQL_LOG_BIN = 0;
SET GLOBAL super_read_only = OFF;
CREATE DATABASE IF NOT EXISTS flysk CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
CREATE USER IF NOT EXISTS 'flysk'@'127.0.0.1' IDENTIFIED BY 'flysk';
GRANT ALL PRIVILEGES ON *.* TO 'flysk'@'127.0.0.1' WITH GRANT OPTION;
CHANGE REPLICATION SOURCE TO SOURCE_USER = 'flysk', SOURCE_PASSWORD = 'flysk' FOR CHANNEL 'group_replication_recovery';
";

/// The program of a replication group.
#[derive(Debug, Clone)]
pub struct GroupReplication {
    mysql: Mysql,
}

impl GroupReplication {
    /// Finds the program; `None` if it is missing, or the server is not `MySQL`.
    pub fn find() -> Option<Self> {
        let mysql = Mysql::find_for(Database::GroupReplication);
        mysql.filter(|mysql| mysql.flavour() == Flavour::MySql).map(|mysql| Self { mysql })
    }

    /// Finds the program; unpacks a missing one.
    pub fn require() -> Result<Self> {
        Mysql::require(Database::GroupReplication)?;
        Self::find().context("a replication group needs MySQL: unset FLYSK_MYSQLD")
    }

    /// Starts a member and waits until it has everything that the group has. `founds`: it is the first of its group.
    fn start(&self, member: &MemberPlan<'_>, last_port: Option<u16>, founds: bool) -> Result<Server> {
        let (dir, log) = self.mysql.prepare(&node_dir(member.dir, member.number))?;
        fs::write(dir.join("at-start.sql"), INIT_SQL).context("cannot write the start-up statements")?;
        give_own_identity(&dir)?;
        let seen = fs::metadata(&log).map_or(0, |log| log.len());
        let command = |port| self.command(&dir, member, port, founds);
        let wanted = if founds { PRIMARY } else { ONLINE };
        let has_joined = |port| super::mysql::greets(port) && says(&log, seen, wanted);
        let spec =
            ServerSpec { name: "a member of the group", log: &log, command: &command, ready: &has_joined };
        Server::start(&spec, &dir, last_port)
    }

    fn command(&self, dir: &Path, member: &MemberPlan<'_>, port: u16, founds: bool) -> Command {
        let MemberPlan { number, group, durability, .. } = *member;
        let mut command = self.mysql.command(dir, port, durability);
        let addresses: Vec<String> =
            group.message_ports.iter().map(|messages| format!("127.0.0.1:{messages}")).collect();
        let flush = match durability {
            Durability::Process => "--sync-binlog=0",
            Durability::Machine => "--sync-binlog=1",
        };
        command
            // These replace options of a server alone.
            .args(["--log-bin=binlog", "--performance-schema=ON", "--innodb-buffer-pool-size=128M", flush])
            .arg(format!("--server-id={}", number + 1))
            .arg("--report-host=127.0.0.1")
            .arg(format!("--report-port={port}"))
            .args(["--gtid-mode=ON", "--enforce-gtid-consistency=ON"])
            .arg("--plugin-load-add=group_replication.so")
            .arg(format!("--group-replication-group-name={}", group.name))
            .arg(format!("--group-replication-local-address={}", addresses[number]))
            .arg(format!("--group-replication-group-seeds={}", addresses.join(",")))
            .arg("--group-replication-recovery-get-public-key=ON")
            .arg("--group-replication-consistency=BEFORE_ON_PRIMARY_FAILOVER")
            .arg("--group-replication-member-expel-timeout=0")
            .arg("--group-replication-unreachable-majority-timeout=10")
            .arg("--group-replication-exit-state-action=READ_ONLY")
            .arg("--group-replication-message-cache-size=134217728")
            .arg("--group-replication-start-on-boot=ON")
            .arg(format!("--group-replication-bootstrap-group={}", if founds { "ON" } else { "OFF" }));
        command
    }
}

/// A member to be started.
#[derive(Clone, Copy)]
struct MemberPlan<'a> {
    number: usize,
    /// Directory of the group.
    dir: &'a Path,
    group: &'a ReplicationGroup,
    durability: Durability,
}

/// The members of a group. The first one is the primary, until it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicationGroup {
    name: String,
    /// Ports for messages of the group.
    message_ports: Vec<u16>,
    /// The servers.
    pub members: Vec<Server>,
}

impl ReplicationGroup {
    /// Number of members.
    pub const SIZE: usize = 3;

    /// Number of ports of a group: of each member for clients and for messages of the group.
    pub const PORTS: usize = 2 * Self::SIZE;

    /// Starts a group with data in `dir`; existing data is kept. No member of it may run.
    ///
    /// The first member founds the group again. It has everything if it was stopped last.
    pub fn start(
        programs: &GroupReplication,
        dir: &Path,
        last: Option<&Self>,
        durability: Durability,
    ) -> Result<Self> {
        let last_ports = last.map(|last| last.message_ports.clone());
        let message_ports = match last_ports.filter(|ports| ports.iter().copied().all(port::is_free)) {
            Some(ports) => ports,
            None => (0..Self::SIZE).map(|_| port::pick(None)).collect::<Result<_>>()?,
        };
        let client_ports: Vec<u16> =
            last.map(|last| last.members.iter().map(|member| member.port).collect()).unwrap_or_default();
        Self::start_members(programs, dir, message_ports, &client_ports, durability)
    }

    /// The same on the first [`Self::PORTS`] of `ports`, for members that are killed and start again there.
    pub fn start_on(
        programs: &GroupReplication,
        dir: &Path,
        ports: &[u16],
        durability: Durability,
    ) -> Result<Self> {
        if ports.len() < Self::PORTS {
            bail!("a group has {} ports, not {}", Self::PORTS, ports.len());
        }
        let (client_ports, rest) = ports.split_at(Self::SIZE);
        let message_ports = rest.iter().copied().take(Self::SIZE).collect();
        Self::start_members(programs, dir, message_ports, client_ports, durability)
    }

    fn start_members(
        programs: &GroupReplication,
        dir: &Path,
        message_ports: Vec<u16>,
        client_ports: &[u16],
        durability: Durability,
    ) -> Result<Self> {
        let name = message_ports.first().copied().map_or_else(String::new, group_name);
        let mut group = Self { name, message_ports, members: Vec::new() };
        for number in 0..Self::SIZE {
            let member = MemberPlan { number, dir, group: &group, durability };
            match programs.start(&member, client_ports.get(number).copied(), number == 0) {
                Ok(server) => group.members.push(server),
                Err(error) => {
                    group.kill();
                    return Err(error);
                }
            }
        }
        Ok(group)
    }

    /// Starts a member again that was killed or stopped, and waits until it has what it missed. The others must run. `dir` is that
    /// of the group.
    pub fn rejoin(
        &mut self,
        programs: &GroupReplication,
        dir: &Path,
        number: usize,
        durability: Durability,
    ) -> Result<()> {
        let Some(former) = self.members.get(number) else { bail!("the group has no member {number}") };
        let port = former.port;
        let member = MemberPlan { number, dir, group: self, durability };
        let server = programs.start(&member, Some(port), false)?;
        self.members[number] = server;
        Ok(())
    }

    /// Kills a member, like a crash.
    pub fn kill_member(&self, number: usize) {
        if let Some(member) = self.members.get(number) {
            member.kill();
        }
    }

    /// Stops all members, the first one last, so that it has everything.
    pub fn stop(&self) {
        self.members.iter().rev().for_each(Server::stop);
    }

    /// Kills all members.
    pub fn kill(&self) {
        self.members.iter().for_each(Server::kill);
    }
}

/// The name of a group, a UUID that differs between groups that run at once.
fn group_name(port: u16) -> String {
    format!("8a94f357-aab4-11df-86ab-{port:012}")
}

/// Removes the identity that a new data directory has from its template, once: the server makes one of its own.
fn give_own_identity(dir: &Path) -> Result<()> {
    let marker = dir.join("own-identity");
    if marker.exists() {
        return Ok(());
    }
    let identity = dir.join("data").join("auto.cnf");
    if identity.exists() {
        fs::remove_file(&identity).with_context(|| format!("cannot remove {}", identity.display()))?;
    }
    fs::write(marker, "").context("cannot mark the identity of a member")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_group_is_a_uuid() {
        assert_eq!(group_name(37_101), "8a94f357-aab4-11df-86ab-000000037101");
        assert_eq!(group_name(1).len(), 36);
    }

    #[test]
    fn a_member_gets_an_identity_of_its_own_once() {
        let dir = std::env::temp_dir().join(format!("flysk-own-identity-{}", std::process::id()));
        let identity = dir.join("data/auto.cnf");
        fs::create_dir_all(dir.join("data")).unwrap();
        fs::write(&identity, "of the template").unwrap();
        give_own_identity(&dir).unwrap();
        assert!(!identity.exists());
        fs::write(&identity, "its own").unwrap();
        give_own_identity(&dir).unwrap();
        assert!(identity.exists(), "it is kept");
        fs::remove_dir_all(dir).unwrap();
    }
}
