//! Performs `amocrm.check_hooks_due`. Harmless when run twice: a check that is already waiting is not enqueued again.

use std::time::Duration;

use flysk_jobs::flysense::hooks::{CheckHooks, CheckHooksDue};
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};

use crate::App;
use crate::flysense::fan_out::enqueue_for_active;

/// Checks of one tick are spread over most of the time until the next tick.
const ENQUEUE_SPREAD: Duration = Duration::from_mins(50);

impl JobHandler<App> for CheckHooksDue {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let enqueued =
            enqueue_for_active(run, app, ENQUEUE_SPREAD, |account_id| CheckHooks { account_id }).await?;
        tracing::info!(enqueued, "checks of subscriptions enqueued");
        Ok(JobOutcome::Done)
    }
}
