//! Performs `calls.start_recognition`.
//!
//! SpeechKit has no idempotency keys: a submission whose answer was lost may run, and be billed, without its operation
//! being known. So each submission is counted before it is made. No call is submitted more than [`MAX_SUBMITS`] times,
//! and none without a hold. The operation is stored together with the next state, so a second run finds that state.

use std::time::Duration;

use flysk_clients::speechkit::{
    AudioFormat, Channels, Classifier, LlmAnswer, LlmPrompt, Operation, RecognitionOptions, RecognizeFile,
    SpeechKitError, Summarization,
};
use flysk_domain::failure_action::FailureAction;
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::polling::NextPoll;
use flysk_domain::flysense::state::StateEvent;
use flysk_domain::flysense::summary;
use flysk_jobs::flysense::calls::{HoldPayment, PollRecognition, StartRecognition};
use flysk_queue::{JobContext, JobError, JobHandler, JobResult, UnitOfWork};
use flysk_services::calls::take_back_submission;
use flysk_store::flysense::payments::{self, RunOf};
use flysk_store::flysense::transcriptions::{self, Transcription};
use flysk_store::repeat_contended;

use super::stage::{self, Stage, enter_stage};
use super::summarization_slots;
use crate::App;
use crate::flysense::FlySense;
use crate::job_error::job_error;

/// One submission and two repetitions, after lost answers or failed recognitions.
pub(super) const MAX_SUBMITS: u32 = 3;
/// Retry delay after rejected credentials: all attempts together leave a quarter of an hour to replace them.
const DENIED_RETRY_DELAY: Duration = Duration::from_mins(2);
/// Retry delay after a submission whose outcome is unknown: the three of a call outlast a short outage of SpeechKit.
const DOUBT_RETRY_DELAY: Duration = Duration::from_mins(2);

impl JobHandler<App> for StartRecognition {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let stage = enter_stage!(run, self, "submit", Submitting);
        if stage.call.submits >= MAX_SUBMITS {
            return stage.fail(run, FailureCode::RecognitionFailed).await;
        }
        let flysense = app.flysense()?;
        let attempt = Attempt { run, app, flysense, stage: &stage };
        if !is_paid_for(run, &stage.call).await? {
            return attempt.place_new_hold().await;
        }
        let request = attempt.acquire_limits(request(flysense, &stage.call)?).await?;
        count_submit(run, &stage).await?;
        match attempt.submit(request).await {
            Ok(operation) => attempt.finish(&operation).await,
            Err(error) => {
                summarization_slots::release(app, flysense, self.transcription_id).await;
                let outcome = action_after(&error);
                if outcome == FailureAction::Unknown {
                    let later = FailureAction::Retry { after: Some(DOUBT_RETRY_DELAY) };
                    return Err(job_error(later, &error));
                }
                take_back(run, &stage).await?;
                if outcome == FailureAction::GiveUp {
                    tracing::error!(error = %error, "SpeechKit rejected the recording");
                    return stage.fail(run, FailureCode::RecognitionRefused).await;
                }
                Err(job_error(outcome, &error))
            }
        }
    }

    async fn on_dead(&self, unit: &mut UnitOfWork, _reason: &str, app: &App) -> Result<(), JobError> {
        let now = app.clock().now();
        stage::fail_on_dead(unit, self.account_id, self.transcription_id, FailureCode::RecognitionFailed, now)
            .await
    }
}

/// Rejected credentials are retried, because they are a fault of the deployment, not of the call: a key that is being
/// replaced, a role that is missing.
pub(super) fn action_after(error: &SpeechKitError) -> FailureAction {
    match error {
        SpeechKitError::Denied(_) => FailureAction::Retry { after: Some(DENIED_RETRY_DELAY) },
        error => error.outcome(),
    }
}

/// Whether the call has a hold that lasts long enough.
async fn is_paid_for(run: &JobContext, call: &Transcription) -> Result<bool, JobError> {
    let mut conn = run.pool().acquire().await?;
    let payment = payments::find(&mut conn, RunOf { id: call.id, run: call.run }).await?;
    Ok(payment.is_some_and(|payment| payment.allows_work(run.now())))
}

/// One run of the job, with what its steps need.
struct Attempt<'a> {
    run: &'a JobContext,
    app: &'a App,
    flysense: &'a FlySense,
    stage: &'a Stage,
}

