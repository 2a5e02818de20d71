//! What was found in a call, kept beside its dialogue.

use serde::{Deserialize, Serialize};

use super::call::Direction;
use super::classifiers::{self, ClassifierSummary, GenderEstimate};
use super::folding::CallFacts;
use super::roles::{Role, Roles, Separation};
use super::sentiment::{Sentiment, SentimentSource};
use super::talk::TalkStatistics;
use super::utterance::Utterance;

/// What was found in a call. Stored as JSON: names of fields are never changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// Who is who, as the rules decided; a manual swap is applied when it is read.
    pub roles: Roles,
    /// Verdicts of the classifiers, per classifier and voice.
    pub classifiers: Vec<ClassifierSummary>,
    /// Sex of the voices, if asked for.
    pub genders: Vec<GenderEstimate>,
    /// Who talked how much.
    pub talk: TalkStatistics,
    /// Why the model thinks the mood is what it is, Russian; empty if it does not say.
    pub sentiment_reason: String,
    /// Where the mood is known from.
    pub sentiment_source: Option<SentimentSource>,
    /// How much audio the recogniser says it took in, milliseconds.
    pub received_data_ms: u64,
    /// Warnings of the recogniser, English.
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

    /// The mood by the classifiers alone, for when no model says it.
    pub fn fallback_sentiment(&self) -> Option<Sentiment> {
        Sentiment::from_negative_share(&self.classifiers, &self.roles)
    }
}

/// How the voices of a recording are told apart, from what is stored of it.
pub fn separation(channels: u16, left_channel: Role, direction: Option<Direction>) -> Separation {
    if channels > 1 {
        Separation::Channels { left: left_channel }
    } else {
        Separation::Labeling { direction }
    }
}
