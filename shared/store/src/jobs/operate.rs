//! Jobs for operators and upkeep: lists, replays, cancellation, deletion.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::JobId;
use sqlx::types::Json;

use super::attempts::delete_of_deleted;
use super::{IdRow, JobState};
use crate::listed::push_in;
use crate::sql_text::sql;
use crate::{Conn, StoreResult, TextColumn};

/// A job as operators see it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct JobRow {
    /// `job_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: JobId,
    /// Kind from the catalogue.
    pub kind: String,
    /// Queue whose workers take it.
    pub queue: String,
    /// `Done`, `Dead` and `Cancelled` are final, unless an operator replays the job.
    #[sqlx(try_from = "TextColumn")]
    pub state: JobState,
    /// Payload as JSON: ids, not data.
    pub payload: Json<serde_json::Value>,
    /// Attempts so far.
    pub attempt: u32,
    /// How often it was postponed without counting an attempt.
    pub waits: u32,
    /// Maximum number of attempts.
    pub max_attempts: u32,
    /// Earliest start.
    pub run_at: DateTime<Utc>,
    /// Worker that has claimed it, or that ended it.
    pub lease_owner: Option<String>,
    /// End of the lease, while claimed.
    pub lease_until: Option<DateTime<Utc>>,
    /// Tenant of the job, if any.
    pub tenant: Option<String>,
    /// Correlation id of the request that caused it.
    pub correlation_id: String,
    /// Reason of the last failure, wait or skip.
    pub last_error: Option<String>,
    /// When it was inserted.
    pub created_at: DateTime<Utc>,
    /// Start of the last attempt.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

const SELECT: &str =
    "SELECT id, kind, queue, state, payload, attempt, waits, max_attempts, run_at, lease_owner, lease_until,
            tenant, correlation_id, last_error, created_at, started_at, finished_at
     FROM jobs WHERE ";

/// Reads one row without a lock; `None` if there is none.
pub async fn find(conn: &mut Conn, id: JobId) -> StoreResult<Option<JobRow>> {
    Ok(sqlx::query_as(sql!(SELECT, "id = ?")).bind(id.to_string()).fetch_optional(conn).await?)
}

/// Lists the newest `limit` jobs in `state` (any if `None`) and of `kind` (any if `None`).
pub async fn list(
    conn: &mut Conn,
    state: Option<JobState>,
    kind: Option<&str>,
    limit: u32,
) -> StoreResult<Vec<JobRow>> {
    let mut query = sqlx::QueryBuilder::new(sql!(SELECT, "1 = 1"));
    if let Some(state) = state {
        query.push(" AND state = ").push_bind(state.as_str());
    }
    if let Some(kind) = kind {
        query.push(" AND kind = ").push_bind(kind.to_owned());
    }
    query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
    Ok(query.build_query_as().fetch_all(conn).await?)
}

/// Lists the oldest `limit` jobs with a correlation id, oldest first. A tick may have caused one for each account.
pub async fn list_by_correlation(
    conn: &mut Conn,
    correlation_id: &str,
    limit: u32,
) -> StoreResult<Vec<JobRow>> {
    Ok(sqlx::query_as(sql!(SELECT, "correlation_id = ? ORDER BY id LIMIT ?"))
        .bind(correlation_id)
        .bind(limit)
        .fetch_all(conn)
        .await?)
}

/// Restarts a dead or cancelled job with all its attempts; `false` if it is in another state.
///
/// [`crate::StoreError::Duplicate`] if a job with the same dedup key waits.
pub async fn replay(conn: &mut Conn, id: JobId, now: DateTime<Utc>) -> StoreResult<bool> {
    let replayed = sqlx::query(
        "UPDATE jobs SET state = 'queued', attempt = 0, run_at = ?, push_at = ?, waiting_key = dedup_key,
                finished_at = NULL, started_at = NULL, lease_owner = NULL
         WHERE id = ? AND state IN ('dead', 'cancelled')",
    )
    .bind(now)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(replayed.rows_affected() == 1)
}

