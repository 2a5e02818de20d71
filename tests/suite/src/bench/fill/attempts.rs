//! The log of deliveries: attempts of the filled events.

use flysk_store::Pool;

use super::{execute, keys};

const TABLE: &str = "lifecycle_attempts";

/// Writes this many attempts to deliver the filled events, as many for each: of a hundred one failed, of a thousand one was refused.
/// None is interrupted.
pub(in crate::bench) async fn write_attempts(pool: &Pool, count: i64) -> anyhow::Result<()> {
    let events: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM lifecycle_events").fetch_one(pool).await?;
    anyhow::ensure!(events > 0, "there are no events");
    let built = keys::drop_secondary(pool, TABLE).await?;
    let (mut written, mut attempt) = (0, 1);
    while written < count {
        let round = events.min(count - written);
        sqlx::query(
            "INSERT INTO lifecycle_attempts (event_id, widget_id, attempt, started_at, took_ms, status)
             SELECT id, widget_id, ?, happened_at, 40,
                    CASE WHEN (number + ?) % 100 = 0 THEN 500 WHEN (number + ?) % 1000 = 1 THEN 410 ELSE 204 END
             FROM lifecycle_events ORDER BY id LIMIT ?",
        )
        .bind(attempt)
        .bind(attempt)
        .bind(attempt)
        .bind(round)
        .execute(pool)
        .await?;
        written += round;
        attempt += 1;
    }
    if let Some(build) = built {
        execute(pool, build).await?;
    }
    execute(pool, format!("ANALYZE TABLE {TABLE}")).await
}
