//! Performs `transfers.fetch_document`. Harmless when run twice: the object is replaced by the same one.
//!
//! The bank's link works for ten days and must not outlive its use: once the document is kept, or the link has ended, it is
//! forgotten. Customers download our own document; the bank's one is kept as evidence of what the bank sent.

use std::io;

use chrono::TimeDelta;
use flysk_clients::storage::StorageError;
use flysk_clients::tbank::t_api::TApiError;
use flysk_crypto::aad;
use flysk_domain::failure_action::FailureAction;
use flysk_domain::platform::transfers::PdfState;
use flysk_jobs::platform::transfers::FetchTransferDocument;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult};
use flysk_store::platform::transfers::{self, TransferInvoice};

use crate::App;
use crate::job_error::IntoJobError as _;

/// Lifetime of the bank's link. Source: T-API, `pdfUrl`.
const LINK_TTL: TimeDelta = TimeDelta::days(10);

impl JobHandler<App> for FetchTransferDocument {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let mut conn = run.pool().acquire().await?;
        let found = transfers::find_transfer_invoice(&mut conn, self.transfer_invoice_id).await?;
        drop(conn);
        let Some(invoice) = found else { return Ok(JobOutcome::skip("the invoice is gone")) };
        if invoice.pdf_state != PdfState::Wanted {
            return Ok(JobOutcome::skip("the document is not wanted any more"));
        }
        let has_ended = run.now() - invoice.created_at > LINK_TTL;
        // An erasure forgets the link and leaves the state.
        let Some(sealed) = invoice.pdf_url_sealed.as_deref().filter(|_| !has_ended) else {
            return end(run, &invoice, PdfState::Lost, None).await;
        };
        let Some((bank, _)) = app.t_api_of(invoice.vendor_id).await? else {
            return end(run, &invoice, PdfState::Lost, None).await;
        };
        let url = app.keyring.open(sealed, &aad::transfer_pdf_url(invoice.id));
        let url = url.map_err(|error| JobError::retry(format!("the key ring: {error}")))?;
        let document = match bank.fetch_document(&url).await {
            Ok(document) => document,
            Err(error) if error.outcome() == FailureAction::GiveUp => {
                tracing::warn!(transfer_invoice.id = %invoice.id, %error, "the bank's document cannot be fetched");
                return end(run, &invoice, PdfState::Lost, None).await;
            }
            Err(error) => return Err(TApiError::into_job_error(error)),
        };
        let key = format!("transfers/{}.pdf", invoice.id);
        let scratch = &app.config().worker.scratch_dir;
        tokio::fs::create_dir_all(scratch).await.map_err(|error| scratch_error(&error))?;
        let path = tempfile::NamedTempFile::new_in(scratch).map_err(|error| scratch_error(&error))?;
        let path = path.into_temp_path();
        tokio::fs::write(&path, &document).await.map_err(|error| scratch_error(&error))?;
        let put = app.storage()?.put_file(&key, &path, "application/pdf").await;
        put.map_err(StorageError::into_job_error)?;
        end(run, &invoice, PdfState::Stored, Some(&key)).await
    }
}

/// Records where the document is, and forgets the bank's link.
async fn end(run: &JobContext, invoice: &TransferInvoice, state: PdfState, key: Option<&str>) -> JobResult {
    let mut unit = run.begin().await?;
    transfers::set_transfer_pdf(&mut unit, invoice.id, state, key, run.now()).await?;
    run.done(unit).await
}

fn scratch_error(error: &io::Error) -> JobError {
    JobError::retry(format!("the scratch directory: {error}"))
}
