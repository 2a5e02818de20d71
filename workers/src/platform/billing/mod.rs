//! Handlers for purchases, payments and refunds.

mod apply_tbank_notification;
mod open_payment;
mod orphaned_payment;
mod reconcile_day;
mod reconcile_due;
mod reconcile_payment;
mod reconciliation;
mod refund_payment;
mod verify_subscriptions;

use flysk_crypto::aad;
use flysk_domain::id::PurchaseId;
use flysk_domain::platform::purchases::Email;
use flysk_domain::platform::purchases::{PaymentUpdate, Transition};
use flysk_queue::JobError;
use flysk_queue::UnitOfWork;
use flysk_services::purchases::{self as purchase_services, ApplyPaymentUpdateError, PaymentContext};
use flysk_store::platform::purchases::Purchase;
use secrecy::ExposeSecret as _;

use super::keyring::keyring_unavailable;
use crate::App;

/// E-mail address for the purchase's receipt. Gives up if it was erased with the account's data.
fn receipt_email(app: &App, purchase: &Purchase) -> Result<Email, JobError> {
    if purchase.contact_sealed.is_empty() {
        return Err(JobError::give_up("the address for receipts was erased with the data of the account"));
    }
    let aad = aad::purchase_contact(purchase.id);
    let text =
        app.keyring.open(&purchase.contact_sealed, &aad).map_err(|error| keyring_unavailable(&error))?;
    text.expose_secret().parse().map_err(|error| JobError::give_up(format!("the stored contact: {error}")))
}

/// Applies a payment update in the transaction of a job.
async fn apply_payment_update(
    unit: &mut UnitOfWork,
    app: &App,
    id: PurchaseId,
    update: &PaymentUpdate,
) -> Result<Transition, JobError> {
    let context = PaymentContext { keyring: &app.keyring, clock: app.clock() };
    purchase_services::apply_payment_update(unit, context, id, update).await.map_err(|error| match error {
        ApplyPaymentUpdateError::Keyring(error) => keyring_unavailable(&error),
        ApplyPaymentUpdateError::CreditRefused(_) => JobError::give_up(error.to_string()),
        ApplyPaymentUpdateError::Store(error) => error.into(),
    })
}
