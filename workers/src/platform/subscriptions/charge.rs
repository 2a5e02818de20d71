//! Performs `billing.charge_invoice`.
//!
//! Harmless when run twice: the attempt is stored before `Init`, and that `Charge` is about to be sent before `Charge`. A
//! run that finds the first calls `CheckOrder` and adopts the order's payment; a run that finds the second calls
//! `GetState`. `Init` is repeated only for an order without a payment, and `Charge` never.
//!
//! The transaction that stores "charge sent" reads the consent and the card under their locks, so that nothing is sent
//! after an unlinking (376-FZ). It repeats the checks of the beginning: the job of an attempt that was stored may be found
//! again long after its time.

use flysk_clients::tbank::{ChargeRequest, TBankError};
use flysk_domain::failure_action::FailureAction;
use flysk_domain::platform::invoice_payments::{AttemptKind, AttemptState, PaymentStep, next_query};
use flysk_domain::platform::tbank::{ErrorClass, PaymentOutcome};
use flysk_jobs::platform::subscriptions::{ChargeInvoice, QueryInvoicePayment};
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult};
use flysk_services::invoice_payments::{ReceiptFacts, begin_charge_of, permit_charge, postpone_charge};
use flysk_services::subscriptions::{self, FailedCharge};
use flysk_store::platform::invoice_payments::{self as store, Attempt};
use flysk_store::platform::subscriptions as subscription_store;

use super::bank_answer::{apply, ask, begin_cancelling_other_amount, declined, lock, lock_unopened};
use super::earlier::{may_have_succeeded, settle_earlier};
use super::rebill::open_rebill;
use super::receipts::{charge_request, find_facts};
use super::told_before::settle_told_before;
use crate::App;
use crate::acquiring::Acquiring;
use crate::job_error::IntoJobError as _;

impl JobHandler<App> for ChargeInvoice {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let mut unit = run.begin().await?;
        let found = subscription_store::find_subscription_of_invoice(&mut unit, self.invoice_id).await?;
        let Some((subscription, is_tried)) = found else {
            return Ok(JobOutcome::skip("the invoice is gone"));
        };
        let attempts =
            if is_tried { store::list_attempts(&mut unit, self.invoice_id).await? } else { Vec::new() };
        if let Some(open) = attempts.iter().find(|attempt| attempt.state.is_open()) {
            postpone_charge(&mut unit, app.clock(), self.invoice_id).await?;
            unit.commit().await?;
            return go_on(run, app, open).await;
        }
        if attempts.iter().any(may_have_succeeded) {
            // No transaction spans the questions to the bank.
            unit.commit().await?;
            let is_paid = settle_earlier(run, app, &attempts).await?;
            unit = run.begin().await?;
            if is_paid {
                postpone_charge(&mut unit, app.clock(), self.invoice_id).await?;
                unit.commit().await?;
                return Ok(JobOutcome::skip("an earlier attempt has paid the invoice"));
            }
        }
        let begun = begin_charge_of(&mut unit, app.clock(), subscription, self.invoice_id).await?;
        let Some(begun) = begun else { return run.done(unit).await };
        unit.commit().await?;
        let acquiring = app.acquiring_of(&begun.attempt.terminal_key).await?;
        init(run, app, &acquiring, &begun.attempt, begun.facts).await
    }
}

/// Goes on with the attempt of the invoice that may still take money.
async fn go_on(run: &JobContext, app: &App, open: &Attempt) -> JobResult {
    if open.kind == AttemptKind::Form {
        return Ok(JobOutcome::skip("the payer is on the bank's form"));
    }
    if open.is_withdrawn {
        return Ok(JobOutcome::skip("the attempt is withdrawn"));
    }
    match open.state {
        AttemptState::Opening => resume(run, app, open).await,
        AttemptState::Charging => ask_and_apply(run, app, open).await,
        _ => Ok(JobOutcome::skip("the attempt is being decided")),
    }
}

