//! Performs `calls.upload_audio`.
//!
//! Harmless when run twice: the same file is put under the same key. On a machine that did not convert
//! the audio it is converted again from the recording in storage.

use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::state::StateEvent;
use flysk_jobs::calls::{StartRecognition, UploadAudio};
use flysk_jobs::{Handle, JobError, JobResult, Run, Unit};
use flysk_store::flysense::transcriptions::{self, Transcription};

use super::files::{self, disk};
use super::stage::{self, enter_stage};
use crate::App;
use crate::flysense::FlySense;
use crate::outcome::HasOutcome;

impl Handle<App> for UploadAudio {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let stage = enter_stage!(run, self, "upload", Uploading);
        let key = match &stage.call.object_key {
            Some(key) => key.clone(),
            None => upload(app.flysense()?, &stage.call).await?,
        };
        let mut unit = stage.leave(run, StateEvent::Uploaded).await?;
        transcriptions::set_object(&mut unit, self.transcription_id, &key).await?;
        unit.enqueue(&StartRecognition {
            transcription_id: self.transcription_id,
            account_id: self.account_id,
        })
        .await?;
        run.done(unit).await
    }

    async fn bury(&self, unit: &mut Unit, _reason: &str, app: &App) -> Result<(), JobError> {
        let now = app.clock().now();
        stage::fail_buried(unit, self.account_id, self.transcription_id, FailureCode::StorageUnavailable, now)
            .await
    }
}

async fn upload(flysense: &FlySense, call: &Transcription) -> Result<String, JobError> {
    let path = files::local_prepared(&flysense.scratch, call);
    if !tokio::fs::try_exists(&path).await.map_err(disk)? {
        files::prepare(flysense, call)
            .await?
            .map_err(|error| JobError::retry(format!("converting it again failed: {error}")))?;
    }
    let key = files::prepared_key(call);
    let media_type = files::media_type(call.container.as_deref().unwrap_or_default());
    flysense.storage.put_file(&key, &path, media_type).await.map_err(HasOutcome::into_job_error)?;
    Ok(key)
}
