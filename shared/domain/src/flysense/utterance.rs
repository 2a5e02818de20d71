//! One thing one voice said in one breath.

use serde::{Deserialize, Serialize};

use super::channel::ChannelTag;

/// An utterance of the dialogue. Stored as JSON: names of fields are never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Utterance {
    /// Whose voice, raw; see [`Roles`](super::roles::Roles) for who that is.
    pub channel: ChannelTag,
    /// Start of the first word, milliseconds from the start of the audio.
    pub start_ms: u64,
    /// End of the last word, milliseconds from the start of the audio; never before `start_ms`.
    pub end_ms: u64,
    /// What was said, punctuated as the recogniser did.
    pub text: String,
}

impl Utterance {
    /// How long it took, milliseconds.
    pub const fn duration_ms(&self) -> u64 {
        self.end_ms.saturating_sub(self.start_ms)
    }
}
