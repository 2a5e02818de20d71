//! Performs `billing.apply_tbank_notification`.
//!
//! Harmless when run twice: a notification is marked in the transaction that applies it, and a purchase is credited
//! under its lock while it has no lots.

use flysk_clients::tbank::{Notification, PaymentNotification};
use flysk_crypto::aad;
use flysk_domain::id::NotificationId;
use flysk_jobs::platform::billing::ApplyTbankNotification;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_store::platform::purchases::{self, NotificationRow, NotificationState};
use secrecy::ExposeSecret as _;

use flysk_services::invoice_payments;
use flysk_services::purchases::action_label;
use flysk_store::platform::invoice_payments::{self as attempt_store, Attempt};

use super::apply_payment_update;
use super::keyring_unavailable;
use crate::App;
use crate::platform::subscriptions;

impl JobHandler<App> for ApplyTbankNotification {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let row =
            purchases::find_notification(&mut *run.pool().acquire().await?, self.notification_id).await?;
        let Some(row) = row else { return Ok(JobOutcome::skip("the notification is gone")) };
        if row.state != NotificationState::New {
            return Ok(JobOutcome::skip("already applied"));
        }
        let notification = open_notification(app, &row)?;
        let mut unit = run.begin().await?;
        match &notification {
            Notification::Payment(payment) => apply_payment(&mut unit, app, &row, payment).await?,
            Notification::Fiscalized(receipt) if receipt.success => {
                mark_notification(
                    &mut unit,
                    app,
                    row.id,
                    NotificationState::Applied,
                    "the receipt is printed",
                )
                .await?;
            }
            Notification::Fiscalized(_) => {
                metrics::counter!("flysk_tbank_receipts_failed_total").increment(1);
                tracing::error!(order.id = %row.key.order_id, "fiscal receipt failed at the cash register");
                mark_notification(
                    &mut unit,
                    app,
                    row.id,
                    NotificationState::Applied,
                    "the receipt was not printed",
                )
                .await?;
            }
            Notification::CardBound(_) | Notification::AccountBound(_) => {
                mark_notification(
                    &mut unit,
                    app,
                    row.id,
                    NotificationState::Ignored,
                    "card binding is not used",
                )
                .await?;
            }
        }
        run.done(unit).await
    }
}

async fn apply_payment(
    unit: &mut UnitOfWork,
    app: &App,
    row: &NotificationRow,
    notification: &PaymentNotification,
) -> Result<(), JobError> {
    // Orders are stored before the request to T-Bank, so an unknown order belongs to another system.
    let found = purchases::find_purchase_of_order(unit, &row.terminal_key, &notification.order_id).await?;
    let Some(purchase) = found else {
        if let Some(attempt) = find_attempt_of_order(unit, &row.terminal_key, &notification.order_id).await? {
            let step = subscriptions::apply(unit, app, &attempt, &notification.update).await?;
            let note = invoice_payments::step_label(step);
            return mark_notification(unit, app, row.id, NotificationState::Applied, note).await;
        }
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
    Ok(purchases::mark_notification(unit, id, state, note, app.clock().now()).await?)
}

/// The body was verified before it was stored; encryption with associated data protects it from changes since.
fn open_notification(app: &App, row: &NotificationRow) -> Result<Notification, JobError> {
    let body =
        app.keyring.open(&row.body_sealed, &aad::notification_body(row.id)).map_err(keyring_unavailable)?;
    Notification::read_verified(body.expose_secret().as_bytes())
        .map_err(|error| JobError::give_up(format!("the stored notification: {error}")))
}
