//! Switches for faults, and for behaviour that is undocumented.

use serde::{Deserialize, Serialize};

use crate::yandex::{BodyShape, Code};

/// Behaviour set by a test. Fields about operations apply from the submission, fields about result streams from
/// the read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Errors have bodies of this shape.
    pub error_shape: BodyShape,
    /// Format of the objects in the result stream.
    pub framing: Framing,
    /// Recognition time relative to the usual 10 s per minute of audio; 0 is immediate.
    pub pace: f64,
    /// Time added to every recognition, ms.
    pub extra_ms: u64,
    /// Time during which the result is still "not ready" after the operation is done, ms.
    pub result_lag_ms: u64,
    /// Error of all operations.
    pub failure: Option<Failure>,
    /// Whether cancelling an operation ends it; undocumented for recognition.
    pub honours_cancel: bool,
    /// Segmentation of speech into utterances.
    pub utterances: Utterances,
    /// Position of refinements in the stream.
    pub refinements: Refinements,
    /// Meaning of `finalIndex`.
    pub final_index: FinalIndex,
    /// Response for audio without speech.
    pub silence: Silence,
    /// The stream breaks after a number of events.
    pub stream_break: Option<StreamBreak>,
    /// JSON of the language model is in a Markdown code fence.
    pub fenced_json: bool,
    /// Whether mono with speaker labeling gets a conversation analysis, as two channels do; undocumented.
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

/// Format of the objects in a stream. Neither format is one object per line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// One stream pretty-printed, the next compact.
    #[default]
    Alternate,
    /// Pretty-printed over several lines.
    Pretty,
    /// All in one line, separated by blanks.
    Compact,
}

/// Segmentation of speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Utterances {
    /// At pauses.
    #[default]
    AtPauses,
    /// None: one utterance per channel.
    Single,
}

/// Position of refinements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refinements {
    /// After their final, before the end of the utterance.
    #[default]
    Prompt,
    /// All together after the last utterance.
    Late,
}

/// Meaning of `finalIndex`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalIndex {
    /// Counts the finals of a channel.
    #[default]
    PerChannel,
    /// Counts all finals.
    Global,
}

/// Response for audio without speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Silence {
    /// 200 without a body.
    #[default]
    EmptyBody,
    /// 200 with a stream without finals.
    NoFinals,
}

/// An operation that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// gRPC code.
    pub code: Code,
    /// Error message.
    pub message: String,
    /// The error is present while `done` is still false.
    #[serde(default)]
    pub before_done: bool,
}

/// End of a stream of results before its last event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamBreak {
    /// Number of events before the break.
    pub after_events: usize,
    /// An error with this code in the stream; `None`: the connection ends in the middle of an object.
    pub code: Option<Code>,
}
