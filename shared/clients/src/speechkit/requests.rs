//! What we ask SpeechKit for. Field names are those of `RecognizeFileRequest`; a misspelt option may be
//! ignored silently by the gateway, so a test holds them to the published names.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A file to recognise and how.
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

/// What a call's recognition should bring.
#[derive(Debug, Clone, PartialEq)]
pub struct RecognitionOptions {
    /// `general`, `deferred-general`, or a branch of them.
    pub model: String,
    /// Verdicts on every utterance.
    pub classifiers: Vec<Classifier>,
    /// Statistics of speakers and of the conversation.
    pub speech_analysis: bool,
    /// Prompts to a language model that runs inside the recognition.
    pub summarization: Option<Summarization>,
}

impl Default for RecognitionOptions {
    /// The `general` model with statistics, without classifiers and language model.
    fn default() -> Self {
        Self {
            model: "general".to_owned(),
            classifiers: Vec::new(),
            speech_analysis: true,
            summarization: None,
        }
    }
}

/// How the speakers are to be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// One channel for all: by their voices.
    Mono,
    /// A channel for each: labeling would be refused.
    Separate,
}

/// What the file is, by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudioFormat {
    /// A file with a header.
    Container(ContainerType),
    /// 16-bit little-endian samples without a header.
    RawPcm {
        /// 8000, 16000 or 48000.
        sample_rate_hz: u32,
        /// Interleaved.
        channels: u16,
    },
}

/// The containers SpeechKit takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ContainerType {
    /// 16-bit PCM in WAV.
    #[serde(rename = "WAV")]
    Wav,
    /// Opus in Ogg; Vorbis is refused.
    #[serde(rename = "OGG_OPUS")]
    OggOpus,
    /// MPEG layer III.
    #[serde(rename = "MP3")]
    Mp3,
}

/// A verdict to ask for; Russian speech only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the service's own names say all there is")]
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

/// When a classifier speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ClassifierTrigger {
    /// After each utterance.
    #[serde(rename = "ON_UTTERANCE")]
    OnUtterance,
}

/// Prompts to a language model that runs inside the recognition. Needs a role of its own, without which
/// the whole request is refused.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summarization {
    /// `gpt://<folder>/<model>/<branch>`.
    pub model_uri: String,
    /// 1 to 16; answers come in the same order.
    pub properties: Vec<LlmPrompt>,
}

/// One prompt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LlmPrompt {
    /// What to do with the transcript.
    pub instruction: String,
    /// How to answer; plain text if nothing is said.
    #[serde(flatten)]
    pub answer: Option<LlmAnswer>,
}

/// How a language model is to answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum LlmAnswer {
    /// Any JSON object; the prompt must say "JSON".
    JsonObject(bool),
    /// An object of this schema.
    JsonSchema {
        /// A JSON Schema.
        schema: Value,
    },
}

impl RecognizeFile {
    /// Asks for a Russian telephone call: punctuated text, nothing masked, speakers told apart.
    ///
    /// `uri` is the clean link of an object that the paying account may read.
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

    /// The same without telling voices apart, after [`LabelingNeedsMono`](super::SpeechKitError::LabelingNeedsMono).
    #[must_use]
    pub fn without_labeling(self) -> Self {
        Self { speaker_labeling: None, ..self }
    }

    /// The same without a language model, after [`SummarizationDenied`](super::SpeechKitError::SummarizationDenied).
    #[must_use]
    pub fn without_summarization(self) -> Self {
        Self { summarization: None, ..self }
    }

    /// Counts against the quota of two at a time.
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
    /// Ignored for files, says the proto; demanded for labeling, says the documentation.
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
                // Masked words would leave the classifiers of rudeness with nothing to show.
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
    ContainerAudio { container_audio_type: ContainerType },
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
