//! Jobs of one tenant beside many of another.

use std::time::Duration;

use flysk_suite::chaos::fleet::Fleet;

use crate::in_process::{CONCURRENCY, InProcessWorker, OfBusyTenant, Quick, Stage, enqueue};

/// Jobs of the busy tenant.
const BUSY_JOBS: usize = 1_000;
/// Jobs of it that may start before the other tenant's job: what lies in Redis, and what is pushed until the relay looks again.
const MAX_BEFORE: usize = 400;

/// However long the jobs take: the test decides when each ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_waits_for_few_of_another_tenants_jobs_in_the_same_queue() -> anyhow::Result<()> {
    let fleet = Fleet::start(Duration::from_mins(1)).await?;
    enqueue(&fleet, 0..u64::try_from(BUSY_JOBS)?, |key| OfBusyTenant { key }).await?;
    let stage = Stage::new();
    let worker = InProcessWorker::start(&fleet, &stage)?;
    stage.wait_for_starts::<OfBusyTenant>(CONCURRENCY).await?;
    enqueue(&fleet, 0..1, |key| Quick { key }).await?;
    for passed in 1..=MAX_BEFORE {
        stage.let_pass(1);
        tokio::select! {
            started = stage.wait_for_starts::<OfBusyTenant>(passed + CONCURRENCY) => started?,
            started = stage.wait_for_starts::<Quick>(1) => { started?; break }
        }
    }
    let before = stage.starts::<OfBusyTenant>();
    assert_eq!(stage.starts::<Quick>(), 1, "{before} jobs of the busy tenant were started first");
    stage.open_gate();
    let done = "SELECT COUNT(*) FROM jobs WHERE state = 'done'";
    fleet.wait_for(done, i64::try_from(BUSY_JOBS + 1)?).await?;
    worker.terminate().await
}
