//! Performs `transfers.expire_invoices`. Harmless when run twice: each invoice ends once, in a transaction that compares its state,
//! and has one letter about its last day.

use flysk_domain::platform::subscriptions::moscow_day;
use flysk_jobs::platform::transfers::ExpireTransferInvoices;
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_services::transfers::{
    TransferContext, TransferError, expire_transfer_invoices, queue_letters_of_last_days,
};

use crate::App;
use crate::job_error::IntoJobError as _;

/// Invoices per run; the next run continues.
const MAX_INVOICES_PER_RUN: u32 = 1_000;

impl JobHandler<App> for ExpireTransferInvoices {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let context = TransferContext { keyring: &app.keyring, clock: app.clock() };
        let ended = expire_transfer_invoices(&app.outbox, context, run.trace(), MAX_INVOICES_PER_RUN)
            .await
            .map_err(TransferError::into_job_error)?;
        if ended > 0 {
            tracing::info!(ended, "transfer invoices ended unpaid");
        }
        let today = moscow_day(run.now());
        queue_letters_of_last_days(&app.outbox, run.trace(), today, MAX_INVOICES_PER_RUN).await?;
        Ok(JobOutcome::Done)
    }
}
