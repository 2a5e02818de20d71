//! Performs `calls.prepare_playback`.
//!
//! Harmless when run twice: the same recording gives the same copy under the same key, and a finished copy is not made
//! again.
//!
//! Browsers play few telephone formats, and seek only where the host answers ranges. A copy is made on demand and deleted
//! after some days. Its files on this machine are named apart from those of transcriptions, so that the end of a call does
//! not delete them.

use std::path::{Path, PathBuf};

use chrono::Duration;
use flysk_audio::AudioError;
use flysk_clients::amocrm::RejectionKind;
use flysk_clients::outbound::{OutboundError, Partial};
use flysk_domain::failure_action::FailureAction;
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::failure_cause::FailureCause;
use flysk_domain::flysense::media_type::{Beginning, HEAD_LEN, tell};
use flysk_domain::flysense::playability::plays_in_browsers;
use flysk_domain::id::TranscriptionId;
use flysk_domain::{Randomness as _, SystemRandomness};
use flysk_jobs::flysense::calls::PreparePlayback;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_store::flysense::playback_copies::{self, CopyState, ReadyCopy};
use flysk_store::flysense::transcriptions::{self, Transcription};
use tokio::fs;
use tokio::io::AsyncReadExt as _;

use super::audio_storage::{self, scratch_error};
use super::convert_audio::failure_code;
use super::unfinished_recording::failure_cause;
use crate::App;
use crate::flysense::hooks::block;
use crate::flysense::{AccessError, FlySense};
use crate::job_error::{IntoJobError, job_error};

/// Prefix of the object keys of copies.
pub(super) const KEY_PREFIX: &str = "playback/";
const COPY_TTL: Duration = Duration::days(3);
/// Time after which a failed copy may be tried again.
const RETRY_AFTER: Duration = Duration::minutes(10);

/// Key of the copy of a call's recording, the same for each copy of it.
pub(super) fn object_key(id: TranscriptionId) -> String {
    format!("{KEY_PREFIX}{id}")
}

/// Why there is no copy.
type Failure = (FailureCode, Option<FailureCause>);

/// A playable file on this machine.
struct PlayableFile {
    path: PathBuf,
    media_type: &'static str,
}

impl JobHandler<App> for PreparePlayback {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let mut conn = run.pool().acquire().await?;
        let copy = playback_copies::find(&mut conn, self.transcription_id).await?;
        let call = transcriptions::find(&mut conn, self.account_id, self.transcription_id).await?;
        drop(conn);
        let (Some(call), Some(_)) = (call, copy.filter(|copy| copy.state == CopyState::Preparing)) else {
            return Ok(JobOutcome::skip("the copy is not wanted any more"));
        };
        let flysense = app.flysense()?;
        // Files of this attempt only: a suspended worker may resume writing.
        let name = format!("play_{}_{:08x}", call.id, SystemRandomness.random_u128() >> 96);
        let source = flysense.scratch.join(format!("{name}.source"));
        let prepared = flysense.scratch.join(format!("{name}.prepared"));
        let made = make(run, app, flysense, &call, &source, &prepared).await;
        let result = match made {
            Ok(Ok(file)) => store(self, run, flysense, &file).await,
            Ok(Err(failure)) => fail(self, run, failure).await,
            Err(error) => Err(error),
        };
        for path in [source, prepared] {
            // The file may not exist.
            let _ = fs::remove_file(path).await;
        }
        result
    }

    async fn on_dead(&self, unit: &mut UnitOfWork, _reason: &str, app: &App) -> Result<(), JobError> {
        let (now, failure) = (app.clock().now(), (FailureCode::RecordingUnavailable, None));
        playback_copies::fail(unit, self.transcription_id, failure, now + RETRY_AFTER, now).await?;
        Ok(())
    }
}

/// Downloads the recording and converts it if browsers do not play it.
async fn make(
    run: &JobContext,
    app: &App,
    flysense: &FlySense,
    call: &Transcription,
    source: &Path,
    prepared: &Path,
) -> Result<Result<PlayableFile, Failure>, JobError> {
    let link = match recording_link(run, app, flysense, call).await? {
        Ok(link) => link,
        Err(failure) => return Ok(Err(failure)),
    };
    let mut file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(source)
        .await
        .map_err(scratch_error)?;
    let mut partial = Partial::default();
    match app.outbound.download(&link, &mut file, &flysense.download, &mut partial).await {
        Ok(downloaded) if downloaded.bytes == 0 => return Ok(Err((FailureCode::Empty, None))),
        Ok(_) => {}
        Err(error) => return on_download_failed(run, &error).map(Err),
    }
    drop(file);
    let head = read_head(source).await.map_err(scratch_error)?;
    if let (true, Beginning::Sound(media_type)) = (plays_in_browsers(&head), tell(&head)) {
        return Ok(Ok(PlayableFile { path: source.to_owned(), media_type }));
    }
    convert(flysense, source, prepared).await
}

