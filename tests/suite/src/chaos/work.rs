//! Jobs whose effects can be counted.

use std::time::Duration;

use flysk_jobs::{Delays, Handle, Job, JobError, JobResult, Policy, Queue, Registry, Run, Verdict};
use flysk_store::Pool;
use serde::{Deserialize, Serialize};

/// What the handlers work in: nothing but the database.
#[derive(Debug)]
pub struct Bench;

/// Takes its time, then leaves one row. Two rows of one key are a double effect.
#[derive(Debug, Serialize, Deserialize)]
pub struct LeaveMark {
    /// Unique in a test.
    pub key: u64,
    /// How long it works before the effect.
    pub work_ms: u64,
}

impl Job for LeaveMark {
    const KIND: &'static str = "chaos.leave_mark";
    const POLICY: Policy = Policy::on(Queue::Upkeep)
        .attempts(50)
        .delays(Delays::Doubling { first: Duration::from_millis(100), most: Duration::from_secs(1) });
    const TRIGGER: &'static str = "a chaos test";
    const ABOUT: &'static str = "leaves a row";
}

impl Handle<Bench> for LeaveMark {
    async fn handle(&self, run: &Run, _: &Bench) -> JobResult {
        note_start(run, self.key).await?;
        tokio::time::sleep(Duration::from_millis(self.work_ms)).await;
        let mut unit = run.begin().await?;
        sqlx::query("INSERT INTO chaos_marks (mark_key, attempt, at) VALUES (?, ?, ?)")
            .bind(self.key)
            .bind(run.attempt())
            .bind(run.now())
            .execute(&mut *unit)
            .await?;
        run.done(unit).await
    }
}

/// Fails each time, on the schedule promised to vendors.
#[derive(Debug, Serialize, Deserialize)]
pub struct FailOnSchedule {
    /// Unique in a test.
    pub key: u64,
}

impl Job for FailOnSchedule {
    const KIND: &'static str = "chaos.fail_on_schedule";
    const POLICY: Policy = Policy::on(Queue::Upkeep).attempts(4).delays(Delays::Steps(&[
        Duration::from_secs(10),
        Duration::from_mins(1),
        Duration::from_mins(5),
    ]));
    const TRIGGER: &'static str = "a chaos test";
    const ABOUT: &'static str = "fails";
}

impl Handle<Bench> for FailOnSchedule {
    async fn handle(&self, run: &Run, _: &Bench) -> JobResult {
        note_start(run, self.key).await?;
        Err(JobError::retry("as it should"))
    }
}

/// Takes its worker with it, each time: only the count of starts can stop it.
#[derive(Debug, Serialize, Deserialize)]
pub struct KillWorker {
    /// Unique in a test.
    pub key: u64,
}

impl Job for KillWorker {
    const KIND: &'static str = "chaos.kill_worker";
    const POLICY: Policy =
        Policy::on(Queue::Upkeep).attempts(3).delays(Delays::Steps(&[Duration::from_millis(50)]));
    const TRIGGER: &'static str = "a chaos test";
    const ABOUT: &'static str = "kills its worker";
}

impl Handle<Bench> for KillWorker {
    async fn handle(&self, run: &Run, _: &Bench) -> JobResult {
        note_start(run, self.key).await?;
        std::process::abort();
    }
}

/// Panics once, takes too long once, then succeeds.
#[derive(Debug, Serialize, Deserialize)]
pub struct StumbleTwice {
    /// Unique in a test.
    pub key: u64,
}

impl Job for StumbleTwice {
    const KIND: &'static str = "chaos.stumble_twice";
    const POLICY: Policy = Policy::on(Queue::Upkeep)
        .attempts(5)
        .timeout_secs(1)
        .delays(Delays::Steps(&[Duration::from_millis(50)]));
    const TRIGGER: &'static str = "a chaos test";
    const ABOUT: &'static str = "panics, hangs, succeeds";
}

impl Handle<Bench> for StumbleTwice {
    #[expect(clippy::panic, reason = "how a panic in a handler is survived is what the test asks")]
    async fn handle(&self, run: &Run, _: &Bench) -> JobResult {
        note_start(run, self.key).await?;
        match run.attempt() {
            1 => panic!("as it should"),
            2 => {
                std::future::pending::<()>().await;
                Ok(Verdict::Done)
            }
            _ => Ok(Verdict::Done),
        }
    }
}

/// Every start is written at once, outside the job's own transaction.
async fn note_start(run: &Run, key: u64) -> Result<(), JobError> {
    sqlx::query("INSERT INTO chaos_starts (mark_key, attempt, at) VALUES (?, ?, ?)")
        .bind(key)
        .bind(run.attempt())
        .bind(run.now())
        .execute(run.pool())
        .await?;
    Ok(())
}

/// The kinds above.
pub fn registry() -> Registry<Bench> {
    Registry::default()
        .with::<LeaveMark>()
        .with::<FailOnSchedule>()
        .with::<KillWorker>()
        .with::<StumbleTwice>()
}

/// The tables effects are counted in.
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
