//! Table `job_attempts`: attempts that ended without success.
//!
//! Each is written in the transaction that requeues or ends its job. A successful attempt costs no statement: the row of the job
//! tells its times and its worker. Postponements are counted in the row of the job, because a job may wait thousands of times.

use chrono::{DateTime, Utc};
use flysk_domain::id::JobId;
use flysk_domain::{TextEnum as _, UnknownText};

use super::Fence;
use super::claim::truncate_note;
use crate::listed::push_in;
use crate::{Conn, StoreResult, TextColumn};

/// Why an attempt ended without success.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptOutcome {
    /// It failed, and another one follows.
    Failed,
    /// It failed, and was the last one.
    Dead,
    /// Its worker died or froze.
    Abandoned,
    /// Its worker stopped; it was not counted.
    Released,
}

/// An attempt to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct EndedAttempt<'a> {
    /// The right under which it ends.
    pub fence: Fence,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Why it ended.
    pub outcome: AttemptOutcome,
    /// Worker that ran it.
    pub worker: Option<&'a str>,
    /// When it started.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended, or was found to have ended.
    pub ended_at: DateTime<Utc>,
    /// Reason, without secrets and personal data; cut to 1,000 characters.
    pub reason: Option<&'a str>,
}

/// A recorded attempt.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct AttemptRow {
    /// Number of the attempt, from 1; a replay begins again.
    pub attempt: u32,
    /// Why it ended.
    #[sqlx(try_from = "TextColumn")]
    pub outcome: AttemptOutcome,
    /// Worker that ran it.
    pub worker: Option<String>,
    /// When it started.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended, or was found to have ended.
    pub ended_at: DateTime<Utc>,
    /// Error, or note of the handler; `None` if there was nothing to say.
    pub reason: Option<String>,
}

/// Records an attempt. To be called in the transaction that requeues or ends the job, after that, so that a worker without a
/// valid lease records nothing.
pub async fn record_attempt(conn: &mut Conn, ended: &EndedAttempt<'_>) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO job_attempts (job_id, fence, attempt, outcome, worker, started_at, ended_at, reason)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(ended.fence.job.to_string())
    .bind(ended.fence.number)
    .bind(ended.attempt)
    .bind(ended.outcome.as_str())
    .bind(ended.worker)
    .bind(ended.started_at)
    .bind(ended.ended_at)
    .bind(ended.reason.map(truncate_note))
    .execute(conn)
    .await?;
    Ok(())
}

/// Lists the newest `limit` recorded attempts of a job, newest first.
pub async fn list_attempts(conn: &mut Conn, job: JobId, limit: u32) -> StoreResult<Vec<AttemptRow>> {
    Ok(sqlx::query_as(
        "SELECT attempt, outcome, worker, started_at, ended_at, reason FROM job_attempts
         WHERE job_id = ? ORDER BY fence DESC LIMIT ?",
    )
    .bind(job.to_string())
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Deletes at most `limit` attempts that ended before `before`; returns how many. Those of a deleted job are deleted with it.
pub async fn prune_attempts(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let pruned = sqlx::query("DELETE FROM job_attempts WHERE ended_at < ? ORDER BY ended_at LIMIT ?")
        .bind(before)
        .bind(limit)
        .execute(conn)
        .await?;
    Ok(pruned.rows_affected())
}

/// Deletes the attempts of these jobs, except of those that still exist. The list must not be empty.
pub(super) async fn delete_of_deleted(conn: &mut Conn, ids: Vec<String>) -> StoreResult<()> {
    let mut delete = sqlx::QueryBuilder::new("DELETE FROM job_attempts WHERE job_id");
    push_in(&mut delete, ids);
    delete.push(" AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = job_attempts.job_id)");
    delete.build().execute(conn).await?;
    Ok(())
}
