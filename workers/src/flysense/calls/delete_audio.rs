//! Performs `calls.delete_audio`: deletes the audio of a call that does not need it any more, and releases its
//! summarization slot.
//!
//! Harmless when run twice: deleted objects stay deleted. The call may be requested again meanwhile: audio of later runs than
//! the one that has ended stays.

use flysk_domain::flysense::state::TranscriptionState as State;
use flysk_jobs::flysense::calls::DeleteAudio;
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::flysense::transcriptions::{self, Transcription};

use super::{audio_storage, summarization_slots};
use crate::App;
use crate::job_error::IntoJobError;

impl JobHandler<App> for DeleteAudio {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let mut conn = run.pool().acquire().await?;
        let call = transcriptions::find(&mut conn, self.account_id, self.transcription_id).await?;
        drop(conn);
        let is_needed = |call: &Transcription| !call.state.is_final() && call.state != State::Settling;
        if call.as_ref().is_some_and(is_needed) {
            return Ok(JobOutcome::skip("the call was requested again and needs its audio"));
        }
        let last_run = call.map_or(u32::MAX, |call| call.run);
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
                let name = object.key.strip_prefix(&folder).unwrap_or_default();
                if !audio_storage::is_of_later_run(name, last_run) {
                    flysense.storage.delete(&object.key).await.map_err(IntoJobError::into_job_error)?;
                }
            }
            page = listed.next;
            if page.is_none() {
                break;
            }
        }
        audio_storage::delete_local(&flysense.scratch, self.transcription_id, last_run)
            .await
            .map_err(audio_storage::scratch_error)?;
        Ok(JobOutcome::Done)
    }
}