impl Attempt<'_> {
    /// The hold expired while the call waited: another is placed first.
    async fn place_new_hold(&self) -> JobResult {
        let (transcription_id, account_id) = (self.stage.call.id, self.stage.call.account_id);
        let mut unit = self.stage.leave(self.run, StateEvent::HoldLapsed).await?;
        unit.enqueue(&HoldPayment { transcription_id, account_id }).await?;
        self.run.done(unit).await
    }

    /// Acquires the rate limits and returns the request that they allow. The summarization slot is acquired first and
    /// released if the hourly quota is used up.
    async fn acquire_limits(&self, request: RecognizeFile) -> Result<RecognizeFile, JobError> {
        let has_slot = request.has_summarization()
            && summarization_slots::acquire(self.app, self.flysense, self.stage.call.id).await?;
        let tenant = self.stage.call.account_id.to_string();
        let passed = self
            .app
            .limits
            .acquire_or_snooze(&self.flysense.submit_rate(), &tenant, &self.run.job_id().to_string())
            .await;
        if let Err(error) = passed {
            summarization_slots::release(self.app, self.flysense, self.stage.call.id).await;
            return Err(error);
        }
        Ok(if has_slot { request } else { request.without_summarization() })
    }

    /// Submits the request. If the service account may not use models, or the file does not allow labeling, submits it without.
    async fn submit(&self, request: RecognizeFile) -> Result<Operation, SpeechKitError> {
        match self.flysense.speechkit.submit(&request).await {
            Err(SpeechKitError::SummarizationDenied(_)) => {
                tracing::warn!(
                    "the service account may not use language models in recognition; submitting without a summary"
                );
                summarization_slots::release(self.app, self.flysense, self.stage.call.id).await;
                self.flysense.speechkit.submit(&request.without_summarization()).await
            }
            Err(SpeechKitError::LabelingNeedsMono(_)) => {
                tracing::warn!("SpeechKit detected more channels; submitting without speaker labeling");
                self.flysense.speechkit.submit(&request.without_labeling()).await
            }
            other => other,
        }
    }

    async fn finish(&self, operation: &Operation) -> JobResult {
        // Repeated here, because a retried handler would submit, and pay, again.
        let write = || async {
            let mut unit = self.stage.leave(self.run, StateEvent::Submitted).await?;
            transcriptions::set_operation(&mut unit, self.stage.call.id, &operation.id).await?;
            self.run.done(unit).await
        };
        let verdict = repeat_contended(write).await?;
        let now = self.run.now();
        let audio_ms = self.stage.call.duration_ms.unwrap_or_default();
        if let NextPoll::At(at) = self.flysense.next_poll(now, now, audio_ms) {
            let key = poll_key(self.stage.call.account_id, self.stage.call.id);
            if let Err(error) = self.app.ephemeral.schedule::<PollRecognition>(&key, at).await {
                tracing::debug!(error = %error, "failed to schedule the first poll; calls.resume_polls will");
            }
        }
        Ok(verdict)
    }
}

/// Key of a poll: account and call.
pub(super) fn poll_key(
    account: flysk_domain::id::AccountId,
    id: flysk_domain::id::TranscriptionId,
) -> String {
    format!("{account}/{id}")
}

/// Records the intent before the request.
async fn count_submit(run: &JobContext, stage: &Stage) -> Result<(), JobError> {
    let mut unit = run.begin().await?;
    transcriptions::count_submit(&mut unit, stage.call.id, run.now()).await?;
    Ok(unit.commit().await?)
}

/// Takes a submission back that SpeechKit definitely did not start, even if the call was cancelled meanwhile.
async fn take_back(run: &JobContext, stage: &Stage) -> Result<(), JobError> {
    // Repeated here, because a retried handler would count another submission.
    let write = || async {
        let mut unit = run.begin().await?;
        take_back_submission(&mut unit, &stage.call, run.now()).await?;
        Ok::<_, JobError>(unit.commit().await?)
    };
    repeat_contended(write).await
}

fn request(flysense: &FlySense, call: &Transcription) -> Result<RecognizeFile, JobError> {
    let key =
        call.object_key.as_deref().ok_or_else(|| JobError::give_up("the call has no object in storage"))?;
    let container = call
        .container
        .ok_or_else(|| JobError::give_up("the call has no container that SpeechKit accepts"))?;
    let channels = if call.channels == Some(1) { Channels::Mono } else { Channels::Separate };
    let recognition = &flysense.recognition;
    let summarization = recognition.summarization_model_uri.clone().map(|model_uri| Summarization {
        model_uri,
        properties: vec![LlmPrompt {
            instruction: summary::recognition_instruction(),
            answer: Some(LlmAnswer::JsonSchema { schema: summary::answer_schema() }),
        }],
    });
    let options = RecognitionOptions {
        model: recognition.model.clone(),
        classifiers: recognition.classifiers.iter().filter_map(|name| classifier(name)).collect(),
        speech_analysis: true,
        summarization,
    };
    let uri = flysense.storage.object_url(key);
    Ok(RecognizeFile::call(uri, AudioFormat::Container(container), channels, options))
}

/// The configuration accepts only names that SpeechKit has.
fn classifier(name: &str) -> Option<Classifier> {
    serde_json::from_value(serde_json::Value::from(name)).ok()
}

#[cfg(test)]
mod tests {
    use flysk_domain::flysense::payment::SUBMIT_OUTCOME_WAIT;
    use flysk_queue::Job as _;

    use super::*;

    #[test]
    fn a_refusal_comes_before_a_cancelled_call_is_charged() {
        assert!(SUBMIT_OUTCOME_WAIT.to_std().is_ok_and(|wait| wait > StartRecognition::POLICY.timeout));
    }
}