/// Makes the waiting job of this kind and dedup key due now, with all its attempts; `false` if none waits, or another transaction
/// has locked its row. Nobody waits for that one: it claims or pushes a job that is due, expedites it as well, or cancels it.
pub async fn expedite(conn: &mut Conn, kind: &str, dedup_key: &str, now: DateTime<Utc>) -> StoreResult<bool> {
    // Read without a lock and then locked by the primary key: of two transactions whose job had this key, both have a shared lock
    // of its entry in the unique index, and each would skip the row because of the other.
    let waiting: Option<String> =
        sqlx::query_scalar("SELECT id FROM jobs WHERE kind = ? AND waiting_key = ? AND state = 'queued'")
            .bind(kind)
            .bind(dedup_key)
            .fetch_optional(&mut *conn)
            .await?;
    let Some(id) = waiting else { return Ok(false) };
    let unlocked: Option<String> = sqlx::query_scalar(
        "SELECT id FROM jobs FORCE INDEX (PRIMARY) WHERE id = ? AND state = 'queued' FOR UPDATE SKIP LOCKED",
    )
    .bind(&id)
    .fetch_optional(&mut *conn)
    .await?;
    if unlocked.is_none() {
        return Ok(false);
    }
    let expedited = sqlx::query(
        "UPDATE jobs SET attempt = 0, run_at = LEAST(run_at, ?), push_at = LEAST(push_at, ?)
         WHERE id = ? AND state = 'queued'",
    )
    .bind(now)
    .bind(now)
    .bind(id)
    .execute(conn)
    .await?;
    Ok(expedited.rows_affected() == 1)
}

/// Cancels a dead job that newer work has replaced; `false` if it is not dead.
pub async fn replace(conn: &mut Conn, id: JobId, why: &str, now: DateTime<Utc>) -> StoreResult<bool> {
    let replaced = sqlx::query(
        "UPDATE jobs SET state = 'cancelled', finished_at = ?, push_at = ?, last_error = ?
         WHERE id = ? AND state = 'dead'",
    )
    .bind(now)
    .bind(now)
    .bind(why)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(replaced.rows_affected() == 1)
}

/// Moves the earliest start of a waiting job; `false` if it does not wait. Its attempts stay.
pub async fn reschedule(conn: &mut Conn, id: JobId, run_at: DateTime<Utc>) -> StoreResult<bool> {
    let moved = sqlx::query("UPDATE jobs SET run_at = ?, push_at = ? WHERE id = ? AND state = 'queued'")
        .bind(run_at)
        .bind(run_at)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(moved.rows_affected() == 1)
}

/// Cancels a waiting job; `false` if it does not wait (a running job cannot be stopped).
pub async fn cancel(conn: &mut Conn, id: JobId, reason: &str, now: DateTime<Utc>) -> StoreResult<bool> {
    let cancelled = sqlx::query(
        "UPDATE jobs SET state = 'cancelled', waiting_key = NULL, finished_at = ?, push_at = ?, last_error = ?
         WHERE id = ? AND state = 'queued'",
    )
    .bind(now)
    .bind(now)
    .bind(reason)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(cancelled.rows_affected() == 1)
}

/// Cancels a waiting job that has not begun since it was inserted or replayed; `false` if it has, or does not wait.
pub async fn cancel_unstarted(
    conn: &mut Conn,
    id: JobId,
    reason: &str,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let cancelled = sqlx::query(
        "UPDATE jobs SET state = 'cancelled', waiting_key = NULL, finished_at = ?, push_at = ?, last_error = ?
         WHERE id = ? AND state = 'queued' AND started_at IS NULL",
    )
    .bind(now)
    .bind(now)
    .bind(reason)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(cancelled.rows_affected() == 1)
}

