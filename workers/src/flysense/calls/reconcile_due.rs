//! Performs `calls.reconcile_due`. Harmless when run twice: a job that is already waiting for an account is not enqueued again.

use std::time::Duration;

use flysk_jobs::flysense::calls::{ReconcileAccount, ReconcileDue};
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};

use crate::App;
use crate::flysense::fan_out::enqueue_for_active;

/// Accounts of one tick are spread over most of the time until the next tick.
const ENQUEUE_SPREAD: Duration = Duration::from_mins(8);

impl JobHandler<App> for ReconcileDue {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let enqueued = enqueue_for_active(run, app, ENQUEUE_SPREAD, ReconcileAccount::up_to_now).await?;
        tracing::info!(enqueued, "reconciliations of calls enqueued");
        Ok(JobOutcome::Done)
    }
}
