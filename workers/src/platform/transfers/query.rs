//! Performs `transfers.query_invoice`. Harmless when run twice: a question changes nothing, and money counts only when it is in the
//! statement, whose reading is brought forward.

use chrono::TimeDelta;
use flysk_clients::tbank::t_api::{InvoiceStatus, TApiError};
use flysk_domain::failure_action::FailureAction;
use flysk_jobs::platform::transfers::{QueryTransferInvoice, ReadStatement};
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::platform::transfers;

use crate::App;
use crate::app::t_api::TApiMethod;
use crate::job_error::IntoJobError as _;

/// When the bank is first asked about an invoice, after it was sent.
pub(super) const FIRST_QUERY_DELAY: TimeDelta = TimeDelta::minutes(30);
/// Interval of questions about an invoice that waits.
const QUERY_INTERVAL: TimeDelta = TimeDelta::hours(1);

impl JobHandler<App> for QueryTransferInvoice {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let mut conn = run.pool().acquire().await?;
        let found = transfers::find_transfer_invoice(&mut conn, self.transfer_invoice_id).await?;
        drop(conn);
        let Some(invoice) = found else { return Ok(JobOutcome::skip("the invoice is gone")) };
        let open_id = invoice.bank_invoice_id.as_deref().filter(|_| invoice.state.is_open());
        let access = app.t_api_of(invoice.vendor_id).await?;
        let (Some(bank_id), Some((bank, _))) = (open_id, access) else {
            let mut unit = run.begin().await?;
            transfers::record_bank_status(&mut unit, invoice.id, None, None, run.now()).await?;
            return run.done(unit).await;
        };
        let who = run.job_id().to_string();
        app.t_api_permit(TApiMethod::InvoiceInfo, invoice.vendor_id, &who).await?;
        let status = match bank.invoice_status(bank_id).await {
            Ok(status) => Some(status),
            // The bank does not know its own id: the statement decides alone.
            Err(error) if error.outcome() == FailureAction::GiveUp => {
                tracing::warn!(transfer_invoice.id = %invoice.id, %error, "failed to query a transfer invoice at the bank");
                None
            }
            Err(error) => return Err(TApiError::into_job_error(error)),
        };
        let now = run.now();
        let next = status.is_some().then(|| now + QUERY_INTERVAL);
        let mut unit = run.begin().await?;
        let word = status.as_ref().map(InvoiceStatus::as_str);
        transfers::record_bank_status(&mut unit, invoice.id, word, next, now).await?;
        if status == Some(InvoiceStatus::Paid) {
            unit.enqueue_or_expedite(&ReadStatement { vendor_id: invoice.vendor_id }).await?;
        }
        run.done(unit).await
    }
}
