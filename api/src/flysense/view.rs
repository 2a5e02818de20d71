//! A transcription as the API tells it.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::analysis::Analysis;
use flysk_domain::flysense::classifiers::ClassifierSummary;
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::failure_cause::FailureCause;
use flysk_domain::flysense::roles::{Role, Roles};
use flysk_domain::flysense::sentiment::Sentiment;
use flysk_domain::flysense::summary::{SummaryAbsence, SummarySource};
use flysk_domain::flysense::utterance::Utterance;
use flysk_store::flysense::payments::Payment;
use flysk_store::flysense::stages::StageRow;
use flysk_store::flysense::transcriptions::Transcription;
use poem_openapi::Object;

use super::payment_view::PaymentView;

/// A code for machines and what people read, in Russian.
#[derive(Debug, Clone, Object)]
pub(crate) struct Coded {
    /// Stable, for machines.
    pub(crate) code: String,
    /// Russian, for people.
    pub(crate) label: String,
}

/// A call on its way from recording to transcript.
#[derive(Debug, Clone, Object)]
pub(crate) struct TranscriptionView {
    /// `tr_…`.
    id: String,
    /// The call note in amoCRM.
    note_id: u64,
    /// `leads`, `contacts`, `companies` or `customers`.
    entity_type: String,
    /// Whose card the note is in.
    entity_id: u64,
    /// Code of the state, see `state_label` for people.
    state: String,
    /// The state in Russian.
    state_label: String,
    /// Why it failed; null unless the state is `failed`.
    failure_code: Option<String>,
    /// Why it failed and what to do, in Russian.
    failure_label: Option<String>,
    /// What exactly kept the recording from us, where the code leaves that open: `login_required`, `login_page`, `document`,
    /// `link_expired`, `host_refused`, `host_away`, `connection_broken`, `certificate_refused`, `internal_network`,
    /// `not_a_link`, `redirect_loop`.
    failure_cause: Option<String>,
    /// What it waits for; null unless the state is `waiting_for_link`. `no_link`: the note has no link yet; `not_ready`: the
    /// link does not lead to a recording yet; `still_growing`: it leads to a part of one.
    waits_for: Option<Coded>,
    /// `incoming` or `outgoing`, once the note was read.
    direction: Option<String>,
    /// When the call was.
    called_at: Option<DateTime<Utc>>,
    /// True length of the recording, milliseconds.
    duration_ms: Option<u64>,
    /// Channels that were recognised: 2 if each speaker has one.
    channels: Option<u16>,
    /// Whether only the beginning of the recording could be had: it was cut off, or is far shorter than its call.
    partial: bool,
    /// Seconds that are paid for.
    seconds_billed: Option<u32>,
    /// What the call was about.
    summary: Option<String>,
    /// `speechkit` or `yandexgpt`; null without a summary.
    summary_source: Option<String>,
    /// Why there is no summary.
    summary_absence: Option<Coded>,
    /// The client's mood: `negative`, `neutral`, `positive`.
    sentiment: Option<Coded>,
    /// Tags managers gave.
    tags: Vec<String>,
    /// Whether operator and client were swapped by hand.
    roles_swapped: bool,
    /// Counts edits; send it back with an edit.
    version: u32,
    /// When it was asked for.
    created_at: DateTime<Utc>,
    /// When it last changed.
    updated_at: DateTime<Utc>,
    /// When it ended.
    finished_at: Option<DateTime<Utc>>,
}

impl From<&Transcription> for TranscriptionView {
    fn from(call: &Transcription) -> Self {
        let (failure, cause) = (call.failure_code(), call.failure_cause());
        let failure_label = cause.map(FailureCause::label).or(failure.map(FailureCode::label));
        let (source, absence) = summary_source(call.summary_source.as_deref());
        Self {
            id: call.id.to_string(),
            note_id: call.note_id.0,
            entity_type: call.entity_type.clone(),
            entity_id: call.entity_id.0,
            state: call.state.code().to_owned(),
            state_label: call.state.label().to_owned(),
            failure_code: failure.map(|code| code.code().to_owned()),
            failure_label: failure_label.map(str::to_owned),
            failure_cause: cause.map(|cause| cause.code().to_owned()),
            waits_for: call
                .waits_for()
                .map(|reason| Coded { code: reason.code().to_owned(), label: reason.label().to_owned() }),
            direction: call.direction.clone(),
            called_at: call.called_at,
            duration_ms: call.duration_ms,
            channels: call.channels,
            partial: call.partial,
            seconds_billed: call.billed_seconds,
            summary: call.summary.clone(),
            summary_source: source.map(|source| source.code().to_owned()),
            summary_absence: absence
                .map(|why| Coded { code: why.code().to_owned(), label: why.label().to_owned() }),
            sentiment: call.sentiment.as_deref().and_then(sentiment),
            tags: call.tags.0.clone(),
            roles_swapped: call.roles_swapped,
            version: call.version,
            created_at: call.created_at,
            updated_at: call.updated_at,
            finished_at: call.finished_at,
        }
    }
}

fn sentiment(code: &str) -> Option<Coded> {
    let mood: Sentiment = code.parse().ok()?;
    Some(Coded { code: mood.code().to_owned(), label: mood.label().to_owned() })
}

