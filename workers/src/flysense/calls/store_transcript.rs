//! Performs `calls.store_transcript`.
//!
//! Harmless when run twice: SpeechKit keeps the result for three days, and assembling it gives the same dialogue.

use chrono::Duration;
use flysk_clients::speechkit::SpeechKitError;
use flysk_domain::flysense::analysis::{Analysis, separation};
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::labels;
use flysk_domain::flysense::sentiment::SentimentSource;
use flysk_domain::flysense::state::StateEvent;
use flysk_domain::flysense::summary::{SummaryAnswer, SummaryProvenance, SummarySource, parse_answer};
use flysk_domain::flysense::transcript_assembly::{CallFacts, SegmentationLimits, assemble};
use flysk_domain::flysense::utterance::Utterance;
use flysk_jobs::flysense::calls::{DeleteAudio, Settle, StoreTranscript, Summarize};
use flysk_queue::{JobContext, JobError, JobHandler, JobResult, UnitOfWork};
use flysk_store::flysense::transcriptions::Transcription;
use flysk_store::flysense::{transcriptions, transcripts};

use super::stage::{self, Stage, enter_stage};
use super::start_recognition::action_after;
use crate::App;
use crate::job_error::job_error;

/// Time for which a result may be "not ready" after its operation has ended; usually moments. SpeechKit says the same of
/// results that it will never have, and a wait costs no attempt.
const MAX_RESULT_DELAY: Duration = Duration::hours(1);

impl JobHandler<App> for StoreTranscript {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let stage = enter_stage!(run, self, "store", Storing);
        let flysense = app.flysense()?;
        let operation = stage.call.operation_id.clone().unwrap_or_default();
        let recognition = match flysense.speechkit.recognition(&operation).await {
            Ok(recognition) => recognition,
            Err(SpeechKitError::NotFound(_)) => return stage.fail(run, FailureCode::ResultExpired).await,
            // The call came to this state when its operation had ended.
            Err(SpeechKitError::NotReady) if run.now() - stage.call.updated_at > MAX_RESULT_DELAY => {
                return stage.fail(run, FailureCode::RecognitionTimeout).await;
            }
            Err(error) => return Err(job_error(action_after(&error), &error)),
        };
        let assembled = assemble(recognition.events, SegmentationLimits::default());
        let verdict = if assembled.utterances.is_empty() {
            let unit = stage.end_without_speech(run).await?;
            run.done(unit).await?
        } else {
            store_dialogue(run, &stage, &assembled.utterances, &assembled.facts).await?
        };
        // Optional: SpeechKit deletes results after three days anyway.
        if let Err(error) = flysense.speechkit.delete_recognition(&operation).await {
            tracing::debug!(error = %error, "failed to delete the result at SpeechKit");
        }
        Ok(verdict)
    }

    async fn on_dead(&self, unit: &mut UnitOfWork, _reason: &str, app: &App) -> Result<(), JobError> {
        let now = app.clock().now();
        stage::fail_on_dead(unit, self.account_id, self.transcription_id, FailureCode::RecognitionFailed, now)
            .await
    }
}

async fn store_dialogue(
    run: &JobContext,
    stage: &Stage,
    dialogue: &[Utterance],
    facts: &CallFacts,
) -> JobResult {
    let call = &stage.call;
    let (transcription_id, account_id) = (call.id, call.account_id);
    let mut analysis = analyse(call, dialogue, facts);
    let summary = inline_summary(facts, &mut analysis);
    let mut unit = stage.leave(run, StateEvent::Stored).await?;
    transcripts::upsert(&mut unit, call.id, dialogue, &analysis, run.now()).await?;
    transcriptions::set_labels(&mut unit, call.id, &labels::recognized(&analysis)).await?;
    if let Some(answer) = summary {
        let sentiment = answer.sentiment.or_else(|| analysis.fallback_sentiment());
        let source = SummaryProvenance::Written(SummarySource::SpeechKit);
        transcriptions::set_summary(&mut unit, call.id, Some(&answer.summary), source, sentiment, run.now())
            .await?;
        unit.enqueue(&Settle { transcription_id, account_id }).await?;
    } else {
        unit.enqueue(&Summarize { transcription_id, account_id }).await?;
    }
    unit.enqueue(&DeleteAudio { transcription_id, account_id }).await?;
    run.done(unit).await
}

fn analyse(call: &Transcription, dialogue: &[Utterance], facts: &CallFacts) -> Analysis {
    let separation = separation(call.channels.unwrap_or(1), call.left_channel, call.direction);
    Analysis::of(dialogue, facts, separation, call.duration_ms.unwrap_or_default())
}

/// The answer of the language model in the recognition, if it ran and its answer is valid.
fn inline_summary(facts: &CallFacts, analysis: &mut Analysis) -> Option<SummaryAnswer> {
    let text = &facts.summarization.as_ref()?.results.first()?.response;
    match parse_answer(text) {
        Ok(answer) => {
            analysis.sentiment_reason.clone_from(&answer.reason);
            analysis.sentiment_source = answer.sentiment.map(|_| SentimentSource::LanguageModel);
            Some(answer)
        }
        Err(error) => {
            tracing::info!(error = %error, "failed to parse the summary from the recognition");
            None
        }
    }
}