/// An earlier run may have called `Init`: adopts its payment.
async fn resume(run: &JobContext, app: &App, attempt: &Attempt) -> JobResult {
    let acquiring = app.acquiring_of(&attempt.terminal_key).await?;
    app.bank_permit(&attempt.terminal_key, &attempt.id.to_string()).await?;
    let order = acquiring.bank.check_order(&attempt.id.to_string()).await;
    let order = order.map_err(TBankError::into_job_error)?;
    match order.payments.as_slice() {
        [] => {
            let facts = find_facts(run, attempt).await?;
            init(run, app, &acquiring, attempt, facts).await
        }
        [payment] if payment.status.outcome() == PaymentOutcome::NotStarted => {
            if payment.amount.is_some_and(|amount| amount != attempt.amount) {
                return cancel_other_amount(run, attempt, &payment.payment_id).await;
            }
            send_charge(run, app, &acquiring, attempt, &payment.payment_id).await
        }
        [payment] => {
            let mut unit = run.begin().await?;
            apply(&mut unit, app, attempt, &payment.update()).await?;
            run.done(unit).await
        }
        _ => Err(JobError::give_up("the order has several payments: see docs/runbook.md")),
    }
}

async fn init(
    run: &JobContext,
    app: &App,
    acquiring: &Acquiring,
    attempt: &Attempt,
    facts: ReceiptFacts,
) -> JobResult {
    let request = charge_request(app, acquiring, attempt, facts)?;
    app.wait_for_bank_permit(&attempt.terminal_key, &attempt.id.to_string()).await?;
    match acquiring.bank.init(&request).await {
        Ok(payment) => {
            let ours = attempt.id.to_string();
            if payment.order_id.as_deref().is_some_and(|order| order != ours) {
                return Err(JobError::retry("the bank's payment does not match the request"));
            }
            if payment.amount.is_some_and(|amount| amount != attempt.amount) {
                return cancel_other_amount(run, attempt, &payment.payment_id).await;
            }
            send_charge(run, app, acquiring, attempt, &payment.payment_id).await
        }
        Err(error) if error.outcome() == FailureAction::GiveUp => refused(run, app, attempt, &error).await,
        // The next run calls `CheckOrder` before `Init`.
        Err(error) => Err(error.into_job_error()),
    }
}

/// Stores that the charge is about to be sent, if it is still permitted, and sends it.
async fn send_charge(
    run: &JobContext,
    app: &App,
    acquiring: &Acquiring,
    attempt: &Attempt,
    payment_id: &str,
) -> JobResult {
    let now = run.now();
    let mut unit = run.begin().await?;
    let Some(card) = permit_charge(&mut unit, app.clock(), attempt).await? else {
        store::set_payment_id(&mut unit, attempt.id, payment_id).await?;
        store::mark_withdrawn(&mut unit, attempt.id, now).await?;
        store::begin_cancelling(&mut unit, attempt.id, now, now).await?;
        unit.enqueue(&QueryInvoicePayment { attempt_id: attempt.id }).await?;
        return run.done(unit).await;
    };
    let rebill_id = open_rebill(app, &card)?;
    let wait = next_query(AttemptState::Charging, chrono::TimeDelta::zero());
    let query_at = wait.map_or(now, |wait| now + wait);
    store::begin_charging(&mut unit, attempt.id, payment_id, query_at, now).await?;
    unit.commit().await?;
    app.wait_for_bank_permit(&attempt.terminal_key, &attempt.id.to_string()).await?;
    let request = ChargeRequest { payment_id: payment_id.to_owned(), rebill_id };
    match acquiring.bank.charge(&request).await {
        Ok(payment) if payment.payment_id == payment_id => {
            let answer = payment.update();
            let mut unit = run.begin_last().await?;
            if apply(&mut unit, app, attempt, &answer).await? == PaymentStep::Settle {
                settle_told_before(&mut unit, app, attempt, &answer).await?;
            }
            run.end(unit).await
        }
        Ok(_) => ask_and_apply(run, app, attempt).await,
        Err(error) => charge_failed(run, app, attempt, payment_id, error).await,
    }
}