/// `yandexgpt`, or `absent:<reason>`.
fn summary_source(stored: Option<&str>) -> (Option<SummarySource>, Option<SummaryAbsence>) {
    match stored.map(|text| text.split_once(':')) {
        Some(Some(("absent", why))) => (None, why.parse().ok()),
        Some(_) => (stored.and_then(|text| text.parse().ok()), None),
        None => (None, None),
    }
}

/// One thing one voice said.
#[derive(Debug, Clone, Object)]
pub(crate) struct UtteranceView {
    /// `operator`, `client` or `unknown`.
    speaker: String,
    /// The recogniser's tag of the channel or voice.
    channel: String,
    /// From the start of the recording, milliseconds.
    start_ms: u64,
    /// From the start of the recording, milliseconds.
    end_ms: u64,
    /// What was said.
    text: String,
}

/// What a classifier found in one voice.
#[derive(Debug, Clone, Object)]
pub(crate) struct ClassifierView {
    /// Its name: `negative`, `formal_greeting`, …
    classifier: String,
    /// `operator`, `client` or `unknown`.
    speaker: String,
    /// The highest probability, 0 to 1.
    max: f64,
    /// The mean probability, 0 to 1.
    mean: f64,
    /// How many utterances it was sure of.
    hits: u32,
    /// How many utterances it judged.
    utterances: u32,
}

/// How much one side talked.
#[derive(Debug, Clone, Object)]
pub(crate) struct TalkView {
    /// `operator`, `client` or `unknown`.
    speaker: String,
    /// Milliseconds.
    talk_ms: u64,
    /// Share of all talking, 0 to 1.
    ratio: f64,
    /// How many utterances.
    utterances: u32,
    /// How often it cut in.
    interruptions: u32,
    /// The longest run without an answer, milliseconds.
    longest_monologue_ms: u64,
}

/// How long a stage took.
#[derive(Debug, Clone, Object)]
pub(crate) struct StageView {
    /// `fetch`, `convert`, `hold`, `upload`, `submit`, `recognize`, `store`, `summarize`, `settle`.
    stage: String,
    /// When its successful attempt began.
    started_at: DateTime<Utc>,
    /// Milliseconds.
    took_ms: i64,
}

/// A transcription with everything that was found in it.
#[derive(Debug, Clone, Object)]
pub(crate) struct TranscriptView {
    #[oai(flatten)]
    call: TranscriptionView,
    /// The dialogue by time; empty until there is one.
    utterances: Vec<UtteranceView>,
    /// What the classifiers found.
    classifiers: Vec<ClassifierView>,
    /// Who talked how much.
    talk: Vec<TalkView>,
    /// When nobody spoke, milliseconds.
    silence_ms: Option<u64>,
    /// How it was decided who is who: `channel`, `first_speaker`, `greeting`, `manual`, …
    roles_rule: Option<Coded>,
    /// Why the model thinks the mood is what it is.
    sentiment_reason: Option<String>,
    /// What it costs and how far its payment is; null until the recording is measured.
    payment: Option<PaymentView>,
    /// How long each stage took.
    stages: Vec<StageView>,
}

impl TranscriptView {
    /// Puts the parts together; a manual swap of the roles is applied here.
    pub(crate) fn new(
        call: &Transcription,
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
        let speaker =
            |channel| roles.as_ref().map_or(Role::Unknown, |roles| roles.of(channel)).code().to_owned();
        Self {
            call: call.into(),
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
            roles_rule: roles.as_ref().map(|roles| Coded {
                code: roles.rule.code().to_owned(),
                label: roles.rule.label().to_owned(),
            }),
            sentiment_reason: analysis
                .map(|analysis| analysis.sentiment_reason)
                .filter(|reason| !reason.is_empty()),
            payment: PaymentView::new(payment, call.state),
            stages: stages.iter().map(stage).collect(),
        }
    }
}

fn classifier(verdict: &ClassifierSummary, speaker: String) -> ClassifierView {
    ClassifierView {
        classifier: verdict.classifier.clone(),
        speaker,
        max: verdict.max,
        mean: verdict.mean,
        hits: verdict.hits,
        utterances: verdict.windows,
    }
}

fn talk(analysis: &Analysis, roles: &Roles) -> Vec<TalkView> {
    analysis
        .talk
        .voices
        .iter()
        .map(|(channel, voice)| {
            let role = roles.of(channel);
            TalkView {
                speaker: role.code().to_owned(),
                talk_ms: voice.talk_ms,
                ratio: analysis.talk.talk_ratio(role, roles),
                utterances: voice.utterances,
                interruptions: voice.interruptions,
                longest_monologue_ms: voice.longest_monologue_ms,
            }
        })
        .collect()
}

fn stage(row: &StageRow) -> StageView {
    StageView {
        stage: row.stage.clone(),
        started_at: row.started_at,
        took_ms: (row.ended_at - row.started_at).num_milliseconds(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flysk_domain::flysense::readiness::RecordingWait;

    /// `docs/errors.md` is what integrators read.
    #[test]
    fn every_cause_and_every_wait_is_listed_in_the_documentation() {
        let page = include_str!("../../../docs/errors.md");
        let causes = FailureCause::ALL.iter().map(|cause| cause.code());
        for code in causes.chain(RecordingWait::ALL.iter().map(|wait| wait.code())) {
            assert!(page.contains(&format!("\n- `{code}`")), "docs/errors.md lacks {code}");
        }
    }
}
