//! The messages of the result stream, field by field.
//!
//! Source: SpeechKit API v3, `yandex/cloud/ai/stt/v3/stt.proto`. Every message reads both spellings of a
//! field (`startTimeMs` of the wire, `start_time_ms` of what we store) and takes a missing or `null` field as
//! its default, because gateways differ in whether they print defaults. What we store is written in snake case.

use serde::{Deserialize, Serialize};

use super::analysis::{ConversationAnalysis, SpeakerAnalysis};
use super::lenient;

/// One message of the stream as it comes; [`parse`](super::parse) turns it into events.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct StreamingResponse {
    #[serde(alias = "audioCursors", deserialize_with = "lenient::nullable")]
    pub(super) audio_cursors: AudioCursors,
    #[serde(alias = "channelTag", deserialize_with = "lenient::text")]
    pub(super) channel_tag: String,
    pub(super) partial: Option<AlternativeUpdate>,
    #[serde(rename = "final")]
    pub(super) final_update: Option<AlternativeUpdate>,
    #[serde(alias = "finalRefinement")]
    pub(super) final_refinement: Option<FinalRefinement>,
    #[serde(alias = "eouUpdate")]
    pub(super) eou_update: Option<EouUpdate>,
    #[serde(alias = "statusCode")]
    pub(super) status_code: Option<StatusCode>,
    #[serde(alias = "classifierUpdate")]
    pub(super) classifier_update: Option<ClassifierUpdate>,
    #[serde(alias = "speakerAnalysis")]
    pub(super) speaker_analysis: Option<SpeakerAnalysis>,
    #[serde(alias = "conversationAnalysis")]
    pub(super) conversation_analysis: Option<ConversationAnalysis>,
    pub(super) summarization: Option<Summarization>,
    /// The proto's `StreamingResponseList`; no REST method is known to return it.
    #[serde(alias = "streamingResponses", deserialize_with = "lenient::nullable")]
    pub(super) streaming_responses: Vec<StreamingResponse>,
}

/// How far the service has come, in milliseconds of audio.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AudioCursors {
    /// How much audio the service has taken in.
    #[serde(alias = "receivedDataMs", deserialize_with = "lenient::unsigned")]
    pub received_data_ms: u64,
    /// Up to where the text is final.
    #[serde(alias = "finalTimeMs", deserialize_with = "lenient::unsigned")]
    pub final_time_ms: u64,
    /// The number of the latest final; whether it counts per channel or per call is not documented.
    #[serde(alias = "finalIndex", deserialize_with = "lenient::unsigned")]
    pub final_index: u64,
    /// Where the latest utterance ended.
    #[serde(alias = "eouTimeMs", deserialize_with = "lenient::unsigned")]
    pub eou_time_ms: u64,
}

/// A piece of recognised speech with its alternatives, the best one first.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AlternativeUpdate {
    /// Readings of the same speech; file recognition gives one.
    #[serde(deserialize_with = "lenient::nullable")]
    pub alternatives: Vec<Alternative>,
    /// Deprecated copy of the envelope's tag.
    #[serde(alias = "channelTag", deserialize_with = "lenient::text")]
    pub channel_tag: String,
}

/// One reading of a piece of speech.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Alternative {
    /// The words with their times, lower case and without punctuation.
    #[serde(deserialize_with = "lenient::nullable")]
    pub words: Vec<Word>,
    /// The text, punctuated if normalization was asked for.
    #[serde(deserialize_with = "lenient::text")]
    pub text: String,
    /// Not the time of the first word: often 0. Used only when there are no words.
    #[serde(alias = "startTimeMs", deserialize_with = "lenient::unsigned")]
    pub start_time_ms: u64,
    /// As `start_time_ms`.
    #[serde(alias = "endTimeMs", deserialize_with = "lenient::unsigned")]
    pub end_time_ms: u64,
}

/// One word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Word {
    /// The word as heard.
    #[serde(deserialize_with = "lenient::text")]
    pub text: String,
    /// Milliseconds from the start of the audio.
    #[serde(alias = "startTimeMs", deserialize_with = "lenient::unsigned")]
    pub start_time_ms: u64,
    /// Milliseconds from the start of the audio.
    #[serde(alias = "endTimeMs", deserialize_with = "lenient::unsigned")]
    pub end_time_ms: u64,
}