/// [`cancel_unstarted`] for the waiting job of this kind and dedup key; `false` if none waits, or it has begun.
pub async fn cancel_unstarted_by_key(
    conn: &mut Conn,
    kind: &str,
    dedup_key: &str,
    reason: &str,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    // Found without a lock and written by the primary key, as by `cancel_waiting`.
    let waiting: Option<IdRow> =
        sqlx::query_as("SELECT id FROM jobs WHERE kind = ? AND waiting_key = ? AND state = 'queued'")
            .bind(kind)
            .bind(dedup_key)
            .fetch_optional(&mut *conn)
            .await?;
    match waiting {
        Some(row) => cancel_unstarted(conn, row.id, reason, now).await,
        None => Ok(false),
    }
}

/// Cancels the waiting jobs of these kinds with one of these dedup keys; returns how many.
///
/// They are found without locks and written by the primary key, as a claim ([`super::claim_many`]) locks rows by it first, and their
/// entries in the index of the keys afterwards. In the reverse order the two would deadlock.
pub async fn cancel_waiting(
    conn: &mut Conn,
    kinds: &[&'static str],
    dedup_keys: &[String],
    reason: &str,
    now: DateTime<Utc>,
) -> StoreResult<u64> {
    if kinds.is_empty() || dedup_keys.is_empty() {
        return Ok(0);
    }
    let mut search = sqlx::QueryBuilder::new("SELECT id FROM jobs FORCE INDEX (jobs_waiting_key) WHERE kind");
    push_in(&mut search, kinds.iter().map(|kind| (*kind).to_owned()));
    search.push(" AND waiting_key");
    push_in(&mut search, dedup_keys.iter().cloned());
    let waiting: Vec<IdRow> = search.build_query_as().fetch_all(&mut *conn).await?;
    let waiting: Vec<JobId> = waiting.into_iter().map(|row| row.id).collect();
    cancel_queued(conn, &waiting, reason, now).await
}

/// Cancels those of these jobs that wait, which the caller has found without locks; returns how many.
pub async fn cancel_queued(
    conn: &mut Conn,
    ids: &[JobId],
    reason: &str,
    now: DateTime<Utc>,
) -> StoreResult<u64> {
    if ids.is_empty() {
        return Ok(0);
    }
    let mut update = sqlx::QueryBuilder::new(
        "UPDATE jobs FORCE INDEX (PRIMARY) SET state = 'cancelled', waiting_key = NULL, finished_at = ",
    );
    update.push_bind(now).push(", push_at = ").push_bind(now);
    update.push(", last_error = ").push_bind(reason.to_owned());
    // One that was claimed meanwhile runs.
    update.push(" WHERE state = 'queued' AND id");
    push_in(&mut update, ids.iter().map(ToString::to_string));
    Ok(update.build().execute(conn).await?.rows_affected())
}

/// Deletes at most `limit` jobs that ended in `state` before `before`, with their recorded attempts; returns how many jobs.
///
/// They are found by `push_at`, which is the time of the end in an ended job. Releases before that left the time of the last
/// push there, so `finished_at` decides.
pub async fn prune(conn: &mut Conn, state: JobState, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM jobs FORCE INDEX (jobs_due) WHERE state = ? AND push_at < ? AND finished_at < ?
         ORDER BY push_at LIMIT ?",
    )
    .bind(state.as_str())
    .bind(before)
    .bind(before)
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    if ids.is_empty() {
        return Ok(0);
    }
    // By their ids, so that no other row is locked. One that was replayed in the meantime stays.
    let mut delete = sqlx::QueryBuilder::new("DELETE FROM jobs WHERE state = ");
    delete.push_bind(state.as_str()).push(" AND finished_at < ").push_bind(before).push(" AND id");
    push_in(&mut delete, ids.iter().cloned());
    let deleted = delete.build().execute(&mut *conn).await?.rows_affected();
    delete_of_deleted(conn, ids).await?;
    Ok(deleted)
}
