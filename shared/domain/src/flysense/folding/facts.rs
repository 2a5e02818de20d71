//! What the stream says about the call as a whole.

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

impl CallFacts {
    pub(super) fn see_cursors(&mut self, cursors: AudioCursors) {
        self.received_data_ms = self.received_data_ms.max(cursors.received_data_ms);
    }

    /// Takes in a call-level event; a repeated one changes nothing, a newer one of the same kind replaces it.
    pub(super) fn see(&mut self, channel: ChannelTag, payload: EventPayload) {
        match payload {
            EventPayload::ClassifierUpdate(update) => {
                let update = ChannelClassifierUpdate { channel, update };
                if !self.classifier_updates.contains(&update) {
                    self.classifier_updates.push(update);
                }
            }
            EventPayload::SpeakerAnalysis(analysis) if analysis.window_type == Window::Total => {
                self.speakers.retain(|known| known.speaker_tag != analysis.speaker_tag);
                self.speakers.push(analysis);
            }
            EventPayload::ConversationAnalysis(analysis) => self.conversation = Some(analysis),
            EventPayload::Summarization(answers) => self.summarization = Some(answers),
            EventPayload::StatusCode(status)
                if status.code_type == "WARNING" && !self.warnings.contains(&status.message) =>
            {
                self.warnings.push(status.message);
            }
            _ => {}
        }
    }
}
