//! Performs `calls.delete_audio`: a call that needs its audio no more gives back all that it held.
//!
//! Harmless when run twice: what is gone is gone.

use flysk_domain::flysense::state::TranscriptionState as State;
use flysk_jobs::calls::DeleteAudio;
use flysk_jobs::{Handle, JobResult, Run, Verdict};
use flysk_store::flysense::transcriptions;

use super::{files, summarization};
use crate::App;
use crate::outcome::HasOutcome;

impl Handle<App> for DeleteAudio {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let mut conn = run.pool().acquire().await?;
        let call = transcriptions::find(&mut conn, self.account_id, self.transcription_id).await?;
        drop(conn);
        if call.is_some_and(|call| !call.state.is_final() && call.state != State::Settling) {
            return Ok(Verdict::skip("the call was asked for again and needs its audio"));
        }
        let flysense = app.flysense()?;
        summarization::leave(app, flysense, self.transcription_id).await;
        let folder = files::folder(self.transcription_id);
        let mut page = None;
        loop {
            let listed =
                flysense.storage.list(&folder, page.as_deref()).await.map_err(HasOutcome::into_job_error)?;
            for object in listed.objects {
                flysense.storage.delete(&object.key).await.map_err(HasOutcome::into_job_error)?;
            }
            page = listed.next;
            if page.is_none() {
                break;
            }
        }
        files::forget_local(&flysense.scratch, self.transcription_id).await.map_err(files::disk)?;
        Ok(Verdict::Done)
    }
}
