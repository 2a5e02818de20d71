//! Performs `calls.summarize`.
//!
//! The transcript is there already, so this stage never fails a call: without a summary it keeps the
//! reason. Harmless when run twice: asking again costs tokens, and the last answer is kept.

use std::time::Duration;

use flysk_clients::yandexgpt::{Completion, Ending, Message, Role as GptRole, YandexGpt, YandexGptError};
use flysk_domain::flysense::analysis::Analysis;
use flysk_domain::flysense::sentiment::SentimentSource;
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::flysense::summary::{
    self, Answer, Speaker, SummaryAbsence, SummaryPlan, SummarySource, TokenBudget, answer_schema,
    parse_answer,
};
use flysk_domain::flysense::utterance::Utterance;
use flysk_domain::platform::outcome::Outcome;
use flysk_jobs::calls::{Settle, Summarize};
use flysk_jobs::runtime::limits::Room;
use flysk_jobs::{Handle, JobError, JobResult, Run, Unit};
use flysk_store::flysense::transcriptions::Transcription;
use flysk_store::flysense::{transcriptions, transcripts};
use flysk_store::repeat_contended;

use super::stage::enter_stage;
use crate::App;
use crate::flysense::FlySense;
use crate::outcome::HasOutcome;

/// How soon a call asks again for a place that is not free.
const FULL_ROOM: Duration = Duration::from_secs(2);

impl Handle<App> for Summarize {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let stage = enter_stage!(run, self, "summarize", Settling);
        let flysense = app.flysense()?;
        let mut conn = run.pool().acquire().await?;
        let found = transcripts::find::<Utterance, Analysis>(&mut conn, self.transcription_id).await?;
        drop(conn);
        let Some((dialogue, analysis)) = found else {
            return Err(JobError::give_up("the call has no dialogue"));
        };
        let said = ask(app, flysense, &stage.call, &dialogue, &analysis).await?;
        // Repeated here: a handler that is run again would ask, and pay, the model again.
        let write = || async {
            let mut unit = run.begin().await?;
            write(&mut unit, &stage.call, analysis.clone(), said.clone(), run).await?;
            stage.record(&mut unit, run).await?;
            run.done(unit).await
        };
        repeat_contended(write).await
    }

    async fn bury(&self, unit: &mut Unit, _reason: &str, app: &App) -> Result<(), JobError> {
        let Some(call) = transcriptions::lock(unit, self.account_id, self.transcription_id).await? else {
            return Ok(());
        };
        if call.state != TranscriptionState::Settling {
            return Ok(());
        }
        let source = absent(SummaryAbsence::Unavailable);
        let mood = transcripts::find::<Utterance, Analysis>(unit, call.id)
            .await?
            .and_then(|(_, found)| found.fallback_sentiment());
        let now = app.clock().now();
        transcriptions::set_summary(
            unit,
            call.id,
            None,
            &source,
            mood.map(flysk_domain::flysense::sentiment::Sentiment::code),
            now,
        )
        .await?;
        unit.enqueue(&Settle { transcription_id: call.id, account_id: call.account_id }).await?;
        Ok(())
    }
}

/// How a missing summary is stored where its source would be.
fn absent(why: SummaryAbsence) -> String {
    format!("absent:{why}")
}

async fn write(
    unit: &mut Unit,
    call: &Transcription,
    mut analysis: Analysis,
    said: Result<Answer, SummaryAbsence>,
    run: &Run,
) -> Result<(), JobError> {
    let from_model = said.as_ref().ok().and_then(|answer| answer.sentiment);
    let sentiment = from_model.or_else(|| analysis.fallback_sentiment());
    analysis.sentiment_source = match (from_model, sentiment) {
        (Some(_), _) => Some(SentimentSource::LanguageModel),
        (None, Some(_)) => Some(SentimentSource::NegativeShare),
        (None, None) => None,
    };
    let mood = sentiment.map(flysk_domain::flysense::sentiment::Sentiment::code);
    match said {
        Ok(answer) => {
            analysis.sentiment_reason = answer.reason;
            let source = SummarySource::YandexGpt.code();
            transcriptions::set_summary(unit, call.id, Some(&answer.summary), source, mood, run.now())
                .await?;
        }
        Err(why) => transcriptions::set_summary(unit, call.id, None, &absent(why), mood, run.now()).await?,
    }
    transcripts::set_analysis(unit, call.id, &analysis).await?;
    unit.enqueue(&Settle { transcription_id: call.id, account_id: call.account_id }).await?;
    Ok(())
}

