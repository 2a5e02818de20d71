//! Applies answers of the bank to attempts, in the transaction of a job.

use chrono::{DateTime, Utc};
use flysk_clients::tbank::{Payment, TBankError};
use flysk_domain::TextEnum as _;
use flysk_domain::platform::invoice_payments::{AttemptState, PaymentStep};
use flysk_domain::platform::purchases::{Discrepancy, PaymentUpdate, UpdateSource};
use flysk_domain::platform::tbank::{PaymentOutcome, PaymentStatus};
use flysk_jobs::platform::subscriptions::QueryInvoicePayment;
use flysk_queue::{JobError, UnitOfWork};
use flysk_services::invoice_payments::{ApplyUpdateError, apply_to_attempt};
use flysk_services::purchases::PaymentContext;
use flysk_store::platform::invoice_payments::{self, Attempt};
use flysk_store::platform::{subscriptions, vendors};

use crate::App;
use crate::job_error::IntoJobError as _;
use crate::platform::keyring::keyring_unavailable;

/// Applies an update to an attempt that was read before, however long ago.
pub(crate) async fn apply(
    unit: &mut UnitOfWork,
    app: &App,
    attempt: &Attempt,
    update: &PaymentUpdate,
) -> Result<PaymentStep, JobError> {
    let context = PaymentContext { keyring: &app.keyring, clock: app.clock() };
    apply_to_attempt(unit, context, attempt, update).await.map_err(|error| match error {
        ApplyUpdateError::Keyring(error) => keyring_unavailable(&error),
        ApplyUpdateError::Store(error) => error.into(),
    })
}

/// Locks an attempt after its subscription and its invoice, the order of every transaction that locks them.
pub(super) async fn lock(unit: &mut UnitOfWork, attempt: &Attempt) -> Result<Attempt, JobError> {
    subscriptions::lock_subscription(unit, attempt.subscription_id).await?;
    subscriptions::lock_invoice(unit, attempt.invoice_id).await?;
    Ok(invoice_payments::lock_attempt(unit, attempt.id).await?)
}

/// Locks an attempt that the bank refused to open; `None` if it has a payment nevertheless, opened by another run of the
/// job: then the bank is asked about it.
pub(super) async fn lock_unopened(
    unit: &mut UnitOfWork,
    attempt: &Attempt,
) -> Result<Option<Attempt>, JobError> {
    let locked = lock(unit, attempt).await?;
    if locked.state == AttemptState::Opening && locked.payment_id.is_none() {
        return Ok(Some(locked));
    }
    unit.enqueue(&QueryInvoicePayment { attempt_id: attempt.id }).await?;
    Ok(None)
}

/// Begins to cancel an unpaid payment that the bank opened with another amount than the attempt's, instead of adopting it. The
/// attempt then counts as failed by a fault of ours. The caller holds its lock.
pub(super) async fn begin_cancelling_other_amount(
    unit: &mut UnitOfWork,
    attempt: &Attempt,
    payment_id: &str,
    now: DateTime<Utc>,
) -> Result<(), JobError> {
    let code = Discrepancy::Amount.as_str();
    metrics::counter!("flysk_invoice_payments_discrepancies_total", "discrepancy" => code).increment(1);
    tracing::error!(
        attempt.id = %attempt.id, invoice.id = %attempt.invoice_id, payment.id = payment_id,
        "the bank opened a payment of another amount: it is cancelled"
    );
    invoice_payments::set_payment_id(unit, attempt.id, payment_id).await?;
    invoice_payments::set_error_code(unit, attempt.id, code).await?;
    invoice_payments::begin_cancelling(unit, attempt.id, now, now).await?;
    unit.enqueue(&QueryInvoicePayment { attempt_id: attempt.id }).await?;
    Ok(())
}

/// Whether a terminal is neither the environment's nor a vendor's any more: the bank cannot be asked about its payments.
pub(super) async fn belongs_to_nobody(app: &App, terminal_key: &str) -> Result<bool, JobError> {
    if app.acquiring_handle()?.config.terminal_key == terminal_key {
        return Ok(false);
    }
    let mut conn = app.outbox.pool().acquire().await?;
    Ok(vendors::find_vendor_of_terminal(&mut conn, terminal_key).await?.is_none())
}

/// Reads the bank's state of an attempt, for a charge that failed with its code.
pub(super) async fn ask(app: &App, attempt: &Attempt, payment_id: &str) -> Result<PaymentUpdate, JobError> {
    let acquiring = app.acquiring_of(&attempt.terminal_key).await?;
    app.bank_permit(&attempt.terminal_key, &attempt.id.to_string()).await?;
    let payment = acquiring.bank.state(payment_id).await.map_err(TBankError::into_job_error)?;
    if payment.payment_id != payment_id {
        return Err(JobError::retry("the bank answered about another payment"));
    }
    let mut update = payment.update();
    // `GetState` has no code of a decline; the list of the order's payments has.
    if update.status.outcome() == PaymentOutcome::Failed && !has_code(&update) {
        app.wait_for_bank_permit(&attempt.terminal_key, &attempt.id.to_string()).await?;
        let order = acquiring.bank.check_order(&attempt.id.to_string()).await;
        let order = order.map_err(TBankError::into_job_error)?;
        let ours = order.payments.into_iter().find(|known| known.payment_id == payment_id);
        update.error_code = ours.and_then(|known| known.error_code).or(update.error_code);
    }
    Ok(update)
}

fn has_code(update: &PaymentUpdate) -> bool {
    update.error_code.as_deref().is_some_and(|code| !code.is_empty() && code != "0")
}

/// The update that a definite decline of `Charge` means; `None` if the answer leaves a doubt.
pub(super) fn declined(payment_id: &str, code: &str, payment: Option<&Payment>) -> Option<PaymentUpdate> {
    let same = payment.is_none_or(|payment| payment.payment_id == payment_id);
    let failed = payment.is_none_or(|payment| payment.status.outcome() == PaymentOutcome::Failed);
    let status = payment.map_or(PaymentStatus::Rejected, |payment| payment.status.clone());
    (same && failed).then(|| PaymentUpdate {
        error_code: Some(code.to_owned()),
        ..PaymentUpdate::new(UpdateSource::StatusQuery, payment_id, status)
    })
}
