//! Performs `calls.upload_audio`.
//!
//! Harmless when run twice: the same file is stored under the same key. On a machine without the converted audio it is
//! converted again from the stored recording.

use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::state::StateEvent;
use flysk_jobs::flysense::calls::{StartRecognition, UploadAudio};
use flysk_queue::{JobContext, JobError, JobHandler, JobResult, UnitOfWork};
use flysk_store::flysense::transcriptions::{self, Transcription};

use super::audio_storage::{self, scratch_error};
use super::stage::{self, enter_stage};
use crate::App;
use crate::flysense::FlySense;
use crate::job_error::IntoJobError;

impl JobHandler<App> for UploadAudio {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let stage = enter_stage!(run, self, "upload", Uploading);
        let key = match &stage.call.object_key {
            Some(key) => key.clone(),
            None => upload(app.flysense()?, &stage.call).await?,
        };
        let mut unit = stage.leave(run, StateEvent::Uploaded).await?;
        transcriptions::set_object_key(&mut unit, self.transcription_id, &key).await?;
        unit.enqueue(&StartRecognition {
            transcription_id: self.transcription_id,
            account_id: self.account_id,
        })
        .await?;
        run.done(unit).await
    }

    async fn on_dead(&self, unit: &mut UnitOfWork, _reason: &str, app: &App) -> Result<(), JobError> {
        let now = app.clock().now();
        stage::fail_on_dead(
            unit,
            self.account_id,
            self.transcription_id,
            FailureCode::StorageUnavailable,
            now,
        )
        .await
    }
}

async fn upload(flysense: &FlySense, call: &Transcription) -> Result<String, JobError> {
    let path = audio_storage::local_prepared(&flysense.scratch, call);
    if !tokio::fs::try_exists(&path).await.map_err(scratch_error)? {
        audio_storage::prepare(flysense, call)
            .await?
            .map_err(|error| JobError::retry(format!("converting the recording again failed: {error}")))?;
    }
    let key = audio_storage::prepared_key(call);
    let media_type = audio_storage::media_type(call.container);
    flysense.storage.put_file(&key, &path, media_type).await.map_err(IntoJobError::into_job_error)?;
    Ok(key)
}
