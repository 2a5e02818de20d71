//! Performs `billing.open_invoice_form`.
//!
//! Harmless when run twice: the attempt is stored before `Init`, and a run after a lost answer calls `CheckOrder` first.
//! The form's URL comes with the answer to `Init` only. If it was lost, nobody can pay that payment: it is cancelled,
//! and the payer asks for another one.

use flysk_clients::tbank::{Payment, TBankError};
use flysk_domain::failure_action::FailureAction;
use flysk_domain::platform::invoice_payments::{AttemptState, next_query};
use flysk_jobs::platform::subscriptions::{OpenInvoiceForm, QueryInvoicePayment};
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::platform::invoice_payments::{self as store, Attempt};
use flysk_store::repeat_contended;

use super::bank_answer::lock_unopened;
use super::earlier::settle_earlier;
use crate::App;
use crate::acquiring::Acquiring;
use crate::job_error::IntoJobError as _;

impl JobHandler<App> for OpenInvoiceForm {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let found = store::find_attempt(&mut *run.pool().acquire().await?, self.attempt_id).await?;
        let Some(attempt) = found else { return Ok(JobOutcome::skip("the attempt is gone")) };
        if attempt.state != AttemptState::Opening || attempt.is_withdrawn {
            return Ok(JobOutcome::skip("already opened, or not wanted any more"));
        }
        let acquiring = app.acquiring_of(&attempt.terminal_key).await?;
        let request = super::receipts::form_request(run, app, &acquiring, &attempt).await?;
        let attempts = store::list_attempts(&mut *run.pool().acquire().await?, attempt.invoice_id).await?;
        if settle_earlier(run, app, &attempts).await? {
            return Ok(JobOutcome::skip("an earlier attempt has paid the invoice"));
        }
        app.wait_for_bank_permit(&attempt.terminal_key, &attempt.id.to_string()).await?;
        if run.attempt() > 1 {
            let order = acquiring.bank.check_order(&attempt.id.to_string()).await;
            if !order.map_err(TBankError::into_job_error)?.payments.is_empty() {
                return cancel_orphaned(run, &attempt).await;
            }
            app.wait_for_bank_permit(&attempt.terminal_key, &attempt.id.to_string()).await?;
        }
        match acquiring.bank.init(&request).await {
            Ok(payment) => opened(run, &acquiring, &attempt, &payment).await,
            Err(error) if error.outcome() == FailureAction::GiveUp => refused(run, &attempt, &error).await,
            Err(error) => Err(error.into_job_error()),
        }
    }
}

async fn opened(run: &JobContext, acquiring: &Acquiring, attempt: &Attempt, payment: &Payment) -> JobResult {
    const MAX_FORM_URL_LEN: usize = 500;
    let ours = attempt.id.to_string();
    let matches = payment.order_id.as_deref().is_none_or(|order| order == ours)
        && payment.amount.is_none_or(|amount| amount == attempt.amount);
    let url = payment.payment_url.as_ref().filter(|url| acquiring.config.is_payment_form(url));
    let url = url.map(url::Url::as_str).filter(|url| matches && url.len() <= MAX_FORM_URL_LEN);
    let Some(url) = url else {
        tracing::error!(attempt.id = %attempt.id, "the bank opened a form on a host that is not allowed");
        return cancel_orphaned(run, attempt).await;
    };
    let wait = next_query(AttemptState::Open, chrono::TimeDelta::zero());
    // Repeated here, because a retried handler would lose the form's URL.
    let write = || async {
        let mut unit = run.begin().await?;
        let locked = store::lock_attempt(&mut unit, attempt.id).await?;
        if locked.is_withdrawn || locked.state != AttemptState::Opening {
            store::set_payment_id(&mut unit, attempt.id, &payment.payment_id).await?;
            unit.enqueue(&QueryInvoicePayment { attempt_id: attempt.id }).await?;
        } else {
            let query_at = wait.map_or(run.now(), |wait| run.now() + wait);
            store::open_form(&mut unit, attempt.id, &payment.payment_id, url, query_at, run.now()).await?;
        }
        run.done(unit).await
    };
    repeat_contended(write).await
}

/// Nobody has the URL of the form.
async fn cancel_orphaned(run: &JobContext, attempt: &Attempt) -> JobResult {
    let mut unit = run.begin().await?;
    store::mark_withdrawn(&mut unit, attempt.id, run.now()).await?;
    unit.enqueue(&QueryInvoicePayment { attempt_id: attempt.id }).await?;
    run.done(unit).await
}

async fn refused(run: &JobContext, attempt: &Attempt, error: &TBankError) -> JobResult {
    metrics::counter!("flysk_tbank_init_refused_total").increment(1);
    tracing::error!(attempt.id = %attempt.id, %error, "the bank refused to create a payment");
    let code = error.refusal().map_or("not_sent", |refusal| refusal.code.as_str());
    let mut unit = run.begin().await?;
    if lock_unopened(&mut unit, attempt).await?.is_some() {
        store::end_attempt(&mut unit, attempt.id, AttemptState::Failed, Some(code), run.now()).await?;
    }
    run.done(unit).await
}
