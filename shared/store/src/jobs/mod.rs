//! Table `jobs`: durable work and who holds it.
//!
//! A row moves `queued → running → done | dead | cancelled`. Whoever runs it holds a lease under a
//! fence number; every claim raises the fence, so a worker whose lease was taken away fails its
//! next write here and with it the whole transaction.

mod claim;
mod operate;
mod relay;

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use flysk_domain::id::JobId;
use flysk_domain::trace::Trace;

use crate::{Conn, StoreError, StoreResult};

pub use claim::{
    Fence, Lease, bury, claim, complete, extend_leases, list_expired, lock_held, release, retry, snooze,
    take_back,
};
pub use operate::{
    Depth, JobRow, cancel, cancel_waiting, depths, expedite, find, list, list_by_correlation, prune, replace,
    replay,
};
pub use relay::{DueJob, defer_push, list_due, mark_pushed, push_everything_again};

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Waits for its time or for a worker.
    Queued,
    /// A worker holds it.
    Running,
    /// Its effect is there.
    Done,
    /// Given up; shown to operators, who may replay it.
    Dead,
    /// Taken out by an operator or by newer work.
    Cancelled,
}

impl JobState {
    /// Every state, in the order of a job's life.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Done, Self::Dead, Self::Cancelled];

    /// The column's text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| StoreError::Corrupt { what: "job state", reason: format!("`{text}` is unknown") })
    }
}

impl TryFrom<String> for JobState {
    type Error = StoreError;

    fn try_from(text: String) -> Result<Self, StoreError> {
        text.parse()
    }
}

/// A row to be written.
#[derive(Debug)]
pub struct NewJob<'a> {
    /// Its id; also the id of its wake-up in Redis.
    pub id: JobId,
    /// Kind from the catalogue, `calls.fetch_recording`.
    pub kind: &'a str,
    /// Queue whose workers take it.
    pub queue: &'a str,
    /// 0 runs first.
    pub priority: u8,
    /// Ids, not data.
    pub payload: &'a serde_json::Value,
    /// How often it may start.
    pub max_attempts: u32,
    /// Not before.
    pub run_at: DateTime<Utc>,
    /// When a relay should carry it to Redis.
    pub push_at: DateTime<Utc>,
    /// Unique per kind among waiting rows.
    pub dedup_key: Option<&'a str>,
    /// Whose work it is.
    pub tenant: Option<&'a str>,
    /// The thread it hangs on.
    pub trace: &'a Trace,
    /// Now.
    pub created_at: DateTime<Utc>,
}

/// Writes a row; `false` if one of the same kind and dedup key already waits.
pub async fn insert(conn: &mut Conn, job: &NewJob<'_>) -> StoreResult<bool> {
    let inserted = sqlx::query(
        "INSERT INTO jobs (id, kind, queue, priority, payload, state, max_attempts, run_at, push_at, dedup_key,
                           waiting_key, tenant, correlation_id, traceparent, created_at)
         VALUES (?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(job.id.to_string())
    .bind(job.kind)
    .bind(job.queue)
    .bind(job.priority)
    .bind(sqlx::types::Json(job.payload))
    .bind(job.max_attempts)
    .bind(job.run_at)
    .bind(job.push_at)
    .bind(job.dedup_key)
    .bind(job.dedup_key)
    .bind(job.tenant)
    .bind(&job.trace.correlation_id)
    .bind(job.trace.traceparent.as_deref())
    .bind(job.created_at)
    .execute(conn)
    .await
    .map_err(StoreError::from);
    match inserted {
        Ok(_) => Ok(true),
        Err(StoreError::Taken { key }) if key == "jobs_waiting_key" => Ok(false),
        Err(error) => Err(error),
    }
}
