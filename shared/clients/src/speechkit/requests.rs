//! Body of a recognition request. Field names are those of `RecognizeFileRequest`. SpeechKit's HTTP gateway may ignore a
//! misspelt option silently, so a test compares them with the published names.

use flysk_domain::flysense::audio::AudioContainer;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A file to recognize, with options.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecognizeFile {
    uri: String,
    recognition_model: RecognitionModel,
    #[serde(skip_serializing_if = "Option::is_none")]
    recognition_classifier: Option<RecognitionClassifier>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speech_analysis: Option<SpeechAnalysis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speaker_labeling: Option<SpeakerLabeling>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summarization: Option<Summarization>,
}

/// Options of a call's recognition.
#[derive(Debug, Clone, PartialEq)]
pub struct RecognitionOptions {
    /// Model: `general`, `deferred-general`, or a branch of them.
    pub model: String,
    /// Classifiers to apply to every utterance.
    pub classifiers: Vec<Classifier>,
    /// Whether to return statistics of speakers and conversation.
    pub speech_analysis: bool,
    /// Prompts for a language model that runs inside the recognition.
    pub summarization: Option<Summarization>,
}

impl Default for RecognitionOptions {
    /// Model `general` with statistics, without classifiers and language model.
    fn default() -> Self {
        Self {
            model: "general".to_owned(),
            classifiers: Vec::new(),
            speech_analysis: true,
            summarization: None,
        }
    }
}

/// Separation of speakers: by channel or by voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// One channel: by voice, with speaker labeling.
    Mono,
    /// One channel per speaker. SpeechKit refuses speaker labeling here.
    Separate,
}

/// Audio format of the file, detected from its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudioFormat {
    /// A file with a header.
    Container(AudioContainer),
    /// 16-bit little-endian samples without a header.
    RawPcm {
        /// Sample rate in Hz: 8000, 16000 or 48000.
        sample_rate_hz: u32,
        /// Number of interleaved channels.
        channels: u16,
    },
}

/// A verdict to ask for; Russian speech only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the service's names are self-explanatory")]
pub enum Classifier {
    FormalGreeting,
    InformalGreeting,
    FormalFarewell,
    InformalFarewell,
    Insult,
    Profanity,
    Gender,
    Negative,
    Answerphone,
}

/// When a classifier returns its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ClassifierTrigger {
    /// After each utterance.
    #[serde(rename = "ON_UTTERANCE")]
    OnUtterance,
}

/// Prompts for a language model that runs inside the recognition. Requires the role `ai.languageModels.user`; without it
/// SpeechKit refuses the whole request.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summarization {
    /// URI of the model: `gpt://<folder>/<model>/<branch>`.
    pub model_uri: String,
    /// 1 to 16 prompts; results have the same order.
    pub properties: Vec<LlmPrompt>,
}

/// One prompt to the language model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LlmPrompt {
    /// Instruction for the transcript.
    pub instruction: String,
    /// Format of the result; `None` for plain text.
    #[serde(flatten)]
    pub answer: Option<LlmAnswer>,
}

/// Format of a language model's result.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum LlmAnswer {
    /// Any JSON object; the prompt must say "JSON".
    JsonObject(bool),
    /// A JSON object that follows the schema.
    JsonSchema {
        /// A JSON Schema.
        schema: Value,
    },
}

impl RecognizeFile {
    /// A request for a Russian telephone call: punctuated text, no masked words, distinguished speakers.
    ///
    /// `uri` is the unsigned URL of an object that the service account may read.
    pub fn call(
        uri: impl Into<String>,
        format: AudioFormat,
        channels: Channels,
        options: RecognitionOptions,
    ) -> Self {
        let classifiers: Vec<_> =
            options.classifiers.into_iter().map(ClassifierRequest::on_utterance).collect();
        Self {
            uri: uri.into(),
            recognition_model: RecognitionModel::russian(options.model, format),
            recognition_classifier: (!classifiers.is_empty())
                .then_some(RecognitionClassifier { classifiers }),
            speech_analysis: options.speech_analysis.then(SpeechAnalysis::of_two),
            speaker_labeling: (channels == Channels::Mono).then_some(SpeakerLabeling::ENABLED),
            summarization: options.summarization,
        }
    }

    /// The request without speaker labeling, after [`LabelingNeedsMono`](super::SpeechKitError::LabelingNeedsMono).
    #[must_use]
    pub fn without_labeling(self) -> Self {
        Self { speaker_labeling: None, ..self }
    }

    /// The request without summarization, after [`SummarizationDenied`](super::SpeechKitError::SummarizationDenied).
    #[must_use]
    pub fn without_summarization(self) -> Self {
        Self { summarization: None, ..self }
    }

    /// Whether the request uses a language model, whose quota is two concurrent recognitions.
    pub fn has_summarization(&self) -> bool {
        self.summarization.is_some()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct RecognitionModel {
    model: String,
    audio_format: AudioFormatBody,
    text_normalization: TextNormalization,
    language_restriction: LanguageRestriction,
    /// Ignored for files according to the proto; required for speaker labeling according to the documentation.
    audio_processing_type: &'static str,
}

impl RecognitionModel {
    fn russian(model: String, format: AudioFormat) -> Self {
        Self {
            model,
            audio_format: format.into(),
            text_normalization: TextNormalization {
                state: "TEXT_NORMALIZATION_ENABLED",
                literature_text: true,
                // Masked words would hide the findings of the classifiers `insult` and `profanity`.
                profanity_filter: false,
            },
            language_restriction: LanguageRestriction {
                restriction_type: "WHITELIST",
                language_code: ["ru-RU"],
            },
            audio_processing_type: "FULL_DATA",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum AudioFormatBody {
    ContainerAudio { container_audio_type: AudioContainer },
    RawAudio { audio_encoding: &'static str, sample_rate_hertz: String, audio_channel_count: String },
}

impl From<AudioFormat> for AudioFormatBody {
    fn from(format: AudioFormat) -> Self {
        match format {
            AudioFormat::Container(container_audio_type) => Self::ContainerAudio { container_audio_type },
            AudioFormat::RawPcm { sample_rate_hz, channels } => Self::RawAudio {
                audio_encoding: "LINEAR16_PCM",
                sample_rate_hertz: sample_rate_hz.to_string(),
                audio_channel_count: channels.to_string(),
            },
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct TextNormalization {
    #[serde(rename = "textNormalization")]
    state: &'static str,
    literature_text: bool,
    profanity_filter: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct LanguageRestriction {
    restriction_type: &'static str,
    language_code: [&'static str; 1],
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct RecognitionClassifier {
    classifiers: Vec<ClassifierRequest>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct ClassifierRequest {
    classifier: Classifier,
    triggers: [ClassifierTrigger; 1],
}

impl ClassifierRequest {
    fn on_utterance(classifier: Classifier) -> Self {
        Self { classifier, triggers: [ClassifierTrigger::OnUtterance] }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct SpeechAnalysis {
    enable_speaker_analysis: bool,
    enable_conversation_analysis: bool,
    descriptive_statistics_quantiles: [f64; 2],
}

impl SpeechAnalysis {
    fn of_two() -> Self {
        Self {
            enable_speaker_analysis: true,
            enable_conversation_analysis: true,
            descriptive_statistics_quantiles: [0.5, 0.9],
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct SpeakerLabeling {
    speaker_labeling: &'static str,
}

impl SpeakerLabeling {
    const ENABLED: Self = Self { speaker_labeling: "SPEAKER_LABELING_ENABLED" };
}
