//! The servers of wake-ups and limits that run.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{Cache, Redis, SentinelGroup, Server};

/// Time without an answer after which a sentinel of a development or test group counts a server as down. Long, so that a busy
/// machine causes no failover.
const DOWN_AFTER: Duration = Duration::from_secs(10);

/// The servers of one [`Cache`] that run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CacheServers {
    /// One Redis or Valkey.
    Single {
        /// Which of the two.
        cache: Cache,
        /// The server.
        server: Server,
    },
    /// A primary, a replica and their sentinels.
    Sentinel(SentinelGroup),
}

impl CacheServers {
    /// Starts the servers with data in `dir`, on the ports of `last` if they are free.
    pub(super) fn start(cache: Cache, redis: &Redis, dir: &Path, last: Option<&Self>) -> Result<Self> {
        match cache {
            Cache::Redis | Cache::Valkey => {
                let port = match last {
                    Some(Self::Single { server, .. }) => Some(server.port),
                    _ => None,
                };
                Ok(Self::Single { cache, server: redis.start(dir, port)? })
            }
            Cache::Sentinel => {
                let ports = match last {
                    Some(Self::Sentinel(group)) => group.ports(),
                    _ => Vec::new(),
                };
                SentinelGroup::start(redis, dir, &ports, DOWN_AFTER).map(Self::Sentinel)
            }
        }
    }

    /// Which servers these are.
    pub fn cache(&self) -> Cache {
        match self {
            Self::Single { cache, .. } => *cache,
            Self::Sentinel(_) => Cache::Sentinel,
        }
    }

    /// `REDIS_URL` of the servers.
    pub fn url(&self) -> String {
        match self {
            Self::Single { server, .. } => Redis::url(server),
            Self::Sentinel(group) => group.url(),
        }
    }

    /// Sentinels too.
    pub fn servers(&self) -> Vec<&Server> {
        match self {
            Self::Single { server, .. } => vec![server],
            Self::Sentinel(group) => group.servers().collect(),
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

    /// Requests a stop of all servers and waits.
    pub fn stop(&self) {
        self.servers().into_iter().for_each(Server::stop);
    }

    /// As a power cut would; the directories stay.
    pub fn kill(&self) {
        self.servers().into_iter().for_each(Server::kill);
    }
}
