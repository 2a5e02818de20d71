//! Leases of jobs: claim, extend, end.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::JobId;
use flysk_domain::trace::Trace;
use sqlx::types::Json;

use super::{IdRow, JobState};
use crate::error::expect_one;
use crate::listed::push_in;
use crate::sql_text::sql;
use crate::{Conn, StoreError, StoreResult};

/// The right to write for a job: valid while the row has this fence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence {
    /// Row of `jobs`.
    pub job: JobId,
    /// The row's fence number after the claim.
    pub number: u64,
}

/// A job claimed by a worker.
#[derive(Debug, Clone)]
pub struct Lease {
    /// The right to write for the job.
    pub fence: Fence,
    /// Kind from the catalogue.
    pub kind: String,
    /// Payload of the kind, as JSON.
    pub payload: serde_json::Value,
    /// Number of this attempt, from 1; attempts whose worker died are counted too.
    pub attempt: u32,
    /// Maximum number of attempts.
    pub max_attempts: u32,
    /// Tenant of the job, if any.
    pub tenant: Option<String>,
    /// Correlation with the request that caused the job.
    pub trace: Trace,
    /// When it became due.
    pub run_at: DateTime<Utc>,
    /// Whether the claim was made before the job could start ([`super::claim_many`]). Of an expired lease: whether that claim
    /// was, so nobody knows whether the job has begun.
    pub claimed_ahead: bool,
    /// Whether the job is known to have never been started before this claim. Only [`super::claim_many`] reads that.
    pub never_started: bool,
    /// Of an expired lease: who held it. Only [`list_expired`] reads that.
    pub former: Option<FormerHolder>,
}

/// The worker that held an expired lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerHolder {
    /// Its name.
    pub worker: Option<String>,
    /// When it claimed the job.
    pub started_at: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
pub(super) struct LeaseRow {
    #[sqlx(try_from = "String")]
    pub(super) id: JobId,
    pub(super) fence: u64,
    kind: String,
    payload: Json<serde_json::Value>,
    pub(super) attempt: u32,
    pub(super) max_attempts: u32,
    tenant: Option<String>,
    correlation_id: String,
    traceparent: Option<String>,
    run_at: DateTime<Utc>,
    /// Fence number of a claim ahead of the start.
    pub(super) ahead_fence: Option<u64>,
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
            claimed_ahead: row.ahead_fence == Some(row.fence),
            never_started: false,
            former: None,
        }
    }
}

/// A running job with its holder.
#[derive(sqlx::FromRow)]
struct ExpiredRow {
    #[sqlx(flatten)]
    lease: LeaseRow,
    lease_owner: Option<String>,
    lease_until: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
}

impl From<ExpiredRow> for Lease {
    fn from(row: ExpiredRow) -> Self {
        let former = FormerHolder { worker: row.lease_owner, started_at: row.started_at };
        Self { former: Some(former), ..row.lease.into() }
    }
}

/// The columns of a [`LeaseRow`].
pub(super) const LEASE_COLUMNS: &str = "id, fence, kind, payload, attempt, max_attempts, tenant, correlation_id, traceparent, run_at, ahead_fence";

/// Claims a due, waiting job for `owner` until `until` and counts the attempt; `None` if it cannot be claimed.
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
    let row: Option<LeaseRow> = sqlx::query_as(sql!(
        "SELECT ",
        LEASE_COLUMNS,
        " FROM jobs WHERE id = ? AND state = 'running' AND lease_owner = ?"
    ))
    .bind(id.to_string())
    .bind(owner)
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Lease::from))
}

/// Locks the job's row until the transaction ends; `false` if the fence has changed.
///
/// The row is updated, not only locked: on a cluster a lock is local to a node, and of two transactions that updated the
/// same row only one commits. So nothing is committed concurrently with a rescue of the job on another node.
pub async fn lock_if_owned(conn: &mut Conn, fence: Fence) -> StoreResult<bool> {
    let held = sqlx::query(
        "UPDATE jobs SET units_begun = units_begun + 1 WHERE id = ? AND fence = ? AND state = 'running'",
    )
    .bind(fence.job.to_string())
    .bind(fence.number)
    .execute(conn)
    .await?;
    Ok(held.rows_affected() == 1)
}