/// The normalized form (digits, punctuation) of an earlier final, which it replaces.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct FinalRefinement {
    /// Which final of the channel it refines.
    #[serde(alias = "finalIndex", deserialize_with = "lenient::unsigned")]
    pub final_index: u64,
    /// The refined text.
    #[serde(alias = "normalizedText", deserialize_with = "lenient::nullable")]
    pub normalized_text: AlternativeUpdate,
}

/// The end of an utterance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EouUpdate {
    /// Milliseconds from the start of the audio.
    #[serde(alias = "timeMs", deserialize_with = "lenient::unsigned")]
    pub time_ms: u64,
}

/// What the service says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct StatusCode {
    /// `WORKING`, `WARNING`, `CLOSED`, or a newer name.
    #[serde(alias = "codeType", deserialize_with = "lenient::text")]
    pub code_type: String,
    /// Human-readable, English.
    #[serde(deserialize_with = "lenient::text")]
    pub message: String,
}

/// What a classifier or an analysis looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Window {
    /// The whole call.
    #[serde(rename = "TOTAL")]
    Total,
    /// The latest utterance.
    #[serde(rename = "LAST_UTTERANCE")]
    LastUtterance,
    /// The latest final.
    #[serde(rename = "LAST_FINAL")]
    LastFinal,
    /// The latest partial.
    #[serde(rename = "LAST_PARTIAL")]
    LastPartial,
    /// A window we do not know.
    #[default]
    #[serde(rename = "UNKNOWN")]
    Unknown,
}

/// One verdict of a classifier on one window of one channel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClassifierUpdate {
    /// What it looked at.
    #[serde(alias = "windowType", deserialize_with = "lenient::name")]
    pub window_type: Window,
    /// Start of the window, milliseconds.
    #[serde(alias = "startTimeMs", deserialize_with = "lenient::unsigned")]
    pub start_time_ms: u64,
    /// End of the window, milliseconds.
    #[serde(alias = "endTimeMs", deserialize_with = "lenient::unsigned")]
    pub end_time_ms: u64,
    /// The verdict.
    #[serde(alias = "classifierResult", deserialize_with = "lenient::nullable")]
    pub classifier_result: ClassifierResult,
}

/// The verdict itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClassifierResult {
    /// Which classifier: `negative`, `formal_greeting`, `gender`, …
    #[serde(deserialize_with = "lenient::text")]
    pub classifier: String,
    /// The phrases that made it fire; word-based classifiers only.
    #[serde(deserialize_with = "lenient::nullable")]
    pub highlights: Vec<Highlight>,
    /// Probabilities by label.
    #[serde(deserialize_with = "lenient::nullable")]
    pub labels: Vec<ClassifierLabel>,
}

/// A phrase that made a classifier fire.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Highlight {
    /// The phrase.
    #[serde(deserialize_with = "lenient::text")]
    pub text: String,
    /// Milliseconds from the start of the audio.
    #[serde(alias = "startTimeMs", deserialize_with = "lenient::unsigned")]
    pub start_time_ms: u64,
    /// Milliseconds from the start of the audio.
    #[serde(alias = "endTimeMs", deserialize_with = "lenient::unsigned")]
    pub end_time_ms: u64,
}

/// A label with its probability.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClassifierLabel {
    /// `confidence`, the classifier's own name, `male`, `female`, …
    #[serde(deserialize_with = "lenient::text")]
    pub label: String,
    /// 0 to 1.
    #[serde(deserialize_with = "lenient::double")]
    pub confidence: f64,
}

/// Answers of the language model that ran inside the recognition, one per prompt, in the prompts' order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summarization {
    /// One per prompt.
    #[serde(deserialize_with = "lenient::nullable")]
    pub results: Vec<SummarizationResult>,
    /// What it cost.
    #[serde(alias = "contentUsage", deserialize_with = "lenient::nullable")]
    pub content_usage: ContentUsage,
}

/// The answer to one prompt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SummarizationResult {
    /// Text, or JSON as text if the prompt asked for JSON.
    #[serde(deserialize_with = "lenient::text")]
    pub response: String,
}

/// Tokens of the language model; billed by the total.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContentUsage {
    /// Tokens of prompt and transcript.
    #[serde(alias = "inputTextTokens", deserialize_with = "lenient::unsigned")]
    pub input_text_tokens: u64,
    /// Tokens of the answer.
    #[serde(alias = "completionTokens", deserialize_with = "lenient::unsigned")]
    pub completion_tokens: u64,
    /// Both.
    #[serde(alias = "totalTokens", deserialize_with = "lenient::unsigned")]
    pub total_tokens: u64,
}
