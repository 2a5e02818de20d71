//! Performs `calls.start_recognition`.
//!
//! SpeechKit knows no idempotency: a submit whose answer was lost may run, and be paid, although we
//! never learn its operation. So every submit is counted before it is made, and no call is submitted
//! more than [`MOST_SUBMITS`] times, and none without coins set aside for it. A submit that was answered is written with
//! the state that follows, and a second run finds that state.

use flysk_clients::speechkit::{
    AudioFormat, Channels, Classifier, ContainerType, LlmAnswer, LlmPrompt, Operation, RecognitionOptions,
    RecognizeFile, SpeechKitError, Summarization,
};
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::polling::NextLook;
use flysk_domain::flysense::state::StateEvent;
use flysk_domain::flysense::summary;
use flysk_domain::platform::outcome::Outcome;
use flysk_jobs::calls::{HoldPayment, PollRecognition, StartRecognition};
use flysk_jobs::{Handle, JobError, JobResult, Run, Unit};
use flysk_store::flysense::payments::{self, RunOf};
use flysk_store::flysense::transcriptions::{self, Transcription};
use flysk_store::repeat_contended;

use super::stage::{self, Stage, enter_stage};
use super::summarization;
use crate::App;
use crate::flysense::FlySense;
use crate::outcome::HasOutcome;

/// One order and two more, after lost answers or recognitions that broke off.
pub(super) const MOST_SUBMITS: u32 = 3;

impl Handle<App> for StartRecognition {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let stage = enter_stage!(run, self, "submit", Submitting);
        if stage.call.submits >= MOST_SUBMITS {
            return stage.fail(run, FailureCode::RecognitionFailed).await;
        }
        if !is_paid_for(run, &stage.call).await? {
            return self.ask_for_coins(run, &stage).await;
        }
        let flysense = app.flysense()?;
        let request = self.pass_limits(run, app, flysense, request(flysense, &stage.call)?).await?;
        note_submit(run, &stage).await?;
        match self.submit(app, flysense, request).await {
            Ok(operation) => self.finish(run, app, flysense, &stage, &operation).await,
            Err(error) => {
                summarization::leave(app, flysense, self.transcription_id).await;
                match error.outcome() {
                    Outcome::GiveUp => {
                        tracing::error!(error = %error, "SpeechKit refused the recording");
                        stage.fail(run, FailureCode::RecognitionRefused).await
                    }
                    outcome => {
                        if outcome != Outcome::Unknown {
                            take_back_submit(run, &stage).await?;
                        }
                        Err(error.into_job_error())
                    }
                }
            }
        }
    }

    async fn bury(&self, unit: &mut Unit, _reason: &str, app: &App) -> Result<(), JobError> {
        let now = app.clock().now();
        stage::fail_buried(unit, self.account_id, self.transcription_id, FailureCode::RecognitionFailed, now)
            .await
    }
}

/// Whether coins are set aside for the call, and will be for long enough.
async fn is_paid_for(run: &Run, call: &Transcription) -> Result<bool, JobError> {
    let mut conn = run.pool().acquire().await?;
    let payment = payments::find(&mut conn, RunOf { id: call.id, run: call.run }).await?;
    Ok(payment.is_some_and(|payment| payment.allows_work(run.now())))
}

trait Steps {
    async fn ask_for_coins(&self, run: &Run, stage: &Stage) -> JobResult;
    async fn pass_limits(
        &self,
        run: &Run,
        app: &App,
        flysense: &FlySense,
        request: RecognizeFile,
    ) -> Result<RecognizeFile, JobError>;
    async fn submit(
        &self,
        app: &App,
        flysense: &FlySense,
        request: RecognizeFile,
    ) -> Result<Operation, SpeechKitError>;
    async fn finish(
        &self,
        run: &Run,
        app: &App,
        flysense: &FlySense,
        stage: &Stage,
        operation: &Operation,
    ) -> JobResult;
}

impl Steps for StartRecognition {
    /// The call stood here for so long that its hold ran out: another is placed first.
    async fn ask_for_coins(&self, run: &Run, stage: &Stage) -> JobResult {
        let (transcription_id, account_id) = (self.transcription_id, self.account_id);
        let mut unit = stage.leave(run, StateEvent::HoldLapsed).await?;
        unit.enqueue(&HoldPayment { transcription_id, account_id }).await?;
        run.done(unit).await
    }

