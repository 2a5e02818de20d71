//! Selection of Redis or Valkey, with or without Sentinel, by `FLYSK_CACHE` or `--cache`; and the servers that run.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::{Redis, SentinelGroup, Server};
use crate::tools::ReleaseRoot;
use crate::workspace;

/// Servers of wake-ups and limits that xtask can provide.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cache {
    /// The executable of `FLYSK_REDIS_SERVER` or the system's Redis.
    #[default]
    Redis,
    /// The executable of `FLYSK_VALKEY_SERVER` or the system's Valkey, or one from Debian 13, unpacked below `target/roots`.
    Valkey,
    /// Redis with a replica and three sentinels.
    Sentinel,
}

/// Variable that selects the servers.
pub const VARIABLE: &str = "FLYSK_CACHE";

/// Debian 13 contains Valkey 8.1.
pub(super) const VALKEY_ROOT: ReleaseRoot = ReleaseRoot {
    name: "valkey",
    suite: "trixie",
    packages: "valkey-server",
    server: "usr/bin/valkey-server",
    messages: "",
};

/// Time without an answer after which a sentinel of a development or test group counts a server as down. Long, so that a busy
/// machine causes no failover.
const DOWN_AFTER: Duration = Duration::from_secs(10);

impl Cache {
    /// Reads `FLYSK_CACHE`.
    pub fn from_process() -> Result<Self> {
        workspace::variable(VARIABLE).map_or(Ok(Self::default()), |name| Self::named(&name))
    }

    /// The servers of this name.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "redis" => Ok(Self::Redis),
            "valkey" => Ok(Self::Valkey),
            "sentinel" => Ok(Self::Sentinel),
            other => bail!("{VARIABLE}={other}: unknown servers; use redis, valkey or sentinel"),
        }
    }

    /// The value of `FLYSK_CACHE` for these servers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
            Self::Sentinel => "sentinel",
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::Cache;

    #[test]
    fn every_cache_is_named_and_nothing_else_is() {
        for cache in [Cache::Redis, Cache::Valkey, Cache::Sentinel] {
            assert_eq!(Cache::named(cache.name()).unwrap(), cache);
        }
        let error = Cache::named("memcached").unwrap_err().to_string();
        assert!(error.contains("sentinel"), "{error}");
    }
}
