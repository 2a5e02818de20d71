//! What operators and upkeep do with jobs.

use chrono::{DateTime, Utc};
use flysk_domain::id::JobId;
use sqlx::types::Json;

use super::JobState;
use crate::listed::push_in;
use crate::{Conn, StoreResult};

/// A job as operators see it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct JobRow {
    /// Which.
    #[sqlx(try_from = "String")]
    pub id: JobId,
    /// Kind from the catalogue.
    pub kind: String,
    /// Queue whose workers take it.
    pub queue: String,
    /// Where it stands.
    #[sqlx(try_from = "String")]
    pub state: JobState,
    /// Ids, not data.
    pub payload: Json<serde_json::Value>,
    /// Starts so far.
    pub attempt: u32,
    /// Starts allowed.
    pub max_attempts: u32,
    /// Not before.
    pub run_at: DateTime<Utc>,
    /// Until when its worker holds it.
    pub lease_until: Option<DateTime<Utc>>,
    /// Whose work it is.
    pub tenant: Option<String>,
    /// The thread it hangs on.
    pub correlation_id: String,
    /// Why it last failed, waited or was skipped.
    pub last_error: Option<String>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When it last started.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

macro_rules! select_jobs {
    ($rest:literal) => {
        concat!(
            "SELECT id, kind, queue, state, payload, attempt, max_attempts, run_at, lease_until, tenant,
                    correlation_id, last_error, created_at, started_at, finished_at
             FROM jobs WHERE ",
            $rest
        )
    };
}

/// How many jobs of a kind stand where.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Depth {
    /// Kind from the catalogue.
    pub kind: String,
    /// Which rows are counted: `queued`, `running` or `dead`.
    #[sqlx(try_from = "String")]
    pub state: JobState,
    /// Whether their time has come; a retry or a promised delay may lie in the future.
    pub due: bool,
    /// How many.
    pub count: i64,
    /// The earliest `run_at` among them.
    pub oldest: DateTime<Utc>,
}

/// One job.
pub async fn find(conn: &mut Conn, id: JobId) -> StoreResult<Option<JobRow>> {
    Ok(sqlx::query_as(select_jobs!("id = ?")).bind(id.to_string()).fetch_optional(conn).await?)
}

/// The youngest `limit` jobs in `state` (any if `None`) and of `kind` (any if `None`).
pub async fn list(
    conn: &mut Conn,
    state: Option<JobState>,
    kind: Option<&str>,
    limit: u32,
) -> StoreResult<Vec<JobRow>> {
    let mut query = sqlx::QueryBuilder::new(select_jobs!("1 = 1"));
    if let Some(state) = state {
        query.push(" AND state = ").push_bind(state.as_str());
    }
    if let Some(kind) = kind {
        query.push(" AND kind = ").push_bind(kind.to_owned());
    }
    query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
    Ok(query.build_query_as().fetch_all(conn).await?)
}

/// Every job of one thread, oldest first.
pub async fn list_by_correlation(conn: &mut Conn, correlation_id: &str) -> StoreResult<Vec<JobRow>> {
    Ok(sqlx::query_as(select_jobs!("correlation_id = ? ORDER BY id"))
        .bind(correlation_id)
        .fetch_all(conn)
        .await?)
}

/// Lets a dead or cancelled job start afresh, with all its attempts; `false` if it is neither.
///
/// [`crate::StoreError::Taken`] if a job of the same dedup key waits already.
pub async fn replay(conn: &mut Conn, id: JobId, now: DateTime<Utc>) -> StoreResult<bool> {
    let replayed = sqlx::query(
        "UPDATE jobs SET state = 'queued', attempt = 0, run_at = ?, push_at = ?, waiting_key = dedup_key,
                finished_at = NULL, started_at = NULL
         WHERE id = ? AND state IN ('dead', 'cancelled')",
    )
    .bind(now)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(replayed.rows_affected() == 1)
}

/// Makes the waiting job of this kind and dedup key due now, with all its attempts; `false` if none waits.
pub async fn expedite(conn: &mut Conn, kind: &str, dedup_key: &str, now: DateTime<Utc>) -> StoreResult<bool> {
    let expedited = sqlx::query(
        "UPDATE jobs SET attempt = 0, run_at = LEAST(run_at, ?), push_at = LEAST(push_at, ?)
         WHERE kind = ? AND waiting_key = ? AND state = 'queued'",
    )
    .bind(now)
    .bind(now)
    .bind(kind)
    .bind(dedup_key)
    .execute(conn)
    .await?;
    Ok(expedited.rows_affected() == 1)
}

/// Notes of a dead job that newer work took its place; `false` if it is not dead.
pub async fn replace(conn: &mut Conn, id: JobId, why: &str, now: DateTime<Utc>) -> StoreResult<bool> {
    let replaced = sqlx::query(
        "UPDATE jobs SET state = 'cancelled', finished_at = ?, last_error = ? WHERE id = ? AND state = 'dead'",
    )
    .bind(now)
    .bind(why)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(replaced.rows_affected() == 1)
}

/// Takes a waiting job out; `false` if it does not wait (a running one cannot be stopped half-way).
pub async fn cancel(conn: &mut Conn, id: JobId, reason: &str, now: DateTime<Utc>) -> StoreResult<bool> {
    let cancelled = sqlx::query(
        "UPDATE jobs SET state = 'cancelled', waiting_key = NULL, finished_at = ?, last_error = ?
         WHERE id = ? AND state = 'queued'",
    )
    .bind(now)
    .bind(reason)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(cancelled.rows_affected() == 1)
}

/// Takes out the waiting jobs of these kinds and this dedup key; how many they were.
pub async fn cancel_waiting(
    conn: &mut Conn,
    kinds: &[&'static str],
    dedup_key: &str,
    reason: &str,
    now: DateTime<Utc>,
) -> StoreResult<u64> {
    if kinds.is_empty() {
        return Ok(0);
    }
    let mut query =
        sqlx::QueryBuilder::new("UPDATE jobs SET state = 'cancelled', waiting_key = NULL, finished_at = ");
    query.push_bind(now).push(", last_error = ").push_bind(reason.to_owned());
    query
        .push(" WHERE state = 'queued' AND waiting_key = ")
        .push_bind(dedup_key.to_owned())
        .push(" AND kind");
    push_in(&mut query, kinds.iter().map(|kind| (*kind).to_owned()));
    Ok(query.build().execute(conn).await?.rows_affected())
}

/// Forgets at most `limit` jobs that ended in `state` before `before`; returns how many.
pub async fn prune(conn: &mut Conn, state: JobState, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let pruned =
        sqlx::query("DELETE FROM jobs WHERE state = ? AND finished_at < ? ORDER BY finished_at LIMIT ?")
            .bind(state.as_str())
            .bind(before)
            .bind(limit)
            .execute(conn)
            .await?;
    Ok(pruned.rows_affected())
}

/// What of `kinds` waits, runs or died.
///
/// Read from the index `jobs_kind` alone, however long ended jobs are kept.
pub async fn depths(conn: &mut Conn, kinds: &[&str], now: DateTime<Utc>) -> StoreResult<Vec<Depth>> {
    if kinds.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new("SELECT kind, state, run_at <= ");
    query.push_bind(now).push(" AS due, COUNT(*) AS count, MIN(run_at) AS oldest FROM jobs WHERE kind");
    push_in(&mut query, kinds.iter().map(|kind| (*kind).to_owned()));
    query.push(" AND state IN ('queued', 'running', 'dead') GROUP BY kind, state, due");
    Ok(query.build_query_as().fetch_all(conn).await?)
}
