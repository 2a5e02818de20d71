//! Orphaned payments: nobody can pay them, because the form's URL was lost with T-Bank's answer to `Init`.

use flysk_clients::tbank::{CancelRequest, OrderPayment, TBankError};
use flysk_domain::failure_action::FailureAction;
use flysk_domain::platform::purchases::{PaymentUpdate, PurchaseState};
use flysk_domain::platform::tbank::{PaymentOutcome, PaymentStatus};
use flysk_queue::{JobError, UnitOfWork};
use flysk_store::platform::purchases::Purchase;

use super::apply_payment_update;
use crate::App;
use crate::acquiring::Acquiring;
use crate::job_error::IntoJobError as _;

/// Error code of a purchase that failed because its form's URL was lost.
pub(super) const FORM_LOST: &str = "form_lost";

/// Whether the purchase is orphaned: it has no form's URL, and the job that creates one has ended.
pub(super) fn is_orphaned(purchase: &Purchase) -> bool {
    let ended = matches!(purchase.state, PurchaseState::Awaiting | PurchaseState::Failed);
    ended && purchase.payment_url.is_none()
}

/// Cancels payments that wait for a payer, so that they cannot be paid by accident, and returns all payments with their
/// new status. A payment beyond the form is left unchanged, because `Cancel` would refund it.
pub(super) async fn cancel_unpaid(
    acquiring: &Acquiring,
    purchase: &Purchase,
    payments: Vec<OrderPayment>,
) -> Result<Vec<OrderPayment>, JobError> {
    let mut closed = Vec::with_capacity(payments.len());
    for payment in payments {
        let waits = matches!(payment.status, PaymentStatus::New | PaymentStatus::FormShowed);
        closed.push(if waits { cancel_payment(acquiring, purchase, payment).await? } else { payment });
    }
    Ok(closed)
}

async fn cancel_payment(
    acquiring: &Acquiring,
    purchase: &Purchase,
    payment: OrderPayment,
) -> Result<OrderPayment, JobError> {
    let cancel = CancelRequest {
        payment_id: payment.payment_id.clone(),
        amount: purchase.price,
        external_request_id: Some(format!("lost-{}", payment.payment_id)),
        receipt: None,
    };
    match acquiring.bank.cancel(&cancel).await {
        Ok(cancelled) => Ok(OrderPayment { status: cancelled.status, ..payment }),
        // The payment's state has changed meanwhile: query it.
        Err(error) if error.outcome() == FailureAction::GiveUp => {
            let now = acquiring.bank.state(&payment.payment_id).await.map_err(TBankError::into_job_error)?;
            Ok(OrderPayment { status: now.status, amount: now.amount, error_code: now.error_code, ..payment })
        }
        Err(error) => Err(error.into_job_error()),
    }
}

/// Applies the updates of all payments of an orphaned order; `true` if none of them can take money any more.
pub(super) async fn apply_all(
    unit: &mut UnitOfWork,
    app: &App,
    purchase: &Purchase,
    payments: &[OrderPayment],
) -> Result<bool, JobError> {
    let took_money = |payment: &&OrderPayment| payment.status.outcome() == PaymentOutcome::Paid;
    // A payment that took money is the purchase's payment, whatever its position in the list.
    let (paid, rest): (Vec<_>, Vec<_>) = payments.iter().partition(took_money);
    for payment in paid.into_iter().chain(rest) {
        let update = PaymentUpdate { reason: Some(FORM_LOST), ..payment.update() };
        apply_payment_update(unit, app, purchase.id, &update).await?;
    }
    Ok(payments.iter().all(|payment| payment.status.outcome() == PaymentOutcome::Failed))
}
