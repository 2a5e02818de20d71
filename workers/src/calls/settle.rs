//! Performs `calls.settle`. Harmless when run twice: a call that is done stays as it is.

use flysk_domain::flysense::pricing::billed_seconds;
use flysk_jobs::calls::Settle;
use flysk_jobs::{Handle, JobResult, Run};
use flysk_store::flysense::transcriptions;

use super::stage::enter_stage;
use crate::App;

impl Handle<App> for Settle {
    async fn handle(&self, run: &Run, _app: &App) -> JobResult {
        let stage = enter_stage!(run, self, "settle", Settling);
        let seconds = billed_seconds(stage.call.duration_ms.unwrap_or_default(), true);
        let mut unit = run.begin().await?;
        let billed = u32::try_from(seconds).unwrap_or(u32::MAX);
        transcriptions::settle(&mut unit, self.transcription_id, billed, run.now()).await?;
        stage.record(&mut unit, run).await?;
        run.done(unit).await
    }
}
