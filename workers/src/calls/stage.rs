//! Entering and leaving a stage.

use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::failure_cause::FailureCause;
use flysk_domain::flysense::readiness::RecordingWait;
use flysk_domain::flysense::state::{StateEvent, TranscriptionState};
use flysk_domain::id::{AccountId, TranscriptionId};
use flysk_jobs::calls::{DeleteAudio, let_go};
use flysk_jobs::{JobError, JobResult, Run, Unit, Verdict};
use flysk_store::flysense::stages;
use flysk_store::flysense::transcriptions::{self, Transcription};

/// A call in the hands of a stage.
pub(super) struct Stage {
    /// The call as it was when the stage began.
    pub(super) call: Transcription,
    name: &'static str,
    started_at: DateTime<Utc>,
}

/// Takes the call into a stage that works in `state`; `None` if it is elsewhere (a late or doubled
/// run), with what to tell about it.
pub(super) async fn enter(
    run: &Run,
    account: AccountId,
    id: TranscriptionId,
    name: &'static str,
    state: TranscriptionState,
) -> Result<Result<Stage, Verdict>, JobError> {
    let mut conn = run.pool().acquire().await?;
    let Some(call) = transcriptions::find(&mut conn, account, id).await? else {
        return Ok(Err(Verdict::skip("the call was deleted")));
    };
    if call.state == TranscriptionState::Cancelled {
        clear_away(run, &call).await?;
    }
    if call.state != state {
        return Ok(Err(Verdict::skip(format!("the call is `{}`, not `{state}`", call.state))));
    }
    Ok(Ok(Stage { call, name, started_at: run.now() }))
}

/// A stage that was at work when its call was cancelled may have stored audio after the call's was deleted; its
/// next attempt comes here.
async fn clear_away(run: &Run, call: &Transcription) -> Result<(), JobError> {
    let mut unit = run.begin().await?;
    unit.enqueue(&DeleteAudio { transcription_id: call.id, account_id: call.account_id }).await?;
    Ok(unit.commit().await?)
}

/// Enters a stage or ends the handler with why not.
macro_rules! enter_stage {
    ($run:expr, $job:expr, $name:literal, $state:ident) => {
        match $crate::calls::stage::enter(
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
    /// Opens the transaction of the stage's effect: moves the call on by `event`, notes how long the
    /// stage took. The caller adds its effect and the next job, and ends with [`Run::done`].
    pub(super) async fn leave(&self, run: &Run, event: StateEvent) -> Result<Unit, JobError> {
        let to = self.next(event)?;
        let mut unit = self.begin(run).await?;
        transcriptions::move_on(&mut unit, self.call.id, self.call.state, to, run.now()).await?;
        self.record(&mut unit, run).await?;
        Ok(unit)
    }

    /// Ends the call as "no speech": costs nothing, leaves nothing in storage.
    pub(super) async fn end_without_speech(&self, run: &Run) -> Result<Unit, JobError> {
        self.next(StateEvent::NoSpeechFound)?;
        let mut unit = self.begin(run).await?;
        transcriptions::finish_no_speech(&mut unit, self.call.id, self.call.state, run.now()).await?;
        let_go(&mut unit, &self.call, run.now()).await?;
        self.record(&mut unit, run).await?;
        unit.enqueue(&DeleteAudio { transcription_id: self.call.id, account_id: self.call.account_id })
            .await?;
        Ok(unit)
    }

    /// Opens the transaction in which the call begins to wait for its recording. The caller sees that it is fetched again.
    pub(super) async fn park(&self, run: &Run, reason: RecordingWait) -> Result<Unit, JobError> {
        let to = self.next(StateEvent::RecordingUnfinished)?;
        let mut unit = self.begin(run).await?;
        transcriptions::move_on(&mut unit, self.call.id, self.call.state, to, run.now()).await?;
        transcriptions::set_waits_for(&mut unit, self.call.id, reason).await?;
        Ok(unit)
    }

    /// Ends the call as failed. The job itself did what it could, so it is done.
    pub(super) async fn fail(&self, run: &Run, code: FailureCode) -> JobResult {
        self.fail_because(run, code, None).await
    }

    /// The same with what exactly was in the way, if that is known.
    pub(super) async fn fail_because(
        &self,
        run: &Run,
        code: FailureCode,
        cause: Option<FailureCause>,
    ) -> JobResult {
        let told = cause.map(FailureCause::code);
        tracing::warn!(transcription.id = %self.call.id, failure = %code, cause = told, "the call failed");
        let mut unit = self.begin(run).await?;
        fail_in(&mut unit, &self.call, code, run.now()).await?;
        if let Some(cause) = cause {
            transcriptions::set_failure_cause(&mut unit, self.call.id, cause).await?;
        }
        self.record(&mut unit, run).await?;
        run.done(unit).await
    }

    /// A transaction in which the call is still where this stage found it. Somebody may have cancelled it and
    /// asked for it again meanwhile: then it is in the same state, but another run's work.
    async fn begin(&self, run: &Run) -> Result<Unit, JobError> {
        let mut unit = run.begin().await?;
        let now = transcriptions::lock(&mut unit, self.call.account_id, self.call.id).await?;
        let is_ours = |now: &Transcription| {
            let name = |call: &Transcription| (call.run, call.recording_version, call.state);
            name(now) == name(&self.call)
        };
        if now.as_ref().is_some_and(is_ours) {
            return Ok(unit);
        }
        // Not a failed attempt: after the last one the job would be given up, and fail the run that is alive by now.
        let reason = "the call was cancelled or asked for again meanwhile".to_owned();
        Err(JobError::Wait { after: Duration::ZERO, reason })
    }

    /// Notes how long the stage took.
    pub(super) async fn record(&self, unit: &mut Unit, run: &Run) -> Result<(), JobError> {
        stages::record(unit, self.call.id, self.call.run, self.name, self.started_at, run.now()).await?;
        Ok(())
    }

    fn next(&self, event: StateEvent) -> Result<TranscriptionState, JobError> {
        self.call.state.advance(event).map_err(|error| JobError::give_up(error.to_string()))
    }
}

async fn fail_in(
    unit: &mut Unit,
    call: &Transcription,
    code: FailureCode,
    now: DateTime<Utc>,
) -> Result<(), JobError> {
    transcriptions::fail(unit, call.id, call.state, code, now).await?;
    let_go(unit, call, now).await?;
    unit.enqueue(&DeleteAudio { transcription_id: call.id, account_id: call.account_id }).await?;
    Ok(())
}

/// What stages do when their job is given up: the call fails with `code`, unless it ended before.
pub(super) async fn fail_buried(
    unit: &mut Unit,
    account: AccountId,
    id: TranscriptionId,
    code: FailureCode,
    now: DateTime<Utc>,
) -> Result<(), JobError> {
    match transcriptions::lock(unit, account, id).await? {
        Some(call) if !call.state.is_final() => fail_in(unit, &call, code, now).await,
        _ => Ok(()),
    }
}
