//! Performs `billing.query_invoice_payment`.
//!
//! Harmless when run twice: questions change nothing, the answer is applied under the locks like any other update, and
//! `Cancel` of a payment that nobody has paid takes and returns no money.
//!
//! A payment that should have saved a card and names none has the payer's cards asked for, once.
//!
//! A withdrawn attempt, and one whose charge never started, is cancelled here. It ends with the bank's `CANCELED`, or
//! with whatever else the bank says: a payment that was paid meanwhile counts.

use flysk_clients::tbank::CancelRequest;
use flysk_domain::failure_action::FailureAction;
use flysk_domain::platform::invoice_payments::{ALARM_AFTER, AttemptKind, AttemptState, PaymentStep};
use flysk_domain::platform::purchases::{OPEN_TIMEOUT, PaymentUpdate, UpdateSource};
use flysk_domain::platform::tbank::{ErrorClass, PaymentOutcome, PaymentStatus};
use flysk_jobs::platform::subscriptions::{ChargeInvoice, QueryInvoicePayment};
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_services::subscriptions::{self, FailedCharge};
use flysk_store::platform::invoice_payments::{self as store, Attempt};

use super::bank_answer::{apply, ask, begin_cancelling_other_amount, belongs_to_nobody, lock};
use super::missing_card::{ask_for_card, misses_card, save_missing_card};
use crate::App;
use crate::job_error::IntoJobError as _;

/// Code of an attempt whose payment was never opened.
const NOT_OPENED: &str = "not_opened";

impl JobHandler<App> for QueryInvoicePayment {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let found = store::find_attempt(&mut *run.pool().acquire().await?, self.attempt_id).await?;
        let Some(attempt) = found else { return Ok(JobOutcome::skip("the attempt is gone")) };
        warn_if_undecided(run, &attempt);
        let Some(payment_id) = attempt.payment_id.clone() else {
            return find_payment(run, app, &attempt).await;
        };
        let update = ask(app, &attempt, &payment_id).await?;
        let update =
            if must_cancel(&attempt, &update) { cancel(app, &attempt, &update).await? } else { update };
        let mut unit = run.begin().await?;
        let step = apply(&mut unit, app, &attempt, &update).await?;
        if step == PaymentStep::Record && attempt.state == AttemptState::Cancelling {
            tracing::info!(attempt.id = %attempt.id, bank.status = %update.status, "waits for CANCELED");
        }
        if step == PaymentStep::Record && is_uncharged(&attempt, &update) {
            unit.enqueue(&ChargeInvoice { invoice_id: attempt.invoice_id }).await?;
        }
        if misses_card(&mut unit, &attempt, &update).await? {
            unit.commit().await?;
            return save_missing_card(run, app, &attempt, &update).await;
        }
        run.done(unit).await
    }
}

/// Whether the bank has a payment of a charge that was never sent: the job that charges adopts it. That job may have been lost after the
/// payment had become known by a question, and no due charge leads to it, because the attempt holds the invoice.
fn is_uncharged(attempt: &Attempt, update: &PaymentUpdate) -> bool {
    attempt.kind == AttemptKind::Charge
        && attempt.state == AttemptState::Opening
        && !attempt.is_withdrawn
        && update.status.outcome() == PaymentOutcome::NotStarted
}

/// Whether the payment must be cancelled, and can be: nobody has begun to pay it, or an open form is withdrawn.
fn must_cancel(attempt: &Attempt, update: &PaymentUpdate) -> bool {
    let wanted = attempt.state == AttemptState::Cancelling
        || (attempt.is_withdrawn && attempt.charge_sent_at.is_none());
    wanted && matches!(update.status, PaymentStatus::New | PaymentStatus::FormShowed)
}

/// Cancels all of a payment that nobody has paid. A refusal means that its status has changed: it is asked for again.
async fn cancel(app: &App, attempt: &Attempt, known: &PaymentUpdate) -> Result<PaymentUpdate, JobError> {
    let payment_id = known.payment_id.as_str();
    let acquiring = app.acquiring_of(&attempt.terminal_key).await?;
    app.wait_for_bank_permit(&attempt.terminal_key, &attempt.id.to_string()).await?;
    let request = CancelRequest {
        payment_id: payment_id.to_owned(),
        amount: known.amount.unwrap_or(attempt.amount),
        external_request_id: Some(format!("cancel-{}", attempt.id)),
        receipt: None,
    };
    match acquiring.bank.cancel(&request).await {
        Ok(cancelled) => Ok(PaymentUpdate::new(UpdateSource::StatusQuery, payment_id, cancelled.status)),
        Err(error) if error.refusal().is_some() => ask(app, attempt, payment_id).await,
        Err(error) => Err(error.into_job_error()),
    }
}