/// The bank opened a payment of another amount than the attempt's.
async fn cancel_other_amount(run: &JobContext, attempt: &Attempt, payment_id: &str) -> JobResult {
    let mut unit = run.begin().await?;
    let locked = lock(&mut unit, attempt).await?;
    if locked.state == AttemptState::Opening {
        begin_cancelling_other_amount(&mut unit, &locked, payment_id, run.now()).await?;
    }
    run.done(unit).await
}

async fn charge_failed(
    run: &JobContext,
    app: &App,
    attempt: &Attempt,
    payment_id: &str,
    error: TBankError,
) -> JobResult {
    let Some(refusal) = error.refusal() else { return doubt(run, app, attempt, &error).await };
    if refusal.class == ErrorClass::Config && error.outcome() == FailureAction::GiveUp {
        // The payment is untouched at the bank: it is cancelled before the attempt counts as failed.
        metrics::counter!("flysk_tbank_charges_refused_total").increment(1);
        tracing::error!(attempt.id = %attempt.id, %error, "the terminal refused to charge: check its settings");
        let mut unit = run.begin().await?;
        store::set_error_code(&mut unit, attempt.id, &refusal.code).await?;
        store::begin_cancelling(&mut unit, attempt.id, run.now(), run.now()).await?;
        unit.enqueue(&QueryInvoicePayment { attempt_id: attempt.id }).await?;
        return run.done(unit).await;
    }
    let update = refusal
        .class
        .is_decline()
        .then(|| declined(payment_id, &refusal.code, refusal.payment.as_ref()))
        .flatten();
    let Some(update) = update else { return doubt(run, app, attempt, &error).await };
    let mut unit = run.begin().await?;
    apply(&mut unit, app, attempt, &update).await?;
    run.done(unit).await
}

/// Handles a charge of unknown outcome: the bank is queried, now and until it decides. Never charged again.
async fn doubt(run: &JobContext, app: &App, attempt: &Attempt, error: &TBankError) -> JobResult {
    metrics::counter!("flysk_subscription_charges_in_doubt_total").increment(1);
    tracing::warn!(attempt.id = %attempt.id, %error, "the outcome of a charge is not known");
    ask_and_apply(run, app, attempt).await
}

async fn ask_and_apply(run: &JobContext, app: &App, attempt: &Attempt) -> JobResult {
    let known = store::find_attempt(&mut *run.pool().acquire().await?, attempt.id).await?;
    let payment_id = known.and_then(|known| known.payment_id);
    let payment_id = payment_id.ok_or_else(|| JobError::give_up("a charge without a payment"))?;
    let update = ask(app, attempt, &payment_id).await?;
    let mut unit = run.begin().await?;
    apply(&mut unit, app, attempt, &update).await?;
    run.done(unit).await
}

/// `Init` was definitely refused: there is no payment, unless another run has opened one.
async fn refused(run: &JobContext, app: &App, attempt: &Attempt, error: &TBankError) -> JobResult {
    metrics::counter!("flysk_tbank_init_refused_total").increment(1);
    tracing::error!(attempt.id = %attempt.id, %error, "the bank refused to create a payment");
    let code = error.refusal().map_or("not_sent", |refusal| refusal.code.as_str());
    let class = error.refusal().map_or(ErrorClass::Config, |refusal| refusal.class);
    let class = if class == ErrorClass::State { ErrorClass::Config } else { class };
    let mut unit = run.begin().await?;
    let Some(locked) = lock_unopened(&mut unit, attempt).await? else { return run.done(unit).await };
    store::end_attempt(&mut unit, attempt.id, AttemptState::Failed, Some(code), run.now()).await?;
    if !locked.is_withdrawn {
        let failed = FailedCharge { class, code, automatic: attempt.is_automatic };
        subscriptions::record_failed_charge(&mut unit, app.clock(), attempt.invoice_id, failed).await?;
    }
    run.done(unit).await
}
