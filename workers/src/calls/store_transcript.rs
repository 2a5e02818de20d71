//! Performs `calls.store_transcript`.
//!
//! Harmless when run twice: the result stays readable at SpeechKit for three days, and folding it gives
//! the same dialogue.

use flysk_clients::speechkit::SpeechKitError;
use flysk_domain::flysense::analysis::{Analysis, separation};
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::folding::{CallFacts, Cutting, fold};
use flysk_domain::flysense::roles::Role;
use flysk_domain::flysense::sentiment::SentimentSource;
use flysk_domain::flysense::state::StateEvent;
use flysk_domain::flysense::summary::{Answer, SummarySource, parse_answer};
use flysk_domain::flysense::utterance::Utterance;
use flysk_jobs::calls::{DeleteAudio, Settle, StoreTranscript, Summarize};
use flysk_jobs::{Handle, JobError, JobResult, Run, Unit};
use flysk_store::flysense::transcriptions::Transcription;
use flysk_store::flysense::{transcriptions, transcripts};

use super::stage::{self, Stage, enter_stage};
use crate::App;
use crate::outcome::HasOutcome;

impl Handle<App> for StoreTranscript {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let stage = enter_stage!(run, self, "store", Storing);
        let flysense = app.flysense()?;
        let operation = stage.call.operation_id.clone().unwrap_or_default();
        let recognition = match flysense.speechkit.recognition(&operation).await {
            Ok(recognition) => recognition,
            Err(SpeechKitError::NotFound(_)) => return stage.fail(run, FailureCode::ResultExpired).await,
            Err(error) => return Err(error.into_job_error()),
        };
        let folded = fold(recognition.events, Cutting::default());
        let verdict = if folded.utterances.is_empty() {
            let unit = stage.end_without_speech(run).await?;
            run.done(unit).await?
        } else {
            keep(run, &stage, &folded.utterances, &folded.facts).await?
        };
        // A courtesy: the result would be deleted there after three days anyway.
        if let Err(error) = flysense.speechkit.delete_recognition(&operation).await {
            tracing::debug!(error = %error, "the result could not be deleted at SpeechKit");
        }
        Ok(verdict)
    }

    async fn bury(&self, unit: &mut Unit, _reason: &str, app: &App) -> Result<(), JobError> {
        let now = app.clock().now();
        stage::fail_buried(unit, self.account_id, self.transcription_id, FailureCode::RecognitionFailed, now)
            .await
    }
}

async fn keep(run: &Run, stage: &Stage, dialogue: &[Utterance], facts: &CallFacts) -> JobResult {
    let call = &stage.call;
    let (transcription_id, account_id) = (call.id, call.account_id);
    let mut analysis = analyse(call, dialogue, facts);
    let summary = summary_inside(facts, &mut analysis);
    let mut unit = stage.leave(run, StateEvent::Stored).await?;
    transcripts::upsert(&mut unit, call.id, dialogue, &analysis, run.now()).await?;
    if let Some(answer) = summary {
        let sentiment = answer.sentiment.or_else(|| analysis.fallback_sentiment());
        let source = SummarySource::SpeechKit.code();
        let mood = sentiment.map(flysk_domain::flysense::sentiment::Sentiment::code);
        transcriptions::set_summary(&mut unit, call.id, Some(&answer.summary), source, mood, run.now())
            .await?;
        unit.enqueue(&Settle { transcription_id, account_id }).await?;
    } else {
        unit.enqueue(&Summarize { transcription_id, account_id }).await?;
    }
    unit.enqueue(&DeleteAudio { transcription_id, account_id }).await?;
    run.done(unit).await
}

fn analyse(call: &Transcription, dialogue: &[Utterance], facts: &CallFacts) -> Analysis {
    let left: Role = call.left_channel.parse().unwrap_or(Role::Operator);
    let direction = call.direction.as_deref().and_then(|direction| direction.parse().ok());
    let separation = separation(call.channels.unwrap_or(1), left, direction);
    Analysis::of(dialogue, facts, separation, call.duration_ms.unwrap_or_default())
}

/// The answer of the language model that ran inside the recognition, if it ran and can be read.
fn summary_inside(facts: &CallFacts, analysis: &mut Analysis) -> Option<Answer> {
    let text = &facts.summarization.as_ref()?.results.first()?.response;
    match parse_answer(text) {
        Ok(answer) => {
            analysis.sentiment_reason.clone_from(&answer.reason);
            analysis.sentiment_source = answer.sentiment.map(|_| SentimentSource::LanguageModel);
            Some(answer)
        }
        Err(error) => {
            tracing::info!(error = %error, "the summary inside the recognition cannot be read");
            None
        }
    }
}
