//! SpeechKit's statistics of speakers and of the conversation, unchanged. They are shown in addition to our own
//! statistics ([`call_metrics`](crate::flysense::call_metrics)), never instead of them.
//!
//! Source: SpeechKit API v3, `SpeakerAnalysis` and `ConversationAnalysis`.

use serde::{Deserialize, Serialize};

use super::window::Window;
use crate::serde_lenient;

/// A period of the audio, ms from its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TimeSpan {
    /// First millisecond of the period.
    #[serde(alias = "startTimeMs", deserialize_with = "serde_lenient::unsigned")]
    pub start_time_ms: u64,
    /// Millisecond after the period.
    #[serde(alias = "endTimeMs", deserialize_with = "serde_lenient::unsigned")]
    pub end_time_ms: u64,
}

/// Distribution of a quantity.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DescriptiveStatistics {
    /// Minimum.
    #[serde(deserialize_with = "serde_lenient::double")]
    pub min: f64,
    /// Maximum.
    #[serde(deserialize_with = "serde_lenient::double")]
    pub max: f64,
    /// Arithmetic mean.
    #[serde(deserialize_with = "serde_lenient::double")]
    pub mean: f64,
    /// Standard deviation.
    #[serde(deserialize_with = "serde_lenient::double")]
    pub std: f64,
    /// The requested quantiles.
    #[serde(deserialize_with = "serde_lenient::nullable")]
    pub quantiles: Vec<Quantile>,
}

/// Value below which a share of the quantity lies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quantile {
    /// Level, between 0 and 1.
    #[serde(deserialize_with = "serde_lenient::double")]
    pub level: f64,
    /// Value at that level.
    #[serde(deserialize_with = "serde_lenient::double")]
    pub value: f64,
}

/// Statistics of one speaker.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpeakerAnalysis {
    /// Probably the channel tag; this is undocumented.
    #[serde(alias = "speakerTag", deserialize_with = "serde_lenient::text")]
    pub speaker_tag: String,
    /// Window of the statistics. Only [`Window::Total`] is kept; others are intermediate values.
    #[serde(alias = "windowType", deserialize_with = "serde_lenient::name")]
    pub window_type: Window,
    /// From the first word to the last one.
    #[serde(alias = "speechBoundaries", deserialize_with = "serde_lenient::nullable")]
    pub speech_boundaries: TimeSpan,
    /// Talk time, ms.
    #[serde(alias = "totalSpeechMs", deserialize_with = "serde_lenient::unsigned")]
    pub total_speech_ms: u64,
    /// Talk time as a share of the audio.
    #[serde(alias = "speechRatio", deserialize_with = "serde_lenient::double")]
    pub speech_ratio: f64,
    /// Time without speech of this speaker, ms.
    #[serde(alias = "totalSilenceMs", deserialize_with = "serde_lenient::unsigned")]
    pub total_silence_ms: u64,
    /// Silence as a share of the audio.
    #[serde(alias = "silenceRatio", deserialize_with = "serde_lenient::double")]
    pub silence_ratio: f64,
    /// Number of words.
    #[serde(alias = "wordsCount", deserialize_with = "serde_lenient::unsigned")]
    pub words_count: u64,
    /// Number of letters.
    #[serde(alias = "lettersCount", deserialize_with = "serde_lenient::unsigned")]
    pub letters_count: u64,
    /// Number of utterances.
    #[serde(alias = "utteranceCount", deserialize_with = "serde_lenient::unsigned")]
    pub utterance_count: u64,
    /// Pace of speech.
    #[serde(alias = "wordsPerSecond", deserialize_with = "serde_lenient::nullable")]
    pub words_per_second: DescriptiveStatistics,
    /// Pace of speech that does not depend on the length of words.
    #[serde(alias = "lettersPerSecond", deserialize_with = "serde_lenient::nullable")]
    pub letters_per_second: DescriptiveStatistics,
    /// Length of utterances.
    #[serde(alias = "wordsPerUtterance", deserialize_with = "serde_lenient::nullable")]
    pub words_per_utterance: DescriptiveStatistics,
    /// Length of utterances that does not depend on the length of words.
    #[serde(alias = "lettersPerUtterance", deserialize_with = "serde_lenient::nullable")]
    pub letters_per_utterance: DescriptiveStatistics,
    /// Duration of utterances, ms.
    #[serde(alias = "utteranceDurationEstimation", deserialize_with = "serde_lenient::nullable")]
    pub utterance_duration_estimation: DescriptiveStatistics,
}

/// Interruptions by one speaker.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Interrupts {
    /// Channel tag of the speaker who began to talk while another one did.
    #[serde(alias = "speakerTag", deserialize_with = "serde_lenient::text")]
    pub speaker_tag: String,
    /// Number of interruptions.
    #[serde(alias = "interruptsCount", deserialize_with = "serde_lenient::unsigned")]
    pub interrupts_count: u64,
    /// Total duration, ms.
    #[serde(alias = "interruptsDurationMs", deserialize_with = "serde_lenient::unsigned")]
    pub interrupts_duration_ms: u64,
    /// Positions.
    #[serde(deserialize_with = "serde_lenient::nullable")]
    pub interrupts: Vec<TimeSpan>,
}

/// Statistics of the call; may be absent even if requested.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConversationAnalysis {
    /// From the first word to the last one.
    #[serde(alias = "conversationBoundaries", deserialize_with = "serde_lenient::nullable")]
    pub conversation_boundaries: TimeSpan,
    /// Time without speech, ms.
    #[serde(alias = "totalSimultaneousSilenceDurationMs", deserialize_with = "serde_lenient::unsigned")]
    pub total_simultaneous_silence_duration_ms: u64,
    /// Time without speech as a share of the audio.
    #[serde(alias = "totalSimultaneousSilenceRatio", deserialize_with = "serde_lenient::double")]
    pub total_simultaneous_silence_ratio: f64,
    /// Distribution of the durations of silence.
    #[serde(alias = "simultaneousSilenceDurationEstimation", deserialize_with = "serde_lenient::nullable")]
    pub simultaneous_silence_duration_estimation: DescriptiveStatistics,
    /// Time with simultaneous speech, ms.
    #[serde(alias = "totalSimultaneousSpeechDurationMs", deserialize_with = "serde_lenient::unsigned")]
    pub total_simultaneous_speech_duration_ms: u64,
    /// Time with simultaneous speech as a share of the audio.
    #[serde(alias = "totalSimultaneousSpeechRatio", deserialize_with = "serde_lenient::double")]
    pub total_simultaneous_speech_ratio: f64,
    /// Distribution of the durations of simultaneous speech.
    #[serde(alias = "simultaneousSpeechDurationEstimation", deserialize_with = "serde_lenient::nullable")]
    pub simultaneous_speech_duration_estimation: DescriptiveStatistics,
    /// Time with any speech, ms.
    #[serde(alias = "totalSpeechDurationMs", deserialize_with = "serde_lenient::unsigned")]
    pub total_speech_duration_ms: u64,
    /// Time with any speech as a share of the audio.
    #[serde(alias = "totalSpeechRatio", deserialize_with = "serde_lenient::double")]
    pub total_speech_ratio: f64,
    /// Interruptions by speaker.
    #[serde(alias = "speakerInterrupts", deserialize_with = "serde_lenient::nullable")]
    pub speaker_interrupts: Vec<Interrupts>,
}
