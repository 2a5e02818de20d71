//! Payments nobody can pay: the address of their form was lost with the bank's answer to `Init`.

use flysk_clients::tbank::{CancelRequest, OrderPayment, TBankError};
use flysk_domain::platform::outcome::Outcome;
use flysk_domain::platform::purchases::{PurchaseState, Source};
use flysk_domain::platform::tbank::{Charged, PaymentStatus};
use flysk_jobs::{JobError, Unit};
use flysk_store::purchases::Purchase;

use super::hear::{Told, hear};
use crate::App;
use crate::acquiring::Acquiring;
use crate::outcome::HasOutcome as _;

/// Why a purchase failed whose form nobody can find.
pub(super) const FORM_LOST: &str = "form_lost";

/// Nobody will be led to the purchase's form any more: none is known, and the job that opens one has ended.
pub(super) fn is_lost(purchase: &Purchase) -> bool {
    let ended = matches!(purchase.state, PurchaseState::Awaiting | PurchaseState::Failed);
    ended && purchase.payment_url.is_none()
}

/// Closes at the bank what waits for a payer who cannot come, so that it cannot be paid by accident either; gives
/// the payments as they stand then. Anything that got further than the form is left alone: of a payment that took
/// money `Cancel` would be a refund.
pub(super) async fn close(
    acquiring: &Acquiring,
    purchase: &Purchase,
    payments: Vec<OrderPayment>,
) -> Result<Vec<OrderPayment>, JobError> {
    let mut closed = Vec::with_capacity(payments.len());
    for payment in payments {
        let waits = matches!(payment.status, PaymentStatus::New | PaymentStatus::FormShowed);
        closed.push(if waits { cancelled(acquiring, purchase, payment).await? } else { payment });
    }
    Ok(closed)
}

async fn cancelled(
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
        // It does not fit the payment's state any more: so what is that?
        Err(error) if error.outcome() == Outcome::GiveUp => {
            let now = acquiring.bank.state(&payment.payment_id).await.map_err(TBankError::into_job_error)?;
            Ok(OrderPayment { status: now.status, amount: now.amount, error_code: now.error_code, ..payment })
        }
        Err(error) => Err(error.into_job_error()),
    }
}

/// Hears of all payments of an order whose form is lost; `true` if none of them can take money any more.
pub(super) async fn hear_all(
    unit: &mut Unit,
    app: &App,
    purchase: &Purchase,
    payments: &[OrderPayment],
) -> Result<bool, JobError> {
    let took_money = |payment: &&OrderPayment| payment.status.charged() == Charged::Paid;
    // What took money is the purchase's payment, whichever place it has in the list.
    let (paid, rest): (Vec<_>, Vec<_>) = payments.iter().partition(took_money);
    for payment in paid.into_iter().chain(rest) {
        let told = Told {
            reason: Some(FORM_LOST),
            amount: payment.amount,
            error_code: payment.error_code.as_deref(),
            ..Told::new(Source::Answer, &payment.payment_id, &payment.status)
        };
        hear(unit, app, purchase.id, &told).await?;
    }
    Ok(payments.iter().all(|payment| payment.status.charged() == Charged::Failed))
}
