//! Performs `billing.send_closing_receipt`.
//!
//! T-Bank has no query for receipts, so a second one cannot be excluded after a lost answer: the state `sending` is stored
//! before the call, and a run that finds it does not send again but leaves the receipt to a person.
//!
//! It is over what is left of the payment, so it waits while a refund has not ended: it stays due, and another job takes it.
//!
//! A failure that certainly registered nothing puts the receipt back: a bank that was not reached is called again by the job's backoff,
//! one that refused it on the next day, because a person has to repair the terminal or the request first.

use chrono::TimeDelta;
use flysk_clients::tbank::TBankError;
use flysk_domain::failure_action::FailureAction;
use flysk_jobs::platform::subscriptions::SendClosingReceipt;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult};
use flysk_services::subscriptions::{begin_closing_receipt, left_to_close};
use flysk_store::platform::invoice_payments::{self as store, ReceiptState};
use flysk_store::repeat_contended;

use super::receipts::{ClosingFacts, closing_request};
use crate::App;
use crate::job_error::IntoJobError as _;

/// A receipt that the bank refused is sent again after this time.
const REFUSED_RETRY_DELAY: TimeDelta = TimeDelta::days(1);
/// Stands for the code of a refusal that has none: the request is not what the bank accepts.
const NO_CODE: &str = "invalid";

impl JobHandler<App> for SendClosingReceipt {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let mut conn = run.pool().acquire().await?;
        let found = store::find_receipt(&mut conn, self.receipt_id).await?;
        let Some(receipt) = found else { return Ok(JobOutcome::skip("the receipt is gone")) };
        let found = store::find_attempt(&mut conn, receipt.payment_row_id).await?;
        let Some(attempt) = found else { return Ok(JobOutcome::skip("the payment is gone")) };
        match receipt.state {
            ReceiptState::Waiting => {}
            ReceiptState::Sending => return end(run, &receipt, ReceiptState::Unclear, None).await,
            _ => return Ok(JobOutcome::skip("the receipt is not due")),
        }
        let Some(left) = left_to_close(&mut conn, &attempt).await? else {
            return Ok(JobOutcome::skip("a refund of the payment has not ended"));
        };
        if !left.is_positive() {
            drop(conn);
            let mut unit = run.begin().await?;
            store::cancel_receipt(&mut unit, attempt.id, run.now()).await?;
            return run.done(unit).await;
        }
        let facts = ClosingFacts::read(&mut conn, &attempt).await?;
        drop(conn);
        let acquiring = app.acquiring_of(&attempt.terminal_key).await?;
        let (request, basis) = closing_request(app, &acquiring, &attempt, left, facts)?;
        app.bank_permit(&attempt.terminal_key, &receipt.id.to_string()).await?;
        let mut unit = run.begin().await?;
        if !begin_closing_receipt(&mut unit, app.clock(), (&receipt, &attempt), &basis, left).await? {
            return Ok(JobOutcome::skip("a refund was requested, or the receipt was taken"));
        }
        unit.commit().await?;
        match acquiring.bank.send_closing_receipt(&request).await {
            Ok(()) => end(run, &receipt, ReceiptState::Sent, None).await,
            Err(error) => on_failed(run, &receipt, error).await,
        }
    }
}

/// What follows the bank's answer is repeated here and in [`end`], because a retried handler would not know the answer: the
/// receipt would be left to a person.
async fn on_failed(run: &JobContext, receipt: &store::ClosingReceipt, error: TBankError) -> JobResult {
    let code = error.refusal().map(|refusal| refusal.code.clone());
    match error.outcome() {
        FailureAction::Unknown => {
            tracing::error!(
                receipt.id = %receipt.id, invoice.id = %receipt.invoice_id, %error,
                "a closing receipt was not registered for certain: check the cash register"
            );
            end(run, receipt, ReceiptState::Unclear, code.as_deref()).await
        }
        FailureAction::GiveUp => {
            metrics::counter!("flysk_closing_receipts_refused_total").increment(1);
            tracing::error!(
                receipt.id = %receipt.id, invoice.id = %receipt.invoice_id, %error,
                "the bank refused a closing receipt: it is sent again in a day"
            );
            let code = code.as_deref().unwrap_or(NO_CODE);
            let write = || async {
                let (now, mut unit) = (run.now(), run.begin().await?);
                let again_at = now + REFUSED_RETRY_DELAY;
                store::refuse_receipt(&mut unit, receipt.id, code, again_at, now).await?;
                run.done(unit).await
            };
            repeat_contended(write).await
        }
        FailureAction::Retry { .. } | FailureAction::Wait { .. } => {
            let (from, to) = (ReceiptState::Sending, ReceiptState::Waiting);
            let write = || async {
                let mut unit = run.begin().await?;
                store::mark_receipt(&mut unit, receipt.id, from, to, None, run.now()).await?;
                Ok::<_, JobError>(unit.commit().await?)
            };
            repeat_contended(write).await?;
            Err(error.into_job_error())
        }
    }
}

async fn end(
    run: &JobContext,
    receipt: &store::ClosingReceipt,
    to: ReceiptState,
    code: Option<&str>,
) -> JobResult {
    if to == ReceiptState::Unclear {
        metrics::counter!("flysk_closing_receipts_unclear_total").increment(1);
    }
    let write = || async {
        let mut unit = run.begin().await?;
        store::mark_receipt(&mut unit, receipt.id, ReceiptState::Sending, to, code, run.now()).await?;
        run.done(unit).await
    };
    repeat_contended(write).await
}
