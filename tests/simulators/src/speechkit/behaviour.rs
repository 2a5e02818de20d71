//! What a test may make the recogniser do differently, and what nobody outside is sure of.

use serde::{Deserialize, Serialize};

use crate::yandex::{BodyShape, Code};

/// Behaviour set by a test; what concerns an operation counts from its submission, what concerns the
/// stream of results from its reading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// How error bodies look.
    pub error_shape: BodyShape,
    /// How the objects of the result stream are printed.
    pub framing: Framing,
    /// Recognition time as a share of the usual 10 s per minute of audio: 0 is at once, 1 as in life.
    pub pace: f64,
    /// Added to every recognition, ms.
    pub extra_ms: u64,
    /// How long the result is still "not ready" after the operation is done, ms.
    pub result_lag_ms: u64,
    /// Operations fail with this.
    pub failure: Option<Failure>,
    /// Whether cancelling an operation ends it; nobody says whether recognition honours it.
    pub honours_cancel: bool,
    /// How speech is cut.
    pub utterances: Utterances,
    /// When refinements come.
    pub refinements: Refinements,
    /// What `finalIndex` counts.
    pub final_index: FinalIndex,
    /// What is answered when nobody spoke.
    pub silence: Silence,
    /// The stream breaks after so many events.
    pub stream_break: Option<StreamBreak>,
    /// JSON of the language model stands in a Markdown fence.
    pub fenced_json: bool,
    /// Whether labeled mono gets a conversation analysis, as two channels do; nobody says.
    pub conversation_in_labeled_mono: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            error_shape: BodyShape::default(),
            framing: Framing::default(),
            pace: 1.0,
            extra_ms: 0,
            result_lag_ms: 0,
            failure: None,
            honours_cancel: true,
            utterances: Utterances::default(),
            refinements: Refinements::default(),
            final_index: FinalIndex::default(),
            silence: Silence::default(),
            stream_break: None,
            fenced_json: false,
            conversation_in_labeled_mono: false,
        }
    }
}

/// How the objects of a stream are printed. Neither form is one object per line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// One stream pretty, the next compact.
    #[default]
    Alternate,
    /// Each over many lines.
    Pretty,
    /// All in one line, a blank between two.
    Compact,
}

/// How speech is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Utterances {
    /// At pauses.
    #[default]
    AtPauses,
    /// Not at all: all a channel said is one utterance.
    Single,
}

/// When refinements come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refinements {
    /// After their final, before the end of the utterance.
    #[default]
    Prompt,
    /// All together after the last utterance.
    Late,
}

/// What `finalIndex` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalIndex {
    /// The finals of a channel.
    #[default]
    PerChannel,
    /// All finals.
    Global,
}

/// What is answered when nobody spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Silence {
    /// 200 and no body.
    #[default]
    EmptyBody,
    /// 200 and a stream without finals.
    NoFinals,
}

/// An operation that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// Its code.
    pub code: Code,
    /// Its message.
    pub message: String,
    /// The error shows already while `done` is still false.
    #[serde(default)]
    pub before_done: bool,
}

/// A stream that breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamBreak {
    /// After so many events.
    pub after_events: usize,
    /// With an error of this code in the stream; `None`: the connection ends in the middle of an object.
    pub code: Option<Code>,
}
