//! Selection of Redis or Valkey, with or without Sentinel, by `FLYSK_CACHE` or `--cache`.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

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
