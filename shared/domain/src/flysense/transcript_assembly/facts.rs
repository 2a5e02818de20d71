//! Collection of events about the whole call.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::flysense::channel::ChannelTag;
use crate::flysense::stream::{
    AudioCursors, ClassifierUpdate, ConversationAnalysis, EventPayload, SpeakerAnalysis, Summarization,
    Window,
};

/// Facts about a call besides its text, from SpeechKit. Stored as JSON: field names never change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallFacts {
    /// Audio received by SpeechKit, ms; used to check the billed duration.
    pub received_data_ms: u64,
    /// Classifier results without duplicates, in the order of arrival.
    pub classifier_updates: Vec<ChannelClassifierUpdate>,
    /// Statistics of the whole call, by speaker.
    pub speakers: Vec<SpeakerAnalysis>,
    /// Statistics of the conversation, if SpeechKit sent them.
    pub conversation: Option<ConversationAnalysis>,
    /// Responses of the language model, if it ran as part of the recognition.
    pub summarization: Option<Summarization>,
    /// SpeechKit's warnings, English.
    pub warnings: Vec<String>,
}

/// A classifier result with its channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelClassifierUpdate {
    /// Channel of the classified utterance.
    pub channel: ChannelTag,
    /// The result.
    pub update: ClassifierUpdate,
}

/// Collects events about the whole call: a duplicate changes nothing, a newer event replaces an older one of its kind.
#[derive(Default)]
pub(super) struct FactsCollector {
    facts: CallFacts,
    /// Channel, classifier and window of each result so far, for deduplication.
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
