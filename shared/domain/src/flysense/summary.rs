//! The summary of a call: what a language model is asked, and what its answer is worth.
//!
//! The recogniser's own summarization is taken when it ran; otherwise the role-marked dialogue goes to a language
//! model. If neither gives one, the transcript still comes, with the reason.

mod answer;
mod prompt;

use super::coded::coded_enum;

pub use answer::{Answer, AnswerError, answer_schema, parse_answer};
pub use prompt::{
    Message, Speaker, SummaryPlan, TokenBudget, estimate_tokens, plan, recognition_instruction,
};

coded_enum!(
    /// Who wrote the summary.
    SummarySource {
        /// The language model inside the recognition.
        SpeechKit = "speechkit", "SpeechKit";
        /// A language model asked separately.
        YandexGpt = "yandexgpt", "YandexGPT";
    }
);

coded_enum!(
    /// Why a call has no summary.
    SummaryAbsence {
        /// No model is configured.
        NotConfigured = "not_configured", "Краткое содержание не настроено";
        /// Too little was said.
        TooShort = "too_short", "Разговор слишком короткий для краткого содержания";
        /// Our key may not use language models.
        NoAccess = "no_access", "Нет доступа к языковой модели";
        /// The model's ethics filter fired, or it answered with an apology.
        Refused = "refused", "Модель отказалась пересказывать этот разговор";
        /// The answer is not what was asked for.
        BrokenAnswer = "broken_answer", "Модель вернула ответ, который не удалось прочитать";
        /// The answer did not fit and was cut.
        Truncated = "truncated", "Ответ модели не поместился и был обрезан";
        /// The model did not answer for as long as we tried.
        Unavailable = "unavailable", "Языковая модель временно недоступна";
    }
);