/// Reads the link from the call's note.
async fn recording_link(
    run: &JobContext,
    app: &App,
    flysense: &FlySense,
    call: &Transcription,
) -> Result<Result<String, Failure>, JobError> {
    let access = match flysense.access(call.account_id, run.trace()).await {
        Ok(access) => access,
        Err(AccessError::Disconnected) => return Ok(Err((FailureCode::AccountDisconnected, None))),
        Err(AccessError::Job(error)) => return Err(error),
    };
    let host = flysense.host(&access)?;
    let tenant = call.account_id.to_string();
    block::ensure_not_blocked(app, call.account_id).await?;
    app.limits
        .acquire_or_snooze(&flysense.amocrm_rate(call.account_id), &tenant, &run.job_id().to_string())
        .await?;
    let note = flysense.amocrm.note(&host, &access.access_token, call.entity_type, call.note_id).await;
    let note = match note {
        Ok(note) => note,
        Err(error) if error.kind() == Some(RejectionKind::NotFound) => {
            return Ok(Err((FailureCode::LinkMissing, None)));
        }
        Err(error) => {
            if error.needs_fresh_token() {
                flysense.report_refusal(call.account_id, &access, run.trace()).await;
            }
            return Err(block::job_error(app, call.account_id, error).await);
        }
    };
    let link = note.call.and_then(|call| call.link).map(|link| link.trim().to_owned());
    Ok(link.filter(|link| !link.is_empty()).ok_or((FailureCode::LinkMissing, None)))
}

fn on_download_failed(run: &JobContext, error: &OutboundError) -> Result<Failure, JobError> {
    if matches!(error, OutboundError::File(_)) {
        return Err(job_error(error.outcome(), error));
    }
    let failure = error.failure();
    if error.outcome() == FailureAction::GiveUp || run.is_last_attempt() {
        return Ok(failure);
    }
    Err(job_error(error.outcome(), error))
}

async fn read_head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let limit = u64::try_from(HEAD_LEN).unwrap_or(u64::MAX);
    fs::File::open(path).await?.take(limit).read_to_end(&mut head).await?;
    Ok(head)
}

/// Converts as for recognition: browsers play each of its containers.
async fn convert(
    flysense: &FlySense,
    source: &Path,
    prepared: &Path,
) -> Result<Result<PlayableFile, Failure>, JobError> {
    let (options, decoders) = (flysense.audio.clone(), flysense.decoders.clone());
    let (input, output) = (source.to_owned(), prepared.to_owned());
    // Untrusted bytes are decoded in a child process.
    let work = move || decoders.prepare(&input, &output, &options);
    let decoded = tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| JobError::retry(format!("decoding failed: {error}")))?;
    match decoded {
        Ok(done) => {
            let path = if done.passthrough { source } else { prepared }.to_owned();
            let media_type = audio_storage::audio_container(done.container).media_type();
            Ok(Ok(PlayableFile { path, media_type }))
        }
        Err(error @ AudioError::Io(_)) => Err(JobError::retry(error.to_string())),
        Err(error) => Ok(Err((failure_code(&error), failure_cause(&error)))),
    }
}

async fn store(
    job: &PreparePlayback,
    run: &JobContext,
    flysense: &FlySense,
    file: &PlayableFile,
) -> JobResult {
    let key = object_key(job.transcription_id);
    let bytes = fs::metadata(&file.path).await.map_err(scratch_error)?.len();
    let stored = flysense.storage.put_file(&key, &file.path, file.media_type).await;
    stored.map_err(IntoJobError::into_job_error)?;
    let mut unit = run.begin().await?;
    let ready =
        ReadyCopy { object_key: &key, media_type: file.media_type, bytes, expires_at: run.now() + COPY_TTL };
    playback_copies::finish(&mut unit, job.transcription_id, ready, run.now()).await?;
    run.done(unit).await
}

async fn fail(job: &PreparePlayback, run: &JobContext, failure: Failure) -> JobResult {
    tracing::info!(transcription.id = %job.transcription_id, failure = %failure.0, "no copy for the player");
    let mut unit = run.begin().await?;
    playback_copies::fail(&mut unit, job.transcription_id, failure, run.now() + RETRY_AFTER, run.now())
        .await?;
    run.done(unit).await
}
