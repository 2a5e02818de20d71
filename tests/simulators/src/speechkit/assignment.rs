//! A validated recognition request: everything the service would reject is rejected here.

use bytes::Bytes;

use super::request::{
    AudioEncoding, AudioFormat, AudioProcessingType, Classifier, ContainerAudioType, LabelingSwitch,
    LanguageRestriction, NormalizationSwitch, RecognitionModel, RecognizeFileRequest, RestrictionType,
    SpeechAnalysis, Summarization, SummarizationProperty, TextNormalization, Trigger,
};
use crate::yandex::Status;
use crate::yandex::language_model::{AnswerFormat, ModelUri};
use crate::yandex::proto_json::Base64;

/// Models of asynchronous recognition (SpeechKit, "Models").
const MODELS: [&str; 6] = [
    "general",
    "general:rc",
    "general:deprecated",
    "deferred-general",
    "deferred-general:rc",
    "deferred-general:deprecated",
];

/// Classifiers (SpeechKit, "Speech analysis").
const CLASSIFIERS: [&str; 9] = [
    "formal_greeting",
    "informal_greeting",
    "formal_farewell",
    "informal_farewell",
    "insult",
    "profanity",
    "gender",
    "negative",
    "answerphone",
];

/// Sample rates of headerless PCM, Hz (SpeechKit, "Supported audio formats").
const RAW_RATES_HZ: [i64; 3] = [8_000, 16_000, 48_000];

/// Limit of audio sent inside the request, bytes (SpeechKit, "Quotas and limits").
const CONTENT_LIMIT: usize = 60 * 1024 * 1024;

/// Limit of instructions in one request (SpeechKit, "Quotas and limits").
const INSTRUCTIONS_LIMIT: usize = 16;

/// Source of the audio.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Content(Bytes),
    Uri(String),
}

/// Declared format of the audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    Wav,
    OggOpus,
    Mp3,
    /// Headerless 16-bit little-endian PCM.
    Raw {
        rate_hz: u32,
        channels: u16,
    },
}

/// Requested normalization that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Normalization {
    pub(crate) literature_text: bool,
    pub(crate) profanity_filter: bool,
}

/// A requested classifier and its trigger.
#[derive(Debug, Clone)]
pub(crate) struct WantedClassifier {
    pub(crate) name: String,
    pub(crate) triggers: Vec<Trigger>,
}

/// Requested statistics.
#[derive(Debug, Clone, Default)]
pub(crate) struct WantedAnalysis {
    pub(crate) speakers: bool,
    pub(crate) conversation: bool,
    pub(crate) quantiles: Vec<f64>,
    /// Pauses below this count as speech, ms.
    pub(crate) silence_threshold_ms: i64,
    /// Common silences and overlaps below this are ignored, ms.
    pub(crate) common_silence_threshold_ms: i64,
    pub(crate) common_speech_threshold_ms: i64,
}

/// Requested summarization by a language model.
#[derive(Debug, Clone)]
pub(crate) struct WantedSummary {
    pub(crate) instructions: Vec<(String, AnswerFormat)>,
}

/// A valid request: the audio and its processing.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) source: Source,
    pub(crate) assignment: Assignment,
}

/// Requested processing.
#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) format: Format,
    pub(crate) normalization: Option<Normalization>,
    pub(crate) detect_language: bool,
    pub(crate) classifiers: Vec<WantedClassifier>,
    pub(crate) analysis: WantedAnalysis,
    pub(crate) labeling: bool,
    pub(crate) summary: Option<WantedSummary>,
}

impl TryFrom<RecognizeFileRequest> for Submission {
    type Error = Status;

