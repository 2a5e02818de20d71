//! Performs `billing.reconcile_due`. Harmless when run twice: a query that is already waiting is not enqueued again,
//! and queries change nothing.

use chrono::TimeDelta;
use flysk_jobs::platform::billing::{ReconcileDue, ReconcilePayment};
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::platform::purchases;

use crate::App;

/// Queries per tick; the next tick continues.
const MAX_QUERIES_PER_RUN: u32 = 500;
const QUERIES_PER_TRANSACTION: usize = 100;
/// A query whose job is lost is enqueued again after this time.
const LOST_QUERY_DELAY: TimeDelta = TimeDelta::minutes(5);

impl JobHandler<App> for ReconcileDue {
    async fn handle(&self, run: &JobContext, _: &App) -> JobResult {
        let now = run.now();
        let due = purchases::list_due_purchases(&mut *run.pool().acquire().await?, now, MAX_QUERIES_PER_RUN)
            .await?;
        for ids in due.chunks(QUERIES_PER_TRANSACTION) {
            let mut unit = run.begin().await?;
            for id in ids {
                unit.enqueue(&ReconcilePayment { purchase_id: *id, whole_order: false }).await?;
                purchases::set_poll_at(&mut unit, *id, Some(now + LOST_QUERY_DELAY)).await?;
            }
            unit.commit().await?;
        }
        Ok(JobOutcome::Done)
    }
}
