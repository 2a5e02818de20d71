//! Performs `calls.summarize`.
//!
//! The transcript is already stored, so this stage never fails a call: without a summary it stores the reason. Harmless
//! when run twice: another request costs tokens, and the last answer is stored.

use std::time::Duration;

use flysk_clients::yandexgpt::{Completion, Ending, Message, Role as GptRole, YandexGpt, YandexGptError};
use flysk_domain::failure_action::FailureAction;
use flysk_domain::flysense::analysis::Analysis;
use flysk_domain::flysense::sentiment::SentimentSource;
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::flysense::summary::{
    self, Speaker, SummaryAbsence, SummaryAnswer, SummaryPlan, SummaryProvenance, SummarySource, TokenBudget,
    answer_schema, parse_answer,
};
use flysk_domain::flysense::utterance::Utterance;
use flysk_jobs::flysense::calls::{Settle, Summarize};
use flysk_queue::limits::ConcurrencyLimit;
use flysk_queue::{JobContext, JobError, JobHandler, JobResult, UnitOfWork};
use flysk_store::flysense::transcriptions::Transcription;
use flysk_store::flysense::{transcriptions, transcripts};
use flysk_store::repeat_contended;

use super::stage::enter_stage;
use crate::App;
use crate::flysense::FlySense;
use crate::job_error::IntoJobError;

/// Retry delay if no permit is free.
const SLOT_RETRY_DELAY: Duration = Duration::from_secs(2);

impl JobHandler<App> for Summarize {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let stage = enter_stage!(run, self, "summarize", Settling);
        let flysense = app.flysense()?;
        let mut conn = run.pool().acquire().await?;
        let found = transcripts::find::<Utterance, Analysis>(&mut conn, self.transcription_id).await?;
        drop(conn);
        let Some((dialogue, analysis)) = found else {
            return Err(JobError::give_up("the call has no dialogue"));
        };
        let answer = request_summary(app, flysense, &stage.call, &dialogue, &analysis).await?;
        // Repeated here, because a retried handler would call, and pay for, the model again.
        let write = || async {
            let mut unit = run.begin().await?;
            write_summary(&mut unit, &stage.call, analysis.clone(), answer.clone(), run).await?;
            stage.record(&mut unit, run).await?;
            run.done(unit).await
        };
        repeat_contended(write).await
    }

    async fn on_dead(&self, unit: &mut UnitOfWork, _reason: &str, app: &App) -> Result<(), JobError> {
        let Some(call) = transcriptions::lock(unit, self.account_id, self.transcription_id).await? else {
            return Ok(());
        };
        if call.state != TranscriptionState::Settling {
            return Ok(());
        }
        let source = SummaryProvenance::Absent(SummaryAbsence::Unavailable);
        let mood = transcripts::find::<Utterance, Analysis>(unit, call.id)
            .await?
            .and_then(|(_, found)| found.fallback_sentiment());
        let now = app.clock().now();
        transcriptions::set_summary(unit, call.id, None, source, mood, now).await?;
        unit.enqueue(&Settle { transcription_id: call.id, account_id: call.account_id }).await?;
        Ok(())
    }
}

async fn write_summary(
    unit: &mut UnitOfWork,
    call: &Transcription,
    mut analysis: Analysis,
    answer: Result<SummaryAnswer, SummaryAbsence>,
    run: &JobContext,
) -> Result<(), JobError> {
    let from_model = answer.as_ref().ok().and_then(|answer| answer.sentiment);
    let sentiment = from_model.or_else(|| analysis.fallback_sentiment());
    analysis.sentiment_source = match (from_model, sentiment) {
        (Some(_), _) => Some(SentimentSource::LanguageModel),
        (None, Some(_)) => Some(SentimentSource::NegativeShare),
        (None, None) => None,
    };
    match answer {
        Ok(answer) => {
            analysis.sentiment_reason = answer.reason;
            let source = SummaryProvenance::Written(SummarySource::YandexGpt);
            transcriptions::set_summary(unit, call.id, Some(&answer.summary), source, sentiment, run.now())
                .await?;
        }
        Err(why) => {
            let source = SummaryProvenance::Absent(why);
            transcriptions::set_summary(unit, call.id, None, source, sentiment, run.now()).await?;
        }
    }
    transcripts::set_analysis(unit, call.id, &analysis).await?;
    unit.enqueue(&Settle { transcription_id: call.id, account_id: call.account_id }).await?;
    Ok(())
}

