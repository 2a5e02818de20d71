//! Performs `billing.advance_subscription`.
//!
//! Harmless when run twice: the step is decided under the subscription's lock, and performed and followed by the next
//! due date in one transaction. A renewal writes its invoice, the number of its period and the time of the charge there.

use flysk_domain::platform::subscriptions::DueStep;
use flysk_jobs::platform::subscriptions::{AdvanceSubscription, ChargeInvoice};
use flysk_queue::{JobContext, JobHandler, JobResult};
use flysk_services::subscriptions;
use flysk_store::platform::subscriptions as store;

use crate::App;

impl JobHandler<App> for AdvanceSubscription {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let mut unit = run.begin().await?;
        let step = subscriptions::perform_due_step(&mut unit, app.clock(), self.subscription_id).await?;
        tracing::info!(subscription.id = %self.subscription_id, ?step, "step of a subscription");
        if matches!(step, DueStep::RemindCharge(_) | DueStep::RemindTrial(_) | DueStep::EndTrial) {
            // It has planned no charge.
            return run.done(unit).await;
        }
        // A charge in the future is found by the tick.
        let open = store::find_open_invoice(&mut unit, self.subscription_id).await?;
        if let Some(invoice) = open.filter(|invoice| invoice.charge_at.is_some_and(|due| due <= run.now())) {
            unit.enqueue(&ChargeInvoice { invoice_id: invoice.id }).await?;
        }
        run.done(unit).await
    }
}