/// Extends the leases that `owner` holds on `ids` to `until`; returns the jobs whose row it was free to write. To be called outside
/// a transaction: nothing stays locked if the process vanishes meanwhile.
///
/// Only jobs in progress are named: if the response to a claim was lost, its owner does not know of the claim, and the
/// lease must expire. Left out are jobs whose row another transaction has locked: all leases of a process are extended
/// together, and would all expire while one handler's transaction waits for something.
pub async fn extend_leases(
    conn: &mut Conn,
    owner: &str,
    ids: &[JobId],
    until: DateTime<Utc>,
) -> StoreResult<BTreeSet<JobId>> {
    let unlocked = list_unlocked(conn, ids).await?;
    if unlocked.is_empty() {
        return Ok(unlocked);
    }
    let mut extend = sqlx::QueryBuilder::new("UPDATE jobs FORCE INDEX (PRIMARY) SET lease_until = ");
    extend
        .push_bind(until)
        .push(" WHERE state = 'running' AND lease_owner = ")
        .push_bind(owner)
        .push(" AND id");
    push_in(&mut extend, unlocked.iter().map(ToString::to_string));
    extend.build().execute(conn).await?;
    Ok(unlocked)
}

/// Marks a job as done. [`StoreError::WrongState`] if the fence has changed.
pub async fn complete(
    conn: &mut Conn,
    fence: Fence,
    note: Option<&str>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    end(conn, fence, JobState::Done, note, now).await
}

/// Marks a job as dead. [`StoreError::WrongState`] if the fence has changed.
pub async fn mark_dead(conn: &mut Conn, fence: Fence, reason: &str, now: DateTime<Utc>) -> StoreResult<()> {
    end(conn, fence, JobState::Dead, Some(reason), now).await
}

/// The owner stays in the row: it is who ended the job.
async fn end(
    conn: &mut Conn,
    fence: Fence,
    state: JobState,
    note: Option<&str>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let ended = sqlx::query(
        "UPDATE jobs SET state = ?, finished_at = ?, push_at = ?, lease_until = NULL, last_error = ?
         WHERE id = ? AND fence = ? AND state = 'running'",
    )
    .bind(state.as_str())
    .bind(now)
    .bind(now)
    .bind(note.map(truncate_note))
    .bind(fence.job.to_string())
    .bind(fence.number)
    .execute(conn)
    .await?;
    expect_one(&ended, "job")
}

/// Requeues a job for `run_at`; the attempt counts.
pub async fn retry(conn: &mut Conn, fence: Fence, run_at: DateTime<Utc>, reason: &str) -> StoreResult<()> {
    let back =
        Requeue { run_at, push_at: run_at, uncounted: 0, waits: 0, has_started: true, reason: Some(reason) };
    requeue(conn, fence, back).await
}

/// Requeues a job for `run_at` without counting the attempt, and counts the wait.
pub async fn snooze(conn: &mut Conn, fence: Fence, run_at: DateTime<Utc>, reason: &str) -> StoreResult<()> {
    let back =
        Requeue { run_at, push_at: run_at, uncounted: 1, waits: 1, has_started: true, reason: Some(reason) };
    requeue(conn, fence, back).await
}

/// Requeues a job at once without counting the attempt: the worker shuts down, or died before the job may have begun.
pub async fn release(conn: &mut Conn, fence: Fence, now: DateTime<Utc>) -> StoreResult<()> {
    let back = Requeue { run_at: now, push_at: now, uncounted: 1, waits: 0, has_started: true, reason: None };
    requeue(conn, fence, back).await
}

/// Requeues a job that was claimed with others ([`super::claim_many`]) and has never been started, neither before the claim nor
/// after it: of the claim only the fence number remains. `run_at` is its earliest start, as before.
pub async fn release_unstarted(
    conn: &mut Conn,
    fence: Fence,
    run_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let back = Requeue { run_at, push_at: now, uncounted: 1, waits: 0, has_started: false, reason: None };
    requeue(conn, fence, back).await
}

/// Values of a job that returns to the queue.
#[derive(Clone, Copy)]
struct Requeue<'a> {
    run_at: DateTime<Utc>,
    push_at: DateTime<Utc>,
    /// Attempts not to be counted.
    uncounted: u32,
    /// Waits to be counted.
    waits: u32,
    /// Whether it has ever been started.
    has_started: bool,
    reason: Option<&'a str>,
}