    /// What may be asked for now. The place among those with a language model comes first: it is given back if the
    /// hour's quota is used up.
    async fn pass_limits(
        &self,
        run: &Run,
        app: &App,
        flysense: &FlySense,
        request: RecognizeFile,
    ) -> Result<RecognizeFile, JobError> {
        let has_place =
            request.has_summarization() && summarization::enter(app, flysense, self.transcription_id).await?;
        let tenant = self.account_id.to_string();
        let passed = app.limits.pass(&flysense.submit_rate(), &tenant, &run.job_id().to_string()).await;
        if let Err(error) = passed {
            summarization::leave(app, flysense, self.transcription_id).await;
            return Err(error);
        }
        Ok(if has_place { request } else { request.without_summarization() })
    }

    /// Submits; what the account may not do, or the file does not suit, is left out and asked without.
    async fn submit(
        &self,
        app: &App,
        flysense: &FlySense,
        request: RecognizeFile,
    ) -> Result<Operation, SpeechKitError> {
        match flysense.speechkit.submit(&request).await {
            Err(SpeechKitError::SummarizationDenied(_)) => {
                tracing::warn!(
                    "the service account may not use language models in recognition; going on without"
                );
                summarization::leave(app, flysense, self.transcription_id).await;
                flysense.speechkit.submit(&request.without_summarization()).await
            }
            Err(SpeechKitError::LabelingNeedsMono(_)) => {
                tracing::warn!("SpeechKit counts more channels than we do; going on without labeling");
                flysense.speechkit.submit(&request.without_labeling()).await
            }
            other => other,
        }
    }

    async fn finish(
        &self,
        run: &Run,
        app: &App,
        flysense: &FlySense,
        stage: &Stage,
        operation: &Operation,
    ) -> JobResult {
        // Repeated here: a handler that is run again would order, and pay, again.
        let write = || async {
            let mut unit = stage.leave(run, StateEvent::Submitted).await?;
            transcriptions::set_operation(&mut unit, self.transcription_id, &operation.id).await?;
            run.done(unit).await
        };
        let verdict = repeat_contended(write).await?;
        let now = run.now();
        let audio_ms = stage.call.duration_ms.unwrap_or_default();
        if let NextLook::At(at) = flysense.next_look(now, now, audio_ms) {
            let key = poll_key(stage.call.account_id, self.transcription_id);
            if let Err(error) = app.ticks.set::<PollRecognition>(&key, at).await {
                tracing::debug!(error = %error, "the first look could not be set; the sweeper will");
            }
        }
        Ok(verdict)
    }
}

/// What a poll tick is about.
pub(super) fn poll_key(
    account: flysk_domain::id::AccountId,
    id: flysk_domain::id::TranscriptionId,
) -> String {
    format!("{account}/{id}")
}

/// The intent, before the call.
async fn note_submit(run: &Run, stage: &Stage) -> Result<(), JobError> {
    let mut unit = run.begin().await?;
    transcriptions::note_submit(&mut unit, stage.call.id, run.now()).await?;
    Ok(unit.commit().await?)
}

/// SpeechKit said clearly that nothing was started: that submit does not count.
async fn take_back_submit(run: &Run, stage: &Stage) -> Result<(), JobError> {
    // Repeated here: a handler that is run again would count one more.
    let write = || async {
        let mut unit = run.begin().await?;
        let former = stage.call.operation_id.as_deref();
        transcriptions::take_back_submit(&mut unit, stage.call.id, former).await?;
        Ok::<_, JobError>(unit.commit().await?)
    };
    repeat_contended(write).await
}

fn request(flysense: &FlySense, call: &Transcription) -> Result<RecognizeFile, JobError> {
    let key =
        call.object_key.as_deref().ok_or_else(|| JobError::give_up("the call has no object in storage"))?;
    let container = match call.container.as_deref() {
        Some("WAV") => ContainerType::Wav,
        Some("OGG_OPUS") => ContainerType::OggOpus,
        Some("MP3") => ContainerType::Mp3,
        other => return Err(JobError::give_up(format!("`{other:?}` is not a container SpeechKit takes"))),
    };
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

/// The configuration knows only names SpeechKit has.
fn classifier(name: &str) -> Option<Classifier> {
    serde_json::from_value(serde_json::Value::from(name)).ok()
}
