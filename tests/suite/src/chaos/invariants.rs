//! Invariants checked after every chaos test.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::fleet::{Fleet, WAIT_TIMEOUT};

impl Fleet {
    /// Waits until no job is queued or running, then checks: `jobs` jobs are done, each has exactly one effect,
    /// no row is stuck, and Redis is empty.
    pub async fn check_exactly_once(&mut self, jobs: usize) -> anyhow::Result<()> {
        let wanted = i64::try_from(jobs)?;
        self.wait_for("SELECT COUNT(*) FROM jobs WHERE state IN ('done', 'dead')", wanted).await?;
        let states: Vec<(String, i64)> =
            sqlx::query_as("SELECT state, COUNT(*) FROM jobs GROUP BY state").fetch_all(&self.pool).await?;
        if states != [("done".to_owned(), wanted)] {
            bail!("jobs ended as {states:?}");
        }
        let (marks, keys): (i64, i64) =
            sqlx::query_as("SELECT COUNT(*), COUNT(DISTINCT mark_key) FROM chaos_marks")
                .fetch_one(&self.pool)
                .await?;
        if (marks, keys) != (wanted, wanted) {
            bail!("{jobs} jobs left {marks} marks of {keys} keys");
        }
        self.check_redis_is_empty().await
    }

    /// Waits until no job is queued or running and Redis is empty. For tests whose jobs do not all succeed or
    /// leave no marks.
    pub async fn check_at_rest(&mut self) -> anyhow::Result<()> {
        self.wait_for("SELECT COUNT(*) = 0 FROM jobs WHERE state IN ('queued', 'running')", 1).await?;
        self.check_redis_is_empty().await
    }

    /// Waits until Redis holds only data of running workers: the epoch, the pace of queues, and one name per consumer.
    pub async fn check_redis_is_empty(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + WAIT_TIMEOUT;
        loop {
            let left = self.leftovers().await?;
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("left in Redis: {left:?}");
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn leftovers(&mut self) -> anyhow::Result<Vec<String>> {
        let mut connection = self.redis_connection().await?;
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await?;
        let (mut left, mut known, mut noted) = (Vec::new(), Vec::new(), Vec::new());
        for key in keys {
            if let Some((_, name)) = key.split_once(":workers:metadata:") {
                noted.push(name.to_owned());
            } else if key.ends_with(":workers") {
                let names: Vec<String> =
                    redis::cmd("ZRANGE").arg(&key).arg(0).arg(-1).query_async(&mut connection).await?;
                known.extend(names);
            } else if !key.ends_with(":epoch") && !key.ends_with(":pace") && !key.starts_with("core:apalis") {
                left.push(key);
            }
        }
        left.extend(self.stale_workers(known));
        left.extend(self.stale_workers(noted));
        Ok(left)
    }

    /// Names of workers (`queue-host-pid-…-start`) whose process is gone, and all but one name of each running
    /// process: a chaos worker has one consumer.
    fn stale_workers(&mut self, names: Vec<String>) -> Vec<String> {
        let children = self.workers.iter_mut().flatten();
        let mut living: BTreeSet<String> = children
            .filter_map(|child| matches!(child.try_wait(), Ok(None)).then(|| child.id().to_string()))
            .collect();
        let is_stale = |name: &String| !living.remove(name.split('-').nth(2).unwrap_or_default());
        names.into_iter().filter(is_stale).collect()
    }
}
