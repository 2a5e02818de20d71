//! Performs `transfers.issue_act`. Harmless when run twice: an act is issued once, under its row's lock and by a write that compares
//! its state; a number is taken in the same transaction, so that a run that dies leaves no gap.

use flysk_jobs::platform::transfers::IssueAct;
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_services::transfers::{TransferContext, issue_act};

use crate::App;

impl JobHandler<App> for IssueAct {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let context = TransferContext { keyring: &app.keyring, clock: app.clock() };
        let mut unit = run.begin().await?;
        if !issue_act(&mut unit, context, self.transfer_invoice_id).await? {
            return Ok(JobOutcome::skip("the act is issued, or its day has not come"));
        }
        run.done(unit).await
    }
}
