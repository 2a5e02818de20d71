//! Waiting jobs of one tenant among many.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::{Clock as _, SystemClock};
use flysk_queue::Job as _;
use flysk_store::Pool;
use sqlx::AssertSqlSafe;

use super::kinds::Occupy;

/// Other tenants with a waiting job each.
pub(super) const OTHER_TENANTS: u32 = 999;
/// Jobs per statement, and the most numbers that [`numbers`] makes.
const BATCH_ROWS: u32 = 100_000;
/// Longer than this benchmark takes.
const WAITING_TIME: TimeDelta = TimeDelta::days(1);
/// The numbers from 0 to 9, as a table.
const DIGITS: &str = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL \
     SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";

/// A subquery of the numbers `n` from 0 to `count`, at most 100,000, without its alias.
pub(super) fn numbers(count: u32) -> String {
    format!(
        "(SELECT n FROM (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d AS n
                         FROM {DIGITS} a, {DIGITS} b, {DIGITS} c, {DIGITS} e, {DIGITS} f) digits WHERE n < {count})"
    )
}

/// A time when nothing of this benchmark runs any more.
pub(super) fn later() -> DateTime<Utc> {
    SystemClock.now() + WAITING_TIME
}

/// Inserts `count` jobs of one tenant, and one of each of the others, to be due [`later`].
pub(super) async fn insert(pool: &Pool, count: u32) -> anyhow::Result<()> {
    let due = later();
    for first in (0..count).step_by(BATCH_ROWS as usize) {
        insert_batch(pool, first, BATCH_ROWS.min(count - first), "'busy'", due).await?;
    }
    insert_batch(pool, count, OTHER_TENANTS, "CONCAT('other', n)", due).await
}

/// Inserts jobs of one tenant that are due now.
pub(super) async fn insert_due(pool: &Pool, count: u32) -> anyhow::Result<()> {
    for first in (0..count).step_by(BATCH_ROWS as usize) {
        insert_batch(pool, first, BATCH_ROWS.min(count - first), "'busy'", SystemClock.now()).await?;
    }
    Ok(())
}

/// Sets when the jobs of [`insert`] are due, those of the one tenant that still wait.
pub(super) async fn set_due(pool: &Pool, count: u32, at: DateTime<Utc>) -> anyhow::Result<()> {
    for first in (0..count).step_by(BATCH_ROWS as usize) {
        sqlx::query("UPDATE jobs SET run_at = ?, push_at = ? WHERE id >= ? AND id < ? AND state = 'queued'")
            .bind(at)
            .bind(at)
            .bind(id(first))
            .bind(id(count.min(first + BATCH_ROWS)))
            .execute(pool)
            .await?;
    }
    Ok(())
}

fn id(number: u32) -> String {
    format!("job_{number:026}")
}

/// Inserts jobs; `tenant` is an SQL expression of the number `n`.
async fn insert_batch(
    pool: &Pool,
    first: u32,
    count: u32,
    tenant: &str,
    due: DateTime<Utc>,
) -> anyhow::Result<()> {
    let (kind, queue, due) =
        (Occupy::KIND, Occupy::POLICY.queue.as_str(), due.format("%Y-%m-%d %H:%M:%S%.6f"));
    let statement = format!(
        "INSERT INTO jobs (id, kind, queue, priority, payload, state, max_attempts, run_at, push_at, tenant, correlation_id,
                           created_at)
         SELECT CONCAT('job_', LPAD({first} + n, 26, '0')), '{kind}', '{queue}', 1, '{{}}', 'queued', 3, '{due}', '{due}',
                {tenant}, 'bench', '{due}'
         FROM {} waiting",
        numbers(count)
    );
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(pool).await?;
    Ok(())
}
