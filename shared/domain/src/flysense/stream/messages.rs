//! The messages of the result stream, field by field.
//!
//! Source: SpeechKit API v3, `yandex/cloud/ai/stt/v3/stt.proto`. Every message accepts both spellings of a field
//! (`startTimeMs` of the API, `start_time_ms` of stored data) and reads a missing or `null` field as its default,
//! because gateways differ in whether they write defaults. Stored data is written in snake case.

use serde::{Deserialize, Serialize};

use super::analysis::{ConversationAnalysis, SpeakerAnalysis};
use super::window::Window;
use crate::serde_lenient;

/// One message of the stream as received; [`parse`](super::parse) converts it to events.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct StreamingResponse {
    #[serde(alias = "audioCursors", deserialize_with = "serde_lenient::nullable")]
    pub(super) audio_cursors: AudioCursors,
    #[serde(alias = "channelTag", deserialize_with = "serde_lenient::text")]
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
    #[serde(alias = "streamingResponses", deserialize_with = "serde_lenient::nullable")]
    pub(super) streaming_responses: Vec<StreamingResponse>,
}

/// Progress of the service, ms of audio.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AudioCursors {
    /// Audio received by the service, ms.
    #[serde(alias = "receivedDataMs", deserialize_with = "serde_lenient::unsigned")]
    pub received_data_ms: u64,
    /// End of the final text, ms.
    #[serde(alias = "finalTimeMs", deserialize_with = "serde_lenient::unsigned")]
    pub final_time_ms: u64,
    /// Number of the latest final text; whether it counts per channel or per call is undocumented.
    #[serde(alias = "finalIndex", deserialize_with = "serde_lenient::unsigned")]
    pub final_index: u64,
    /// End of the latest utterance, ms.
    #[serde(alias = "eouTimeMs", deserialize_with = "serde_lenient::unsigned")]
    pub eou_time_ms: u64,
}

/// A piece of recognised speech with its alternatives, the best one first.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AlternativeUpdate {
    /// Alternative readings of the same speech; recognition of files returns one.
    #[serde(deserialize_with = "serde_lenient::nullable")]
    pub alternatives: Vec<Alternative>,
    /// Deprecated copy of the message's channel tag.
    #[serde(alias = "channelTag", deserialize_with = "serde_lenient::text")]
    pub channel_tag: String,
}

/// One reading of a piece of speech.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Alternative {
    /// Words with times, in lower case and without punctuation.
    #[serde(deserialize_with = "serde_lenient::nullable")]
    pub words: Vec<Word>,
    /// Text, with punctuation if normalization was requested.
    #[serde(deserialize_with = "serde_lenient::text")]
    pub text: String,
    /// Start, ms. Often 0 instead of the start of the first word, so it is used only if there are no words.
    #[serde(alias = "startTimeMs", deserialize_with = "serde_lenient::unsigned")]
    pub start_time_ms: u64,
    /// End, ms. Used only if there are no words.
    #[serde(alias = "endTimeMs", deserialize_with = "serde_lenient::unsigned")]
    pub end_time_ms: u64,
}

/// A recognised word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Word {
    /// The word as spoken.
    #[serde(deserialize_with = "serde_lenient::text")]
    pub text: String,
    /// Start, ms from the start of the audio.
    #[serde(alias = "startTimeMs", deserialize_with = "serde_lenient::unsigned")]
    pub start_time_ms: u64,
    /// End, ms from the start of the audio.
    #[serde(alias = "endTimeMs", deserialize_with = "serde_lenient::unsigned")]
    pub end_time_ms: u64,
}

/// Normalized form (digits, punctuation) of an earlier final text, which it replaces.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct FinalRefinement {
    /// Number of the final text in its channel.
    #[serde(alias = "finalIndex", deserialize_with = "serde_lenient::unsigned")]
    pub final_index: u64,
    /// Digits and punctuation in place of words; its words replace those of the final text.
    #[serde(alias = "normalizedText", deserialize_with = "serde_lenient::nullable")]
    pub normalized_text: AlternativeUpdate,
}

