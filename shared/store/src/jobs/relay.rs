//! Due jobs whose wake-ups are to be pushed to Redis.

use chrono::{DateTime, Utc};
use flysk_domain::id::JobId;

use crate::listed::push_in;
use crate::{Conn, StoreResult};

/// A waiting job that is due.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct DueJob {
    /// Id of the job.
    #[sqlx(try_from = "String")]
    pub id: JobId,
    /// Queue whose workers take it.
    pub queue: String,
    /// 0 runs first.
    pub priority: u8,
    /// Its fence number, which changes each time the job is claimed.
    pub fence: u64,
}

/// Lists at most `limit` due jobs of `queue`, by priority and then round-robin across tenants, so that many calls of one
/// account do not delay those of another.
pub async fn list_due(
    conn: &mut Conn,
    queue: &str,
    now: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<DueJob>> {
    Ok(sqlx::query_as(
        "SELECT id, queue, priority, fence FROM (
             SELECT id, queue, priority, fence, push_at,
                    ROW_NUMBER() OVER (PARTITION BY priority, COALESCE(tenant, id) ORDER BY push_at, id) AS turn
             FROM jobs WHERE state = 'queued' AND push_at <= ? AND run_at <= ? AND queue = ?
         ) AS due
         ORDER BY priority, turn, push_at, id LIMIT ?",
    )
    .bind(now)
    .bind(now)
    .bind(queue)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Reserves the jobs `ids` for this relay until `again_at`; returns the reserved ones. Jobs that another relay reserved, or
/// that do not wait any more, are missing.
pub async fn mark_pushed(
    conn: &mut Conn,
    ids: &[JobId],
    now: DateTime<Utc>,
    again_at: DateTime<Utc>,
) -> StoreResult<Vec<JobId>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut locked = sqlx::QueryBuilder::new("SELECT id FROM jobs WHERE id");
    push_in(&mut locked, ids.iter().map(ToString::to_string));
    locked.push(" AND state = 'queued' AND push_at <= ").push_bind(now).push(" FOR UPDATE SKIP LOCKED");
    let mine: Vec<String> = locked.build_query_scalar().fetch_all(&mut *conn).await?;
    let mine: Vec<JobId> = mine.iter().filter_map(|id| id.parse().ok()).collect();
    defer_push(conn, &mine, again_at).await?;
    Ok(mine)
}

/// Sets when a relay considers these waiting jobs next.
pub async fn defer_push(conn: &mut Conn, ids: &[JobId], at: DateTime<Utc>) -> StoreResult<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut update = sqlx::QueryBuilder::new("UPDATE jobs SET push_at = ");
    update.push_bind(at).push(" WHERE state = 'queued' AND id");
    push_in(&mut update, ids.iter().map(ToString::to_string));
    update.build().execute(conn).await?;
    Ok(())
}

/// Makes all due jobs eligible for a push again, after Redis lost its data. Returns how many were deferred until now.
pub async fn push_everything_again(conn: &mut Conn, now: DateTime<Utc>) -> StoreResult<u64> {
    let again =
        sqlx::query("UPDATE jobs SET push_at = ? WHERE state = 'queued' AND push_at > ? AND run_at <= ?")
            .bind(now)
            .bind(now)
            .bind(now)
            .execute(conn)
            .await?;
    Ok(again.rows_affected())
}
