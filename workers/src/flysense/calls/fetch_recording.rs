//! Performs `calls.fetch_recording`.
//!
//! Harmless when run twice: the recording is downloaded again and stored under the same key.
//!
//! The link is read from amoCRM each time and never stored, because it may be signed and may appear late. The part
//! received before a connection broke stays on this machine, so that the next attempt resumes after it.

use chrono::{DateTime, Duration};
use flysk_clients::amocrm::{AmoError, Note, NoteType, RejectionKind};
use flysk_clients::outbound::Downloaded;
use flysk_domain::flysense::automatic::is_timely;
use flysk_domain::flysense::call::Direction;
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::readiness::RecordingWait;
use flysk_domain::flysense::state::{StateEvent, TranscriptionState};
use flysk_jobs::flysense::calls::{ConvertAudio, FetchRecording};
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_services::calls::cancel;
use flysk_store::flysense::accounts;
use flysk_store::flysense::transcriptions::{self, NoteFacts, Transcription};
use sha2::{Digest as _, Sha256};

use super::audio_storage::{self, scratch_error};
use super::resumable_download::ResumableDownload;
use super::stage::{self, Stage};
use super::unfinished_recording::{Obstacle, handle_obstacle};
use crate::App;
use crate::flysense::hooks::block;
use crate::flysense::{AccessError, FlySense};
use crate::job_error::IntoJobError;

/// Telephony systems add the link up to this long after the call.
const MAX_LINK_DELAY: Duration = Duration::hours(24);

impl JobHandler<App> for FetchRecording {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let Some(stage) = begin(self, run).await? else {
            return Ok(JobOutcome::skip("the call has its recording already, or ended"));
        };
        let flysense = app.flysense()?;
        let access = match flysense.access(self.account_id, run.trace()).await {
            Ok(access) => access,
            Err(AccessError::Disconnected) => return stage.fail(run, FailureCode::AccountDisconnected).await,
            Err(AccessError::Job(error)) => return Err(error),
        };
        let host = flysense.host(&access)?;
        let tenant = self.account_id.to_string();
        block::ensure_not_blocked(app, self.account_id).await?;
        app.limits
            .acquire_or_snooze(&flysense.amocrm_rate(self.account_id), &tenant, &run.job_id().to_string())
            .await?;
        let entity = stage.call.entity_type;
        let note = match flysense.amocrm.note(&host, &access.access_token, entity, stage.call.note_id).await {
            Ok(note) => note,
            Err(error) => {
                if error.needs_fresh_token() {
                    flysense.report_refusal(self.account_id, &access, run.trace()).await;
                }
                return on_note_refused(&stage, run, app, error).await;
            }
        };
        if !is_timely_if_automatic(&stage, run, &note).await? {
            let mut unit = run.begin().await?;
            cancel(&mut unit, self.account_id, self.transcription_id, app.clock()).await?;
            tracing::warn!(transcription.id = %self.transcription_id, "a hook named an old call");
            return run.done(unit).await;
        }
        if !is_wanted_here(&stage, run, &note).await? {
            return stage.fail(run, FailureCode::SameCall).await;
        }
        let Some(link) = recording_link(&note) else { return wait_for_link(&stage, run, &note).await };
        match download(app, flysense, &stage.call, &link).await? {
            Ok(downloaded) => finish(&stage, run, flysense, &note, &downloaded).await,
            Err(obstacle) => handle_obstacle(&stage, run, flysense, &note, obstacle).await,
        }
    }

    async fn on_dead(&self, unit: &mut UnitOfWork, reason: &str, app: &App) -> Result<(), JobError> {
        tracing::warn!(transcription.id = %self.transcription_id, reason, "fetching the recording failed");
        let (code, now) = (FailureCode::RecordingUnavailable, app.clock().now());
        stage::fail_on_dead(unit, self.account_id, self.transcription_id, code, now).await
    }
}

/// Accepts a queued call, one that was parked until its link appears, or one whose previous attempt was interrupted.
async fn begin(job: &FetchRecording, run: &JobContext) -> Result<Option<Stage>, JobError> {
    use TranscriptionState::{Fetching, Queued, WaitingForLink};
    let (account, id) = (job.account_id, job.transcription_id);
    let mut unit = run.begin().await?;
    let Some(call) = transcriptions::lock(&mut unit, account, id).await? else { return Ok(None) };
    let now = run.now();
    match call.state {
        Queued => transcriptions::transition(&mut unit, id, Queued, Fetching, now).await?,
        WaitingForLink => {
            transcriptions::transition(&mut unit, id, WaitingForLink, Queued, now).await?;
            transcriptions::transition(&mut unit, id, Queued, Fetching, now).await?;
        }
        Fetching => {}
        _ => {
            drop(unit);
            return Ok(stage::enter(run, account, id, "fetch", Fetching).await?.ok());
        }
    }
    unit.commit().await?;
    Ok(stage::enter(run, account, id, "fetch", Fetching).await?.ok())
}

fn recording_link(note: &Note) -> Option<String> {
    let call = note.call.as_ref()?;
    call.link.as_ref().map(|link| link.trim().to_owned()).filter(|link| !link.is_empty())
}

