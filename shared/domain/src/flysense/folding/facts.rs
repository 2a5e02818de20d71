//! What the stream says about the call as a whole.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::flysense::channel::ChannelTag;
use crate::flysense::stream::{
    AudioCursors, ClassifierUpdate, ConversationAnalysis, EventPayload, SpeakerAnalysis, Summarization,
    Window,
};

/// What the recogniser measured and answered besides the text. Stored as JSON: names of fields are never changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallFacts {
    /// How much audio the recogniser took in, milliseconds; a check on what is billed.
    pub received_data_ms: u64,
    /// Verdicts of classifiers, in the order they came, each once.
    pub classifier_updates: Vec<ChannelClassifierUpdate>,
    /// Statistics of the whole call, one per speaker.
    pub speakers: Vec<SpeakerAnalysis>,
    /// Statistics of the conversation, when the recogniser made them.
    pub conversation: Option<ConversationAnalysis>,
    /// Answers of the language model that ran inside the recognition, when it ran.
    pub summarization: Option<Summarization>,
    /// Warnings of the recogniser, English.
    pub warnings: Vec<String>,
}

/// A classifier's verdict and whose utterance it was about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelClassifierUpdate {
    /// Whose.
    pub channel: ChannelTag,
    /// The verdict.
    pub update: ClassifierUpdate,
}

/// Gathers call-level events: a repeated one changes nothing, a newer one of the same kind replaces the older.
#[derive(Default)]
pub(super) struct FactsCollector {
    facts: CallFacts,
    /// Channel, classifier and window of each verdict so far.
    verdicts: HashSet<(ChannelTag, String, Window, u64, u64)>,
}

impl FactsCollector {
    pub(super) fn see_cursors(&mut self, cursors: AudioCursors) {
        self.facts.received_data_ms = self.facts.received_data_ms.max(cursors.received_data_ms);
    }

    pub(super) fn see(&mut self, channel: ChannelTag, payload: EventPayload) {
        let facts = &mut self.facts;
        match payload {
            EventPayload::ClassifierUpdate(update) => {
                let classifier = update.classifier_result.classifier.clone();
                let window = (update.window_type, update.start_time_ms, update.end_time_ms);
                if self.verdicts.insert((channel.clone(), classifier, window.0, window.1, window.2)) {
                    facts.classifier_updates.push(ChannelClassifierUpdate { channel, update });
                }
            }
            EventPayload::SpeakerAnalysis(analysis) if analysis.window_type == Window::Total => {
                facts.speakers.retain(|known| known.speaker_tag != analysis.speaker_tag);
                facts.speakers.push(analysis);
            }
            EventPayload::ConversationAnalysis(analysis) => facts.conversation = Some(analysis),
            EventPayload::Summarization(answers) => facts.summarization = Some(answers),
            EventPayload::StatusCode(status)
                if status.code_type == "WARNING" && !facts.warnings.contains(&status.message) =>
            {
                facts.warnings.push(status.message);
            }
            _ => {}
        }
    }

    pub(super) fn finish(self) -> CallFacts {
        self.facts
    }
}
