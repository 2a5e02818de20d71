//! Utterances: uninterrupted speech of one speaker.

use serde::{Deserialize, Serialize};

use super::channel::ChannelTag;

/// An utterance of the dialogue. Stored as JSON: field names never change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Utterance {
    /// Raw tag of the voice; [`Roles`](super::roles::Roles) maps it to a role.
    pub channel: ChannelTag,
    /// Start of the first word, ms from the start of the audio.
    pub start_ms: u64,
    /// End of the last word, ms from the start of the audio; never before `start_ms`.
    pub end_ms: u64,
    /// Text, with SpeechKit's punctuation.
    pub text: String,
}

impl Utterance {
    /// From start to end, ms; 0 if the end precedes the start.
    pub const fn duration_ms(&self) -> u64 {
        self.end_ms.saturating_sub(self.start_ms)
    }
}
