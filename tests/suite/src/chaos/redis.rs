//! The Redis of a test: one server, or a primary with a replica and sentinels that fail over.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use xtask::services::{Redis, SentinelGroup, Server};

use super::directory::own_directory;
use super::freeze;
use crate::ports::quiet_port;

/// A sentinel counts a server as down that does not answer for this long.
const DOWN_AFTER: Duration = Duration::from_secs(1);

/// How the primary goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// Its process is killed.
    Killed,
    /// Its process is stopped: it accepts connections and answers nothing.
    Frozen,
    /// A sentinel exchanges it for the replica while it runs.
    Demoted,
}

/// A primary, its replica and three sentinels. Killed on drop.
#[derive(Debug)]
pub struct RedisWithSentinels {
    redis: Redis,
    group: SentinelGroup,
    last_departure: Option<Departure>,
    _dir: TempDir,
}

impl RedisWithSentinels {
    /// Starts the servers and waits until a failover is possible.
    pub fn start() -> anyhow::Result<Self> {
        let redis = find_redis()?;
        let dir = own_directory()?;
        let ports = (0..SentinelGroup::SIZE).map(|_| quiet_port()).collect::<anyhow::Result<Vec<u16>>>()?;
        let group = SentinelGroup::start(&redis, dir.path(), &ports, DOWN_AFTER)?;
        Ok(Self { redis, group, last_departure: None, _dir: dir })
    }

    /// Address through the sentinels.
    pub fn url(&self) -> String {
        self.group.url()
    }

    /// Address of the server that is the primary now.
    pub fn primary_url(&self) -> anyhow::Result<String> {
        Ok(Redis::url(self.group.primary()?))
    }

    /// The primary goes. Returns when the sentinels call the replica the primary, with this moment.
    pub fn fail_over(&mut self, departure: Departure) -> anyhow::Result<Instant> {
        let primary = self.group.primary()?;
        let port = primary.port;
        match departure {
            Departure::Killed => primary.kill(),
            Departure::Frozen => freeze(primary)?,
            Departure::Demoted => self.group.fail_over()?,
        }
        self.last_departure = Some(departure);
        self.group.wait_for_another_primary(port)?;
        Ok(Instant::now())
    }

    /// The server that went becomes the replica. Returns when the next failover is possible.
    pub fn restore(&mut self) -> anyhow::Result<()> {
        let primary = self.group.primary()?.port;
        if self.last_departure.take() == Some(Departure::Frozen) {
            self.group.nodes.iter().filter(|node| node.port != primary).for_each(Server::kill);
        }
        self.group.revive(&self.redis)
    }
}

impl Drop for RedisWithSentinels {
    fn drop(&mut self) {
        self.group.kill();
    }
}

/// The executable of Redis, or of Valkey if the tests run on it.
pub fn find_redis() -> anyhow::Result<Redis> {
    Redis::find().context("no Redis server: run `cargo xtask test`, which installs it")
}

#[derive(Debug)]
pub(super) enum FleetRedis {
    /// One server.
    Single {
        /// Its executable.
        redis: Redis,
        /// Its process, or its last one.
        server: Server,
    },
    /// A primary, a replica and sentinels.
    WithSentinels(RedisWithSentinels),
}

impl FleetRedis {
    /// One server with data in `dir`.
    pub(super) fn single(dir: &Path) -> anyhow::Result<Self> {
        let redis = find_redis()?;
        let server = redis.start(dir, Some(quiet_port()?))?;
        Ok(Self::Single { redis, server })
    }

    /// Address that workers get.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Single { server, .. } => Redis::url(server),
            Self::WithSentinels(redis) => redis.url(),
        }
    }

    /// Address of the server that is the primary now.
    pub(super) fn primary_url(&self) -> anyhow::Result<String> {
        match self {
            Self::Single { server, .. } => Ok(Redis::url(server)),
            Self::WithSentinels(redis) => redis.primary_url(),
        }
    }

    /// Kills the single server.
    pub(super) fn stop(&self) {
        if let Self::Single { server, .. } = self {
            server.kill();
        }
    }

    /// Starts the single server again on its port.
    pub(super) fn start_again(&mut self) -> anyhow::Result<()> {
        let Self::Single { redis, server } = self else { bail!("a group is restored, not restarted") };
        let port = server.port;
        *server = redis.start(&server.dir, Some(port))?;
        if server.port == port { Ok(()) } else { bail!("port {port} is in use") }
    }

    /// The servers with sentinels.
    pub(super) fn with_sentinels(&mut self) -> anyhow::Result<&mut RedisWithSentinels> {
        match self {
            Self::Single { .. } => bail!("the fleet has one Redis"),
            Self::WithSentinels(redis) => Ok(redis),
        }
    }
}

impl Drop for FleetRedis {
    fn drop(&mut self) {
        self.stop();
    }
}
