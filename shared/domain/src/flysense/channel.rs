//! Which voice a piece of the call belongs to, before anybody knows whose voice it is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// SpeechKit's tag of an audio channel, or of a speaker when labeling is on: `0`, `1`, …
///
/// It is kept raw beside the resolved [`Role`](super::roles::Role), so that swapping the roles never needs
/// the recognition again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChannelTag(pub String);

impl ChannelTag {
    /// The first channel of a file (the left one of a stereo file), or the first labeled speaker.
    pub const FIRST: &'static str = "0";

    /// The second channel (the right one of a stereo file), or the second labeled speaker.
    pub const SECOND: &'static str = "1";

    /// Whether the event belongs to the call as a whole and not to a voice.
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
