//! Performs `calls.fetch_recording`.
//!
//! Harmless when run twice: the recording is downloaded again and put under the same key. The link is
//! read from amoCRM each time, never stored, since it may be signed and may appear late. What came before a
//! connection broke is kept on this machine, so that a line that always breaks at one place is overcome.

use chrono::Duration;
use flysk_clients::amocrm::{AmoError, EntityType, Note, NoteType, RejectionKind};
use flysk_clients::outbound::Downloaded;
use flysk_domain::flysense::call::Direction;
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::readiness::RecordingWait;
use flysk_domain::flysense::state::{StateEvent, TranscriptionState};
use flysk_jobs::calls::{ConvertAudio, FetchRecording};
use flysk_jobs::{Handle, JobError, JobResult, Run, Unit, Verdict};
use flysk_store::flysense::transcriptions::{self, NoteFacts, Transcription};
use sha2::{Digest as _, Sha256};

use super::files::{self, disk};
use super::part::Part;
use super::stage::{self, Stage};
use super::unfinished::{Obstacle, meet_obstacle};
use crate::App;
use crate::amocrm::block;
use crate::flysense::{FlySense, Refusal};
use crate::outcome::HasOutcome;

/// Telephonies attach links up to this long after the call.
const LINK_MAY_TAKE: Duration = Duration::hours(24);

impl Handle<App> for FetchRecording {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let Some(stage) = self.begin(run).await? else {
            return Ok(Verdict::skip("the call is past its recording, or ended"));
        };
        let flysense = app.flysense()?;
        let access = match flysense.access(self.account_id, run.trace()).await {
            Ok(access) => access,
            Err(Refusal::Disconnected) => return stage.fail(run, FailureCode::AccountDisconnected).await,
            Err(Refusal::Job(error)) => return Err(error),
        };
        let host = flysense.host(&access)?;
        let tenant = self.account_id.to_string();
        block::is_open(app, self.account_id).await?;
        app.limits.pass(&flysense.amocrm_rate(self.account_id), &tenant, &run.job_id().to_string()).await?;
        let entity = EntityType::from_name(&stage.call.entity_type)
            .ok_or_else(|| JobError::give_up(format!("`{}` carries no notes", stage.call.entity_type)))?;
        let note = match flysense.amocrm.note(&host, &access.access_token, entity, stage.call.note_id).await {
            Ok(note) => note,
            Err(error) => return note_refused(&stage, run, app, error).await,
        };
        if !is_wanted_here(&stage, run, &note).await? {
            return stage.fail(run, FailureCode::SameCall).await;
        }
        let Some(link) = recording_link(&note) else { return wait_for_link(&stage, run, &note).await };
        match download(app, flysense, &stage.call, &link).await? {
            Ok(downloaded) => finish(&stage, run, flysense, &note, &downloaded).await,
            Err(obstacle) => meet_obstacle(&stage, run, flysense, &note, obstacle).await,
        }
    }

    async fn bury(&self, unit: &mut Unit, reason: &str, app: &App) -> Result<(), JobError> {
        tracing::warn!(transcription.id = %self.transcription_id, reason, "the recording could not be had");
        let (code, now) = (FailureCode::RecordingUnavailable, app.clock().now());
        stage::fail_buried(unit, self.account_id, self.transcription_id, code, now).await
    }
}

trait Begin {
    async fn begin(&self, run: &Run) -> Result<Option<Stage>, JobError>;
}

