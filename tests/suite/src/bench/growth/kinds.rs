//! Jobs of measured worker processes: one that takes some time, and one that records its start.

use std::time::Duration;

use flysk_jobs::queues;
use flysk_queue::{Job, JobContext, JobHandler, JobOutcome, JobResult, Policy};
use serde::{Deserialize, Serialize};

use crate::bench::jobs::StartRecorder;

/// Time of a job that occupies its place.
const JOB_TIME: Duration = Duration::from_millis(5);

/// A job of the tenant with many.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::bench) struct Occupy {}

impl Job for Occupy {
    const KIND: &'static str = "bench.occupy";
    const POLICY: Policy = Policy::for_queue(queues::UPKEEP);
    const TRIGGER: &'static str = "a bench";
    const DESCRIPTION: &'static str = "takes some time";
}

impl JobHandler<StartRecorder> for Occupy {
    async fn handle(&self, _run: &JobContext, _recorder: &StartRecorder) -> JobResult {
        tokio::time::sleep(JOB_TIME).await;
        Ok(JobOutcome::Done)
    }
}

/// A job of another tenant.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::bench) struct Start {
    /// Time when enqueuing began, in µs since 1970.
    pub(super) enqueued_us: i64,
    /// The tenant.
    pub(super) of: String,
}

impl Job for Start {
    const KIND: &'static str = "bench.start_of_tenant";
    const POLICY: Policy = Policy::for_queue(queues::UPKEEP);
    const TRIGGER: &'static str = "a bench";
    const DESCRIPTION: &'static str = "records its start";

    fn tenant(&self) -> Option<String> {
        Some(self.of.clone())
    }
}

impl JobHandler<StartRecorder> for Start {
    async fn handle(&self, run: &JobContext, recorder: &StartRecorder) -> JobResult {
        recorder.note(self.enqueued_us, run.now());
        Ok(JobOutcome::Done)
    }
}
