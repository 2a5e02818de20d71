//! Leases: taking a job, keeping it, ending it.

use chrono::{DateTime, Utc};
use flysk_domain::id::JobId;
use flysk_domain::trace::Trace;
use sqlx::types::Json;

use super::JobState;
use crate::error::expect_one;
use crate::listed::push_in;
use crate::{Conn, StoreError, StoreResult};

/// The right to write for one job: valid while the row still carries this fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// Which job.
    pub job: JobId,
    /// The row's fence number when it was claimed.
    pub number: u64,
}

/// A job a worker holds.
#[derive(Debug, Clone)]
pub struct Lease {
    /// The right to write.
    pub fence: Fence,
    /// Kind from the catalogue.
    pub kind: String,
    /// What to do.
    pub payload: serde_json::Value,
    /// Which start this is, from 1; starts that killed their worker are counted too.
    pub attempt: u32,
    /// How often it may start.
    pub max_attempts: u32,
    /// Whose work it is.
    pub tenant: Option<String>,
    /// The thread it hangs on.
    pub trace: Trace,
    /// When it became due.
    pub run_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct LeaseRow {
    #[sqlx(try_from = "String")]
    id: JobId,
    fence: u64,
    kind: String,
    payload: Json<serde_json::Value>,
    attempt: u32,
    max_attempts: u32,
    tenant: Option<String>,
    correlation_id: String,
    traceparent: Option<String>,
    run_at: DateTime<Utc>,
}

impl From<LeaseRow> for Lease {
    fn from(row: LeaseRow) -> Self {
        Self {
            fence: Fence { job: row.id, number: row.fence },
            kind: row.kind,
            payload: row.payload.0,
            attempt: row.attempt,
            max_attempts: row.max_attempts,
            tenant: row.tenant,
            trace: Trace { correlation_id: row.correlation_id, traceparent: row.traceparent },
            run_at: row.run_at,
        }
    }
}

macro_rules! select_lease {
    ($rest:literal) => {
        concat!(
            "SELECT id, fence, kind, payload, attempt, max_attempts, tenant, correlation_id, traceparent, run_at
             FROM jobs WHERE ",
            $rest
        )
    };
}

/// Takes a due, waiting job for `owner` until `until`, counting the start; `None` if it is not there to take.
pub async fn claim(
    conn: &mut Conn,
    id: JobId,
    owner: &str,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<Option<Lease>> {
    let taken = sqlx::query(
        "UPDATE jobs SET state = 'running', attempt = attempt + 1, fence = fence + 1, waiting_key = NULL,
                lease_owner = ?, lease_until = ?, started_at = ?
         WHERE id = ? AND state = 'queued' AND run_at <= ?",
    )
    .bind(owner)
    .bind(until)
    .bind(now)
    .bind(id.to_string())
    .bind(now)
    .execute(&mut *conn)
    .await?;
    if taken.rows_affected() == 0 {
        return Ok(None);
    }
    let row: Option<LeaseRow> =
        sqlx::query_as(select_lease!("id = ? AND state = 'running' AND lease_owner = ?"))
            .bind(id.to_string())
            .bind(owner)
            .fetch_optional(conn)
            .await?;
    Ok(row.map(Lease::from))
}

/// Locks the job's row for the rest of the transaction; `false` if the fence is no longer ours.
///
/// The row is written, not only locked: on a cluster a lock is of one node, and of two transactions that wrote one row one
/// commits. So nothing is committed beside a rescuer that took the job away on another node.
pub async fn lock_held(conn: &mut Conn, fence: Fence) -> StoreResult<bool> {
    let held = sqlx::query(
        "UPDATE jobs SET units_begun = units_begun + 1 WHERE id = ? AND fence = ? AND state = 'running'",
    )
    .bind(fence.job.to_string())
    .bind(fence.number)
    .execute(conn)
    .await?;
    Ok(held.rows_affected() == 1)
}

/// Moves the leases that `owner` holds on `ids` forward to `until`; returns how many it still holds.
///
/// Only what is really being worked on is named: a claim whose answer was lost has an owner that does not
/// know of it, and must run out.
pub async fn extend_leases(
    conn: &mut Conn,
    owner: &str,
    ids: &[JobId],
    until: DateTime<Utc>,
) -> StoreResult<u64> {
    if ids.is_empty() {
        return Ok(0);
    }
    let mut extend = sqlx::QueryBuilder::new("UPDATE jobs SET lease_until = ");
    extend
        .push_bind(until)
        .push(" WHERE state = 'running' AND lease_owner = ")
        .push_bind(owner)
        .push(" AND id");
    push_in(&mut extend, ids.iter().map(ToString::to_string));
    Ok(extend.build().execute(conn).await?.rows_affected())
}

/// Ends a job well. [`StoreError::Stale`] if the fence is no longer ours.
pub async fn complete(
    conn: &mut Conn,
    fence: Fence,
    note: Option<&str>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    end(conn, fence, JobState::Done, note, now).await
}

/// Gives a job up. [`StoreError::Stale`] if the fence is no longer ours.
pub async fn bury(conn: &mut Conn, fence: Fence, reason: &str, now: DateTime<Utc>) -> StoreResult<()> {
    end(conn, fence, JobState::Dead, Some(reason), now).await
}

async fn end(
    conn: &mut Conn,
    fence: Fence,
    state: JobState,
    note: Option<&str>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let ended = sqlx::query(
        "UPDATE jobs SET state = ?, finished_at = ?, lease_owner = NULL, lease_until = NULL, last_error = ?
         WHERE id = ? AND fence = ? AND state = 'running'",
    )
    .bind(state.as_str())
    .bind(now)
    .bind(note.map(clip))
    .bind(fence.job.to_string())
    .bind(fence.number)
    .execute(conn)
    .await?;
    expect_one(&ended, "job")
}

/// Puts a job back to run again at `run_at`; the attempt stays counted.
pub async fn retry(conn: &mut Conn, fence: Fence, run_at: DateTime<Utc>, reason: &str) -> StoreResult<()> {
    put_back(conn, fence, run_at, 0, Some(reason)).await
}

/// Puts a job back to run again at `run_at` as if it had not started.
pub async fn snooze(conn: &mut Conn, fence: Fence, run_at: DateTime<Utc>, reason: &str) -> StoreResult<()> {
    put_back(conn, fence, run_at, 1, Some(reason)).await
}

/// Gives a job back at once, unstarted: the worker is leaving.
pub async fn release(conn: &mut Conn, fence: Fence, now: DateTime<Utc>) -> StoreResult<()> {
    put_back(conn, fence, now, 1, None).await
}

/// The dedup key comes back too, unless a newer job of the same key waits already: then both run, and
/// the state check in the handler makes the later one a no-op.
async fn put_back(
    conn: &mut Conn,
    fence: Fence,
    run_at: DateTime<Utc>,
    uncounted: u32,
    reason: Option<&str>,
) -> StoreResult<()> {
    const WITH_KEY: &str = "UPDATE jobs SET state = 'queued', run_at = ?, push_at = ?, attempt = attempt - ?,
            waiting_key = dedup_key, lease_owner = NULL, lease_until = NULL, last_error = COALESCE(?, last_error)
         WHERE id = ? AND fence = ? AND state = 'running'";
    const WITHOUT_KEY: &str =
        "UPDATE jobs SET state = 'queued', run_at = ?, push_at = ?, attempt = attempt - ?,
            waiting_key = NULL, lease_owner = NULL, lease_until = NULL, last_error = COALESCE(?, last_error)
         WHERE id = ? AND fence = ? AND state = 'running'";
    let put = |statement: &'static str| {
        sqlx::query(statement)
            .bind(run_at)
            .bind(run_at)
            .bind(uncounted)
            .bind(reason.map(clip))
            .bind(fence.job.to_string())
            .bind(fence.number)
    };
    let back = match put(WITH_KEY).execute(&mut *conn).await.map_err(StoreError::from) {
        Err(StoreError::Taken { .. }) => put(WITHOUT_KEY).execute(conn).await?,
        other => other?,
    };
    expect_one(&back, "job")
}

/// At most `limit` running jobs whose lease ran out before `now`.
pub async fn list_expired(conn: &mut Conn, now: DateTime<Utc>, limit: u32) -> StoreResult<Vec<Lease>> {
    let rows: Vec<LeaseRow> =
        sqlx::query_as(select_lease!("state = 'running' AND lease_until < ? ORDER BY lease_until LIMIT ?"))
            .bind(now)
            .bind(limit)
            .fetch_all(conn)
            .await?;
    Ok(rows.into_iter().map(Lease::from).collect())
}

/// Takes a job from a worker that stopped renewing its lease, under a new fence which it returns;
/// `None` if the worker renewed or ended it meanwhile.
pub async fn take_back(
    conn: &mut Conn,
    fence: Fence,
    owner: &str,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<Option<Fence>> {
    let taken = sqlx::query(
        "UPDATE jobs SET fence = fence + 1, lease_owner = ?, lease_until = ?
         WHERE id = ? AND fence = ? AND state = 'running' AND lease_until < ?",
    )
    .bind(owner)
    .bind(until)
    .bind(fence.job.to_string())
    .bind(fence.number)
    .bind(now)
    .execute(conn)
    .await?;
    Ok((taken.rows_affected() == 1).then_some(Fence { number: fence.number + 1, ..fence }))
}

/// The column keeps 1,000 characters.
fn clip(text: &str) -> String {
    text.chars().take(1000).collect()
}
