//! Performs `amocrm.check_hooks_due`. Harmless when run twice: a check that waits already is not written again.

use std::time::Duration;

use flysk_jobs::amocrm::{CheckHooks, CheckHooksDue};
use flysk_jobs::{Handle, JobResult, Run, Verdict};

use crate::App;
use crate::flysense_accounts::enqueue_for_active;

/// Checks of one tick are spread over most of the time until the next.
const SPREAD: Duration = Duration::from_mins(50);

impl Handle<App> for CheckHooksDue {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let enqueued = enqueue_for_active(run, app, SPREAD, |account_id| CheckHooks { account_id }).await?;
        tracing::info!(enqueued, "subscriptions will be looked at");
        Ok(Verdict::Done)
    }
}
