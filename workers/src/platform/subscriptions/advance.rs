//! Performs `billing.advance_subscription`.
//!
//! Harmless when run twice: the step is decided under the subscription's lock, and performed and followed by the next
//! due date in one transaction. A renewal writes its invoice, the number of its period and the time of the charge there.

use flysk_jobs::platform::subscriptions::{AdvanceSubscription, ChargeInvoice};
use flysk_queue::{JobContext, JobHandler, JobResult};
use flysk_services::subscriptions;

use crate::App;

impl JobHandler<App> for AdvanceSubscription {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let mut unit = run.begin_last().await?;
        let done = subscriptions::perform_due_step(&mut unit, app.clock(), self.subscription_id).await?;
        tracing::info!(subscription.id = %self.subscription_id, step = ?done.step, "step of a subscription");
        // A charge in the future is found by the tick.
        if let Some(invoice_id) = done.chargeable {
            unit.enqueue(&ChargeInvoice { invoice_id }).await?;
        }
        run.end(unit).await
    }
}
