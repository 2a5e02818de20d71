//! Strict parsing of `RecognizeFileRequest` (SpeechKit API v3, `speechkit.stt.v3.AsyncRecognizer`).
//!
//! These types define what parses; `assignment` defines what is accepted.

use serde::Deserialize;

use crate::yandex::language_model::JsonSchema;
use crate::yandex::proto_json::{Base64, Double, Int64, proto_enum};

/// The body of `POST /stt/v3/recognizeFileAsync`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RecognizeFileRequest {
    pub(crate) content: Option<Base64>,
    pub(crate) uri: Option<String>,
    #[serde(alias = "recognition_model")]
    pub(crate) recognition_model: Option<RecognitionModel>,
    #[serde(alias = "recognition_classifier")]
    pub(crate) recognition_classifier: Option<RecognitionClassifier>,
    #[serde(alias = "speech_analysis")]
    pub(crate) speech_analysis: Option<SpeechAnalysis>,
    #[serde(alias = "speaker_labeling")]
    pub(crate) speaker_labeling: Option<SpeakerLabeling>,
    pub(crate) summarization: Option<Summarization>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RecognitionModel {
    pub(crate) model: Option<String>,
    #[serde(alias = "audio_format")]
    pub(crate) audio_format: Option<AudioFormat>,
    #[serde(alias = "text_normalization")]
    pub(crate) text_normalization: Option<TextNormalization>,
    #[serde(alias = "language_restriction")]
    pub(crate) language_restriction: Option<LanguageRestriction>,
    #[serde(alias = "audio_processing_type")]
    pub(crate) audio_processing_type: Option<AudioProcessingType>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AudioFormat {
    #[serde(alias = "raw_audio")]
    pub(crate) raw_audio: Option<RawAudio>,
    #[serde(alias = "container_audio")]
    pub(crate) container_audio: Option<ContainerAudio>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RawAudio {
    #[serde(alias = "audio_encoding")]
    pub(crate) audio_encoding: Option<AudioEncoding>,
    #[serde(alias = "sample_rate_hertz")]
    pub(crate) sample_rate_hertz: Option<Int64>,
    #[serde(alias = "audio_channel_count")]
    pub(crate) audio_channel_count: Option<Int64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ContainerAudio {
    #[serde(alias = "container_audio_type")]
    pub(crate) container_audio_type: Option<ContainerAudioType>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names are the proto's")]
pub(crate) struct TextNormalization {
    #[serde(alias = "text_normalization")]
    pub(crate) text_normalization: Option<NormalizationSwitch>,
    #[serde(alias = "profanity_filter")]
    pub(crate) profanity_filter: Option<bool>,
    #[serde(alias = "literature_text")]
    pub(crate) literature_text: Option<bool>,
    /// Parsed for strictness only: the texts contain no telephone numbers.
    #[serde(alias = "phone_formatting_mode", rename = "phoneFormattingMode")]
    pub(crate) _phone_formatting_mode: Option<PhoneFormattingMode>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LanguageRestriction {
    #[serde(alias = "restriction_type")]
    pub(crate) restriction_type: Option<RestrictionType>,
    #[serde(alias = "language_code")]
    pub(crate) language_code: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RecognitionClassifier {
    pub(crate) classifiers: Option<Vec<Classifier>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Classifier {
    pub(crate) classifier: Option<String>,
    pub(crate) triggers: Option<Vec<Trigger>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SpeechAnalysis {
    #[serde(alias = "enable_speaker_analysis")]
    pub(crate) enable_speaker_analysis: Option<bool>,
    #[serde(alias = "enable_conversation_analysis")]
    pub(crate) enable_conversation_analysis: Option<bool>,
    #[serde(alias = "descriptive_statistics_quantiles")]
    pub(crate) descriptive_statistics_quantiles: Option<Vec<Double>>,
    #[serde(alias = "speaker_options")]
    pub(crate) speaker_options: Option<SpeakerOptions>,
    /// Misspelled in the proto; the correct spelling is an unknown field there.
    #[serde(alias = "converstation_options")]
    pub(crate) converstation_options: Option<ConversationOptions>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SpeakerOptions {
    #[serde(alias = "silence_threshold_ms")]
    pub(crate) silence_threshold_ms: Option<Int64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ConversationOptions {
    #[serde(alias = "simultaneous_silence_threshold_ms")]
    pub(crate) simultaneous_silence_threshold_ms: Option<Int64>,
    #[serde(alias = "simultaneous_speech_threshold_ms")]
    pub(crate) simultaneous_speech_threshold_ms: Option<Int64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SpeakerLabeling {
    #[serde(alias = "speaker_labeling")]
    pub(crate) speaker_labeling: Option<LabelingSwitch>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Summarization {
    #[serde(alias = "model_uri")]
    pub(crate) model_uri: Option<String>,
    pub(crate) properties: Option<Vec<SummarizationProperty>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SummarizationProperty {
    pub(crate) instruction: Option<String>,
    #[serde(alias = "json_object")]
    pub(crate) json_object: Option<bool>,
    #[serde(alias = "json_schema")]
    pub(crate) json_schema: Option<JsonSchema>,
}

proto_enum! { AudioProcessingType {
    Unspecified = 0 "AUDIO_PROCESSING_TYPE_UNSPECIFIED", RealTime = 1 "REAL_TIME", FullData = 2 "FULL_DATA",
} }

proto_enum! { AudioEncoding { Unspecified = 0 "AUDIO_ENCODING_UNSPECIFIED", Linear16Pcm = 1 "LINEAR16_PCM", } }

proto_enum! { ContainerAudioType {
    Unspecified = 0 "CONTAINER_AUDIO_TYPE_UNSPECIFIED", Wav = 1 "WAV", OggOpus = 2 "OGG_OPUS", Mp3 = 3 "MP3",
} }

proto_enum! { NormalizationSwitch {
    Unspecified = 0 "TEXT_NORMALIZATION_UNSPECIFIED",
    Enabled = 1 "TEXT_NORMALIZATION_ENABLED",
    Disabled = 2 "TEXT_NORMALIZATION_DISABLED",
} }

proto_enum! { PhoneFormattingMode {
    Unspecified = 0 "PHONE_FORMATTING_MODE_UNSPECIFIED", Disabled = 1 "PHONE_FORMATTING_MODE_DISABLED",
} }

proto_enum! { RestrictionType {
    Unspecified = 0 "LANGUAGE_RESTRICTION_TYPE_UNSPECIFIED", Whitelist = 1 "WHITELIST", Blacklist = 2 "BLACKLIST",
} }

proto_enum! { LabelingSwitch {
    Unspecified = 0 "SPEAKER_LABELING_UNSPECIFIED",
    Enabled = 1 "SPEAKER_LABELING_ENABLED",
    Disabled = 2 "SPEAKER_LABELING_DISABLED",
} }

proto_enum! { Trigger {
    Unspecified = 0 "TRIGGER_TYPE_UNSPECIFIED",
    OnUtterance = 1 "ON_UTTERANCE",
    OnFinal = 2 "ON_FINAL",
    OnPartial = 3 "ON_PARTIAL",
} }
