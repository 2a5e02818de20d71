//! What the service measured about speakers and about the conversation, as it came: shown beside our own
//! numbers ([`talk`](crate::flysense::talk)), never instead of them.
//!
//! Source: SpeechKit API v3, `SpeakerAnalysis` and `ConversationAnalysis`.

use serde::{Deserialize, Serialize};

use super::lenient;
use super::messages::Window;

/// A stretch of the audio, milliseconds from its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TimeSpan {
    /// Where it begins.
    #[serde(alias = "startTimeMs", deserialize_with = "lenient::unsigned")]
    pub start_time_ms: u64,
    /// Where it ends.
    #[serde(alias = "endTimeMs", deserialize_with = "lenient::unsigned")]
    pub end_time_ms: u64,
}

/// How a quantity is spread.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DescriptiveStatistics {
    /// The smallest.
    #[serde(deserialize_with = "lenient::double")]
    pub min: f64,
    /// The greatest.
    #[serde(deserialize_with = "lenient::double")]
    pub max: f64,
    /// The mean.
    #[serde(deserialize_with = "lenient::double")]
    pub mean: f64,
    /// The standard deviation.
    #[serde(deserialize_with = "lenient::double")]
    pub std: f64,
    /// Those that were asked for.
    #[serde(deserialize_with = "lenient::nullable")]
    pub quantiles: Vec<Quantile>,
}

/// One quantile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quantile {
    /// Between 0 and 1.
    #[serde(deserialize_with = "lenient::double")]
    pub level: f64,
    /// The value at that level.
    #[serde(deserialize_with = "lenient::double")]
    pub value: f64,
}

/// Statistics of one speaker.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpeakerAnalysis {
    /// Presumably the channel tag; not documented to be.
    #[serde(alias = "speakerTag", deserialize_with = "lenient::text")]
    pub speaker_tag: String,
    /// Only [`Window::Total`] is kept; the rest are running values.
    #[serde(alias = "windowType", deserialize_with = "lenient::name")]
    pub window_type: Window,
    /// From the first word to the last.
    #[serde(alias = "speechBoundaries", deserialize_with = "lenient::nullable")]
    pub speech_boundaries: TimeSpan,
    /// How long the speaker spoke.
    #[serde(alias = "totalSpeechMs", deserialize_with = "lenient::unsigned")]
    pub total_speech_ms: u64,
    /// The same as a share of the audio.
    #[serde(alias = "speechRatio", deserialize_with = "lenient::double")]
    pub speech_ratio: f64,
    /// How long the speaker was silent.
    #[serde(alias = "totalSilenceMs", deserialize_with = "lenient::unsigned")]
    pub total_silence_ms: u64,
    /// The same as a share of the audio.
    #[serde(alias = "silenceRatio", deserialize_with = "lenient::double")]
    pub silence_ratio: f64,
    /// Words.
    #[serde(alias = "wordsCount", deserialize_with = "lenient::unsigned")]
    pub words_count: u64,
    /// Letters.
    #[serde(alias = "lettersCount", deserialize_with = "lenient::unsigned")]
    pub letters_count: u64,
    /// Utterances.
    #[serde(alias = "utteranceCount", deserialize_with = "lenient::unsigned")]
    pub utterance_count: u64,
    /// Speed in words.
    #[serde(alias = "wordsPerSecond", deserialize_with = "lenient::nullable")]
    pub words_per_second: DescriptiveStatistics,
    /// Speed in letters.
    #[serde(alias = "lettersPerSecond", deserialize_with = "lenient::nullable")]
    pub letters_per_second: DescriptiveStatistics,
    /// Length of utterances in words.
    #[serde(alias = "wordsPerUtterance", deserialize_with = "lenient::nullable")]
    pub words_per_utterance: DescriptiveStatistics,
    /// Length of utterances in letters.
    #[serde(alias = "lettersPerUtterance", deserialize_with = "lenient::nullable")]
    pub letters_per_utterance: DescriptiveStatistics,
    /// Length of utterances in milliseconds.
    #[serde(alias = "utteranceDurationEstimation", deserialize_with = "lenient::nullable")]
    pub utterance_duration_estimation: DescriptiveStatistics,
}

/// How one speaker interrupted the other.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Interrupts {
    /// Who interrupted.
    #[serde(alias = "speakerTag", deserialize_with = "lenient::text")]
    pub speaker_tag: String,
    /// How often.
    #[serde(alias = "interruptsCount", deserialize_with = "lenient::unsigned")]
    pub interrupts_count: u64,
    /// For how long in all.
    #[serde(alias = "interruptsDurationMs", deserialize_with = "lenient::unsigned")]
    pub interrupts_duration_ms: u64,
    /// Where.
    #[serde(deserialize_with = "lenient::nullable")]
    pub interrupts: Vec<TimeSpan>,
}

/// Statistics of the call; may be absent even when asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConversationAnalysis {
    /// From the first word to the last.
    #[serde(alias = "conversationBoundaries", deserialize_with = "lenient::nullable")]
    pub conversation_boundaries: TimeSpan,
    /// When nobody spoke.
    #[serde(alias = "totalSimultaneousSilenceDurationMs", deserialize_with = "lenient::unsigned")]
    pub total_simultaneous_silence_duration_ms: u64,
    /// The same as a share.
    #[serde(alias = "totalSimultaneousSilenceRatio", deserialize_with = "lenient::double")]
    pub total_simultaneous_silence_ratio: f64,
    /// How its stretches are spread.
    #[serde(alias = "simultaneousSilenceDurationEstimation", deserialize_with = "lenient::nullable")]
    pub simultaneous_silence_duration_estimation: DescriptiveStatistics,
    /// When both spoke.
    #[serde(alias = "totalSimultaneousSpeechDurationMs", deserialize_with = "lenient::unsigned")]
    pub total_simultaneous_speech_duration_ms: u64,
    /// The same as a share.
    #[serde(alias = "totalSimultaneousSpeechRatio", deserialize_with = "lenient::double")]
    pub total_simultaneous_speech_ratio: f64,
    /// How its stretches are spread.
    #[serde(alias = "simultaneousSpeechDurationEstimation", deserialize_with = "lenient::nullable")]
    pub simultaneous_speech_duration_estimation: DescriptiveStatistics,
    /// When anybody spoke.
    #[serde(alias = "totalSpeechDurationMs", deserialize_with = "lenient::unsigned")]
    pub total_speech_duration_ms: u64,
    /// The same as a share.
    #[serde(alias = "totalSpeechRatio", deserialize_with = "lenient::double")]
    pub total_speech_ratio: f64,
    /// Interruptions by speaker.
    #[serde(alias = "speakerInterrupts", deserialize_with = "lenient::nullable")]
    pub speaker_interrupts: Vec<Interrupts>,
}