/// The attempt has no payment yet: `Init` was not called, or its answer was lost.
async fn find_payment(run: &JobContext, app: &App, attempt: &Attempt) -> JobResult {
    if !attempt.state.is_open() {
        return Ok(JobOutcome::skip("the attempt has ended without a payment"));
    }
    let is_late = attempt.state == AttemptState::Opening && run.now() - attempt.created_at > OPEN_TIMEOUT;
    if is_late && belongs_to_nobody(app, &attempt.terminal_key).await? {
        return end_without_terminal(run, app, attempt).await;
    }
    let acquiring = app.acquiring_of(&attempt.terminal_key).await?;
    app.bank_permit(&attempt.terminal_key, &attempt.id.to_string()).await?;
    let order = acquiring.bank.check_order(&attempt.id.to_string()).await;
    let order = match order {
        Ok(order) => order,
        Err(error) if error.outcome() == FailureAction::GiveUp => {
            tracing::error!(attempt.id = %attempt.id, %error, "the bank refused the query of an order");
            return Ok(JobOutcome::skip("the bank refused the query"));
        }
        Err(error) => return Err(error.into_job_error()),
    };
    let mut unit = run.begin().await?;
    let locked = lock(&mut unit, attempt).await?;
    if !locked.state.is_open() || locked.payment_id.is_some() {
        // The job that opens it has gone on meanwhile.
        return run.done(unit).await;
    }
    match order.payments.as_slice() {
        [payment] => {
            store::set_payment_id(&mut unit, attempt.id, &payment.payment_id).await?;
            let unpaid = payment.status.outcome() == PaymentOutcome::NotStarted;
            let is_other = payment.amount.is_some_and(|amount| amount != attempt.amount);
            if unpaid && is_other {
                begin_cancelling_other_amount(&mut unit, &locked, &payment.payment_id, run.now()).await?;
            } else if unpaid && attempt.kind == AttemptKind::Charge && !locked.is_withdrawn {
                // The job that charges adopts it.
                unit.enqueue(&ChargeInvoice { invoice_id: attempt.invoice_id }).await?;
            } else if unpaid {
                // The URL of the form was lost: nobody can pay it.
                store::begin_cancelling(&mut unit, attempt.id, run.now(), run.now()).await?;
                unit.enqueue(&QueryInvoicePayment { attempt_id: attempt.id }).await?;
            } else {
                apply(&mut unit, app, attempt, &payment.update()).await?;
                ask_for_card(&mut unit, attempt).await?;
            }
        }
        [] if locked.is_withdrawn || run.now() - attempt.created_at > OPEN_TIMEOUT => {
            never_opened(&mut unit, app, run, &locked).await?;
        }
        [] if attempt.kind == AttemptKind::Charge => {
            unit.enqueue(&ChargeInvoice { invoice_id: attempt.invoice_id }).await?;
        }
        [] => {}
        _ => return Err(JobError::give_up("the order has several payments: see docs/runbook.md")),
    }
    run.done(unit).await
}

/// The terminal was removed before the attempt was opened: nobody can pay it, and nobody can be asked about it.
async fn end_without_terminal(run: &JobContext, app: &App, attempt: &Attempt) -> JobResult {
    let mut unit = run.begin().await?;
    let locked = lock(&mut unit, attempt).await?;
    if locked.payment_id.is_none() {
        tracing::error!(
            attempt.id = %attempt.id, terminal = %attempt.terminal_key,
            "the terminal of an unopened attempt is gone: the attempt ends"
        );
        never_opened(&mut unit, app, run, &locked).await?;
    }
    run.done(unit).await
}

/// No payment was opened, and none will be: the job that would open it finds the attempt ended. `attempt` is locked.
async fn never_opened(
    unit: &mut UnitOfWork,
    app: &App,
    run: &JobContext,
    attempt: &Attempt,
) -> Result<(), JobError> {
    if attempt.state != AttemptState::Opening {
        return Ok(());
    }
    store::end_attempt(unit, attempt.id, AttemptState::Failed, Some(NOT_OPENED), run.now()).await?;
    if attempt.kind == AttemptKind::Charge && !attempt.is_withdrawn {
        let failed =
            FailedCharge { class: ErrorClass::Config, code: NOT_OPENED, automatic: attempt.is_automatic };
        subscriptions::record_failed_charge(unit, app.clock(), attempt.invoice_id, failed).await?;
    }
    Ok(())
}

fn warn_if_undecided(run: &JobContext, attempt: &Attempt) {
    let undecided = matches!(attempt.state, AttemptState::Charging | AttemptState::Cancelling);
    if undecided && attempt.age(run.now()) > ALARM_AFTER {
        metrics::counter!("flysk_subscription_charges_undecided_total").increment(1);
        tracing::error!(
            attempt.id = %attempt.id, invoice.id = %attempt.invoice_id,
            "a charge is undecided at the bank for more than an hour"
        );
    }
}