/// Handles amoCRM's refusal of the note.
async fn on_note_refused(stage: &Stage, run: &JobContext, app: &App, error: AmoError) -> JobResult {
    match error.kind() {
        Some(RejectionKind::NotFound) => stage.fail(run, FailureCode::LinkMissing).await,
        // The token was valid a moment ago. The platform was told, and the next attempt gets another one.
        Some(RejectionKind::Unauthorized | RejectionKind::LoginPage) if !run.is_last_attempt() => {
            Err(JobError::retry(error.to_string()))
        }
        Some(RejectionKind::Unauthorized | RejectionKind::LoginPage | RejectionKind::NoRights) => {
            stage.fail(run, FailureCode::AccountDisconnected).await
        }
        _ => Err(block::job_error(app, stage.call.account_id, error).await),
    }
}

/// Whether a call that only a hook named is recent enough. Whoever knows the hook's address can name any note of the account.
async fn is_timely_if_automatic(stage: &Stage, run: &JobContext, note: &Note) -> Result<bool, JobError> {
    let call = &stage.call;
    let is_dated = note.created_at > DateTime::UNIX_EPOCH;
    if call.requested_by().is_some() || call.run > 1 || !is_dated {
        return Ok(true);
    }
    let mut conn = run.pool().acquire().await?;
    let account = accounts::find(&mut conn, call.account_id).await?;
    if account.is_none_or(|account| is_timely(note.created_at, account.auto_since, call.created_at)) {
        return Ok(true);
    }
    // A user may have requested it since the stage began.
    let present = transcriptions::find(&mut conn, call.account_id, call.id).await?;
    Ok(present.is_some_and(|call| call.requested_by().is_some()))
}

/// Whether to transcribe this note of the call. A call that came from a hook is transcribed, and paid for, on one card
/// only; a user may request it on other cards. Detected only if the telephony system identifies its calls.
async fn is_wanted_here(stage: &Stage, run: &JobContext, note: &Note) -> Result<bool, JobError> {
    let Some(noted_call) = &note.call else { return Ok(true) };
    let Some(name) = &noted_call.uniq else { return Ok(true) };
    let phone = noted_call.phone.as_deref().unwrap_or_default();
    let key = format!("{:x}", Sha256::digest(format!("{name}\n{phone}")));
    let (call, mut unit) = (&stage.call, run.begin().await?);
    let is_first =
        transcriptions::is_first_of_call(&mut unit, call.account_id, call.id, &key, note.created_at).await?;
    let is_wanted = is_first || call.requested_by().is_some() || call.run > 1;
    // Rolled back if unwanted: an attempt after a crash decides again.
    if is_wanted {
        unit.commit().await?;
    }
    Ok(is_wanted)
}

/// Parks the call until its link appears, up to [`MAX_LINK_DELAY`].
async fn wait_for_link(stage: &Stage, run: &JobContext, note: &Note) -> JobResult {
    let is_call = matches!(note.note_type, NoteType::CallIn | NoteType::CallOut);
    let age = run.now() - note.created_at.max(stage.call.created_at);
    if !is_call || age > MAX_LINK_DELAY {
        return stage.fail(run, FailureCode::LinkMissing).await;
    }
    stage.park(run, RecordingWait::NoLink).await?.commit().await?;
    // Most links appear within minutes: check soon, then less and less often.
    let wait = (age / 4).clamp(Duration::seconds(15), Duration::minutes(30));
    Ok(JobOutcome::snooze(run.now() + wait, "the note has no link yet"))
}

/// Downloads the recording to this machine. The outer error is local, the inner one is the link's.
async fn download(
    app: &App,
    flysense: &FlySense,
    call: &Transcription,
    link: &str,
) -> Result<Result<Downloaded, Obstacle>, JobError> {
    let path = audio_storage::local_source(&flysense.scratch, call);
    let mut resumable = ResumableDownload::open(&path, link).await.map_err(scratch_error)?;
    match app.outbound.download(link, &mut resumable.file, &flysense.download, &mut resumable.partial).await {
        Ok(downloaded) if downloaded.bytes == 0 => Ok(Err(Obstacle::Empty)),
        Ok(downloaded) => {
            resumable.finish(&path).await.map_err(scratch_error)?;
            Ok(Ok(downloaded))
        }
        Err(error) => Ok(Err(Obstacle::Error(error))),
    }
}

/// Stores the original: links expire, and the next stage may run on another machine.
async fn finish(
    stage: &Stage,
    run: &JobContext,
    flysense: &FlySense,
    note: &Note,
    downloaded: &Downloaded,
) -> JobResult {
    let call = &stage.call;
    let path = audio_storage::local_source(&flysense.scratch, call);
    let key = audio_storage::source_key(call);
    let stored = flysense.storage.put_file(&key, &path, audio_storage::media_type(None)).await;
    stored.map_err(IntoJobError::into_job_error)?;
    let direction = match note.note_type {
        NoteType::CallIn => Some(Direction::Incoming),
        NoteType::CallOut => Some(Direction::Outgoing),
        NoteType::Other(_) => None,
    };
    let mut unit = stage.leave(run, StateEvent::Fetched).await?;
    let noted_s = note.call.as_ref().map(|call| call.duration_s).filter(|seconds| *seconds > 0);
    let facts = NoteFacts {
        direction,
        called_at: note.created_at,
        duration_s: noted_s.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX)),
        is_short: downloaded.is_short,
    };
    transcriptions::set_note(&mut unit, call.id, facts).await?;
    unit.enqueue(&ConvertAudio { transcription_id: call.id, account_id: call.account_id }).await?;
    run.done(unit).await
}
