//! Performs `billing.send_closing_receipt`.
//!
//! T-Bank has no query for receipts, so a second one cannot be excluded after a lost answer: the state `sending` is stored
//! before the call, and a run that finds it does not send again but leaves the receipt to a person.

use flysk_clients::tbank::TBankError;
use flysk_domain::failure_action::FailureAction;
use flysk_domain::money::Kopecks;
use flysk_jobs::platform::subscriptions::SendClosingReceipt;
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::platform::invoice_payments::{self as store, ReceiptState, RefundState};

use crate::App;

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
        let mut left = attempt.amount.0;
        for refund in store::list_refunds(&mut conn, attempt.id).await? {
            if refund.state != RefundState::Refused {
                left = left.saturating_sub(refund.amount.0);
            }
        }
        drop(conn);
        if left <= 0 {
            let mut unit = run.begin().await?;
            store::cancel_receipt(&mut unit, attempt.id, run.now()).await?;
            return run.done(unit).await;
        }
        let acquiring = app.acquiring_of(&attempt.terminal_key).await?;
        let (request, basis) =
            super::receipts::closing_request(run, app, &acquiring, &attempt, Kopecks(left)).await?;
        app.bank_permit(&attempt.terminal_key, &receipt.id.to_string()).await?;
        let mut unit = run.begin().await?;
        store::begin_sending(&mut unit, receipt.id, &basis, run.now()).await?;
        unit.commit().await?;
        match acquiring.bank.send_closing_receipt(&request).await {
            Ok(()) => end(run, &receipt, ReceiptState::Sent, None).await,
            Err(error) => {
                report(&receipt, &error);
                let code = error.refusal().map(|refusal| refusal.code.clone());
                end(run, &receipt, ReceiptState::Unclear, code.as_deref()).await
            }
        }
    }
}

fn report(receipt: &store::ClosingReceipt, error: &TBankError) {
    let refused = error.outcome() == FailureAction::GiveUp;
    tracing::error!(
        receipt.id = %receipt.id, invoice.id = %receipt.invoice_id, refused, %error,
        "a closing receipt was not registered for certain: check the cash register"
    );
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
    let mut unit = run.begin().await?;
    store::mark_receipt(&mut unit, receipt.id, ReceiptState::Sending, to, code, run.now()).await?;
    run.done(unit).await
}
