//! Performs `calls.poll_recognition`, a tick of the cheap lane.
//!
//! Harmless when run twice: looking changes nothing, and what is seen at the end is written by whoever
//! first finds the call still `recognizing`.

use flysk_clients::speechkit::{OperationState, SpeechKitError};
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::polling::NextLook;
use flysk_domain::flysense::state::{StateEvent, TranscriptionState};
use flysk_domain::id::{AccountId, TranscriptionId};
use flysk_domain::trace::Trace;
use flysk_jobs::calls::{DeleteAudio, PollRecognition, StoreTranscript, let_go};
use flysk_jobs::{HandleTick, JobError, Next, Tick as _, Unit};
use flysk_store::flysense::transcriptions::Transcription;
use flysk_store::flysense::{stages, transcriptions};
use tracing::Instrument as _;

use crate::App;
use crate::flysense::FlySense;
use crate::outcome::HasOutcome;

impl HandleTick<App> for PollRecognition {
    async fn tick(key: &str, app: &App) -> Result<Next, JobError> {
        let (account, id) = read_key(key)?;
        let flysense = app.flysense()?;
        let mut conn = app.outbox.pool().acquire().await?;
        let call = transcriptions::find(&mut conn, account, id).await?;
        drop(conn);
        let Some(call) = call else { return Ok(Next::Stop) };
        if call.state == TranscriptionState::Cancelled {
            // Nobody will store its result, which is where the place is given back otherwise.
            app.limits.leave(&flysense.summarization_room(), &id.to_string()).await;
        }
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
    match flysense.speechkit.operation(operation).await.map(|operation| operation.state) {
        Ok(OperationState::Running) => look_again(app, flysense, call).await,
        Ok(OperationState::Done) => end(app, call, StateEvent::Recognized).await,
        Ok(OperationState::Failed(failure)) => {
            tracing::warn!(error = %failure, "the recognition failed");
            end(app, call, StateEvent::Failed(FailureCode::RecognitionFailed)).await
        }
        Err(SpeechKitError::NotFound(_)) => {
            end(app, call, StateEvent::Failed(FailureCode::ResultExpired)).await
        }
        Err(error) => Err(error.into_job_error()),
    }
}

async fn look_again(app: &App, flysense: &FlySense, call: &Transcription) -> Result<Next, JobError> {
    let submitted = call.submitted_at.unwrap_or(call.updated_at);
    match flysense.next_look(submitted, app.clock().now(), call.duration_ms.unwrap_or_default()) {
        NextLook::At(at) => Ok(Next::At(at)),
        NextLook::GiveUp => end(app, call, StateEvent::Failed(FailureCode::RecognitionTimeout)).await,
    }
}

/// Moves the call on, together with the durable job that goes on with it.
async fn end(app: &App, call: &Transcription, event: StateEvent) -> Result<Next, JobError> {
    let to = call.state.advance(event).map_err(|error| JobError::give_up(error.to_string()))?;
    let trace = Trace { correlation_id: call.correlation_id.clone(), traceparent: None };
    let mut unit = app.outbox.begin(trace).await?;
    match transcriptions::lock(&mut unit, call.account_id, call.id).await? {
        Some(now) if now.state == call.state && now.run == call.run => {}
        _ => return Ok(Next::Stop),
    }
    write_end(app, &mut unit, call, event, to).await?;
    unit.commit().await?;
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
    if let StateEvent::Failed(code) = event {
        transcriptions::fail(unit, call.id, call.state, code, now).await?;
        let_go(unit, call, now).await?;
        unit.enqueue(&DeleteAudio { transcription_id, account_id }).await?;
    } else {
        transcriptions::move_on(unit, call.id, call.state, to, now).await?;
        unit.enqueue(&StoreTranscript { transcription_id, account_id }).await?;
    }
    let submitted = call.submitted_at.unwrap_or(call.updated_at);
    stages::record(unit, call.id, call.run, "recognize", submitted, now).await?;
    Ok(())
}