/// The end of an utterance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EouUpdate {
    /// Time, ms from the start of the audio.
    #[serde(alias = "timeMs", deserialize_with = "serde_lenient::unsigned")]
    pub time_ms: u64,
}

/// Status of the service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct StatusCode {
    /// `WORKING`, `WARNING`, `CLOSED`, or a newer name.
    #[serde(alias = "codeType", deserialize_with = "serde_lenient::text")]
    pub code_type: String,
    /// Readable message, English.
    #[serde(deserialize_with = "serde_lenient::text")]
    pub message: String,
}

/// Result of a classifier for one window of one channel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClassifierUpdate {
    /// Part of the call that the result is about.
    #[serde(alias = "windowType", deserialize_with = "serde_lenient::name")]
    pub window_type: Window,
    /// Start of the window, ms.
    #[serde(alias = "startTimeMs", deserialize_with = "serde_lenient::unsigned")]
    pub start_time_ms: u64,
    /// End of the window, ms.
    #[serde(alias = "endTimeMs", deserialize_with = "serde_lenient::unsigned")]
    pub end_time_ms: u64,
    /// What the classifier found in the window.
    #[serde(alias = "classifierResult", deserialize_with = "serde_lenient::nullable")]
    pub classifier_result: ClassifierResult,
}

/// Probabilities of one classifier.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClassifierResult {
    /// Name of the classifier: `negative`, `formal_greeting`, `gender`, …
    #[serde(deserialize_with = "serde_lenient::text")]
    pub classifier: String,
    /// Phrases that caused the result; word-based classifiers only.
    #[serde(deserialize_with = "serde_lenient::nullable")]
    pub highlights: Vec<Highlight>,
    /// Probabilities by label.
    #[serde(deserialize_with = "serde_lenient::nullable")]
    pub labels: Vec<ClassifierLabel>,
}

/// A phrase that caused a classifier's result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Highlight {
    /// The phrase.
    #[serde(deserialize_with = "serde_lenient::text")]
    pub text: String,
    /// Start, ms from the start of the audio.
    #[serde(alias = "startTimeMs", deserialize_with = "serde_lenient::unsigned")]
    pub start_time_ms: u64,
    /// End, ms from the start of the audio.
    #[serde(alias = "endTimeMs", deserialize_with = "serde_lenient::unsigned")]
    pub end_time_ms: u64,
}

/// A label with its probability.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClassifierLabel {
    /// `confidence`, the classifier's own name, `male`, `female`, …
    #[serde(deserialize_with = "serde_lenient::text")]
    pub label: String,
    /// Probability, 0 to 1.
    #[serde(deserialize_with = "serde_lenient::double")]
    pub confidence: f64,
}

/// Responses of the language model that ran as part of the recognition, one per prompt, in the order of the prompts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summarization {
    /// Responses, one per prompt.
    #[serde(deserialize_with = "serde_lenient::nullable")]
    pub results: Vec<SummarizationResult>,
    /// Tokens used.
    #[serde(alias = "contentUsage", deserialize_with = "serde_lenient::nullable")]
    pub content_usage: ContentUsage,
}

/// Response to one prompt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SummarizationResult {
    /// Text, or JSON as text if the prompt requested JSON.
    #[serde(deserialize_with = "serde_lenient::text")]
    pub response: String,
}

/// Tokens of the language model; the total is billed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContentUsage {
    /// Tokens of prompt and transcript.
    #[serde(alias = "inputTextTokens", deserialize_with = "serde_lenient::unsigned")]
    pub input_text_tokens: u64,
    /// Tokens of the response.
    #[serde(alias = "completionTokens", deserialize_with = "serde_lenient::unsigned")]
    pub completion_tokens: u64,
    /// Sum of both.
    #[serde(alias = "totalTokens", deserialize_with = "serde_lenient::unsigned")]
    pub total_tokens: u64,
}
