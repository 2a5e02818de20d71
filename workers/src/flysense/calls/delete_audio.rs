//! Performs `calls.delete_audio`: deletes the audio of a call that does not need it any more, and releases its
//! summarization slot.
//!
//! Harmless when run twice: deleted objects stay deleted.

use flysk_domain::flysense::state::TranscriptionState as State;
use flysk_jobs::flysense::calls::DeleteAudio;
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::flysense::transcriptions;

use super::{audio_storage, summarization_slots};
use crate::App;
use crate::job_error::IntoJobError;

impl JobHandler<App> for DeleteAudio {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let mut conn = run.pool().acquire().await?;
        let call = transcriptions::find(&mut conn, self.account_id, self.transcription_id).await?;
        drop(conn);
        if call.is_some_and(|call| !call.state.is_final() && call.state != State::Settling) {
            return Ok(JobOutcome::skip("the call was requested again and needs its audio"));
        }
        let flysense = app.flysense()?;
        summarization_slots::release(app, flysense, self.transcription_id).await;
        let folder = audio_storage::folder(self.transcription_id);
        let mut page = None;
        loop {
            let listed = flysense
                .storage
                .list(&folder, page.as_deref())
                .await
                .map_err(IntoJobError::into_job_error)?;
            for object in listed.objects {
                flysense.storage.delete(&object.key).await.map_err(IntoJobError::into_job_error)?;
            }
            page = listed.next;
            if page.is_none() {
                break;
            }
        }
        audio_storage::delete_local(&flysense.scratch, self.transcription_id)
            .await
            .map_err(audio_storage::scratch_error)?;
        Ok(JobOutcome::Done)
    }
}
