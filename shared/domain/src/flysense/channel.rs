//! Channel tags: the voice of a speech event, before roles are known.

use std::fmt;

use serde::{Deserialize, Serialize};

/// SpeechKit's tag of an audio channel, or of a speaker if labeling is on: `0`, `1`, …
///
/// It is stored unchanged beside the resolved [`Role`](super::roles::Role), so that swapping the roles does not require
/// another recognition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChannelTag(pub String);

impl ChannelTag {
    /// The first channel of a file (left in a stereo file), or the first labeled speaker.
    pub const FIRST: &'static str = "0";

    /// The second channel (right in a stereo file), or the second labeled speaker.
    pub const SECOND: &'static str = "1";

    /// Whether the event concerns the whole call and not one voice.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for ChannelTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for ChannelTag {
    fn from(tag: &str) -> Self {
        Self(tag.to_owned())
    }
}
