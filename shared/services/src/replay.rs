//! Replaying a dead or cancelled job, and restarting a failed call.

use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::id::{AccountId, EventId, JobId, TranscriptionId};
use flysk_store::flysense::transcriptions::{self, Transcription};
use flysk_store::jobs::{self, JobRow, JobState};
use flysk_store::platform::events::{self, EventState};
use flysk_store::{StoreError, StoreResult};
use serde::Deserialize;

use flysk_jobs::flysense::calls::{
    ConvertAudio, FetchRecording, HoldPayment, StartRecognition, StoreTranscript, Summarize, UploadAudio,
};
use flysk_jobs::platform::lifecycle::DeliverEvent;
use flysk_queue::Job;
use flysk_queue::UnitOfWork;

/// Stages whose failure fails the call and deletes its audio. Replayed alone, they would have nothing to work on.
pub(crate) const CALL_STAGE_KINDS: [&str; 6] = [
    FetchRecording::KIND,
    ConvertAudio::KIND,
    HoldPayment::KIND,
    UploadAudio::KIND,
    StartRecognition::KIND,
    StoreTranscript::KIND,
];

/// Jobs of a run that are read at most: a request for several calls gives all of them its correlation id.
const MAX_JOBS_OF_RUN: u32 = 1_000;

/// What was restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayOutcome {
    /// The job is queued again with all its attempts.
    Queued,
    /// The job was a stage of a failed call; the call was restarted.
    CallRestarted {
        /// The restarted call.
        transcription_id: TranscriptionId,
        /// Number of the new run.
        run: u32,
    },
}

/// Reason for rejecting a replay, with advice for operators.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The job does not exist or was pruned.
    #[error("job not found; ended jobs are pruned after some days")]
    Unknown,
    /// The job is queued, running or done.
    #[error("the job is `{0}`: only dead and cancelled jobs can be replayed")]
    NotDead(JobState),
    /// Another job with its dedup key is waiting.
    #[error("a job of the same kind and dedup key is already waiting")]
    AnotherWaits,
    /// The call has moved on to another state.
    #[error(
        "the call {call} is `{state}` now, so this job has nothing to do; see its jobs with jobs:list --correlation {correlation}"
    )]
    CallWentOn {
        /// Transcription that the dead job was a stage of.
        call: TranscriptionId,
        /// State of the call.
        state: TranscriptionState,
        /// Correlation id of its jobs.
        correlation: String,
    },
    /// The call was deleted.
    #[error("the call of the job was deleted")]
    CallGone,
    /// The call has not failed, so there is nothing to restart.
    #[error("the call {0} is `{1}`: only failed calls can be restarted")]
    CallNotFailed(TranscriptionId, TranscriptionState),
    /// A summary cannot be added to an ended call.
    #[error(
        "the call {0} has ended without a summary, which cannot be added any more; its transcript is complete"
    )]
    SummaryTooLate(TranscriptionId),
    /// The backend has accepted the event that the dead job was to deliver.
    #[error("the event {0} was delivered meanwhile; its vendor can request it again")]
    EventDelivered(EventId),
    /// The event was deleted.
    #[error("the event of the job was deleted")]
    EventGone,
    /// Database error.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ReplayError {
    /// The reason in Russian, for operators; `None` for an error of the database.
    pub fn text_ru(&self) -> Option<String> {
        Some(match self {
            Self::Unknown => "Задания нет: завершённые хранятся несколько дней.".to_owned(),
            Self::NotDead(_) => {
                "Повторить можно только остановленное или отменённое задание. Это уже в другом состоянии."
                    .to_owned()
            }
            Self::AnotherWaits => "Такое же задание уже ждёт в очереди.".to_owned(),
            Self::CallWentOn { call, state, .. } => {
                format!("Звонок {call} уже в состоянии «{}»: заданию нечего делать.", state.label())
            }
            Self::CallGone => "Звонок этого задания удалён.".to_owned(),
            Self::CallNotFailed(_, state) => {
                format!("Начать заново можно только неудавшийся звонок. Этот: «{}».", state.label())
            }
            Self::SummaryTooLate(call) => {
                format!("Звонок {call} завершён без итога, добавить его уже нельзя.")
            }
            Self::EventDelivered(event) => format!("Событие {event} уже доставлено."),
            Self::EventGone => "Событие этого задания удалено.".to_owned(),
            Self::Store(_) => return None,
        })
    }
}

/// Common fields of the stages' payloads.
#[derive(Deserialize)]
struct StagePayload {
    transcription_id: TranscriptionId,
    account_id: AccountId,
}

