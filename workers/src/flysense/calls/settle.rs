//! Performs `calls.settle`: marks the call as done and its price as owed.
//!
//! `calls.capture_payment` takes the coins, so that an outage of the platform delays no transcript. Harmless when run
//! twice: a call that is done stays as it is.

use flysk_domain::flysense::payment::Work;
use flysk_domain::flysense::pricing::billed_seconds;
use flysk_domain::flysense::summary::SummaryProvenance;
use flysk_jobs::flysense::calls::{CapturePayment, Settle};
use flysk_queue::{JobContext, JobHandler, JobResult};
use flysk_store::flysense::payments::{self, RunOf};
use flysk_store::flysense::transcriptions::{self, Transcription};

use super::stage::enter_stage;
use crate::App;

impl JobHandler<App> for Settle {
    async fn handle(&self, run: &JobContext, _app: &App) -> JobResult {
        let stage = enter_stage!(run, self, "settle", Settling);
        let call = &stage.call;
        let duration_ms = call.duration_ms.unwrap_or_default();
        let billed = u32::try_from(billed_seconds(duration_ms, true)).unwrap_or(u32::MAX);
        let mut unit = run.begin().await?;
        transcriptions::mark_done(&mut unit, call.id, billed, run.now()).await?;
        let (of, work) = (RunOf { id: call.id, run: call.run }, Work::of(duration_ms, is_summarised(call)));
        if payments::mark_owed(&mut unit, of, call.account_id, work, run.now()).await? {
            let (transcription_id, account_id) = (call.id, call.account_id);
            unit.enqueue(&CapturePayment { transcription_id, account_id, run: call.run }).await?;
        }
        stage.record(&mut unit, run).await?;
        run.done(unit).await
    }
}

/// Whether a model wrote the summary. A summary written by a user is free.
fn is_summarised(call: &Transcription) -> bool {
    matches!(call.summary_source, Some(SummaryProvenance::Written(_)))
}
