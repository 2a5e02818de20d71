//! Parsing of language models' responses.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::SummaryAbsence;
use crate::flysense::sentiment::{Sentiment, SentimentAbsence};

/// Maximum length of a stored summary, in characters: the limit of a text note in amoCRM.
const MAX_SUMMARY_LEN: usize = 20_000;

/// A parsed response. Stored as JSON: field names never change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryAnswer {
    /// The summary, Russian.
    pub summary: String,
    /// The client's sentiment, if the model returned one of the allowed values.
    pub sentiment: Option<Sentiment>,
    /// Why the sentiment is missing.
    pub sentiment_absence: Option<SentimentAbsence>,
    /// The model's reason for the sentiment, Russian; empty if it gave none.
    pub reason: String,
}

/// The response contains no summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The response contains no JSON: models apologise in prose.
    #[error("the model answered in prose, not in JSON")]
    Prose,
    /// The JSON is truncated.
    #[error("the model's JSON is cut off")]
    Cut,
    /// The JSON is malformed or has no summary.
    #[error("the model's JSON is broken or has no summary")]
    Broken,
}

impl From<AnswerError> for SummaryAbsence {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Prose => Self::Refused,
            AnswerError::Cut => Self::Truncated,
            AnswerError::Broken => Self::BrokenAnswer,
        }
    }
}

/// JSON Schema of a response.
pub fn answer_schema() -> Value {
    let moods: Vec<_> = Sentiment::ALL.iter().map(|mood| mood.code()).collect();
    json!({
        "type": "object",
        "properties": {
            "summary": { "type": "string" },
            "sentiment": { "type": "string", "enum": moods },
            "reason": { "type": "string" },
        },
        "required": ["summary", "sentiment", "reason"],
        "additionalProperties": false,
    })
}

/// Parses a response. Code fences and text around the JSON, which some models add, are ignored. An invalid sentiment is
/// dropped; the summary is kept.
pub fn parse_answer(text: &str) -> Result<SummaryAnswer, AnswerError> {
    let start = text.find('{').ok_or(AnswerError::Prose)?;
    let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
    let value = match values.next() {
        Some(Ok(value)) => value,
        Some(Err(error)) if error.is_eof() => return Err(AnswerError::Cut),
        _ => return Err(AnswerError::Broken),
    };
    let words = |field: &str| value[field].as_str().map(str::trim).unwrap_or_default();
    let summary: String = words("summary").chars().take(MAX_SUMMARY_LEN).collect();
    if summary.is_empty() {
        return Err(AnswerError::Broken);
    }
    let mood = Sentiment::from_model(&value["sentiment"]);
    Ok(SummaryAnswer {
        summary,
        sentiment: mood.ok(),
        sentiment_absence: mood.err(),
        reason: words("reason").to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        r#"{"summary": " Клиент просит счёт. ", "sentiment": "neutral", "reason": "Спокойный тон."}"#;

    #[test]
    fn an_answer_is_read_with_or_without_fences_and_chatter() {
        for text in [GOOD.to_owned(), format!("```json\n{GOOD}\n```"), format!("Вот ответ:\n{GOOD}\nГотово.")]
        {
            let answer = parse_answer(&text).unwrap();
            assert_eq!(
                (answer.summary.as_str(), answer.sentiment),
                ("Клиент просит счёт.", Some(Sentiment::Neutral))
            );
            assert_eq!(answer.reason, "Спокойный тон.");
        }
    }

    #[test]
    fn a_mood_that_was_not_offered_costs_the_mood_alone() {
        let answer = parse_answer(r#"{"summary": "Да.", "sentiment": "ироничная"}"#).unwrap();
        assert_eq!((answer.sentiment, answer.sentiment_absence), (None, Some(SentimentAbsence::NotOffered)));
        let answer = parse_answer(r#"{"summary": "Да."}"#).unwrap();
        assert_eq!(answer.sentiment_absence, Some(SentimentAbsence::Missing));
    }

    #[test]
    fn refusals_and_broken_answers_are_told_apart() {
        for (text, absence) in [
            ("Извините, я не могу обсуждать эту тему.", SummaryAbsence::Refused),
            ("", SummaryAbsence::Refused),
            (&GOOD[..40], SummaryAbsence::Truncated),
            (r#"{"summary": }"#, SummaryAbsence::BrokenAnswer),
            (r#"{"summary": ""}"#, SummaryAbsence::BrokenAnswer),
            (r#"{"summary": 5}"#, SummaryAbsence::BrokenAnswer),
        ] {
            assert_eq!(parse_answer(text).map_err(SummaryAbsence::from), Err(absence), "{text}");
        }
    }

    #[test]
    fn the_schema_offers_the_moods_we_understand() {
        for mood in answer_schema()["properties"]["sentiment"]["enum"].as_array().unwrap() {
            assert!(Sentiment::from_model(mood).is_ok());
        }
    }
}
