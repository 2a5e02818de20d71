//! Summaries of calls: prompts for a language model and parsing of its responses.
//!
//! SpeechKit's own summarization is used if it ran; otherwise the dialogue with roles is sent to a language model. If
//! neither returns a summary, the transcript is completed without one, and the reason is stored.

mod answer;
mod prompt;

use std::fmt;
use std::str::FromStr;

use crate::UnknownText;
use crate::text_enum::labeled_enum;

pub use answer::{AnswerError, SummaryAnswer, answer_schema, parse_answer};
pub use prompt::{
    Message, Speaker, SummaryPlan, TokenBudget, estimate_tokens, plan, recognition_instruction,
};

labeled_enum!(
    /// Language model that wrote a summary.
    SummarySource {
        /// The language model that runs as part of the recognition.
        SpeechKit = "speechkit", "SpeechKit";
        /// A language model that is called separately.
        YandexGpt = "yandexgpt", "YandexGPT";
    }
);

/// Author of a summary, or why there is none; as text `yandexgpt`, `absent:<reason>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SummaryProvenance {
    /// Written by a language model.
    Written(SummarySource),
    /// There is no summary.
    Absent(SummaryAbsence),
}

const ABSENT: &str = "absent:";

impl fmt::Display for SummaryProvenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(source) => source.fmt(f),
            Self::Absent(reason) => write!(f, "{ABSENT}{reason}"),
        }
    }
}

impl FromStr for SummaryProvenance {
    type Err = UnknownText;

    fn from_str(text: &str) -> Result<Self, UnknownText> {
        match text.strip_prefix(ABSENT) {
            Some(reason) => reason.parse().map(Self::Absent),
            None => text.parse().map(Self::Written),
        }
    }
}

labeled_enum!(
    /// Why a call has no summary.
    SummaryAbsence {
        /// No model is configured.
        NotConfigured = "not_configured", "Краткое содержание не настроено";
        /// The dialogue is too short.
        TooShort = "too_short", "Разговор слишком короткий для краткого содержания";
        /// The API key has no permission for language models.
        NoAccess = "no_access", "Нет доступа к языковой модели";
        /// The model's ethics filter refused, or the model apologised.
        Refused = "refused", "Модель отказалась пересказывать этот разговор";
        /// The response does not have the requested format.
        BrokenAnswer = "broken_answer", "Модель вернула ответ, который не удалось прочитать";
        /// The response exceeded its token limit and was truncated.
        Truncated = "truncated", "Ответ модели не поместился и был обрезан";
        /// The model did not respond until the retries ended.
        Unavailable = "unavailable", "Языковая модель временно недоступна";
    }
);
