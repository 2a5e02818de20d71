//! Start and end of a stage.

use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::failure_cause::FailureCause;
use flysk_domain::flysense::readiness::RecordingWait;
use flysk_domain::flysense::state::{StateEvent, TranscriptionState};
use flysk_domain::id::{AccountId, TranscriptionId};
use flysk_jobs::flysense::calls::DeleteAudio;
use flysk_queue::{JobContext, JobError, JobOutcome, JobResult, UnitOfWork};
use flysk_services::calls::release_hold;
use flysk_store::flysense::stages;
use flysk_store::flysense::transcriptions::{self, Transcription};

/// A call during a stage.
pub(super) struct Stage {
    /// The call as read at the start of the stage.
    pub(super) call: Transcription,
    name: &'static str,
    started_at: DateTime<Utc>,
}

/// Enters the stage that works in `state`. Returns the outcome to end with if the call is in another state (a late or
/// duplicate run).
pub(super) async fn enter(
    run: &JobContext,
    account: AccountId,
    id: TranscriptionId,
    name: &'static str,
    state: TranscriptionState,
) -> Result<Result<Stage, JobOutcome>, JobError> {
    let mut conn = run.pool().acquire().await?;
    let Some(call) = transcriptions::find(&mut conn, account, id).await? else {
        return Ok(Err(JobOutcome::skip("the call was deleted")));
    };
    if call.state == TranscriptionState::Cancelled {
        delete_leftover_audio(run, &call).await?;
    }
    if call.state != state {
        return Ok(Err(JobOutcome::skip(format!("the call is `{}`, not `{state}`", call.state))));
    }
    Ok(Ok(Stage { call, name, started_at: run.now() }))
}

/// A stage that was running when its call was cancelled may have stored audio after the deletion. Its next attempt gets here.
async fn delete_leftover_audio(run: &JobContext, call: &Transcription) -> Result<(), JobError> {
    let mut unit = run.begin().await?;
    unit.enqueue(&DeleteAudio { transcription_id: call.id, account_id: call.account_id }).await?;
    Ok(unit.commit().await?)
}

/// Enters a stage, or returns its outcome from the handler.
macro_rules! enter_stage {
    ($run:expr, $job:expr, $name:literal, $state:ident) => {
        match $crate::flysense::calls::stage::enter(
            $run,
            $job.account_id,
            $job.transcription_id,
            $name,
            flysk_domain::flysense::state::TranscriptionState::$state,
        )
        .await?
        {
            Ok(stage) => stage,
            Err(verdict) => return Ok(verdict),
        }
    };
}
pub(super) use enter_stage;

impl Stage {
    /// Opens the transaction of the stage's effect: moves the call on by `event` and records the stage's duration. The
    /// caller adds its effect and the next job, and ends with [`JobContext::done`].
    pub(super) async fn leave(&self, run: &JobContext, event: StateEvent) -> Result<UnitOfWork, JobError> {
        let to = self.next(event)?;
        let mut unit = self.begin(run).await?;
        transcriptions::transition(&mut unit, self.call.id, self.call.state, to, run.now()).await?;
        self.record(&mut unit, run).await?;
        Ok(unit)
    }

    /// Ends the call as `no_speech`: nothing is charged, and its audio is deleted.
    pub(super) async fn end_without_speech(&self, run: &JobContext) -> Result<UnitOfWork, JobError> {
        self.next(StateEvent::NoSpeechFound)?;
        let mut unit = self.begin(run).await?;
        transcriptions::finish_no_speech(&mut unit, self.call.id, self.call.state, run.now()).await?;
        release_hold(&mut unit, &self.call, run.now()).await?;
        self.record(&mut unit, run).await?;
        unit.enqueue(&DeleteAudio { transcription_id: self.call.id, account_id: self.call.account_id })
            .await?;
        Ok(unit)
    }

    /// Opens the transaction in which the call starts to wait for its recording. The caller must schedule the next fetch.
    pub(super) async fn park(&self, run: &JobContext, reason: RecordingWait) -> Result<UnitOfWork, JobError> {
        let to = self.next(StateEvent::RecordingUnfinished)?;
        let mut unit = self.begin(run).await?;
        transcriptions::transition(&mut unit, self.call.id, self.call.state, to, run.now()).await?;
        transcriptions::set_waits_for(&mut unit, self.call.id, reason).await?;
        Ok(unit)
    }

    /// Ends the call as failed. The job itself counts as done.
    pub(super) async fn fail(&self, run: &JobContext, code: FailureCode) -> JobResult {
        self.fail_because(run, code, None).await
    }

    /// Ends the call as failed with a cause, if known.
    pub(super) async fn fail_because(
        &self,
        run: &JobContext,
        code: FailureCode,
        cause: Option<FailureCause>,
    ) -> JobResult {
        let cause_code = cause.map(FailureCause::code);
        tracing::warn!(transcription.id = %self.call.id, failure = %code, cause = cause_code, "call failed");
        let mut unit = self.begin(run).await?;
        fail_call(&mut unit, &self.call, code, run.now()).await?;
        if let Some(cause) = cause {
            transcriptions::set_failure_cause(&mut unit, self.call.id, cause).await?;
        }
        self.record(&mut unit, run).await?;
        run.done(unit).await
    }

    /// Opens a transaction and checks that the call is unchanged since the stage began. It may have been cancelled and
    /// requested again: the state may then be equal, but the run differs.
    async fn begin(&self, run: &JobContext) -> Result<UnitOfWork, JobError> {
        let mut unit = run.begin().await?;
        let now = transcriptions::lock(&mut unit, self.call.account_id, self.call.id).await?;
        let is_ours = |now: &Transcription| {
            let name = |call: &Transcription| (call.run, call.recording_version, call.state);
            name(now) == name(&self.call)
        };
        if now.as_ref().is_some_and(is_ours) {
            return Ok(unit);
        }
        // A wait, not a failure: after the last attempt the job would be dead, and would fail the run that is active now.
        let reason = "the call was cancelled or requested again meanwhile".to_owned();
        Err(JobError::Wait { after: Duration::ZERO, reason })
    }

    /// Records the duration of the stage.
    pub(super) async fn record(&self, unit: &mut UnitOfWork, run: &JobContext) -> Result<(), JobError> {
        stages::record(unit, self.call.id, self.call.run, self.name, self.started_at, run.now()).await?;
        Ok(())
    }

    fn next(&self, event: StateEvent) -> Result<TranscriptionState, JobError> {
        self.call.state.advance(event).map_err(|error| JobError::give_up(error.to_string()))
    }
}

async fn fail_call(
    unit: &mut UnitOfWork,
    call: &Transcription,
    code: FailureCode,
    now: DateTime<Utc>,
) -> Result<(), JobError> {
    transcriptions::fail(unit, call.id, call.state, code, now).await?;
    release_hold(unit, call, now).await?;
    unit.enqueue(&DeleteAudio { transcription_id: call.id, account_id: call.account_id }).await?;
    Ok(())
}

/// For `on_dead` of stages: fails the call with `code`, unless it has already ended.
pub(super) async fn fail_on_dead(
    unit: &mut UnitOfWork,
    account: AccountId,
    id: TranscriptionId,
    code: FailureCode,
    now: DateTime<Utc>,
) -> Result<(), JobError> {
    match transcriptions::lock(unit, account, id).await? {
        Some(call) if !call.state.is_final() => fail_call(unit, &call, code, now).await,
        _ => Ok(()),
    }
}
