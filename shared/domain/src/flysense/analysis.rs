//! Analysis of a call, stored beside its dialogue.

use serde::{Deserialize, Serialize};

use super::call::Direction;
use super::call_metrics::TalkStatistics;
use super::classifiers::{self, ClassifierSummary, GenderEstimate};
use super::roles::{Role, Roles, Separation};
use super::sentiment::{Sentiment, SentimentSource};
use super::transcript_assembly::CallFacts;
use super::utterance::Utterance;

/// Analysis of a call. Stored as JSON: field names never change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// Roles as determined by the rules; a manual swap is applied when they are read.
    pub roles: Roles,
    /// Classifier results, by classifier and channel.
    pub classifiers: Vec<ClassifierSummary>,
    /// Gender of the voices, if requested.
    pub genders: Vec<GenderEstimate>,
    /// Computed from the utterances, not by SpeechKit.
    pub talk: TalkStatistics,
    /// The model's reason for the sentiment, Russian; empty if it gave none.
    pub sentiment_reason: String,
    /// Who determined the sentiment; `None` if nobody did.
    pub sentiment_source: Option<SentimentSource>,
    /// Audio received by SpeechKit, ms.
    pub received_data_ms: u64,
    /// SpeechKit's warnings, English.
    pub warnings: Vec<String>,
}

impl Analysis {
    /// Analyses a dialogue.
    pub fn of(dialogue: &[Utterance], facts: &CallFacts, separation: Separation, duration_ms: u64) -> Self {
        let classifiers = classifiers::summarize(&facts.classifier_updates);
        Self {
            roles: Roles::resolve(dialogue, &classifiers, separation),
            genders: classifiers::genders(&facts.classifier_updates),
            classifiers,
            talk: TalkStatistics::of(dialogue, duration_ms),
            sentiment_reason: String::new(),
            sentiment_source: None,
            received_data_ms: facts.received_data_ms,
            warnings: facts.warnings.clone(),
        }
    }

    /// The sentiment from the classifiers alone, if no model provides one.
    pub fn fallback_sentiment(&self) -> Option<Sentiment> {
        Sentiment::from_negative_share(&self.classifiers, &self.roles)
    }
}

/// Separation of the voices of a recording, from its stored data.
pub fn separation(channels: u16, left_channel: Role, direction: Option<Direction>) -> Separation {
    if channels > 1 {
        Separation::Channels { left: left_channel }
    } else {
        Separation::Labeling { direction }
    }
}
