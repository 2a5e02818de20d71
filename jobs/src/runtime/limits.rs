//! Limits that all processes keep together, in Redis, fair between accounts.

use std::sync::LazyLock;
use std::time::Duration;

use flysk_domain::id::AccountId;
use redis::aio::ConnectionManager;
use redis::{RedisError, Script};

use super::verdict::JobError;
use crate::wake::Keys;

static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../lua/take.lua")));
static LEAVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../lua/leave.lua")));
static ENTER: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../lua/enter.lua")));
static RENEW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../lua/renew.lua")));

/// A second as it is kept: a little more than the one the other side counts in, since requests do not arrive as evenly
/// as they leave.
const SECOND: Duration = Duration::from_millis(1_100);

/// How long an account that shut us out is left alone: hammering prolongs it, and amoCRM names no time.
/// Source: issues 434 and 563 of `amocrm/amocrm-api-php`.
pub const SHUT: Duration = Duration::from_hours(1);

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

/// How standing in a line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stood {
    /// With a place, after so long.
    Served(Duration),
    /// The line is longer than the patience: so long it would still take.
    TooLong(Duration),
}

/// What came of asking for a place in a [`Room`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It is taken.
    In,
    /// All places are taken.
    Full,
    /// Somebody inside has been there for [`Room::closes_after`].
    Closed,
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
        /// A job that was told to come back may find its queue full, or its worker gone.
        const COMES_BACK_WITHIN: Duration = Duration::from_mins(1);
        self.ask(rate, tenant, job, 2 * rate.window + COMES_BACK_WITHIN).await
    }

    /// Stands in line for `who` of `tenant`, for as long as `patience` lasts. Whoever goes away meanwhile, because
    /// this is dropped, leaves the line and stands before nobody.
    pub async fn stand(
        &self,
        rate: &Rate,
        tenant: &str,
        who: &str,
        patience: Duration,
    ) -> Result<Stood, RedisError> {
        let mut standing = Standing { limits: self, rate, tenant, who, left: false };
        let mut waited = Duration::ZERO;
        loop {
            // A process that dies cannot leave: its place is given up once nobody could stand there any more.
            let Some(wait) = self.ask(rate, tenant, who, patience).await? else {
                standing.left = true;
                return Ok(Stood::Served(waited));
            };
            if waited + wait > patience {
                standing.left = true;
                self.leave_line(rate, tenant, who).await;
                return Ok(Stood::TooLong(wait));
            }
            tokio::time::sleep(wait).await;
            waited += wait;
        }
    }

    async fn ask(
        &self,
        rate: &Rate,
        tenant: &str,
        job: &str,
        patience: Duration,
    ) -> Result<Option<Duration>, RedisError> {
        let base = self.keys.key(&format!("limit:{}", rate.name));
        let wait: u64 = TAKE
            .key(&base)
            .key(format!("{base}:tenants"))
            .key(format!("{base}:waiting:{tenant}"))
            .arg(millis(rate.window))
            .arg(rate.places)
            .arg(tenant)
            .arg(job)
            .arg(millis(patience))
            .invoke_async(&mut self.redis.clone())
            .await?;
        Ok((wait > 0).then(|| Duration::from_millis(wait)))
    }

    /// Gives up the wait for a place: who does not come back must not stand before others.
    async fn leave_line(&self, rate: &Rate, tenant: &str, who: &str) {
        let base = self.keys.key(&format!("limit:{}", rate.name));
        let left: Result<(), _> = LEAVE
            .key(format!("{base}:tenants"))
            .key(format!("{base}:waiting:{tenant}"))
            .arg(tenant)
            .arg(who)
            .invoke_async(&mut self.redis.clone())
            .await;
        if let Err(error) = left {
            tracing::debug!(error = %error, limit = %rate.name, "a place in the line could not be given up");
        }
    }

    /// Remembers that amoCRM shuts us out of an account, so that nobody calls it for `time`: hammering prolongs it.
    pub async fn shut(&self, account: AccountId, time: Duration) {
        let set = redis::cmd("SET").arg(self.shut_key(account)).arg(1).arg("PX").arg(millis(time)).to_owned();
        if let Err(error) = set.query_async::<()>(&mut self.redis.clone()).await {
            tracing::warn!(error = %error, "a block could not be remembered");
        }
    }

    /// For how long an account that shut us out is still left alone.
    pub async fn shut_for(&self, account: AccountId) -> Result<Option<Duration>, RedisError> {
        let left: i64 =
            redis::cmd("PTTL").arg(self.shut_key(account)).query_async(&mut self.redis.clone()).await?;
        Ok(u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_millis))
    }

    fn shut_key(&self, account: AccountId) -> String {
        self.keys.key(&format!("amocrm.shut:{account}"))
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
        Ok(self.try_enter(room, holder).await? == Entry::In)
    }

    /// [`Limits::enter`] in a handler's words, for who waits differently before a full room and before a closed one.
    pub async fn knock(&self, room: &Room, holder: &str) -> Result<Entry, JobError> {
        self.try_enter(room, holder).await.map_err(|error| unreachable(&error))
    }

    async fn try_enter(&self, room: &Room, holder: &str) -> Result<Entry, RedisError> {
        let entered: u8 = ENTER
            .key(self.keys.key(&format!("room:{}", room.name)))
            .arg(room.places)
            .arg(holder)
            .arg(millis(room.kept_for))
            .arg(room.closes_after.map_or(0, millis))
            .invoke_async(&mut self.redis.clone())
            .await?;
        Ok(match entered {
            1 => Entry::In,
            2 => Entry::Closed,
            _ => Entry::Full,
        })
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
            .arg(millis(room.kept_for))
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

/// Somebody in a line; leaves it when it is dropped before its turn.
struct Standing<'a> {
    limits: &'a Limits,
    rate: &'a Rate,
    tenant: &'a str,
    who: &'a str,
    left: bool,
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.left {
            return;
        }
        let (limits, rate) = (self.limits.clone(), self.rate.clone());
        let (tenant, who) = (self.tenant.to_owned(), self.who.to_owned());
        runtime.spawn(async move { limits.leave_line(&rate, &tenant, &who).await });
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn unreachable(error: &RedisError) -> JobError {
    JobError::Wait { after: Duration::from_secs(1), reason: format!("limits are unreachable: {error}") }
}
