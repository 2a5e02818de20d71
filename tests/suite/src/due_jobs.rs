//! Runs due jobs in the test's own process.

use anyhow::{bail, ensure};
use flysk_queue::executor::{ExecutionResult, Executor};
use flysk_store::jobs::JobRow;
use flysk_workers::App;

/// Rounds after which jobs are considered to enqueue each other without end.
const MAX_ROUNDS: u32 = 200;

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
