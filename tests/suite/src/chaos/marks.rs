//! Starts and effects of jobs, as rows that tests count.

use flysk_queue::{JobContext, JobError, JobResult};
use flysk_store::Pool;

/// Records a start at once, outside the job's transaction.
pub(super) async fn note_start(run: &JobContext, key: u64) -> Result<(), JobError> {
    sqlx::query("INSERT INTO chaos_starts (mark_key, attempt, at) VALUES (?, ?, ?)")
        .bind(key)
        .bind(run.attempt())
        .bind(run.now())
        .execute(run.pool())
        .await?;
    Ok(())
}

/// Inserts the row of a key in the transaction that completes the job.
pub(super) async fn leave_mark(run: &JobContext, key: u64) -> JobResult {
    let mut unit = run.begin().await?;
    sqlx::query("INSERT INTO chaos_marks (mark_key, attempt, at) VALUES (?, ?, ?)")
        .bind(key)
        .bind(run.attempt())
        .bind(run.now())
        .execute(&mut *unit)
        .await?;
    run.done(unit).await
}

/// Creates the tables that record starts and effects.
pub async fn create_tables(pool: &Pool) -> sqlx::Result<()> {
    for table in ["chaos_marks", "chaos_starts"] {
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {table} (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
                 mark_key BIGINT UNSIGNED NOT NULL, attempt INT UNSIGNED NOT NULL, at DATETIME(6) NOT NULL, KEY (mark_key))"
        );
        sqlx::query(sqlx::AssertSqlSafe(create)).execute(pool).await?;
    }
    Ok(())
}
