//! Performs `calls.settle`: the result is there and can be read, and what it cost is owed from now on.
//!
//! The coins are taken by `calls.capture_payment`, so that a platform that is away keeps nobody from the
//! transcript. Harmless when run twice: a call that is done stays as it is.

use flysk_domain::flysense::payment::Work;
use flysk_domain::flysense::pricing::billed_seconds;
use flysk_domain::flysense::summary::SummarySource;
use flysk_jobs::calls::{CapturePayment, Settle};
use flysk_jobs::{Handle, JobResult, Run};
use flysk_store::flysense::payments::{self, RunOf};
use flysk_store::flysense::transcriptions::{self, Transcription};

use super::stage::enter_stage;
use crate::App;

impl Handle<App> for Settle {
    async fn handle(&self, run: &Run, _app: &App) -> JobResult {
        let stage = enter_stage!(run, self, "settle", Settling);
        let call = &stage.call;
        let duration_ms = call.duration_ms.unwrap_or_default();
        let billed = u32::try_from(billed_seconds(duration_ms, true)).unwrap_or(u32::MAX);
        let mut unit = run.begin().await?;
        transcriptions::settle(&mut unit, call.id, billed, run.now()).await?;
        let (of, work) = (RunOf { id: call.id, run: call.run }, Work::of(duration_ms, is_summarised(call)));
        if payments::mark_owed(&mut unit, of, call.account_id, work, run.now()).await? {
            let (transcription_id, account_id) = (call.id, call.account_id);
            unit.enqueue(&CapturePayment { transcription_id, account_id, run: call.run }).await?;
        }
        stage.record(&mut unit, run).await?;
        run.done(unit).await
    }
}

/// Whether a model wrote a summary; one that a manager typed is not ours to be paid for.
fn is_summarised(call: &Transcription) -> bool {
    call.summary_source.as_deref().is_some_and(|source| source.parse::<SummarySource>().is_ok())
}
