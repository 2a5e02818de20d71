//! Performs `transfers.due` and `transfers.read_statements`. Harmless when run twice: what is already waiting is not enqueued again.

use chrono::TimeDelta;
use flysk_domain::platform::subscriptions::moscow_day;
use flysk_domain::platform::transfers::PdfState;
use flysk_jobs::platform::transfers::{
    FetchTransferDocument, IssueAct, QueryTransferInvoice, ReadStatement, ReadStatements,
    SendTransferInvoice, TransfersDue,
};
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::platform::transfers;

use crate::App;

/// Jobs of each kind per tick; the next tick continues.
const MAX_JOBS_PER_RUN: u32 = 200;
/// An invoice whose job is lost is enqueued again after this time.
const LOST_JOB_DELAY: TimeDelta = TimeDelta::minutes(5);

impl JobHandler<App> for TransfersDue {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let now = run.now();
        let mut unit = run.begin().await?;
        let to_send =
            transfers::list_invoices_to_send(&mut unit, now - LOST_JOB_DELAY, MAX_JOBS_PER_RUN).await?;
        let to_ask = transfers::list_to_ask_about(&mut unit, now, MAX_JOBS_PER_RUN).await?;
        for transfer_invoice_id in to_send {
            unit.enqueue(&SendTransferInvoice { transfer_invoice_id }).await?;
        }
        if app.config().storage.is_some() {
            for wanted in
                transfers::list_with_pdf_state(&mut unit, PdfState::Wanted, MAX_JOBS_PER_RUN).await?
            {
                unit.enqueue(&FetchTransferDocument { transfer_invoice_id: wanted.id }).await?;
            }
        }
        for transfer_invoice_id in to_ask {
            unit.enqueue(&QueryTransferInvoice { transfer_invoice_id }).await?;
        }
        for transfer_invoice_id in
            transfers::list_due_acts(&mut unit, moscow_day(now), MAX_JOBS_PER_RUN).await?
        {
            unit.enqueue(&IssueAct { transfer_invoice_id }).await?;
        }
        run.done(unit).await
    }
}

impl JobHandler<App> for ReadStatements {
    async fn handle(&self, run: &JobContext, _app: &App) -> JobResult {
        let mut unit = run.begin().await?;
        for access in transfers::list_accesses(&mut unit).await? {
            unit.enqueue(&ReadStatement { vendor_id: access.vendor_id }).await?;
        }
        let queue = transfers::read_queue_size(&mut unit).await?;
        #[expect(clippy::cast_precision_loss, reason = "a count of operations")]
        metrics::gauge!("flysk_bank_operations_queued").set(queue.operations as f64);
        let age = queue.oldest.map_or(0, |oldest| (run.now() - oldest).num_seconds());
        #[expect(clippy::cast_precision_loss, reason = "seconds of waiting")]
        metrics::gauge!("flysk_bank_operations_oldest_seconds").set(age as f64);
        unit.commit().await?;
        Ok(JobOutcome::Done)
    }
}
