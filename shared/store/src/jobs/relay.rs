//! Due jobs whose wake-ups are to be pushed to Redis.

use chrono::{DateTime, Utc};
use flysk_domain::id::JobId;

use super::IdRow;
use crate::listed::push_in;
use crate::sql_text::sql;
use crate::{Conn, StoreResult};

/// A waiting job that is due.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct DueJob {
    /// `job_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: JobId,
    /// Queue whose workers take it.
    pub queue: String,
    /// 0 runs first.
    pub priority: u8,
    /// Fence number, which changes each time the job is claimed.
    pub fence: u64,
}

/// A waiting job as a relay compares it with others. It may not be due yet.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct WaitingJob {
    /// `job_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: JobId,
    /// Queue whose workers take it.
    pub queue: String,
    /// 0 runs first.
    pub priority: u8,
    /// Tenant of the job, if any.
    pub tenant: Option<String>,
    /// When a relay pushes it. Never before its earliest start.
    pub push_at: DateTime<Utc>,
}

const SELECT_WAITING: &str = "SELECT id, queue, priority, tenant, push_at FROM jobs ";

/// Order of reading by tenant: one tenant after another, jobs without a tenant first.
const BY_TENANT: &str = " ORDER BY priority, tenant, push_at, id LIMIT ?";

