//! Performs `billing.refund_invoice_payment`.
//!
//! Harmless when run twice: the state `sent` is stored before `Cancel`, a run that finds it asks for the payment first, and
//! a repeated `Cancel` with the same `ExternalRequestId` returns the first call's state. SBP has no such id: there, the
//! remaining amount of the payment protects from a second refund, and nothing is sent again while it does not show whether the
//! first one happened.
//!
//! A job that dies leaves another one for later, which asks first as well: nothing else would end the refund, and the closing
//! receipt waits for it.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_clients::tbank::TBankError;
use flysk_domain::failure_action::FailureAction;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::invoice_payments::AttemptKind;
use flysk_domain::platform::purchases::{RefundAttempt, RefundStatus};
use flysk_jobs::platform::subscriptions::RefundInvoicePayment;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_services::invoice_payments::refund_refused;
use flysk_store::platform::invoice_payments::{
    self as store, Attempt, InvoiceRefund, ReceiptState, RefundState,
};

use super::bank_answer::lock;
use crate::App;
use crate::acquiring::Acquiring;
use crate::job_error::IntoJobError as _;

/// Interval between questions while the bank processes a refund.
const REFUND_POLL_INTERVAL: TimeDelta = TimeDelta::minutes(2);
/// Delay of the next job after one that died without the refund's end.
const REVIVAL_DELAY: TimeDelta = TimeDelta::hours(6);
/// SBP allows one refund request per operation and hour.
const SBP_RETRY_DELAY: Duration = Duration::from_mins(61);

impl JobHandler<App> for RefundInvoicePayment {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let mut conn = run.pool().acquire().await?;
        let found = store::find_refund(&mut conn, &self.refund_id).await?;
        let Some(refund) = found else { return Ok(JobOutcome::skip("the refund is gone")) };
        if refund.state.has_ended() {
            return Ok(JobOutcome::skip("the refund has already ended"));
        }
        let attempt = store::find_attempt(&mut conn, refund.payment_row_id).await?;
        let attempt = attempt.ok_or_else(|| JobError::give_up("the payment of the refund is gone"))?;
        let receipt = store::find_receipt_of_payment(&mut conn, attempt.id).await?;
        // The receipt of a refund in part undoes the closing one, if that is registered: only the bank's answer tells.
        let is_closing = receipt.is_some_and(|receipt| receipt.state == ReceiptState::Sending);
        if is_closing && refund.amount != attempt.amount {
            let until = run.now() + REFUND_POLL_INTERVAL;
            return Ok(JobOutcome::snooze(until, "the closing receipt is being sent"));
        }
        drop(conn);
        let acquiring = app.acquiring_of(&attempt.terminal_key).await?;
        if refund.state == RefundState::Pending {
            let mut unit = run.begin().await?;
            let (from, to) = (RefundState::Pending, RefundState::Sent);
            store::mark_refund(&mut unit, &refund.id, from, to, None, run.now()).await?;
            unit.commit().await?;
        } else {
            app.bank_permit(&attempt.terminal_key, &refund.id).await?;
            if let Some(outcome) = check_status_first(run, &acquiring, &attempt, &refund).await? {
                return Ok(outcome);
            }
        }
        let closing = store::find_closing_basis(&mut *run.pool().acquire().await?, attempt.id).await?;
        let request =
            super::receipts::refund_request(run, app, &acquiring, &attempt, &refund, closing).await?;
        app.wait_for_bank_permit(&attempt.terminal_key, &refund.id).await?;
        match acquiring.bank.cancel(&request).await {
            Ok(cancelled) => match pending(&attempt, &refund).status(&cancelled.status, cancelled.new_amount)
            {
                RefundStatus::Happened => finish(run, &refund).await,
                RefundStatus::OnItsWay => Ok(snooze(run)),
                RefundStatus::NotHappened | RefundStatus::Unclear => {
                    Err(JobError::retry(format!("the bank answered {}", cancelled.status)))
                }
            },
            Err(error) => on_refused(run, app, &acquiring, &attempt, &refund, error).await,
        }
    }

    async fn on_dead(&self, unit: &mut UnitOfWork, reason: &str, _app: &App) -> Result<(), JobError> {
        metrics::counter!("flysk_refunds_unresolved_total").increment(1);
        let refund = store::find_refund(unit, &self.refund_id).await?;
        if let Some(refund) = refund.filter(|refund| !refund.state.has_ended()) {
            tracing::error!(
                refund.id = %refund.id, invoice.id = %refund.invoice_id, reason,
                "refund unresolved: see docs/runbook.md"
            );
            let later = unit.now() + REVIVAL_DELAY;
            unit.enqueue_at(self, later).await?;
        }
        Ok(())
    }
}

