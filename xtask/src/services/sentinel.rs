//! A primary, its replica, and three sentinels that make the replica the primary if the primary is gone.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::ask::ask;
use super::{Redis, Server};
use crate::process;

/// Name under which the sentinels monitor the primary.
const SERVICE: &str = "flysk";
/// Redis servers of a group.
const NODES: usize = 2;
/// Sentinels of a group.
const SENTINELS: usize = 3;
/// Sentinels that must agree that the primary is down.
const QUORUM: usize = 2;
/// Timeout of a replica's first copy, and of the sentinels' meeting, which greet each other every 2 s.
const READY_TIMEOUT: Duration = Duration::from_mins(5);
const FAILOVER_TIMEOUT: Duration = Duration::from_mins(5);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Two Redis servers, one of them the primary, and their sentinels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentinelGroup {
    /// The Redis servers. The first is the primary until a failover.
    pub nodes: Vec<Server>,
    /// Each watches the primary.
    pub sentinels: Vec<Server>,
}

impl SentinelGroup {
    /// Number of servers.
    pub const SIZE: usize = NODES + SENTINELS;

    /// Starts the servers, on `ports` if they are free (first those of Redis), and waits until a failover is possible. A server
    /// that does not answer for `down_after` is down.
    pub fn start(redis: &Redis, dir: &Path, ports: &[u16], down_after: Duration) -> Result<Self> {
        let mut group = Self { nodes: Vec::new(), sentinels: Vec::new() };
        let started =
            group.start_servers(redis, dir, ports, down_after).and_then(|()| group.wait_until_ready());
        if started.is_err() {
            group.kill();
        }
        started.map(|()| group)
    }

    fn start_servers(
        &mut self,
        redis: &Redis,
        dir: &Path,
        ports: &[u16],
        down_after: Duration,
    ) -> Result<()> {
        let mut ports = ports.iter().copied();
        let primary = redis.start(&dir.join("node-0"), ports.next())?;
        let primary_port = primary.port;
        self.nodes.push(primary);
        let replica = redis.start_with(&dir.join("node-1"), ports.next(), &replica_of(primary_port))?;
        let replica_port = replica.port;
        self.nodes.push(replica);
        // A sentinel asks the primary for its replicas at once, and then only every 10 s.
        wait_until("the replica has no copy of the primary's data", || has_copy(replica_port))?;
        let directives = directives(primary_port, down_after);
        for index in 0..SENTINELS {
            let dir = dir.join(format!("sentinel-{index}"));
            self.sentinels.push(redis.start_sentinel(&dir, ports.next(), &directives)?);
        }
        Ok(())
    }

    /// Ports of all servers, in the order in which they are started.
    pub(super) fn ports(&self) -> Vec<u16> {
        self.nodes.iter().chain(&self.sentinels).map(|server| server.port).collect()
    }

    /// Address of the primary through the sentinels.
    pub fn url(&self) -> String {
        let sentinels: Vec<String> =
            self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect();
        format!("redis+sentinel://{}/{SERVICE}/0", sentinels.join(","))
    }

    /// All servers, sentinels first, so that they see no server end.
    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        self.sentinels.iter().chain(&self.nodes)
    }

    /// Kills all servers.
    pub fn kill(&self) {
        self.servers().for_each(Server::kill);
    }

    /// The server that the sentinels call the primary.
    pub fn primary(&self) -> Result<&Server> {
        let named = |sentinel: &Server| {
            let answer = ask(sentinel.port, &format!("SENTINEL GET-MASTER-ADDR-BY-NAME {SERVICE}")).ok()?;
            let port: u16 = answer.get(1)?.parse().ok()?;
            self.nodes.iter().find(|node| node.port == port)
        };
        self.sentinels.iter().find_map(named).context("no sentinel knows the primary")
    }

    /// Makes the replica the primary while both run.
    pub fn fail_over(&self) -> Result<()> {
        let command = format!("SENTINEL FAILOVER {SERVICE}");
        let first = self.sentinels.first().context("the group has no sentinel")?;
        ask(first.port, &command).map(drop).context("the sentinel begins no failover")
    }

    /// Waits until the sentinels call another server than that of `port` the primary and it agrees.
    pub fn wait_for_another_primary(&self, port: u16) -> Result<()> {
        let deadline = Instant::now() + FAILOVER_TIMEOUT;
        while Instant::now() < deadline {
            let is_primary = |node: &Server| {
                ask(node.port, "ROLE").is_ok_and(|role| role.first().is_some_and(|role| role == "master"))
            };
            if self.primary().is_ok_and(|node| node.port != port && is_primary(node)) {
                return Ok(());
            }
            process::ensure_not_stopped()?;
            thread::sleep(POLL_INTERVAL);
        }
        bail!("no failover within {} s", FAILOVER_TIMEOUT.as_secs())
    }

    /// Starts the servers that do not run as replicas of the primary, and waits until a failover is possible.
    pub fn revive(&mut self, redis: &Redis) -> Result<()> {
        let primary_port = self.primary()?.port;
        for node in &mut self.nodes {
            if !node.is_alive() {
                let started = redis.start_with(&node.dir, Some(node.port), &replica_of(primary_port))?;
                if started.port != node.port {
                    started.kill();
                    bail!("port {} is in use", node.port);
                }
                *node = started;
            }
        }
        self.wait_until_ready()
    }

    /// Waits until each sentinel knows the others and a replica with a copy of the primary's data.
    fn wait_until_ready(&self) -> Result<()> {
        wait_until("the sentinels are not ready for a failover", || {
            self.sentinels.iter().all(|sentinel| knows_the_group(sentinel.port))
        })
    }
}

fn knows_the_group(sentinel_port: u16) -> bool {
    let quorum = ask(sentinel_port, &format!("SENTINEL CKQUORUM {SERVICE}")).unwrap_or_default();
    let replicas = ask(sentinel_port, &format!("SENTINEL REPLICAS {SERVICE}")).unwrap_or_default();
    let field = |name: &str| {
        let index = replicas.iter().position(|field| field == name)?;
        replicas.get(index + 1).map(String::as_str)
    };
    quorum.iter().any(|answer| answer.starts_with(&format!("OK {SENTINELS} usable")))
        && field("flags") == Some("slave")
        && field("master-link-status") == Some("ok")
}

fn has_copy(replica_port: u16) -> bool {
    let info = ask(replica_port, "INFO replication").unwrap_or_default();
    info.iter().any(|text| text.contains("master_link_status:up"))
}

fn wait_until(problem: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + READY_TIMEOUT;
    while !holds() {
        if Instant::now() > deadline {
            bail!("{problem} after {} s", READY_TIMEOUT.as_secs());
        }
        process::ensure_not_stopped()?;
        thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}

/// Options of a replica of the server on this port.
fn replica_of(primary_port: u16) -> Vec<String> {
    vec!["--replicaof".to_owned(), "127.0.0.1".to_owned(), primary_port.to_string()]
}

/// Configuration of a sentinel. A failover may follow another one after twice its timeout.
fn directives(primary_port: u16, down_after: Duration) -> String {
    let down_after_ms = down_after.as_millis();
    format!(
        "sentinel monitor {SERVICE} 127.0.0.1 {primary_port} {QUORUM}\n\
         sentinel down-after-milliseconds {SERVICE} {down_after_ms}\n\
         sentinel failover-timeout {SERVICE} {}\n\
         sentinel parallel-syncs {SERVICE} 1\n",
        2 * down_after_ms
    )
}
