//! Labels of a transcription in responses.

use flysk_domain::flysense::analysis::Analysis;
use flysk_domain::flysense::labels::{self, Label, RecognizedLabel, ShownLabel};
use flysk_domain::flysense::roles::Role;
use flysk_store::flysense::transcriptions::Transcription;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};

use crate::choice::Choice;

/// Origin of a label.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub(super) enum LabelSource {
    /// The recogniser found it.
    Recognized,
    /// A user added it.
    Added,
}

/// A label of a call: what the recogniser's classifiers found, and what users corrected.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(super) struct TranscriptionLabel {
    /// Code of the label.
    code: Choice<Label>,
    /// Name in Russian.
    label: String,
    /// Roles of the speakers whose words caused it; empty for an added label.
    speakers: Vec<Choice<Role>>,
    /// Number of utterances that caused it; 0 for an added label.
    hits: u32,
    /// Origin of the label.
    source: LabelSource,
    /// Whether a user removed it, although the recogniser found it.
    removed: bool,
    /// Whether a manager should see it at a glance. Greetings and farewells are usual.
    notable: bool,
}

impl Example for TranscriptionLabel {
    fn example() -> Self {
        Self {
            code: Label::Negative.into(),
            label: Label::Negative.label().to_owned(),
            speakers: vec![Role::Client.into()],
            hits: 2,
            source: LabelSource::Recognized,
            removed: false,
            notable: true,
        }
    }
}

impl From<ShownLabel> for TranscriptionLabel {
    fn from(shown: ShownLabel) -> Self {
        Self {
            code: shown.label.into(),
            label: shown.label.label().to_owned(),
            speakers: shown.speakers.into_iter().map(Choice).collect(),
            hits: shown.hits,
            source: if shown.is_added { LabelSource::Added } else { LabelSource::Recognized },
            removed: shown.is_removed,
            notable: shown.label.is_notable(),
        }
    }
}

/// The labels of a transcription. Those of an old one are read from its analysis, if it is at hand.
pub(super) fn labels_of(call: &Transcription, analysis: Option<&Analysis>) -> Vec<TranscriptionLabel> {
    shown_labels(call, analysis).into_iter().map(Into::into).collect()
}

/// The same as domain values.
pub(super) fn shown_labels(call: &Transcription, analysis: Option<&Analysis>) -> Vec<ShownLabel> {
    let recognized: Vec<RecognizedLabel> = match (call.labels(), analysis) {
        (Some(labels), _) => labels,
        (None, Some(analysis)) => labels::recognized(analysis),
        (None, None) => Vec::new(),
    };
    labels::shown(&recognized, &call.labels_added(), &call.labels_removed(), call.roles_swapped)
}
