//! Jobs with countable effects.

use std::time::Duration;

use flysk_jobs::queues;
use flysk_queue::{Backoff, Job, JobContext, JobError, JobHandler, JobOutcome, JobResult, Policy, Registry};
use serde::{Deserialize, Serialize};

use super::limited::{CallService, ChaosContext};
use super::marks::{leave_mark, note_start};

/// Works for a while, then inserts one row. Two rows with the same key are a duplicate effect.
#[derive(Debug, Serialize, Deserialize)]
pub struct LeaveMark {
    /// Unique within a test.
    pub key: u64,
    /// Duration before the effect, ms.
    pub work_ms: u64,
}

impl Job for LeaveMark {
    const KIND: &'static str = "chaos.leave_mark";
    const POLICY: Policy = Policy::for_queue(queues::UPKEEP)
        .attempts(50)
        .backoff(Backoff::Exponential { first: Duration::from_millis(100), max: Duration::from_secs(1) });
    const TRIGGER: &'static str = "a chaos test";
    const DESCRIPTION: &'static str = "inserts a row";
}

impl JobHandler<ChaosContext> for LeaveMark {
    async fn handle(&self, run: &JobContext, _: &ChaosContext) -> JobResult {
        note_start(run, self.key).await?;
        tokio::time::sleep(Duration::from_millis(self.work_ms)).await;
        leave_mark(run, self.key).await
    }
}

/// Fails on every attempt, with the documented retry schedule of webhooks to vendors.
#[derive(Debug, Serialize, Deserialize)]
pub struct FailOnSchedule {
    /// Unique within a test.
    pub key: u64,
}

impl Job for FailOnSchedule {
    const KIND: &'static str = "chaos.fail_on_schedule";
    const POLICY: Policy = Policy::for_queue(queues::UPKEEP).attempts(4).backoff(Backoff::Fixed(&[
        Duration::from_secs(10),
        Duration::from_mins(1),
        Duration::from_mins(5),
    ]));
    const TRIGGER: &'static str = "a chaos test";
    const DESCRIPTION: &'static str = "fails";
}

impl JobHandler<ChaosContext> for FailOnSchedule {
    async fn handle(&self, run: &JobContext, _: &ChaosContext) -> JobResult {
        note_start(run, self.key).await?;
        Err(JobError::retry("expected failure"))
    }
}

/// Ends at once, without the database.
#[derive(Debug, Serialize, Deserialize)]
pub struct DoNothing {
    /// Unique within a test.
    pub key: u64,
}

impl Job for DoNothing {
    const KIND: &'static str = "chaos.do_nothing";
    const POLICY: Policy = Policy::for_queue(queues::UPKEEP);
    const TRIGGER: &'static str = "a chaos test";
    const DESCRIPTION: &'static str = "does nothing";
}

impl JobHandler<ChaosContext> for DoNothing {
    async fn handle(&self, _: &JobContext, _: &ChaosContext) -> JobResult {
        Ok(JobOutcome::Done)
    }
}

/// Aborts its worker process on every attempt. Only the limit on starts can stop it.
#[derive(Debug, Serialize, Deserialize)]
pub struct KillWorker {
    /// Unique within a test.
    pub key: u64,
}

impl Job for KillWorker {
    const KIND: &'static str = "chaos.kill_worker";
    const POLICY: Policy =
        Policy::for_queue(queues::UPKEEP).attempts(3).backoff(Backoff::Fixed(&[Duration::from_millis(50)]));
    const TRIGGER: &'static str = "a chaos test";
    const DESCRIPTION: &'static str = "kills its worker";
}

impl JobHandler<ChaosContext> for KillWorker {
    async fn handle(&self, run: &JobContext, _: &ChaosContext) -> JobResult {
        note_start(run, self.key).await?;
        std::process::abort();
    }
}

/// Panics on the first attempt, times out on the second, then succeeds.
#[derive(Debug, Serialize, Deserialize)]
pub struct StumbleTwice {
    /// Unique within a test.
    pub key: u64,
}

impl Job for StumbleTwice {
    const KIND: &'static str = "chaos.stumble_twice";
    const POLICY: Policy = Policy::for_queue(queues::UPKEEP)
        .attempts(5)
        .timeout_secs(5)
        .backoff(Backoff::Fixed(&[Duration::from_millis(50)]));
    const TRIGGER: &'static str = "a chaos test";
    const DESCRIPTION: &'static str = "panics, hangs, succeeds";
}

impl JobHandler<ChaosContext> for StumbleTwice {
    #[expect(clippy::panic, reason = "the test checks how a panic in a handler is survived")]
    async fn handle(&self, run: &JobContext, _: &ChaosContext) -> JobResult {
        note_start(run, self.key).await?;
        match run.attempt() {
            1 => panic!("expected failure"),
            2 => {
                std::future::pending::<()>().await;
                Ok(JobOutcome::Done)
            }
            _ => Ok(JobOutcome::Done),
        }
    }
}

/// Registry of the job kinds of a worker.
pub fn registry() -> Registry<ChaosContext> {
    Registry::default()
        .with::<LeaveMark>()
        .with::<DoNothing>()
        .with::<FailOnSchedule>()
        .with::<KillWorker>()
        .with::<StumbleTwice>()
        .with::<CallService>()
}
