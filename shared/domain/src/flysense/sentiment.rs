//! Sentiment of a call, on the client's side.

use super::channel::ChannelTag;
use super::classifiers::{self, ClassifierSummary};
use super::roles::{Role, Roles};
use crate::text_enum::labeled_enum;

labeled_enum!(
    /// The client's sentiment.
    Sentiment {
        /// Dissatisfied.
        Negative = "negative", "Негативная";
        /// Neither.
        Neutral = "neutral", "Нейтральная";
        /// Satisfied.
        Positive = "positive", "Позитивная";
    }
);

labeled_enum!(
    /// Source of the sentiment.
    SentimentSource {
        /// A language model that read the dialogue.
        LanguageModel = "language_model", "Языковая модель";
        /// The share of the client's negative utterances.
        NegativeShare = "negative_share", "Доля негативных реплик клиента";
    }
);

labeled_enum!(
    /// Why a language model's response contains no valid sentiment.
    SentimentAbsence {
        /// The field is missing or not a text.
        Missing = "missing", "Модель не указала тональность";
        /// The value is not one of the allowed ones.
        NotOffered = "not_offered", "Модель указала неизвестную тональность";
    }
);

/// Minimum share of negative utterances of a negative call, percent.
const NEGATIVE_SHARE_PERCENT: u64 = 30;

impl Sentiment {
    /// Parses the model's value: one of the allowed codes, case-insensitively.
    pub fn from_model(value: &serde_json::Value) -> Result<Self, SentimentAbsence> {
        let word = value.as_str().ok_or(SentimentAbsence::Missing)?;
        word.trim().to_lowercase().parse().map_err(|_| SentimentAbsence::NotOffered)
    }

    /// The sentiment by the `negative` classifier, if no model provides one: negative if at least 30 % of the client's
    /// classified utterances are negative, neutral otherwise. It is never positive, because the classifier does not
    /// distinguish positive from neutral. `None` if no utterance of the client was classified or the client is unknown.
    pub fn from_negative_share(summaries: &[ClassifierSummary], roles: &Roles) -> Option<Self> {
        let of_client = |channel: &ChannelTag| roles.of(channel) == Role::Client;
        let (hits, windows) = summaries
            .iter()
            .filter(|summary| summary.classifier == classifiers::NEGATIVE && of_client(&summary.channel))
            .fold((0, 0), |(hits, windows), summary| {
                (hits + u64::from(summary.hits), windows + u64::from(summary.windows))
            });
        if windows == 0 {
            return None;
        }
        Some(if hits * 100 >= windows * NEGATIVE_SHARE_PERCENT { Self::Negative } else { Self::Neutral })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flysense::roles::RoleRule;
    use serde_json::json;

    #[test]
    fn only_offered_words_are_believed() {
        assert_eq!(Sentiment::from_model(&json!(" Positive ")), Ok(Sentiment::Positive));
        assert_eq!(Sentiment::from_model(&json!("mixed")), Err(SentimentAbsence::NotOffered));
        assert_eq!(Sentiment::from_model(&json!(null)), Err(SentimentAbsence::Missing));
        assert_eq!(Sentiment::from_model(&json!(-0.6)), Err(SentimentAbsence::Missing));
    }

    fn judged(channel: &str, windows: u32, hits: u32) -> ClassifierSummary {
        ClassifierSummary {
            classifier: classifiers::NEGATIVE.into(),
            channel: ChannelTag::from(channel),
            windows,
            max: 0.9,
            mean: 0.4,
            hits,
            hit_spans: vec![],
            highlights: vec![],
        }
    }

    #[test]
    fn the_share_counts_the_clients_utterances_alone() {
        let by_channel =
            [(ChannelTag::from("0"), Role::Operator), (ChannelTag::from("1"), Role::Client)].into();
        let roles = Roles { by_channel, rule: RoleRule::Channel };
        let mood = |summaries: &[_]| Sentiment::from_negative_share(summaries, &roles);
        assert_eq!(mood(&[judged("0", 10, 10), judged("1", 10, 2)]), Some(Sentiment::Neutral));
        assert_eq!(mood(&[judged("0", 10, 0), judged("1", 10, 3)]), Some(Sentiment::Negative));
        assert_eq!(mood(&[judged("0", 10, 10)]), None);
    }
}
