//! What a test of an outcome need not wait for: the pause before a job's next attempt, and the time of a killed worker's
//! leases.

use std::time::Duration;

use flysk_store::Pool;
use tokio::task::JoinHandle;

use super::Environment;

/// Interval of looking for jobs that wait.
const INTERVAL: Duration = Duration::from_millis(200);

/// Makes jobs due until it is dropped.
#[derive(Debug)]
#[must_use = "jobs are hurried until this is dropped"]
pub struct Hurry(JoinHandle<()>);

impl Drop for Hurry {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Environment {
    /// Until the result is dropped, jobs of this kind do not wait for their time, neither for another attempt nor to ask
    /// again. Their number of attempts and what they do stay as they are. For tests that assert no time: that retries are
    /// never early is asserted by the chaos tests.
    pub fn hurry(&self, kind: &'static str) -> Hurry {
        let pool = self.pool.clone();
        Hurry(tokio::spawn(async move {
            loop {
                if let Err(error) = make_due(&pool, kind).await {
                    tracing::debug!(kind, error = %error, "failed to hurry jobs");
                }
                tokio::time::sleep(INTERVAL).await;
            }
        }))
    }

    /// The leases of a killed process end now, and not when their time is up. Its jobs are then rescued as after that time.
    pub async fn end_leases(&self, number: usize) -> anyhow::Result<()> {
        sqlx::query(
            "UPDATE jobs SET lease_until = UTC_TIMESTAMP(6) WHERE state = 'running' AND lease_owner LIKE ?",
        )
        // `flysk_queue::worker::owner_name`: host, process, start.
        .bind(format!("%-{}-%", self.pid(number)?))
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

async fn make_due(pool: &Pool, kind: &str) -> sqlx::Result<()> {
    let waiting: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM jobs WHERE kind = ? AND state = 'queued' AND run_at > UTC_TIMESTAMP(6)",
    )
    .bind(kind)
    .fetch_all(pool)
    .await?;
    for id in waiting {
        sqlx::query(
            "UPDATE jobs SET run_at = UTC_TIMESTAMP(6), push_at = UTC_TIMESTAMP(6)
             WHERE id = ? AND state = 'queued'",
        )
        .bind(id)
        .execute(pool)
        .await?;
    }
    Ok(())
}
