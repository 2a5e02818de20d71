//! Letting a dead or cancelled job start afresh.

use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::id::{AccountId, EventId, JobId, TranscriptionId};
use flysk_store::StoreError;
use flysk_store::flysense::transcriptions;
use flysk_store::jobs::{self, JobRow, JobState};
use flysk_store::platform::events::{self, EventState};
use serde::Deserialize;

use crate::calls::{
    ConvertAudio, FetchRecording, HoldPayment, StartRecognition, StoreTranscript, Summarize, UploadAudio,
};
use crate::job::Job;
use crate::lifecycle::DeliverEvent;
use crate::outbox::Unit;

/// Stages whose burial fails the call and deletes its audio: alone they would find nothing to work on.
pub(crate) const STAGES: [&str; 6] = [
    FetchRecording::KIND,
    ConvertAudio::KIND,
    HoldPayment::KIND,
    UploadAudio::KIND,
    StartRecognition::KIND,
    StoreTranscript::KIND,
];

/// What a replay came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// The job waits again, with all its attempts.
    Queued,
    /// The job stands for a call that failed with it: the call goes through its stages anew.
    CallStartedAgain {
        /// Which call.
        transcription_id: TranscriptionId,
        /// Which run of it this is.
        run: u32,
    },
}

/// Why there is nothing to replay, in words an operator can act on.
#[derive(Debug, thiserror::Error)]
pub enum ReplayRefused {
    /// No such job, or pruned.
    #[error("there is no such job; ended ones are pruned after some days")]
    Unknown,
    /// It waits, runs, or did its work.
    #[error("the job is `{0}`: only dead and cancelled jobs can be replayed")]
    NotDead(JobState),
    /// A newer job does its work.
    #[error("a job of the same kind and key waits already")]
    AnotherWaits,
    /// The call behind it is elsewhere by now.
    #[error(
        "the call {call} is `{state}` by now, so this job has nothing to do; see it with jobs:list --correlation {correlation}"
    )]
    CallWentOn {
        /// Which call.
        call: TranscriptionId,
        /// Where it is.
        state: TranscriptionState,
        /// What finds its jobs.
        correlation: String,
    },
    /// The call was deleted.
    #[error("the call behind it was deleted")]
    CallGone,
    /// A summary cannot be added to a call that is over.
    #[error(
        "the call {0} is over without its summary, which cannot be added any more; its transcript is complete"
    )]
    SummaryTooLate(TranscriptionId),
    /// The backend has it.
    #[error("the event {0} was delivered meanwhile; its vendor may ask for it again")]
    EventDelivered(EventId),
    /// The event is not there any more.
    #[error("the event behind it was deleted")]
    EventGone,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What every stage's payload names.
#[derive(Deserialize)]
struct Stage {
    transcription_id: TranscriptionId,
    account_id: AccountId,
}

/// Replays a job in `unit`; the caller commits.
///
/// A job that was buried as a stage of a call took the call with it: it is failed, and its audio deleted. What an
/// operator wants is the call, so the call is asked for again, on the thread of `unit`, and the job is
/// marked as replaced. An event to a vendor's backend begins again with its first attempt.
pub async fn replay(unit: &mut Unit, id: JobId) -> Result<Replayed, ReplayRefused> {
    let job = jobs::find(unit, id).await?.ok_or(ReplayRefused::Unknown)?;
    if !matches!(job.state, JobState::Dead | JobState::Cancelled) {
        return Err(ReplayRefused::NotDead(job.state));
    }
    if STAGES.contains(&job.kind.as_str())
        && let Some(started) = replay_call(unit, &job).await?
    {
        return Ok(started);
    }
    if job.kind == Summarize::KIND
        && let Some(stage) = stage_of(&job)
    {
        let call = transcriptions::lock(unit, stage.account_id, stage.transcription_id).await?;
        if call.is_some_and(|call| call.state != TranscriptionState::Settling) {
            return Err(ReplayRefused::SummaryTooLate(stage.transcription_id));
        }
    }
    if job.kind == DeliverEvent::KIND {
        start_event_again(unit, &job).await?;
    }
    let now = unit.now();
    match jobs::replay(unit, id, now).await {
        Ok(true) => Ok(Replayed::Queued),
        Ok(false) => Err(ReplayRefused::NotDead(job.state)),
        Err(StoreError::Taken { .. }) => Err(ReplayRefused::AnotherWaits),
        Err(error) => Err(error.into()),
    }
}

/// Starts a failed call anew; `None` if the call is under way, and the job may go on with it.
async fn replay_call(unit: &mut Unit, job: &JobRow) -> Result<Option<Replayed>, ReplayRefused> {
    let stage = stage_of(job).ok_or(ReplayRefused::CallGone)?;
    let (account_id, transcription_id) = (stage.account_id, stage.transcription_id);
    let call = transcriptions::lock(unit, account_id, transcription_id).await?;
    let call = call.ok_or(ReplayRefused::CallGone)?;
    if !call.state.is_final() {
        return Ok(None);
    }
    if call.state != TranscriptionState::Failed {
        return Err(ReplayRefused::CallWentOn {
            call: call.id,
            state: call.state,
            correlation: call.correlation_id,
        });
    }
    let (now, trace, run) = (unit.now(), unit.trace().clone(), call.run + 1);
    transcriptions::ask_again(unit, call.id, call.state, &trace, now).await?;
    unit.enqueue_or_expedite(&FetchRecording { transcription_id, account_id }).await?;
    jobs::replace(unit, job.id, &format!("replayed: run {run} of the call replaces it"), now).await?;
    Ok(Some(Replayed::CallStartedAgain { transcription_id, run }))
}

/// An event was settled with its job, which would find nothing to do.
async fn start_event_again(unit: &mut Unit, job: &JobRow) -> Result<(), ReplayRefused> {
    let told = DeliverEvent::deserialize(&job.payload.0).map_err(|_| ReplayRefused::EventGone)?;
    let event = events::find(unit, told.event_id).await?.ok_or(ReplayRefused::EventGone)?;
    if event.state == EventState::Delivered {
        return Err(ReplayRefused::EventDelivered(event.id));
    }
    // One that waits, though its job was cancelled, goes on where it was.
    events::start_again(unit, event.id).await?;
    Ok(())
}

fn stage_of(job: &JobRow) -> Option<Stage> {
    Stage::deserialize(&job.payload.0).ok()
}
