//! Windows: the part of a call that an analysis covers.

use serde::{Deserialize, Serialize};

/// Part of the call that a classifier or an analysis covers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Window {
    /// The whole call.
    #[serde(rename = "TOTAL")]
    Total,
    /// The latest utterance.
    #[serde(rename = "LAST_UTTERANCE")]
    LastUtterance,
    /// The latest final text.
    #[serde(rename = "LAST_FINAL")]
    LastFinal,
    /// The latest preliminary text.
    #[serde(rename = "LAST_PARTIAL")]
    LastPartial,
    /// A name of a window that SpeechKit has added since.
    #[default]
    #[serde(rename = "UNKNOWN")]
    Unknown,
}
