//! Performs `transfers.due` and `transfers.read_statements`. Harmless when run twice: what is already waiting is not
//! enqueued again, and is not read either, so that it keeps back nothing.

use chrono::TimeDelta;
use flysk_domain::platform::subscriptions::moscow_day;
use flysk_domain::platform::transfers::PdfState;
use flysk_jobs::platform::transfers::{
    FetchTransferDocument, IssueAct, QueryTransferInvoice, ReadStatement, ReadStatements,
    SendTransferInvoice, TransfersDue,
};
use flysk_queue::{Job as _, JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::platform::transfers;

use crate::App;

/// Jobs of each kind per tick; the next tick continues with others.
const MAX_JOBS_PER_RUN: u32 = 200;
/// An invoice whose job is lost is enqueued again after this time.
const LOST_JOB_DELAY: TimeDelta = TimeDelta::minutes(5);

impl JobHandler<App> for TransfersDue {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let (now, limit) = (run.now(), MAX_JOBS_PER_RUN);
        let mut unit = run.begin().await?;
        let (kind, until) = (SendTransferInvoice::KIND, now - LOST_JOB_DELAY);
        for transfer_invoice_id in transfers::list_invoices_to_send(&mut unit, kind, until, limit).await? {
            unit.enqueue(&SendTransferInvoice { transfer_invoice_id }).await?;
        }
        if app.config().storage.is_some() {
            let (kind, state) = (FetchTransferDocument::KIND, PdfState::Wanted);
            for transfer_invoice_id in transfers::list_with_pdf_state(&mut unit, kind, state, limit).await? {
                unit.enqueue(&FetchTransferDocument { transfer_invoice_id }).await?;
            }
        }
        let kind = QueryTransferInvoice::KIND;
        for transfer_invoice_id in transfers::list_to_ask_about(&mut unit, kind, now, limit).await? {
            unit.enqueue(&QueryTransferInvoice { transfer_invoice_id }).await?;
        }
        let (kind, today) = (IssueAct::KIND, moscow_day(now));
        for transfer_invoice_id in transfers::list_due_acts(&mut unit, kind, today, limit).await? {
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