/// An earlier run sent the request, or was about to: asks for the payment. `None`: send it again. A payment on the form that saved no
/// card may be one by SBP, which has no ids of refunds.
async fn check_status_first(
    run: &JobContext,
    acquiring: &Acquiring,
    attempt: &Attempt,
    refund: &InvoiceRefund,
) -> Result<Option<JobOutcome>, JobError> {
    let status = status(acquiring, attempt, refund).await?;
    let by_card = attempt.kind == AttemptKind::Charge
        || store::find_card_of_payment(&mut *run.pool().acquire().await?, attempt.id).await?.is_some();
    match status {
        RefundStatus::OnItsWay => Ok(Some(snooze(run))),
        RefundStatus::Happened => finish(run, refund).await.map(Some),
        _ if status.may_be_repeated(by_card) => Ok(None),
        RefundStatus::NotHappened | RefundStatus::Unclear => {
            Err(JobError::retry("the payment's status does not show whether it was refunded"))
        }
    }
}

/// The payment before the refund, for a comparison with the bank's amounts.
fn pending(attempt: &Attempt, refund: &InvoiceRefund) -> RefundAttempt {
    let before = attempt.amount.0.saturating_sub(refund.left.0);
    RefundAttempt {
        price: attempt.amount,
        refunded: Kopecks(before.saturating_add(refund.amount.0)),
        kopecks: refund.amount,
    }
}

async fn status(
    acquiring: &Acquiring,
    attempt: &Attempt,
    refund: &InvoiceRefund,
) -> Result<RefundStatus, JobError> {
    let payment_id = attempt.payment_id.as_deref();
    let payment_id = payment_id.ok_or_else(|| JobError::give_up("a paid attempt without a payment"))?;
    let payment = acquiring.bank.state(payment_id).await.map_err(TBankError::into_job_error)?;
    Ok(pending(attempt, refund).status(&payment.status, payment.amount))
}

fn snooze(run: &JobContext) -> JobOutcome {
    JobOutcome::snooze(run.now() + REFUND_POLL_INTERVAL, "the bank is processing the refund")
}

async fn finish(run: &JobContext, refund: &InvoiceRefund) -> JobResult {
    let mut unit = run.begin().await?;
    store::mark_refund(&mut unit, &refund.id, RefundState::Sent, RefundState::Done, None, run.now()).await?;
    tracing::info!(refund.id = %refund.id, invoice.id = %refund.invoice_id, "refund completed");
    run.done(unit).await
}

async fn on_refused(
    run: &JobContext,
    app: &App,
    acquiring: &Acquiring,
    attempt: &Attempt,
    refund: &InvoiceRefund,
    error: TBankError,
) -> JobResult {
    let code = error.refusal().map(|refusal| refusal.code.as_str());
    // SBP's limit per hour: not a refusal.
    if matches!(code, Some("3029" | "3030" | "3041" | "3042")) {
        return Err(JobError::Wait { after: SBP_RETRY_DELAY, reason: error.to_string() });
    }
    if error.outcome() != FailureAction::GiveUp {
        return Err(error.into_job_error());
    }
    app.wait_for_bank_permit(&attempt.terminal_key, &refund.id).await?;
    match status(acquiring, attempt, refund).await? {
        RefundStatus::Happened => finish(run, refund).await,
        RefundStatus::OnItsWay => Ok(snooze(run)),
        RefundStatus::Unclear => {
            Err(JobError::retry(format!("{error}; the payment does not show its refund")))
        }
        RefundStatus::NotHappened => {
            metrics::counter!("flysk_refunds_refused_total").increment(1);
            tracing::error!(refund.id = %refund.id, invoice.id = %refund.invoice_id, %error, "the bank rejected a refund");
            let mut unit = run.begin().await?;
            lock(&mut unit, attempt).await?;
            let (from, to) = (RefundState::Sent, RefundState::Refused);
            store::mark_refund(&mut unit, &refund.id, from, to, code, run.now()).await?;
            refund_refused(&mut unit, app.clock(), refund).await?;
            run.done(unit).await
        }
    }
}
