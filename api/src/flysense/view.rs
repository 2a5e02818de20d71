//! Transcriptions in responses.

mod examples;

use flysk_domain::flysense::analysis::Analysis;
use flysk_domain::flysense::call::{Direction, EntityType};
use flysk_domain::flysense::classifiers::ClassifierSummary;
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::failure_cause::FailureCause;
use flysk_domain::flysense::first_sentence::first_sentence;
use flysk_domain::flysense::readiness::RecordingWait;
use flysk_domain::flysense::roles::{Role, RoleRule, Roles};
use flysk_domain::flysense::sentiment::Sentiment;
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::flysense::summary::{SummaryAbsence, SummaryProvenance, SummarySource};
use flysk_domain::flysense::utterance::Utterance;
use flysk_store::flysense::payments::Payment;
use flysk_store::flysense::stages::StageRow;
use flysk_store::flysense::transcriptions::Transcription;
use poem_openapi::Object;

use super::label_view::{TranscriptionLabel, labels_of};
use super::payment_view::TranscriptionPayment;
use crate::choice::{Choice, Labeled};
use crate::time::Time;

/// A transcription of a call.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Transcription", example)]
pub(crate) struct TranscriptionView {
    /// Transcription id, `tr_…`.
    id: String,
    /// Id of the call note in amoCRM.
    note_id: u64,
    /// Type of the card.
    entity_type: Choice<EntityType>,
    /// Id of the card that contains the note.
    entity_id: u64,
    /// State.
    state: Choice<TranscriptionState>,
    /// Name of the state in Russian.
    state_label: String,
    /// Failure code; null unless the state is `failed`.
    failure_code: Option<Choice<FailureCode>>,
    /// Reason of the failure and advice for the user, in Russian.
    failure_label: Option<String>,
    /// Exact reason why the recording is unavailable, if `failure_code` does not name it.
    failure_cause: Option<Choice<FailureCause>>,
    /// Reason for waiting; null unless the state is `waiting_for_link`.
    waits_for: Option<Labeled<RecordingWait>>,
    /// Direction of the call; null until the note is read.
    direction: Option<Choice<Direction>>,
    /// Time of the call.
    called_at: Option<Time>,
    /// Measured duration of the recording, in milliseconds.
    duration_ms: Option<u64>,
    /// Number of recognized channels: 2 if each speaker has a channel.
    channels: Option<u16>,
    /// Whether only the beginning of the recording was available: it was truncated, or is far shorter than the call.
    partial: bool,
    /// Billed duration, in seconds.
    seconds_billed: Option<u32>,
    /// Summary of the call.
    summary: Option<String>,
    /// First sentence of the summary, at most 160 characters; null without a summary.
    short: Option<String>,
    /// The summary before users edited it; null if they did not.
    summary_written: Option<String>,
    /// Id of the user who last edited the summary; null if nobody did.
    summary_edited_by: Option<u64>,
    /// Origin of the summary; null without a summary.
    summary_source: Option<Choice<SummarySource>>,
    /// Reason why there is no summary.
    summary_absence: Option<Labeled<SummaryAbsence>>,
    /// Sentiment of the call.
    sentiment: Option<Labeled<Sentiment>>,
    /// Labels: what the recogniser found, and what users corrected. In lists, calls of earlier releases have only the labels that
    /// users added.
    labels: Vec<TranscriptionLabel>,
    /// Tags set by users.
    tags: Vec<String>,
    /// Whether a user swapped operator and client.
    roles_swapped: bool,
    /// Address of the call in its card. Append `:` and milliseconds for a moment.
    link: String,
    /// Version; send it with an edit.
    version: u32,
    /// Time of the request.
    created_at: Time,
    /// Time of the last change.
    updated_at: Time,
    /// Time when the transcription ended.
    finished_at: Option<Time>,
}

/// Address of a call in its card on this host.
pub(super) fn link_of(call: &Transcription, host: &str) -> String {
    format!("https://{host}/{}/detail/{}#flysense={}", call.entity_type.code(), call.entity_id, call.id)
}