/// Replays a job in `unit`; the caller commits.
///
/// A dead stage has failed its call, and the call's audio was deleted. So the whole call is requested again under the
/// trace of `unit`, and the job is marked as replaced. An event is delivered again from its first attempt.
pub async fn replay(unit: &mut UnitOfWork, id: JobId) -> Result<ReplayOutcome, ReplayError> {
    let job = jobs::find(unit, id).await?.ok_or(ReplayError::Unknown)?;
    if !matches!(job.state, JobState::Dead | JobState::Cancelled) {
        return Err(ReplayError::NotDead(job.state));
    }
    if CALL_STAGE_KINDS.contains(&job.kind.as_str())
        && let Some(started) = replay_call(unit, &job).await?
    {
        return Ok(started);
    }
    if job.kind == Summarize::KIND
        && let Some(stage) = stage_payload(&job)
    {
        let call = transcriptions::lock(unit, stage.account_id, stage.transcription_id).await?;
        if call.is_some_and(|call| call.state != TranscriptionState::Settling) {
            return Err(ReplayError::SummaryTooLate(stage.transcription_id));
        }
    }
    if job.kind == DeliverEvent::KIND {
        restart_event(unit, &job).await?;
    }
    let now = unit.now();
    match jobs::replay(unit, id, now).await {
        Ok(true) => Ok(ReplayOutcome::Queued),
        Ok(false) => Err(ReplayError::NotDead(job.state)),
        Err(StoreError::Duplicate { .. }) => Err(ReplayError::AnotherWaits),
        Err(error) => Err(error.into()),
    }
}

/// Restarts a failed call; `None` if the call is unfinished, so that the job itself can continue.
async fn replay_call(unit: &mut UnitOfWork, job: &JobRow) -> Result<Option<ReplayOutcome>, ReplayError> {
    let stage = stage_payload(job).ok_or(ReplayError::CallGone)?;
    let (account_id, transcription_id) = (stage.account_id, stage.transcription_id);
    let call = transcriptions::lock(unit, account_id, transcription_id).await?;
    let call = call.ok_or(ReplayError::CallGone)?;
    if !call.state.is_final() {
        return Ok(None);
    }
    if call.state != TranscriptionState::Failed {
        return Err(ReplayError::CallWentOn {
            call: call.id,
            state: call.state,
            correlation: call.correlation_id,
        });
    }
    let run = start_again(unit, &call).await?;
    Ok(Some(ReplayOutcome::CallRestarted { transcription_id, run }))
}

/// Restarts a failed call in `unit` and returns the number of the new run; the caller commits.
///
/// Most failed calls have no dead job that could be replayed: a stage that finds that its call cannot go on, for example because
/// the account is disconnected, fails the call and counts as done.
///
/// # Errors
///
/// [`ReplayError::CallGone`], [`ReplayError::CallNotFailed`], or the database fails.
pub async fn restart_call(
    unit: &mut UnitOfWork,
    account_id: AccountId,
    id: TranscriptionId,
) -> Result<u32, ReplayError> {
    let call = transcriptions::lock(unit, account_id, id).await?.ok_or(ReplayError::CallGone)?;
    if call.state != TranscriptionState::Failed {
        return Err(ReplayError::CallNotFailed(call.id, call.state));
    }
    Ok(start_again(unit, &call).await?)
}

/// Requests a locked call that failed again, under the trace of `unit`; returns the number of the new run. Its failure released
/// the hold of the former run, and the new run has a hold and a price of its own. Dead stages of the former run count as replaced.
async fn start_again(unit: &mut UnitOfWork, call: &Transcription) -> StoreResult<u32> {
    let (now, trace) = (unit.now(), unit.trace().clone());
    let why = format!("replayed: run {} of the call replaces it", call.run + 1);
    for job in jobs::list_by_correlation(unit, &call.correlation_id, MAX_JOBS_OF_RUN).await? {
        let is_stage = job.state == JobState::Dead && CALL_STAGE_KINDS.contains(&job.kind.as_str());
        if is_stage && stage_payload(&job).is_some_and(|stage| stage.transcription_id == call.id) {
            jobs::replace(unit, job.id, &why, now).await?;
        }
    }
    transcriptions::restart(unit, call.id, call.state, &trace, now).await?;
    let fetch = FetchRecording { transcription_id: call.id, account_id: call.account_id };
    unit.enqueue_or_expedite(&fetch).await?;
    Ok(call.run + 1)
}

/// Resets the event, which ended together with its job; otherwise the job would have nothing to do.
async fn restart_event(unit: &mut UnitOfWork, job: &JobRow) -> Result<(), ReplayError> {
    let delivery = DeliverEvent::deserialize(&job.payload.0).map_err(|_| ReplayError::EventGone)?;
    let event = events::find(unit, delivery.event_id).await?.ok_or(ReplayError::EventGone)?;
    if event.state == EventState::Delivered {
        return Err(ReplayError::EventDelivered(event.id));
    }
    // An event still waiting, whose job was cancelled, keeps its state.
    events::start_again(unit, event.id).await?;
    Ok(())
}

fn stage_payload(job: &JobRow) -> Option<StagePayload> {
    StagePayload::deserialize(&job.payload.0).ok()
}
