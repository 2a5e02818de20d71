//! Performs `billing.apply_tbank_notification`.
//!
//! Harmless when run twice: a notification is marked in the transaction that applies it, and a purchase is credited
//! under its lock while it has no lots. One that tells nothing new of a paid attempt is only marked.

use flysk_clients::tbank::{Notification, PaymentNotification};
use flysk_domain::id::NotificationId;
use flysk_domain::platform::invoice_payments::PaymentStep;
use flysk_jobs::platform::billing::ApplyTbankNotification;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_services::invoice_payments::{ignore_update, step_label};
use flysk_services::purchases::action_label;
use flysk_store::platform::invoice_payments::{self as attempt_store, Attempt};
use flysk_store::platform::purchases::{self, NotificationRow, NotificationState};

use super::apply_payment_update;
use crate::App;
use crate::platform::notifications::open_notification;
use crate::platform::subscriptions;

impl JobHandler<App> for ApplyTbankNotification {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let mut conn = run.pool().acquire().await?;
        let found = purchases::find_notification_of_paid(&mut conn, self.notification_id).await?;
        let Some((row, paid)) = found else { return Ok(JobOutcome::skip("the notification is gone")) };
        if row.state != NotificationState::New {
            return Ok(JobOutcome::skip("already applied"));
        }
        let notification = open_notification(app, &row)?;
        if let (Notification::Payment(payment), Some(paid)) = (&notification, &paid)
            && let Some(step) = ignore_update(paid.snapshot(), &payment.update)
        {
            // Nothing else is written, and a run after a crash finds it marked.
            let (state, note) = (NotificationState::Applied, step_label(step));
            purchases::mark_notifications(&mut conn, &[row.id], state, note, run.now()).await?;
            return Ok(JobOutcome::Done);
        }
        drop(conn);
        let mut unit = run.begin().await?;
        apply(&mut unit, app, &row, &notification).await?;
        run.done(unit).await
    }
}

async fn apply(
    unit: &mut UnitOfWork,
    app: &App,
    row: &NotificationRow,
    notification: &Notification,
) -> Result<(), JobError> {
    let (state, note) = match notification {
        Notification::Payment(payment) => return apply_payment(unit, app, row, payment).await,
        Notification::Fiscalized(receipt) if receipt.success => {
            (NotificationState::Applied, "the receipt is printed")
        }
        Notification::Fiscalized(_) => {
            metrics::counter!("flysk_tbank_receipts_failed_total").increment(1);
            tracing::error!(order.id = %row.key.order_id, "fiscal receipt failed at the cash register");
            (NotificationState::Applied, "the receipt was not printed")
        }
        Notification::CardBound(_) | Notification::AccountBound(_) => {
            (NotificationState::Ignored, "card binding is not used")
        }
    };
    mark_notification(unit, app, row.id, state, note).await
}

async fn apply_payment(
    unit: &mut UnitOfWork,
    app: &App,
    row: &NotificationRow,
    notification: &PaymentNotification,
) -> Result<(), JobError> {
    if let Some(attempt) = find_attempt_of_order(unit, &row.terminal_key, &notification.order_id).await? {
        let step = subscriptions::apply(unit, app, &attempt, &notification.update).await?;
        let (state, note) = (NotificationState::Applied, step_label(step));
        if step == PaymentStep::Ignore {
            // The answer to the charge may have marked it, too.
            purchases::mark_notifications(unit, &[row.id], state, note, app.clock().now()).await?;
            return Ok(());
        }
        return mark_notification(unit, app, row.id, state, note).await;
    }
    // Orders are stored before the request to T-Bank, so an unknown order belongs to another system.
    let found = purchases::find_purchase_of_order(unit, &row.terminal_key, &notification.order_id).await?;
    let Some(purchase) = found else {
        metrics::counter!("flysk_tbank_notifications_unknown_total").increment(1);
        tracing::warn!(notification.id = %row.id, "notification for an unknown order");
        return mark_notification(unit, app, row.id, NotificationState::Ignored, "unknown order").await;
    };
    let step = apply_payment_update(unit, app, purchase.id, &notification.update).await?;
    mark_notification(unit, app, row.id, NotificationState::Applied, action_label(step)).await
}

/// The attempt to pay an invoice whose id is the order's number.
async fn find_attempt_of_order(
    unit: &mut UnitOfWork,
    terminal_key: &str,
    order_id: &str,
) -> Result<Option<Attempt>, JobError> {
    let Ok(id) = order_id.parse() else { return Ok(None) };
    let found = attempt_store::find_attempt(unit, id).await?;
    Ok(found.filter(|attempt| attempt.terminal_key == terminal_key))
}

async fn mark_notification(
    unit: &mut UnitOfWork,
    app: &App,
    id: NotificationId,
    state: NotificationState,
    note: &str,
) -> Result<(), JobError> {
    let marked = purchases::mark_notifications(unit, &[id], state, note, app.clock().now()).await?;
    if marked == 1 { Ok(()) } else { Err(JobError::retry("another run has applied the notification")) }
}
