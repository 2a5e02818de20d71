//! Limits that all workers keep together, in Redis, fair between accounts.

use std::sync::LazyLock;
use std::time::Duration;

use redis::aio::ConnectionManager;
use redis::{RedisError, Script};

use super::verdict::JobError;
use crate::wake::Keys;

static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../lua/take.lua")));
static ENTER: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../lua/enter.lua")));
static RENEW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../lua/renew.lua")));

/// A second as it is kept: a little more than the one the other side counts in, since requests do not arrive as evenly
/// as they leave.
const SECOND: Duration = Duration::from_millis(1_100);

/// So many in any window of so long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// What is limited: `speechkit.submit`, `amocrm.31234567`.
    pub name: String,
    /// How many.
    pub places: u32,
    /// In how long.
    pub window: Duration,
}

impl Rate {
    /// `places` in any `window`.
    pub fn new(name: impl Into<String>, places: u32, window: Duration) -> Self {
        Self { name: name.into(), places, window }
    }

    /// `places` in any second of whoever counts them.
    pub fn per_second(name: impl Into<String>, places: u32) -> Self {
        Self::new(name, places, SECOND)
    }
}

/// So many at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// What is limited.
    pub name: String,
    /// How many.
    pub places: u32,
    /// A place whose holder died is free after this long.
    pub kept_for: Duration,
    /// Once somebody has been inside for so long, nobody else enters: whoever waits inside waits for something that
    /// does not answer, and more would only wait with them.
    pub closes_after: Option<Duration>,
}

/// Asks Redis for places; clones share the connection.
#[derive(Clone)]
pub struct Limits {
    redis: ConnectionManager,
    keys: Keys,
}

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limits").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl Limits {
    /// On an open connection.
    pub fn new(redis: ConnectionManager, keys: Keys) -> Self {
        Self { redis, keys }
    }

    /// Takes a place for `job` of `tenant`, or tells how long to wait for one. A job that asks again
    /// keeps its place in the line.
    pub async fn take(&self, rate: &Rate, tenant: &str, job: &str) -> Result<Option<Duration>, RedisError> {
        let base = self.keys.key(&format!("limit:{}", rate.name));
        let wait: u64 = TAKE
            .key(&base)
            .key(format!("{base}:tenants"))
            .key(format!("{base}:waiting:{tenant}"))
            .arg(u64::try_from(rate.window.as_millis()).unwrap_or(u64::MAX))
            .arg(rate.places)
            .arg(tenant)
            .arg(job)
            .invoke_async(&mut self.redis.clone())
            .await?;
        Ok((wait > 0).then(|| Duration::from_millis(wait)))
    }

    /// Gives up the wait for a place: who does not come back must not stand before others.
    pub async fn leave_line(&self, rate: &Rate, tenant: &str, job: &str) {
        let key = format!("{}:waiting:{tenant}", self.keys.key(&format!("limit:{}", rate.name)));
        let left: Result<(), _> =
            redis::cmd("ZREM").arg(key).arg(job).query_async(&mut self.redis.clone()).await;
        if let Err(error) = left {
            tracing::debug!(error = %error, limit = %rate.name, "a place in the line could not be given up");
        }
    }

    /// [`Limits::take`] in a handler's words: `?` snoozes the job until its turn. Without Redis nobody
    /// knows what others took, so the job waits.
    pub async fn pass(&self, rate: &Rate, tenant: &str, job: &str) -> Result<(), JobError> {
        match self.take(rate, tenant, job).await {
            Ok(None) => Ok(()),
            Ok(Some(after)) => {
                Err(JobError::Wait { after, reason: format!("the limit `{}` is used up", rate.name) })
            }
            Err(error) => Err(unreachable(&error)),
        }
    }

    /// Enters `room` for `holder`; entering again renews the place.
    pub async fn enter(&self, room: &Room, holder: &str) -> Result<bool, RedisError> {
        let entered: u8 = ENTER
            .key(self.keys.key(&format!("room:{}", room.name)))
            .arg(room.places)
            .arg(holder)
            .arg(u64::try_from(room.kept_for.as_millis()).unwrap_or(u64::MAX))
            .arg(room.closes_after.map_or(0, |after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)))
            .invoke_async(&mut self.redis.clone())
            .await?;
        Ok(entered == 1)
    }

    /// [`Limits::enter`] in a handler's words; a full room is tried again after `retry`.
    pub async fn enter_or_wait(&self, room: &Room, holder: &str, retry: Duration) -> Result<(), JobError> {
        match self.enter(room, holder).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(JobError::Wait { after: retry, reason: format!("`{}` is full", room.name) }),
            Err(error) => Err(unreachable(&error)),
        }
    }

    /// Keeps `holder`'s place in `room` from now on for `kept_for`; who has none gets none. A place that could not be
    /// renewed is free when its time is over, as if its holder had died.
    pub async fn renew(&self, room: &Room, holder: &str) {
        let renewed: Result<u8, _> = RENEW
            .key(self.keys.key(&format!("room:{}", room.name)))
            .arg(holder)
            .arg(u64::try_from(room.kept_for.as_millis()).unwrap_or(u64::MAX))
            .invoke_async(&mut self.redis.clone())
            .await;
        if let Err(error) = renewed {
            tracing::debug!(error = %error, room = %room.name, "a place could not be renewed");
        }
    }

    /// Leaves `room`; a lost goodbye costs others `kept_for`.
    pub async fn leave(&self, room: &Room, holder: &str) {
        let key = self.keys.key(&format!("room:{}", room.name));
        let left: Result<(), _> =
            redis::cmd("ZREM").arg(key).arg(holder).query_async(&mut self.redis.clone()).await;
        if let Err(error) = left {
            tracing::debug!(error = %error, room = %room.name, "a place could not be given back");
        }
    }
}

fn unreachable(error: &RedisError) -> JobError {
    JobError::Wait { after: Duration::from_secs(1), reason: format!("limits are unreachable: {error}") }
}