/// Asks the model; a reason instead of an answer is final, an error is worth another attempt.
async fn ask(
    app: &App,
    flysense: &FlySense,
    call: &Transcription,
    dialogue: &[Utterance],
    analysis: &Analysis,
) -> Result<Result<Answer, SummaryAbsence>, JobError> {
    let Some((gpt, model_uri)) = &flysense.yandexgpt else { return Ok(Err(SummaryAbsence::NotConfigured)) };
    let roles = if call.roles_swapped { analysis.roles.clone().swapped() } else { analysis.roles.clone() };
    let Some(plan) = summary::plan(dialogue, &roles, TokenBudget::default()) else {
        return Ok(Err(SummaryAbsence::TooShort));
    };
    let asker = Asker { app, gpt, model_uri, room: flysense.gpt_room(), holder: call.id.to_string() };
    app.limits.enter_or_wait(&asker.room, &asker.holder, FULL_ROOM).await?;
    let said = asker.work_through(plan).await;
    app.limits.leave(&asker.room, &asker.holder).await;
    said
}

/// Whoever has a place in the quota of questions at a time. It is held from the first question about a call to the last:
/// a full room in between would have the parts before it asked, and paid, again.
struct Asker<'a> {
    app: &'a App,
    gpt: &'a YandexGpt,
    model_uri: &'a str,
    room: Room,
    holder: String,
}

impl Asker<'_> {
    async fn work_through(&self, plan: SummaryPlan) -> Result<Result<Answer, SummaryAbsence>, JobError> {
        let mut retellings = Vec::new();
        let question = match plan {
            SummaryPlan::Whole(question) => question,
            SummaryPlan::Parts(parts) => {
                for part in parts {
                    let again = !retellings.is_empty();
                    match self.complete(part, false).await.map_err(|error| counted(error, again))? {
                        Ok(text) => retellings.push(text),
                        Err(why) => return Ok(Err(why)),
                    }
                }
                SummaryPlan::combine(&retellings, TokenBudget::default())
            }
        };
        let again = !retellings.is_empty();
        Ok(match self.complete(question, true).await.map_err(|error| counted(error, again))? {
            Ok(text) => parse_answer(&text).map_err(SummaryAbsence::from),
            Err(why) => Err(why),
        })
    }

    /// One question.
    async fn complete(
        &self,
        question: Vec<summary::Message>,
        as_json: bool,
    ) -> Result<Result<String, SummaryAbsence>, JobError> {
        self.app.limits.renew(&self.room, &self.holder).await;
        let completion = Completion {
            model_uri: self.model_uri.to_owned(),
            messages: question.into_iter().map(message).collect(),
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
            Err(error) if error.outcome() == Outcome::GiveUp => Ok(Err(refused(&error))),
            Err(error) => Err(error.into_job_error()),
        }
    }
}

/// A wait costs no attempt; one that makes parts be asked `again` is counted, so that there are not many.
fn counted(error: JobError, again: bool) -> JobError {
    match error {
        JobError::Wait { after, reason } if again => JobError::Retry { reason, after: Some(after) },
        other => other,
    }
}

fn refused(error: &YandexGptError) -> SummaryAbsence {
    tracing::error!(error = %error, "YandexGPT refused the question");
    match error {
        YandexGptError::Refused { status, .. } if matches!(status.http, 401 | 403) => {
            SummaryAbsence::NoAccess
        }
        _ => SummaryAbsence::Unavailable,
    }
}

fn message(message: summary::Message) -> Message {
    let role = match message.speaker {
        Speaker::System => GptRole::System,
        Speaker::User => GptRole::User,
    };
    Message { role, text: message.text }
}
