//! Performs `transfers.send_invoice`.
//!
//! Harmless when run twice: the attempt is stored before the request, and an invoice with a stored attempt is never sent again,
//! because the bank has no idempotency and, without its answer, no id to ask by. After a lost answer the invoice stays valid:
//! firms pay by its number, and its document is ours. Only a definite refusal clears the attempt.

use flysk_clients::tbank::t_api::{InvoiceToSend, SentInvoice, TApi, TApiError};
use flysk_crypto::aad;
use flysk_domain::failure_action::FailureAction;
use flysk_domain::platform::transfers::TransferInvoiceState;
use flysk_jobs::platform::transfers::{FetchTransferDocument, SendTransferInvoice};
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_store::platform::transfers::{self, TApiAccess, TransferInvoice};
use flysk_store::repeat_contended;
use secrecy::{ExposeSecret as _, SecretString};

use super::query::FIRST_QUERY_DELAY;
use crate::App;
use crate::app::t_api::{CONFIG_RETRY_DELAY, TApiMethod};
use crate::job_error::IntoJobError as _;

impl JobHandler<App> for SendTransferInvoice {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let mut conn = run.pool().acquire().await?;
        let found = transfers::find_transfer_invoice(&mut conn, self.transfer_invoice_id).await?;
        drop(conn);
        let Some(invoice) = found else { return Ok(JobOutcome::skip("the invoice is gone")) };
        if invoice.state != TransferInvoiceState::Sending || !invoice.amount.is_positive() {
            return Ok(JobOutcome::skip("the invoice is not to be sent any more"));
        }
        if invoice.sent_at.is_some() {
            return end_in_doubt(run, &invoice, "no_answer").await;
        }
        if invoice.email_sealed.is_empty() {
            return end_in_doubt(run, &invoice, "no_address").await;
        }
        let Some((bank, access)) = app.t_api_of(invoice.vendor_id).await? else {
            return Err(JobError::Wait {
                after: CONFIG_RETRY_DELAY,
                reason: "the vendor has no access to the T-API".to_owned(),
            });
        };
        let email = app.keyring.open(&invoice.email_sealed, &aad::transfer_email(invoice.id));
        let email = email.map_err(|error| JobError::retry(format!("the key ring: {error}")))?;
        let who = run.job_id().to_string();
        app.t_api_permit(TApiMethod::SendInvoice, invoice.vendor_id, &who).await?;
        let mut unit = run.begin().await?;
        if !transfers::begin_sending(&mut unit, invoice.id, run.now()).await? {
            return Ok(JobOutcome::skip("the invoice is not to be sent any more"));
        }
        unit.commit().await?;
        match send(&bank, &access, &invoice, &email).await {
            Ok(sent) => issued(run, app, &invoice, &sent).await,
            Err(error) => failed(run, &invoice, error).await,
        }
    }

    async fn on_dead(&self, _unit: &mut UnitOfWork, reason: &str, _app: &App) -> Result<(), JobError> {
        count("dead");
        tracing::error!(
            transfer_invoice.id = %self.transfer_invoice_id, reason,
            "a transfer invoice could not be sent: see docs/runbook.md"
        );
        Ok(())
    }
}

async fn send(
    bank: &TApi,
    access: &TApiAccess,
    invoice: &TransferInvoice,
    email: &SecretString,
) -> Result<SentInvoice, TApiError> {
    let request = InvoiceToSend {
        number: invoice.number,
        issued_on: invoice.issued_on,
        due_on: invoice.due_on,
        account: &access.account,
        payer: &invoice.payer,
        title: &invoice.title,
        amount: invoice.amount,
        vat: invoice.vat,
        email: email.expose_secret(),
        purpose: &invoice.purpose,
    };
    bank.send_invoice(&request).await
}

/// The bank has the invoice. What follows its answer is repeated here, because a retried handler would not know the answer.
async fn issued(run: &JobContext, app: &App, invoice: &TransferInvoice, sent: &SentInvoice) -> JobResult {
    let link = app.keyring.seal(&sent.pdf_url, &aad::transfer_pdf_url(invoice.id));
    let link = link.map_err(|error| JobError::retry(format!("the key ring: {error}")))?;
    let write = || async {
        let now = run.now();
        let mut unit = run.begin().await?;
        let ids = (sent.invoice_id.as_str(), link.as_str());
        transfers::mark_issued(&mut unit, invoice.id, ids, now + FIRST_QUERY_DELAY, now).await?;
        if app.config().storage.is_some() {
            unit.enqueue(&FetchTransferDocument { transfer_invoice_id: invoice.id }).await?;
        }
        run.done(unit).await
    };
    let ended = repeat_contended(write).await?;
    count("sent");
    Ok(ended)
}

/// The bank refused, or did not answer.
async fn failed(run: &JobContext, invoice: &TransferInvoice, error: TApiError) -> JobResult {
    if !error.is_without_effect() {
        return end_in_doubt(run, invoice, "no_answer").await;
    }
    let code = error.code();
    if error.outcome() == FailureAction::GiveUp {
        tracing::error!(
            transfer_invoice.id = %invoice.id, %error,
            "the bank does not take a transfer invoice: it is valid, but only we can send it"
        );
        return end_in_doubt(run, invoice, &code).await;
    }
    let write = || async {
        let mut unit = run.begin().await?;
        transfers::record_refused_sending(&mut unit, invoice.id, &code, run.now()).await?;
        Ok::<_, JobError>(unit.commit().await?)
    };
    repeat_contended(write).await?;
    count("refused");
    Err(error.into_job_error())
}

/// The invoice is not sent again. It can be paid, and its document is ours.
async fn end_in_doubt(run: &JobContext, invoice: &TransferInvoice, code: &str) -> JobResult {
    let write = || async {
        let mut unit = run.begin().await?;
        transfers::record_sending_error(&mut unit, invoice.id, code, run.now()).await?;
        run.done(unit).await
    };
    let ended = repeat_contended(write).await?;
    count("in_doubt");
    tracing::warn!(
        transfer_invoice.id = %invoice.id, code,
        "it is unknown whether the bank sent a transfer invoice: it is not sent again"
    );
    Ok(ended)
}

fn count(outcome: &'static str) {
    metrics::counter!("flysk_transfer_invoices_sent_total", "outcome" => outcome).increment(1);
}