/// Requests a summary. A reason for its absence is final; an error is retried.
async fn request_summary(
    app: &App,
    flysense: &FlySense,
    call: &Transcription,
    dialogue: &[Utterance],
    analysis: &Analysis,
) -> Result<Result<SummaryAnswer, SummaryAbsence>, JobError> {
    let Some((gpt, model_uri)) = &flysense.yandexgpt else { return Ok(Err(SummaryAbsence::NotConfigured)) };
    let roles = if call.roles_swapped { analysis.roles.clone().swapped() } else { analysis.roles.clone() };
    let Some(plan) = summary::plan(dialogue, &roles, TokenBudget::default()) else {
        return Ok(Err(SummaryAbsence::TooShort));
    };
    let writer =
        SummaryWriter { app, gpt, model_uri, limit: flysense.gpt_limit(), holder: call.id.to_string() };
    app.limits.acquire_permit_or_snooze(&writer.limit, &writer.holder, SLOT_RETRY_DELAY).await?;
    let answer = writer.execute_plan(plan).await;
    app.limits.release_permit(&writer.limit, &writer.holder).await;
    answer
}

/// A holder of a permit for YandexGPT. The permit is held from the first request about a call to the last: losing it in
/// between would repeat, and bill, the earlier requests.
struct SummaryWriter<'a> {
    app: &'a App,
    gpt: &'a YandexGpt,
    model_uri: &'a str,
    limit: ConcurrencyLimit,
    holder: String,
}

impl SummaryWriter<'_> {
    async fn execute_plan(
        &self,
        plan: SummaryPlan,
    ) -> Result<Result<SummaryAnswer, SummaryAbsence>, JobError> {
        let mut retellings = Vec::new();
        let question = match plan {
            SummaryPlan::Whole(question) => question,
            SummaryPlan::Parts(parts) => {
                for part in parts {
                    let again = !retellings.is_empty();
                    match self.complete(part, false).await.map_err(|error| count_as_attempt(error, again))? {
                        Ok(text) => retellings.push(text),
                        Err(why) => return Ok(Err(why)),
                    }
                }
                SummaryPlan::combine(&retellings, TokenBudget::default())
            }
        };
        let again = !retellings.is_empty();
        Ok(match self.complete(question, true).await.map_err(|error| count_as_attempt(error, again))? {
            Ok(text) => parse_answer(&text).map_err(SummaryAbsence::from),
            Err(why) => Err(why),
        })
    }

    /// Sends one request.
    async fn complete(
        &self,
        question: Vec<summary::Message>,
        as_json: bool,
    ) -> Result<Result<String, SummaryAbsence>, JobError> {
        self.app.limits.renew_permit(&self.limit, &self.holder).await;
        let completion = Completion {
            model_uri: self.model_uri.to_owned(),
            messages: question.into_iter().map(to_gpt_message).collect(),
            temperature: 0.1,
            max_tokens: u32::try_from(TokenBudget::default().completion).unwrap_or(u32::MAX),
            json_schema: as_json.then(answer_schema),
        };
        match self.gpt.complete(&completion).await {
            Ok(answer) => Ok(match answer.ending {
                Ending::Complete | Ending::Other(_) => Ok(answer.text),
                Ending::Truncated => Err(SummaryAbsence::Truncated),
                Ending::ContentFilter => Err(SummaryAbsence::Refused),
            }),
            Err(error) if error.outcome() == FailureAction::GiveUp => Ok(Err(absence_after(&error))),
            Err(error) => Err(error.into_job_error()),
        }
    }
}

/// A wait costs no attempt. If requests were already made and would be repeated, it counts, so that the repetitions are bounded.
fn count_as_attempt(error: JobError, again: bool) -> JobError {
    match error {
        JobError::Wait { after, reason } if again => JobError::Retry { reason, after: Some(after) },
        other => other,
    }
}

fn absence_after(error: &YandexGptError) -> SummaryAbsence {
    tracing::error!(error = %error, "YandexGPT rejected the request");
    match error {
        YandexGptError::Refused { status, .. } if matches!(status.http, 401 | 403) => {
            SummaryAbsence::NoAccess
        }
        _ => SummaryAbsence::Unavailable,
    }
}

fn to_gpt_message(message: summary::Message) -> Message {
    let role = match message.speaker {
        Speaker::System => GptRole::System,
        Speaker::User => GptRole::User,
    };
    Message { role, text: message.text }
}