impl Begin for FetchRecording {
    /// A call comes here queued, parked until its link appears, or from an attempt that was cut off.
    async fn begin(&self, run: &Run) -> Result<Option<Stage>, JobError> {
        use TranscriptionState::{Fetching, Queued, WaitingForLink};
        let (account, id) = (self.account_id, self.transcription_id);
        let mut unit = run.begin().await?;
        let Some(call) = transcriptions::lock(&mut unit, account, id).await? else { return Ok(None) };
        let now = run.now();
        match call.state {
            Queued => transcriptions::move_on(&mut unit, id, Queued, Fetching, now).await?,
            WaitingForLink => {
                transcriptions::move_on(&mut unit, id, WaitingForLink, Queued, now).await?;
                transcriptions::move_on(&mut unit, id, Queued, Fetching, now).await?;
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
}

fn recording_link(note: &Note) -> Option<String> {
    let call = note.call.as_ref()?;
    call.link.as_ref().map(|link| link.trim().to_owned()).filter(|link| !link.is_empty())
}

/// The note says no.
async fn note_refused(stage: &Stage, run: &Run, app: &App, error: AmoError) -> JobResult {
    match error.kind() {
        Some(RejectionKind::NotFound) => stage.fail(run, FailureCode::LinkMissing).await,
        // The token was good a moment ago: the next attempt asks the platform for another.
        Some(RejectionKind::Unauthorized | RejectionKind::LoginPage) if !run.is_last_attempt() => {
            Err(JobError::retry(error.to_string()))
        }
        Some(RejectionKind::Unauthorized | RejectionKind::LoginPage | RejectionKind::NoRights) => {
            stage.fail(run, FailureCode::AccountDisconnected).await
        }
        _ => Err(block::job_error(app, stage.call.account_id, error).await),
    }
}

/// A call that came by itself is transcribed, and paid for, on one of the cards it is noted on; whoever asks for it on another
/// card gets it there too. Only a telephony that names its calls makes that out.
async fn is_wanted_here(stage: &Stage, run: &Run, note: &Note) -> Result<bool, JobError> {
    let Some(told) = &note.call else { return Ok(true) };
    let Some(name) = &told.uniq else { return Ok(true) };
    let phone = told.phone.as_deref().unwrap_or_default();
    let key = format!("{:x}", Sha256::digest(format!("{name}\n{phone}")));
    let (call, mut unit) = (&stage.call, run.begin().await?);
    let is_first =
        transcriptions::is_first_of_call(&mut unit, call.account_id, call.id, &key, note.created_at).await?;
    let is_wanted = is_first || call.requested_by().is_some() || call.run > 1;
    // What is not wanted is asked again by an attempt that follows a crash, so nothing is noted of it.
    if is_wanted {
        unit.commit().await?;
    }
    Ok(is_wanted)
}

/// Looks again later, while a link may still come.
async fn wait_for_link(stage: &Stage, run: &Run, note: &Note) -> JobResult {
    let is_call = matches!(note.note_type, NoteType::CallIn | NoteType::CallOut);
    let age = run.now() - note.created_at.max(stage.call.created_at);
    if !is_call || age > LINK_MAY_TAKE {
        return stage.fail(run, FailureCode::LinkMissing).await;
    }
    stage.park(run, RecordingWait::NoLink).await?.commit().await?;
    // Soon at first, then ever more rarely: most links come within minutes.
    let wait = (age / 4).clamp(Duration::seconds(15), Duration::minutes(30));
    Ok(Verdict::snooze(run.now() + wait, "the note has no link yet"))
}

/// Downloads the recording to this machine; the outer error is ours, the inner one the link's.
async fn download(
    app: &App,
    flysense: &FlySense,
    call: &Transcription,
    link: &str,
) -> Result<Result<Downloaded, Obstacle>, JobError> {
    let path = files::local_source(&flysense.scratch, call);
    let mut part = Part::open(&path, link).await.map_err(disk)?;
    match app.outbound.download(link, &mut part.file, &flysense.download, &mut part.partial).await {
        Ok(downloaded) if downloaded.bytes == 0 => Ok(Err(Obstacle::Empty)),
        Ok(downloaded) => {
            part.finish(&path).await.map_err(disk)?;
            Ok(Ok(downloaded))
        }
        Err(error) => Ok(Err(Obstacle::Error(error))),
    }
}

/// Keeps the original in storage: links expire, and the next stage may run on another machine.
async fn finish(
    stage: &Stage,
    run: &Run,
    flysense: &FlySense,
    note: &Note,
    downloaded: &Downloaded,
) -> JobResult {
    let call = &stage.call;
    let path = files::local_source(&flysense.scratch, call);
    let key = files::source_key(call);
    let stored = flysense.storage.put_file(&key, &path, files::media_type("")).await;
    stored.map_err(HasOutcome::into_job_error)?;
    let direction = match note.note_type {
        NoteType::CallIn => Some(Direction::Incoming),
        NoteType::CallOut => Some(Direction::Outgoing),
        NoteType::Other(_) => None,
    };
    let mut unit = stage.leave(run, StateEvent::Fetched).await?;
    let told_s = note.call.as_ref().map(|call| call.duration_s).filter(|seconds| *seconds > 0);
    let facts = NoteFacts {
        direction: direction.map(Direction::code),
        called_at: note.created_at,
        duration_s: told_s.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX)),
        is_short: downloaded.is_short,
    };
    transcriptions::set_note(&mut unit, call.id, facts).await?;
    unit.enqueue(&ConvertAudio { transcription_id: call.id, account_id: call.account_id }).await?;
    run.done(unit).await
}