impl TranscriptionView {
    /// The transcription in the account with this host.
    pub(super) fn new(call: &Transcription, host: &str) -> Self {
        let (failure, cause) = (call.failure_code(), call.failure_cause());
        let failure_label = cause.map(FailureCause::label).or(failure.map(FailureCode::label));
        let (source, absence) = match call.summary_source {
            Some(SummaryProvenance::Written(source)) => (Some(source), None),
            Some(SummaryProvenance::Absent(reason)) => (None, Some(reason)),
            None => (None, None),
        };
        Self {
            id: call.id.to_string(),
            note_id: call.note_id.0,
            entity_type: call.entity_type.into(),
            entity_id: call.entity_id.0,
            state: call.state.into(),
            state_label: call.state.label().to_owned(),
            failure_code: failure.map(Choice),
            failure_label: failure_label.map(str::to_owned),
            failure_cause: cause.map(Choice),
            waits_for: call.waits_for().map(Labeled),
            direction: call.direction.map(Choice),
            called_at: call.called_at.map(Time),
            duration_ms: call.duration_ms,
            channels: call.channels,
            partial: call.partial,
            seconds_billed: call.billed_seconds,
            summary: call.summary.clone(),
            short: call.summary.as_deref().map(first_sentence).filter(|short| !short.is_empty()),
            summary_written: call.summary_written.clone(),
            summary_edited_by: call.summary_edited_by().map(|user| user.0),
            summary_source: source.map(Choice),
            summary_absence: absence.map(Labeled),
            sentiment: call.sentiment.map(Labeled),
            labels: labels_of(call, None),
            tags: call.tags.0.clone(),
            roles_swapped: call.roles_swapped,
            link: link_of(call, host),
            version: call.version,
            created_at: call.created_at.into(),
            updated_at: call.updated_at.into(),
            finished_at: call.finished_at.map(Time),
        }
    }
}

/// Uninterrupted speech of one speaker.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Utterance")]
pub(crate) struct UtteranceView {
    /// Role of the speaker.
    speaker: Choice<Role>,
    /// Channel or speaker tag from the recognizer.
    channel: String,
    /// Start, in milliseconds from the start of the recording.
    start_ms: u64,
    /// End, in milliseconds from the start of the recording.
    end_ms: u64,
    /// Text of the utterance.
    text: String,
}

/// Result of a classifier for one speaker.
#[derive(Debug, Clone, Object)]
pub(crate) struct ClassifierResult {
    /// Name of the classifier at SpeechKit, for example `formal_greeting`.
    classifier: String,
    /// Role of the speaker.
    speaker: Choice<Role>,
    /// Highest probability, 0 to 1.
    max: f64,
    /// Mean probability, 0 to 1.
    mean: f64,
    /// Number of utterances with a probability of 0.5 or more.
    hits: u32,
    /// Number of classified utterances.
    utterances: u32,
}

/// Talk statistics of one speaker.
#[derive(Debug, Clone, Object)]
pub(crate) struct SpeakerStatistics {
    /// Role of the speaker.
    speaker: Choice<Role>,
    /// Talk time, in milliseconds.
    talk_ms: u64,
    /// Share of the total talk time, 0 to 1.
    ratio: f64,
    /// Number of utterances.
    utterances: u32,
    /// Number of interruptions by this speaker.
    interruptions: u32,
    /// Longest speech without a reply of another speaker, pauses included, in milliseconds.
    longest_monologue_ms: u64,
}

/// Duration of a stage.
#[derive(Debug, Clone, Object)]
pub(crate) struct StageTiming {
    /// Name of the stage, for example `recognize`.
    stage: String,
    /// Start of the successful attempt.
    started_at: Time,
    /// Duration, in milliseconds.
    took_ms: i64,
}

