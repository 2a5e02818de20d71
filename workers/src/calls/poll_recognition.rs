//! Performs `calls.poll_recognition`, a tick of the cheap lane.
//!
//! Harmless when run twice: looking changes nothing, and what is seen at the end is written by whoever
//! first finds the call still `recognizing`.

use chrono::TimeDelta;
use flysk_clients::speechkit::{FailedOperation, OperationState, SpeechKitError};
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::polling::NextLook;
use flysk_domain::flysense::state::{StateEvent, TranscriptionState};
use flysk_domain::id::{AccountId, TranscriptionId};
use flysk_domain::platform::outcome::Outcome;
use flysk_jobs::calls::{DeleteAudio, PollRecognition, StartRecognition, StoreTranscript, let_go};
use flysk_jobs::{HandleTick, JobError, Next, Tick as _, Unit};
use flysk_store::flysense::transcriptions::Transcription;
use flysk_store::flysense::{stages, transcriptions};
use flysk_store::repeat_contended;
use tracing::Instrument as _;

use super::start_recognition::MOST_SUBMITS;
use super::summarization;
use crate::App;
use crate::flysense::FlySense;
use crate::outcome::HasOutcome;

/// How long a recogniser that broke off is left alone before the call is ordered again.
const AGAIN_AFTER: TimeDelta = TimeDelta::seconds(10);

impl HandleTick<App> for PollRecognition {
    async fn tick(key: &str, app: &App) -> Result<Next, JobError> {
        let (account, id) = read_key(key)?;
        let flysense = app.flysense()?;
        let mut conn = app.outbox.pool().acquire().await?;
        let call = transcriptions::find(&mut conn, account, id).await?;
        drop(conn);
        let Some(call) = call else { return Ok(Next::Stop) };
        if call.state != TranscriptionState::Recognizing {
            return Ok(Next::Stop);
        }
        let span = tracing::info_span!(
            "tick",
            job.kind = Self::KIND,
            transcription.id = %id,
            correlation.id = %call.correlation_id,
        );
        look_and_tell(app, flysense, &call).instrument(span).await
    }
}

fn read_key(key: &str) -> Result<(AccountId, TranscriptionId), JobError> {
    key.split_once('/')
        .and_then(|(account, id)| Some((account.parse().ok()?, id.parse().ok()?)))
        .ok_or_else(|| JobError::give_up("the tick's key is not `<account>/<transcription>`"))
}

async fn look_and_tell(app: &App, flysense: &FlySense, call: &Transcription) -> Result<Next, JobError> {
    look(app, flysense, call).await.inspect_err(|error| {
        if !matches!(error, JobError::Wait { .. }) {
            tracing::warn!(error = %error, "the recognition could not be looked at");
        }
    })
}

async fn look(app: &App, flysense: &FlySense, call: &Transcription) -> Result<Next, JobError> {
    let (account, id) = (call.account_id, call.id);
    let Some(operation) = call.operation_id.as_deref() else { return Ok(Next::Stop) };
    app.limits.pass(&flysense.status_rate(), &account.to_string(), &id.to_string()).await?;
    summarization::renew(app, flysense, id).await;
    let event = match flysense.speechkit.operation(operation).await.map(|operation| operation.state) {
        Ok(OperationState::Running) => match next_look(app, flysense, call) {
            NextLook::At(at) => return Ok(Next::At(at)),
            NextLook::GiveUp => StateEvent::Failed(FailureCode::RecognitionTimeout),
        },
        Ok(OperationState::Done) => StateEvent::Recognized,
        Ok(OperationState::Failed(failure)) => after_failure(call, &failure),
        Err(SpeechKitError::NotFound(_)) => StateEvent::Failed(FailureCode::ResultExpired),
        // Nobody may wait for ever, also if SpeechKit does not answer any more.
        Err(error) if next_look(app, flysense, call) == NextLook::GiveUp => {
            tracing::warn!(error = %error, "the recognition could not be looked at until its deadline");
            StateEvent::Failed(FailureCode::RecognitionTimeout)
        }
        Err(error) => return Err(error.into_job_error()),
    };
    end(app, flysense, call, event).await
}

fn next_look(app: &App, flysense: &FlySense, call: &Transcription) -> NextLook {
    let submitted = call.submitted_at.unwrap_or(call.updated_at);
    flysense.next_look(submitted, app.clock().now(), call.duration_ms.unwrap_or_default())
}

/// A fault that was not in the recording is worth another order, of which there are not many.
fn after_failure(call: &Transcription, failure: &FailedOperation) -> StateEvent {
    let again = failure.outcome() != Outcome::GiveUp && call.submits < MOST_SUBMITS;
    tracing::warn!(error = %failure, submits = call.submits, again, "the recognition failed");
    if again { StateEvent::RecognitionBroke } else { StateEvent::Failed(FailureCode::RecognitionFailed) }
}

/// Moves the call on, together with the durable job that goes on with it. The operation is over, or nobody looks at it
/// any more.
async fn end(
    app: &App,
    flysense: &FlySense,
    call: &Transcription,
    event: StateEvent,
) -> Result<Next, JobError> {
    let to = call.state.advance(event).map_err(|error| JobError::give_up(error.to_string()))?;
    let write = || async {
        let mut unit = app.outbox.begin(call.trace()).await?;
        match transcriptions::lock(&mut unit, call.account_id, call.id).await? {
            Some(now) if now.state == call.state && now.run == call.run => {}
            _ => return Ok(false),
        }
        write_end(app, &mut unit, call, event, to).await?;
        unit.commit().await?;
        Ok::<_, JobError>(true)
    };
    if repeat_contended(write).await? {
        summarization::leave(app, flysense, call.id).await;
    }
    Ok(Next::Stop)
}

async fn write_end(
    app: &App,
    unit: &mut Unit,
    call: &Transcription,
    event: StateEvent,
    to: TranscriptionState,
) -> Result<(), JobError> {
    let now = app.clock().now();
    let (transcription_id, account_id) = (call.id, call.account_id);
    match event {
        StateEvent::Failed(code) => {
            transcriptions::fail(unit, call.id, call.state, code, now).await?;
            let_go(unit, call, now).await?;
            unit.enqueue(&DeleteAudio { transcription_id, account_id }).await?;
        }
        StateEvent::RecognitionBroke => {
            transcriptions::move_on(unit, call.id, call.state, to, now).await?;
            let again = StartRecognition { transcription_id, account_id };
            unit.enqueue_at(&again, now + AGAIN_AFTER).await?;
        }
        _ => {
            transcriptions::move_on(unit, call.id, call.state, to, now).await?;
            unit.enqueue(&StoreTranscript { transcription_id, account_id }).await?;
        }
    }
    let submitted = call.submitted_at.unwrap_or(call.updated_at);
    stages::record(unit, call.id, call.run, "recognize", submitted, now).await?;
    Ok(())
}