    fn try_from(request: RecognizeFileRequest) -> Result<Self, Status> {
        let source = read_source(request.content, request.uri)?;
        let model =
            request.recognition_model.ok_or_else(|| Status::invalid("recognition_model is not set"))?;
        let labeling = request
            .speaker_labeling
            .is_some_and(|options| options.speaker_labeling == Some(LabelingSwitch::Enabled));
        if labeling && model.audio_processing_type != Some(AudioProcessingType::FullData) {
            return Err(Status::invalid("speaker labeling needs audio_processing_type FULL_DATA"));
        }
        let detect_language = read_languages(model.language_restriction.as_ref())?;
        let assignment = Assignment {
            format: read_format(&model)?,
            normalization: read_normalization(model.text_normalization.as_ref()).filter(|_| !detect_language),
            detect_language,
            classifiers: request
                .recognition_classifier
                .and_then(|options| options.classifiers)
                .unwrap_or_default()
                .into_iter()
                .map(read_classifier)
                .collect::<Result<_, _>>()?,
            analysis: request.speech_analysis.map(read_analysis).transpose()?.unwrap_or_default(),
            labeling,
            summary: request.summarization.map(read_summary).transpose()?,
        };
        Ok(Self { source, assignment })
    }
}

fn read_source(content: Option<Base64>, uri: Option<String>) -> Result<Source, Status> {
    match (content, uri) {
        (Some(_), Some(_)) => Err(Status::invalid("oneof audio_source: both content and uri are set")),
        (Some(content), None) if content.0.len() > CONTENT_LIMIT => {
            Err(Status::invalid("content is larger than 60 MB"))
        }
        (Some(content), None) => Ok(Source::Content(content.0)),
        (None, Some(uri)) => Ok(Source::Uri(uri)),
        (None, None) => Err(Status::invalid("audio source is not set: content or uri is needed")),
    }
}

fn read_format(model: &RecognitionModel) -> Result<Format, Status> {
    let name = model.model.as_deref().unwrap_or_default();
    if !MODELS.contains(&name) {
        return Err(Status::invalid(format!("unknown recognition model {name:?}")));
    }
    match &model.audio_format {
        None | Some(AudioFormat { raw_audio: None, container_audio: None }) => {
            Err(Status::invalid("audio_format is not set"))
        }
        Some(AudioFormat { raw_audio: Some(_), container_audio: Some(_) }) => {
            Err(Status::invalid("oneof audio_format: both raw_audio and container_audio are set"))
        }
        Some(AudioFormat { container_audio: Some(container), .. }) => match container.container_audio_type {
            Some(ContainerAudioType::Wav) => Ok(Format::Wav),
            Some(ContainerAudioType::OggOpus) => Ok(Format::OggOpus),
            Some(ContainerAudioType::Mp3) => Ok(Format::Mp3),
            None | Some(ContainerAudioType::Unspecified) => {
                Err(Status::invalid("container_audio_type is not set"))
            }
        },
        Some(AudioFormat { raw_audio: Some(raw), .. }) => {
            if raw.audio_encoding != Some(AudioEncoding::Linear16Pcm) {
                return Err(Status::invalid("raw_audio: audio_encoding must be LINEAR16_PCM"));
            }
            let rate = raw.sample_rate_hertz.map_or(0, |rate| rate.0);
            let rate_hz =
                RAW_RATES_HZ.contains(&rate).then(|| u32::try_from(rate).ok()).flatten().ok_or_else(
                    || Status::invalid(format!("raw_audio: sample rate {rate} is not supported")),
                )?;
            let count = raw.audio_channel_count.map_or(0, |count| count.0);
            let channels = u16::try_from(count)
                .ok()
                .filter(|count| (1..=32).contains(count))
                .ok_or_else(|| Status::invalid(format!("raw_audio: {count} channels are not supported")))?;
            Ok(Format::Raw { rate_hz, channels })
        }
    }
}

fn read_normalization(options: Option<&TextNormalization>) -> Option<Normalization> {
    let options = options?;
    (options.text_normalization == Some(NormalizationSwitch::Enabled)).then_some(Normalization {
        literature_text: options.literature_text.unwrap_or(false),
        profanity_filter: options.profanity_filter.unwrap_or(false),
    })
}