/// A transcription with its dialogue and analysis.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct TranscriptionDetails {
    #[oai(flatten)]
    call: TranscriptionView,
    /// The dialogue in order of time; empty until the transcript is stored.
    utterances: Vec<UtteranceView>,
    /// Results of the classifiers.
    classifiers: Vec<ClassifierResult>,
    /// Talk statistics by speaker.
    talk: Vec<SpeakerStatistics>,
    /// Total silence, in milliseconds.
    silence_ms: Option<u64>,
    /// Rule that assigned the roles.
    roles_rule: Option<Labeled<RoleRule>>,
    /// The language model's reason for the sentiment.
    sentiment_reason: Option<String>,
    /// Price and payment; null until the recording is measured.
    payment: Option<TranscriptionPayment>,
    /// Durations of the finished stages.
    stages: Vec<StageTiming>,
}

impl TranscriptionDetails {
    /// Builds the view. Applies a manual swap of the roles.
    pub(crate) fn new(
        call: &Transcription,
        host: &str,
        found: Option<(Vec<Utterance>, Analysis)>,
        payment: Option<&Payment>,
        stages: &[StageRow],
    ) -> Self {
        let (dialogue, analysis) = match found {
            Some((dialogue, analysis)) => (dialogue, Some(analysis)),
            None => (Vec::new(), None),
        };
        let roles = analysis.as_ref().map(|analysis| {
            let roles = analysis.roles.clone();
            if call.roles_swapped { roles.swapped() } else { roles }
        });
        let speaker = |channel| Choice(roles.as_ref().map_or(Role::Unknown, |roles| roles.of(channel)));
        Self {
            call: TranscriptionView {
                labels: labels_of(call, analysis.as_ref()),
                ..TranscriptionView::new(call, host)
            },
            utterances: dialogue
                .iter()
                .map(|utterance| UtteranceView {
                    speaker: speaker(&utterance.channel),
                    channel: utterance.channel.to_string(),
                    start_ms: utterance.start_ms,
                    end_ms: utterance.end_ms,
                    text: utterance.text.clone(),
                })
                .collect(),
            classifiers: analysis
                .iter()
                .flat_map(|analysis| &analysis.classifiers)
                .map(|verdict| classifier(verdict, speaker(&verdict.channel)))
                .collect(),
            talk: analysis
                .as_ref()
                .zip(roles.as_ref())
                .map_or_else(Vec::new, |(analysis, roles)| talk(analysis, roles)),
            silence_ms: analysis.as_ref().map(|analysis| analysis.talk.silence_ms),
            roles_rule: roles.as_ref().map(|roles| Labeled(roles.rule)),
            sentiment_reason: analysis
                .map(|analysis| analysis.sentiment_reason)
                .filter(|reason| !reason.is_empty()),
            payment: TranscriptionPayment::new(payment, call.state),
            stages: stages.iter().map(stage).collect(),
        }
    }
}

fn classifier(verdict: &ClassifierSummary, speaker: Choice<Role>) -> ClassifierResult {
    ClassifierResult {
        classifier: verdict.classifier.clone(),
        speaker,
        max: verdict.max,
        mean: verdict.mean,
        hits: verdict.hits,
        utterances: verdict.windows,
    }
}

fn talk(analysis: &Analysis, roles: &Roles) -> Vec<SpeakerStatistics> {
    analysis
        .talk
        .voices
        .iter()
        .map(|(channel, voice)| {
            let role = roles.of(channel);
            SpeakerStatistics {
                speaker: role.into(),
                talk_ms: voice.talk_ms,
                ratio: analysis.talk.talk_ratio(role, roles),
                utterances: voice.utterances,
                interruptions: voice.interruptions,
                longest_monologue_ms: voice.longest_monologue_ms,
            }
        })
        .collect()
}

fn stage(row: &StageRow) -> StageTiming {
    StageTiming {
        stage: row.stage.clone(),
        started_at: row.started_at.into(),
        took_ms: (row.ended_at - row.started_at).num_milliseconds(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vendors read `docs/errors.md`.
    #[test]
    fn every_cause_and_every_wait_is_listed_in_the_documentation() {
        let page = include_str!("../../../docs/errors.md");
        let causes = FailureCause::ALL.iter().map(|cause| cause.code());
        for code in causes.chain(RecordingWait::ALL.iter().map(|wait| wait.code())) {
            assert!(page.contains(&format!("\n- `{code}`")), "docs/errors.md lacks {code}");
        }
    }
}
