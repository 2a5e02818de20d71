//! Performs `calls.reconcile_due`. Harmless when run twice: an account that waits already is not written again.

use std::time::Duration;

use flysk_jobs::calls::{ReconcileAccount, ReconcileDue};
use flysk_jobs::{Handle, JobResult, Run, Verdict};

use crate::App;
use crate::flysense_accounts::enqueue_for_active;

/// Accounts of one tick are spread over most of the time until the next.
const SPREAD: Duration = Duration::from_mins(8);

impl Handle<App> for ReconcileDue {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let enqueued = enqueue_for_active(run, app, SPREAD, ReconcileAccount::up_to_now).await?;
        tracing::info!(enqueued, "logs of calls will be read");
        Ok(Verdict::Done)
    }
}
