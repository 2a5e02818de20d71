//! Runs due jobs, and rescues those of a dead worker, in the test's own process.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use flysk_queue::executor::{ExecutionResult, Executor};
use flysk_store::jobs::JobRow;
use flysk_workers::App;

/// Rounds after which jobs are considered to enqueue each other without end.
const MAX_ROUNDS: u32 = 200;
/// Time within which the server ends the transaction of a dead worker, in real time.
const RESCUE_TIMEOUT: Duration = Duration::from_mins(2);

/// Executes the jobs that `due` lists, in its order, until there are none.
///
/// # Errors
///
/// A job was released, the database failed, or jobs do not come to an end.
pub async fn run_due_jobs(
    executor: &Executor<App>,
    due: impl AsyncFn() -> Vec<JobRow>,
) -> anyhow::Result<()> {
    for _ in 0..MAX_ROUNDS {
        let jobs = due().await;
        if jobs.is_empty() {
            return Ok(());
        }
        for job in jobs {
            let result = executor.execute(job.id).await?;
            ensure!(result != ExecutionResult::Released, "{} {} was released", job.kind, job.id);
        }
    }
    bail!("jobs do not come to an end")
}

/// Rescues the jobs of a worker that died, whose leases have expired; returns their number, at least one.
///
/// A transaction of the worker may have locked the row of its job. The server ends it some time after the worker: not before the
/// statement that it performs has ended. Until then nobody rescues the job, so this looks for it again, as every worker does.
///
/// # Errors
///
/// No job is rescued in time, or the database failed.
pub async fn rescue_abandoned(executor: &Executor<App>) -> anyhow::Result<usize> {
    let rescuing = async {
        loop {
            match executor.rescue_once().await? {
                0 => tokio::time::sleep(Duration::from_millis(10)).await,
                rescued => return anyhow::Ok(rescued),
            }
        }
    };
    tokio::time::timeout(RESCUE_TIMEOUT, rescuing).await.context("no job is rescued")?
}
