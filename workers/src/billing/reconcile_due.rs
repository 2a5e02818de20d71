//! Performs `billing.reconcile_due`. Harmless when run twice: a question that waits already is not written
//! again, and asking changes nothing.

use chrono::TimeDelta;
use flysk_jobs::billing::{ReconcileDue, ReconcilePayment};
use flysk_jobs::{Handle, JobResult, Run, Verdict};
use flysk_store::purchases;

use crate::App;

/// Questions of one tick; what is left comes with the next.
const AT_MOST: u32 = 500;
const PER_UNIT: usize = 100;
/// A question that is lost with everything else is asked again after this.
const UNTIL_NEXT: TimeDelta = TimeDelta::minutes(5);

impl Handle<App> for ReconcileDue {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let now = run.now();
        let due = purchases::list_due_purchases(&mut *run.pool().acquire().await?, now, AT_MOST).await?;
        for ids in due.chunks(PER_UNIT) {
            let mut unit = app.outbox.begin(run.trace().clone()).await?;
            for id in ids {
                unit.enqueue(&ReconcilePayment { purchase_id: *id, whole_order: false }).await?;
                purchases::put_off(&mut unit, *id, Some(now + UNTIL_NEXT)).await?;
            }
            unit.commit().await?;
        }
        Ok(Verdict::Done)
    }
}
