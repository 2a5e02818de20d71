//! Table `cron_ticks`: ticks of the schedule that became jobs.

use chrono::{DateTime, Utc};

use crate::{Conn, StoreError, StoreResult};

/// Claims the tick of `name` at `tick_at`; `false` if a scheduler claimed it before.
pub async fn claim(
    conn: &mut Conn,
    name: &str,
    tick_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let inserted = sqlx::query("INSERT INTO cron_ticks (name, tick_at, created_at) VALUES (?, ?, ?)")
        .bind(name)
        .bind(tick_at)
        .bind(now)
        .execute(conn)
        .await
        .map_err(StoreError::from);
    match inserted {
        Ok(_) => Ok(true),
        Err(StoreError::Duplicate { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Finds the latest tick of `name` that became a job.
pub async fn find_latest(conn: &mut Conn, name: &str) -> StoreResult<Option<DateTime<Utc>>> {
    Ok(sqlx::query_scalar("SELECT MAX(tick_at) FROM cron_ticks WHERE name = ?")
        .bind(name)
        .fetch_one(conn)
        .await?)
}

/// Deletes at most `limit` ticks older than `before`, except the latest of each name; returns how many.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let latest: Vec<(String, DateTime<Utc>)> =
        sqlx::query_as("SELECT name, MAX(tick_at) FROM cron_ticks GROUP BY name")
            .fetch_all(&mut *conn)
            .await?;
    let mut pruned = 0;
    for (name, tick_at) in latest {
        pruned +=
            sqlx::query("DELETE FROM cron_ticks WHERE name = ? AND tick_at < ? AND tick_at < ? LIMIT ?")
                .bind(name)
                .bind(tick_at)
                .bind(before)
                .bind(limit)
                .execute(&mut *conn)
                .await?
                .rows_affected();
    }
    Ok(pruned)
}