/// Lists at most `limit` due jobs of all queues, those that are due longest first. Reads no other rows.
///
/// Here and below the index is named, because a server whose statistics are older than a backlog may prefer to read and
/// sort all of it.
pub async fn list_due(conn: &mut Conn, now: DateTime<Utc>, limit: u32) -> StoreResult<Vec<WaitingJob>> {
    Ok(sqlx::query_as(sql!(
        SELECT_WAITING,
        "FORCE INDEX (jobs_due) WHERE state = 'queued' AND push_at <= ? ORDER BY push_at LIMIT ?"
    ))
    .bind(now)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Lists the first `limit` waiting jobs of `queue`, due or not, by priority, tenant and time, beginning with
/// `priority`. Reads no other rows.
pub async fn list_by_tenant(
    conn: &mut Conn,
    queue: &str,
    priority: u8,
    limit: u32,
) -> StoreResult<Vec<WaitingJob>> {
    Ok(sqlx::query_as(sql!(
        SELECT_WAITING,
        "FORCE INDEX (jobs_turns) WHERE state = 'queued' AND queue = ? AND priority >= ?",
        BY_TENANT
    ))
    .bind(queue)
    .bind(priority)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Like [`list_by_tenant`], for one priority, beginning with the jobs of `tenant`. The empty text begins after the jobs without
/// a tenant.
pub async fn list_by_tenant_from(
    conn: &mut Conn,
    queue: &str,
    priority: u8,
    tenant: &str,
    limit: u32,
) -> StoreResult<Vec<WaitingJob>> {
    Ok(sqlx::query_as(sql!(
        SELECT_WAITING,
        "FORCE INDEX (jobs_turns) WHERE state = 'queued' AND queue = ? AND priority = ? AND tenant >= ?",
        BY_TENANT
    ))
    .bind(queue)
    .bind(priority)
    .bind(tenant)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Like [`list_by_tenant`], for one priority, beginning after the jobs of `tenant`.
pub async fn list_by_tenant_after(
    conn: &mut Conn,
    queue: &str,
    priority: u8,
    tenant: &str,
    limit: u32,
) -> StoreResult<Vec<WaitingJob>> {
    Ok(sqlx::query_as(sql!(
        SELECT_WAITING,
        "FORCE INDEX (jobs_turns) WHERE state = 'queued' AND queue = ? AND priority = ? AND tenant > ?",
        BY_TENANT
    ))
    .bind(queue)
    .bind(priority)
    .bind(tenant)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Reserves the jobs `ids` for this relay until `again_at`; returns the reserved ones, in no order. Jobs that another relay
/// reserved, or that are not due any more, are missing.
pub async fn mark_pushed(
    conn: &mut Conn,
    ids: &[JobId],
    now: DateTime<Utc>,
    again_at: DateTime<Utc>,
) -> StoreResult<Vec<DueJob>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut locked = sqlx::QueryBuilder::new(
        "SELECT id, queue, priority, fence FROM jobs FORCE INDEX (PRIMARY) WHERE state = 'queued' AND push_at <= ",
    );
    locked.push_bind(now).push(" AND run_at <= ").push_bind(now).push(" AND id");
    push_in(&mut locked, ids.iter().map(ToString::to_string));
    locked.push(" FOR UPDATE SKIP LOCKED");
    let mine: Vec<DueJob> = locked.build_query_as().fetch_all(&mut *conn).await?;
    let reserved: Vec<JobId> = mine.iter().map(|job| job.id).collect();
    defer_push(conn, &reserved, again_at).await?;
    Ok(mine)
}

/// Sets when a relay considers these waiting jobs next, except those that begin later: they were claimed and snoozed meanwhile.
pub async fn defer_push(conn: &mut Conn, ids: &[JobId], at: DateTime<Utc>) -> StoreResult<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut update = sqlx::QueryBuilder::new("UPDATE jobs FORCE INDEX (PRIMARY) SET push_at = ");
    update.push_bind(at).push(" WHERE state = 'queued' AND run_at <= ").push_bind(at).push(" AND id");
    push_in(&mut update, ids.iter().map(ToString::to_string));
    update.build().execute(conn).await?;
    Ok(())
}

/// Has a relay push the job when it is due, but not before `not_before`, if it waits. Of a job that does not wait, no lock is
/// waited for.
pub async fn push_when_due(conn: &mut Conn, id: JobId, not_before: DateTime<Utc>) -> StoreResult<()> {
    let waiting: Option<IdRow> = sqlx::query_as("SELECT id FROM jobs WHERE id = ? AND state = 'queued'")
        .bind(id.to_string())
        .fetch_optional(&mut *conn)
        .await?;
    if waiting.is_some() {
        sqlx::query("UPDATE jobs SET push_at = GREATEST(run_at, ?) WHERE id = ? AND state = 'queued'")
            .bind(not_before)
            .bind(id.to_string())
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// Lists at most `limit` due jobs whose push was deferred until `deferred_until` or earlier. They are those that wait in Redis, or
/// have just been enqueued.
pub async fn list_deferred(
    conn: &mut Conn,
    now: DateTime<Utc>,
    deferred_until: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<JobId>> {
    let deferred: Vec<IdRow> = sqlx::query_as(
        "SELECT id FROM jobs FORCE INDEX (jobs_due)
         WHERE state = 'queued' AND push_at > ? AND push_at <= ? AND run_at <= ? ORDER BY push_at LIMIT ?",
    )
    .bind(now)
    .bind(deferred_until)
    .bind(now)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(deferred.into_iter().map(|row| row.id).collect())
}

/// Makes those of the jobs `ids` whose push was deferred eligible for a push again, after Redis lost its data; returns how many.
/// To be called in a transaction of its own.
///
/// Jobs whose row another transaction has locked are left out: one that stays locked must not keep all others from being pushed.
pub async fn push_again(conn: &mut Conn, ids: &[JobId], now: DateTime<Utc>) -> StoreResult<usize> {
    if ids.is_empty() {
        return Ok(0);
    }
    let mut lock = sqlx::QueryBuilder::new(
        "SELECT id FROM jobs FORCE INDEX (PRIMARY) WHERE state = 'queued' AND push_at > ",
    );
    lock.push_bind(now).push(" AND id");
    push_in(&mut lock, ids.iter().map(ToString::to_string));
    lock.push(" FOR UPDATE SKIP LOCKED");
    let locked: Vec<IdRow> = lock.build_query_as().fetch_all(&mut *conn).await?;
    let locked: Vec<JobId> = locked.into_iter().map(|row| row.id).collect();
    defer_push(conn, &locked, now).await?;
    Ok(locked.len())
}