/// The dedup key is restored too, unless a newer job with the same key waits: then both run, and the state check in the
/// handler makes the later one a no-op.
async fn requeue(conn: &mut Conn, fence: Fence, back: Requeue<'_>) -> StoreResult<()> {
    let put = |with_key: bool| {
        sqlx::query(
            "UPDATE jobs SET state = 'queued', run_at = ?, push_at = ?, attempt = attempt - ?, waits = waits + ?,
                started_at = IF(?, started_at, NULL), waiting_key = IF(?, dedup_key, NULL), lease_owner = NULL,
                lease_until = NULL, last_error = COALESCE(?, last_error)
             WHERE id = ? AND fence = ? AND state = 'running'",
        )
        .bind(back.run_at)
        .bind(back.push_at)
        .bind(back.uncounted)
        .bind(back.waits)
        .bind(back.has_started)
        .bind(with_key)
        .bind(back.reason.map(truncate_note))
        .bind(fence.job.to_string())
        .bind(fence.number)
    };
    let requeued = match put(true).execute(&mut *conn).await.map_err(StoreError::from) {
        Err(StoreError::Duplicate { .. }) => put(false).execute(conn).await?,
        other => other?,
    };
    expect_one(&requeued, "job")
}

/// Lists at most `limit` running jobs whose lease expired before `now`. Leaves out jobs whose row is locked, which do not count in the
/// limit: a transaction of a worker that lost the network stays open for long, and each wait for it would hold up the rescue of
/// all others. To be called outside a transaction, like [`list_unlocked`].
///
/// Reads all running jobs, which are few, once per `limit` of them that are left out: an index of leases would change with every
/// claim and every end.
pub async fn list_expired(conn: &mut Conn, now: DateTime<Utc>, limit: u32) -> StoreResult<Vec<Lease>> {
    let wanted = limit as usize;
    let (mut expired, mut after) = (Vec::new(), (DateTime::UNIX_EPOCH, String::new()));
    loop {
        let page: Vec<ExpiredRow> = sqlx::query_as(sql!(
            "SELECT ",
            LEASE_COLUMNS,
            ", lease_owner, lease_until, started_at FROM jobs FORCE INDEX (jobs_due)
             WHERE state = 'running' AND lease_until < ? AND (lease_until > ? OR (lease_until = ? AND id > ?))
             ORDER BY lease_until, id LIMIT ?"
        ))
        .bind(now)
        .bind(after.0)
        .bind(after.0)
        .bind(&after.1)
        .bind(limit)
        .fetch_all(&mut *conn)
        .await?;
        let ids: Vec<JobId> = page.iter().map(|row| row.lease.id).collect();
        let last = page.last().map(|row| (row.lease_until, row.lease.id.to_string()));
        let unlocked = list_unlocked(conn, &ids).await?;
        let leases = page.into_iter().map(Lease::from);
        expired.extend(leases.filter(|lease| unlocked.contains(&lease.fence.job)));
        match last {
            Some(last) if ids.len() == wanted && expired.len() < wanted => after = last,
            _ => break,
        }
    }
    expired.truncate(wanted);
    Ok(expired)
}

/// Lists those of the jobs `ids` whose row no other transaction has locked. To be called outside a transaction, so that the locks
/// end with the statement.
pub async fn list_unlocked(conn: &mut Conn, ids: &[JobId]) -> StoreResult<BTreeSet<JobId>> {
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut probe = sqlx::QueryBuilder::new("SELECT id FROM jobs FORCE INDEX (PRIMARY) WHERE id");
    push_in(&mut probe, ids.iter().map(ToString::to_string));
    probe.push(" FOR UPDATE SKIP LOCKED");
    let unlocked: Vec<IdRow> = probe.build_query_as().fetch_all(conn).await?;
    Ok(unlocked.into_iter().map(|row| row.id).collect())
}

/// Takes a job over from a worker whose lease expired and returns the new fence; `None` if the worker extended the lease
/// or ended the job in the meantime.
pub async fn steal_expired(
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

/// Cuts a text to the column's 1,000 characters.
pub(super) fn truncate_note(text: &str) -> String {
    text.chars().take(1000).collect()
}