/// Whether the language is to be detected (`auto`).
fn read_languages(restriction: Option<&LanguageRestriction>) -> Result<bool, Status> {
    let Some(restriction) = restriction else { return Ok(false) };
    let codes = restriction.language_code.as_deref().unwrap_or_default();
    if !matches!(restriction.restriction_type, Some(RestrictionType::Whitelist | RestrictionType::Blacklist))
    {
        return Err(Status::invalid("language_restriction: restriction_type is not set"));
    }
    for code in codes {
        let shaped = matches!(code.as_bytes(), [a, b, b'-', c, d]
            if a.is_ascii_lowercase() && b.is_ascii_lowercase() && c.is_ascii_uppercase() && d.is_ascii_uppercase());
        if code != "auto" && !shaped {
            return Err(Status::invalid(format!("unknown language code {code:?}")));
        }
    }
    Ok(codes.iter().any(|code| code == "auto"))
}

fn read_classifier(classifier: Classifier) -> Result<WantedClassifier, Status> {
    let name = classifier.classifier.unwrap_or_default();
    if !CLASSIFIERS.contains(&name.as_str()) {
        return Err(Status::invalid(format!("unknown classifier {name:?}")));
    }
    let triggers = classifier.triggers.unwrap_or_default();
    if triggers.is_empty() || triggers.contains(&Trigger::Unspecified) {
        return Err(Status::invalid(format!("classifier {name:?} needs at least one trigger")));
    }
    Ok(WantedClassifier { name, triggers })
}

fn read_analysis(options: SpeechAnalysis) -> Result<WantedAnalysis, Status> {
    let quantiles: Vec<f64> =
        options.descriptive_statistics_quantiles.unwrap_or_default().iter().map(|level| level.0).collect();
    if quantiles.iter().any(|level| *level <= 0.0 || *level >= 1.0) {
        return Err(Status::invalid("descriptive_statistics_quantiles must lie in (0, 1)"));
    }
    let conversation = options.converstation_options;
    let thresholds = [
        options.speaker_options.and_then(|speaker| speaker.silence_threshold_ms),
        conversation.as_ref().and_then(|options| options.simultaneous_silence_threshold_ms),
        conversation.as_ref().and_then(|options| options.simultaneous_speech_threshold_ms),
    ]
    .map(|threshold| threshold.map_or(0, |threshold| threshold.0));
    if thresholds.iter().any(|threshold| *threshold < 0) {
        return Err(Status::invalid("speech_analysis: a threshold is negative"));
    }
    Ok(WantedAnalysis {
        speakers: options.enable_speaker_analysis.unwrap_or(false),
        conversation: options.enable_conversation_analysis.unwrap_or(false),
        quantiles,
        silence_threshold_ms: thresholds[0],
        common_silence_threshold_ms: thresholds[1],
        common_speech_threshold_ms: thresholds[2],
    })
}

fn read_summary(summarization: Summarization) -> Result<WantedSummary, Status> {
    ModelUri::parse(summarization.model_uri.as_deref().unwrap_or_default())?;
    let properties = summarization.properties.unwrap_or_default();
    if properties.is_empty() || properties.len() > INSTRUCTIONS_LIMIT {
        return Err(Status::invalid("summarization: properties must hold 1 to 16 instructions"));
    }
    let instructions = properties.into_iter().map(read_instruction).collect::<Result<_, _>>()?;
    Ok(WantedSummary { instructions })
}

fn read_instruction(property: SummarizationProperty) -> Result<(String, AnswerFormat), Status> {
    let instruction = property.instruction.unwrap_or_default();
    if instruction.trim().is_empty() {
        return Err(Status::invalid("summarization: an instruction is empty"));
    }
    Ok((instruction, AnswerFormat::of(property.json_object, property.json_schema)?))
}
