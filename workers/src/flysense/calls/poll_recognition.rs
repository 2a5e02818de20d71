//! Runs `calls.poll_recognition`, an ephemeral job.
//!
//! Harmless when run twice: a status check changes nothing, and the result is written by the first run that finds the
//! call still in `recognizing`.

use chrono::TimeDelta;
use flysk_clients::speechkit::{FailedOperation, OperationState, SpeechKitError};
use flysk_domain::failure_action::FailureAction;
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::polling::NextPoll;
use flysk_domain::flysense::state::{StateEvent, TranscriptionState};
use flysk_domain::id::{AccountId, TranscriptionId};
use flysk_jobs::flysense::calls::{DeleteAudio, PollRecognition, StartRecognition, StoreTranscript};
use flysk_queue::{EphemeralHandler, EphemeralJob as _, JobError, NextRun, UnitOfWork};
use flysk_services::calls::release_hold;
use flysk_store::flysense::transcriptions::Transcription;
use flysk_store::flysense::{stages, transcriptions};
use flysk_store::repeat_contended;
use tracing::Instrument as _;

use super::start_recognition::MAX_SUBMITS;
use super::summarization_slots;
use crate::App;
use crate::flysense::FlySense;
use crate::job_error::IntoJobError;

/// Delay before a call is submitted again after a failed recognition.
const RESUBMIT_DELAY: TimeDelta = TimeDelta::seconds(10);

impl EphemeralHandler<App> for PollRecognition {
    async fn handle(key: &str, app: &App) -> Result<NextRun, JobError> {
        let (account, id) = read_key(key)?;
        let flysense = app.flysense()?;
        let mut conn = app.outbox.pool().acquire().await?;
        let call = transcriptions::find(&mut conn, account, id).await?;
        drop(conn);
        let Some(call) = call else { return Ok(NextRun::Stop) };
        if call.state != TranscriptionState::Recognizing {
            return Ok(NextRun::Stop);
        }
        let span = tracing::info_span!(
            "ephemeral_job",
            job.kind = Self::KIND,
            transcription.id = %id,
            correlation.id = %call.correlation_id,
        );
        poll_and_log(app, flysense, &call).instrument(span).await
    }
}

fn read_key(key: &str) -> Result<(AccountId, TranscriptionId), JobError> {
    key.split_once('/')
        .and_then(|(account, id)| Some((account.parse().ok()?, id.parse().ok()?)))
        .ok_or_else(|| JobError::give_up("the job's key is not `<account>/<transcription>`"))
}

async fn poll_and_log(app: &App, flysense: &FlySense, call: &Transcription) -> Result<NextRun, JobError> {
    poll(app, flysense, call).await.inspect_err(|error| {
        if !matches!(error, JobError::Wait { .. }) {
            tracing::warn!(error = %error, "status check of a recognition failed");
        }
    })
}

async fn poll(app: &App, flysense: &FlySense, call: &Transcription) -> Result<NextRun, JobError> {
    let (account, id) = (call.account_id, call.id);
    let Some(operation) = call.operation_id.as_deref() else { return Ok(NextRun::Stop) };
    app.limits.acquire_or_snooze(&flysense.status_rate(), &account.to_string(), &id.to_string()).await?;
    summarization_slots::renew(app, flysense, id).await;
    let event = match flysense.speechkit.operation(operation).await.map(|operation| operation.state) {
        Ok(OperationState::Running) => match next_poll(app, flysense, call) {
            NextPoll::At(at) => return Ok(NextRun::At(at)),
            NextPoll::GiveUp => StateEvent::Failed(FailureCode::RecognitionTimeout),
        },
        Ok(OperationState::Done) => StateEvent::Recognized,
        Ok(OperationState::Failed(failure)) => after_failure(call, &failure),
        Err(SpeechKitError::NotFound(_)) => StateEvent::Failed(FailureCode::ResultExpired),
        // The deadline also ends calls when SpeechKit does not answer any more.
        Err(error) if next_poll(app, flysense, call) == NextPoll::GiveUp => {
            tracing::warn!(error = %error, "recognition timed out; the last status check failed");
            StateEvent::Failed(FailureCode::RecognitionTimeout)
        }
        Err(error) => return Err(error.into_job_error()),
    };
    finish_recognition(app, flysense, call, event).await
}

fn next_poll(app: &App, flysense: &FlySense, call: &Transcription) -> NextPoll {
    let submitted = call.submitted_at.unwrap_or(call.updated_at);
    flysense.next_poll(submitted, app.clock().now(), call.duration_ms.unwrap_or_default())
}

/// A failure that the recording did not cause is submitted again, up to [`MAX_SUBMITS`] times in all.
fn after_failure(call: &Transcription, failure: &FailedOperation) -> StateEvent {
    let again = failure.outcome() != FailureAction::GiveUp && call.submits < MAX_SUBMITS;
    tracing::warn!(error = %failure, submits = call.submits, again, "recognition failed");
    if again { StateEvent::RecognitionBroke } else { StateEvent::Failed(FailureCode::RecognitionFailed) }
}

/// Moves the call to its next state together with its next job, and releases its slot: the operation has ended, or is
/// not polled any more.
async fn finish_recognition(
    app: &App,
    flysense: &FlySense,
    call: &Transcription,
    event: StateEvent,
) -> Result<NextRun, JobError> {
    let to = call.state.advance(event).map_err(|error| JobError::give_up(error.to_string()))?;
    let write = || async {
        let mut unit = app.outbox.begin(call.trace()).await?;
        match transcriptions::lock(&mut unit, call.account_id, call.id).await? {
            // After a loss of Redis, two polls may run at once, and the slower one may know of an earlier operation only.
            Some(now)
                if now.state == call.state
                    && now.run == call.run
                    && now.operation_id == call.operation_id => {}
            _ => return Ok(false),
        }
        write_result(app, &mut unit, call, event, to).await?;
        unit.commit().await?;
        Ok::<_, JobError>(true)
    };
    if repeat_contended(write).await? {
        summarization_slots::release(app, flysense, call.id).await;
    }
    Ok(NextRun::Stop)
}

async fn write_result(
    app: &App,
    unit: &mut UnitOfWork,
    call: &Transcription,
    event: StateEvent,
    to: TranscriptionState,
) -> Result<(), JobError> {
    let now = app.clock().now();
    let (transcription_id, account_id) = (call.id, call.account_id);
    match event {
        StateEvent::Failed(code) => {
            transcriptions::fail(unit, call.id, call.state, code, now).await?;
            release_hold(unit, call, now).await?;
            unit.enqueue(&DeleteAudio { transcription_id, account_id }).await?;
        }
        StateEvent::RecognitionBroke => {
            transcriptions::transition(unit, call.id, call.state, to, now).await?;
            let again = StartRecognition { transcription_id, account_id };
            unit.enqueue_at(&again, now + RESUBMIT_DELAY).await?;
        }
        _ => {
            transcriptions::transition(unit, call.id, call.state, to, now).await?;
            unit.enqueue(&StoreTranscript { transcription_id, account_id }).await?;
        }
    }
    let submitted = call.submitted_at.unwrap_or(call.updated_at);
    stages::record(unit, call.id, call.run, "recognize", submitted, now).await?;
    Ok(())
}
